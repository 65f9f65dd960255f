"""Views of payment: to Stripe's Checkout and customer portal by a page of ours, and back; and its webhook."""

import logging
import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from keys.conf import settings
from keys.errors import ApiError, NotFound
from keys.http import Request
from keys.models import Action
from keys.web.answers import require_form
from keys.web.forms import NEVER, ON_A_DATE, CreateForm, OnceForm
from plans.models import StripeEvent
from plans.service import checkout, payments
from plans.service.subscriptions import Subscriptions, way_to
from plans.sources import has_plans
from plans.web.decorators import with_plans
from plans.web.listing import listing
from plans.web.views import back_of, post_data, render_form

logger = logging.getLogger(__name__)

LOOKS_AT_MOST = 20


@require_form
@with_plans
def pay(request: Request, ring: Subscriptions, plan: str, name: str = "") -> HttpResponse:
    """Lead to Stripe's Checkout; the plan begins when Stripe says that it is paid, a newcomer's with a first key."""
    chosen = ring.choosable(plan)
    if way_to(chosen) != "pay":
        raise NotFound("nothing that is paid by Stripe")
    ring.check_right(Action.START_PLAN)
    ring.check_proof(Action.START_PLAN)
    consumer = ring.consumer(name) if name else None
    if consumer:
        ring.check_payment(consumer)
    else:
        ring.check_newcomer()
    form = (OnceForm if consumer else CreateForm)(post_data(request), url=request.path)
    if form.is_valid():
        wish = _first_key(form) if isinstance(form, CreateForm) else {}
        token = form.cleaned_data["token"]
        return _leave(request, checkout.checkout_url(ring, chosen, consumer, token=token, **wish))
    context = {"plan": chosen, "column": listing([chosen]).columns[0], "consumer": consumer}
    return render_form(request, ring, "plans/_pay.html", form, back=back_of(ring, name), **context)


def _first_key(form: CreateForm) -> dict[str, str]:
    """The key that a newcomer gets once the plan is paid, in words that are the same each time the form is sent."""
    ends: str = form.cleaned_data["ends"]
    if ends == ON_A_DATE and form.key_ends:
        ends = form.key_ends.isoformat()
    return {"key_label": form.cleaned_data["label"], "key_lifetime": "" if ends == NEVER else ends}


@require_safe
@with_plans
def paid(request: Request, ring: Subscriptions) -> HttpResponse:
    """Back from Checkout: begin what is paid, if Stripe's message has not done so yet; else say that it is awaited."""
    if not settings.STRIPE_API_KEY:
        raise Http404
    ring.check_right(Action.START_PLAN)
    session, payment, consumer = request.GET.get("session", ""), None, None
    try:
        payment = checkout.finished_payment(ring, session)
        if payment.subscription_id:
            consumer = payments.bring_up_to_date(payment.subscription_id, session, ring.actor.reference)
    except NotFound:
        raise
    except ApiError as problem:
        logger.warning("a payment is awaited: %s", problem)
    if payment is None or consumer is None:
        return _awaited(request, session)
    if payment.is_newcomers and consumer.live_keys:
        messages.success(request, _("Thank you. Your plan has started, and your first key is here."))
        return HttpResponseRedirect(reverse("keys:environment", args=[ring.environment]), status=303)
    messages.success(request, _("Thank you. Your plan has started and applies from your next call."))
    return HttpResponseRedirect(back_of(ring, consumer.name), status=303)


def _awaited(request: Request, session: str) -> HttpResponse:
    """A page that looks again by itself, so many times."""
    looks = request.GET.get("looks", "")
    number = int(looks) if looks in map(str, range(LOOKS_AT_MOST)) else 0
    again = f"{request.path}?{urlencode({'session': session, 'looks': number + 1})}"
    goes_on = number + 1 < LOOKS_AT_MOST
    response = render(request, "plans/awaited.html", {"again": again, "goes_on": goes_on})
    if goes_on:
        response["Refresh"] = f"5; url={again}"
    return response


@require_POST
@with_plans
def manage(request: Request, ring: Subscriptions, name: str) -> HttpResponse:
    """Lead to Stripe's customer portal, where what is paid is changed and ended."""
    ring.check_right(Action.CHANGE_PLAN)
    ring.check_proof(Action.CHANGE_PLAN)
    return _leave(request, checkout.portal_url(ring, ring.consumer(name), token=uuid.uuid4()))


def _leave(request: Request, target: str) -> HttpResponse:
    """By a page: the policy that forms go to this site only holds for what a form is redirected to as well."""
    if request.htmx:
        return HttpResponseClientRedirect(target)
    return render(request, "plans/leaving.html", {"target": target, "back": reverse("plans:page")})


# Signed by Stripe, so no token of ours is in it. What was done stays on record, whatever fails after it.
@transaction.non_atomic_requests
@csrf_exempt
@require_POST
def webhook(request: Request) -> HttpResponse:
    """Webhook: each message is dealt with once, however often it comes; by 503 Stripe is asked to send it again."""
    if not (has_plans() and settings.STRIPE_API_KEY):
        raise Http404
    message = payments.read_message(request.body, request.headers.get("Stripe-Signature", ""))
    if message is None:
        return HttpResponseBadRequest("not signed by Stripe\n", content_type="text/plain")
    event_id, kind = str(message.get("id") or "")[:255], str(message.get("type") or "")[:100]
    if StripeEvent.objects.filter(id=event_id).exists():
        return HttpResponse("known\n", content_type="text/plain")
    if subscription_id := payments.subscription_in(message):
        try:
            payments.bring_up_to_date(subscription_id, event_id, getattr(request, "reference", ""))
        except ApiError:
            return HttpResponse("not now\n", status=503, content_type="text/plain")
    StripeEvent.objects.get_or_create(id=event_id, defaults={"kind": kind})
    return HttpResponse("done\n", content_type="text/plain")
