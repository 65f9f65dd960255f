"""Views of payment: to Stripe's Checkout and customer portal by a page of ours, and its messages (webhook)."""

import uuid

from django.http import Http404, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from keys.conf import settings
from keys.errors import ApiError, NotFound
from keys.http import Request
from keys.models import Action
from keys.web.forms import OnceForm
from keys.web.views import require_form
from plans.models import PlanRecord, StripeEvent
from plans.service import payments
from plans.service.subscriptions import Subscriptions, check_payment, way_to
from plans.sources import has_plans
from plans.web.decorators import with_plans
from plans.web.listing import listing
from plans.web.views import back_of, post_data, render_form


@require_form
@with_plans
def pay(request: Request, ring: Subscriptions, plan: str, name: str = "") -> HttpResponse:
    """Lead to Stripe's Checkout; the plan begins when Stripe says that it is paid."""
    chosen = ring.choosable(plan)
    if way_to(chosen) != "pay":
        raise NotFound("nothing that is paid by Stripe")
    ring.check_right(Action.START_PLAN)
    ring.check_proof(Action.START_PLAN)
    consumer = None
    if name:
        consumer, old = ring.current(name)
        check_payment(old)
    else:
        ring.check_newcomer()
    form = OnceForm(post_data(request), url=request.path)
    if form.is_valid():
        return _leave(request, payments.checkout_url(ring, chosen, name, token=form.cleaned_data["token"]))
    context = {"plan": chosen, "column": listing([chosen]).columns[0], "consumer": consumer}
    return render_form(request, ring, "plans/_pay.html", form, back=back_of(ring, name), **context)


@require_POST
@with_plans
def manage(request: Request, ring: Subscriptions, name: str) -> HttpResponse:
    """Lead to Stripe's customer portal, where what is paid is changed and ended."""
    ring.check_right(Action.CHANGE_PLAN)
    ring.check_proof(Action.CHANGE_PLAN)
    ring.consumer(name)
    record = PlanRecord.of(ring.environment, name)
    if not record.stripe_customer:
        raise NotFound("nothing that is paid by Stripe")
    return _leave(request, payments.portal_url(record, token=uuid.uuid4()))


def _leave(request: Request, target: str) -> HttpResponse:
    """By a page: the policy that forms go to this site only holds for what a form is redirected to as well."""
    if request.htmx:
        return HttpResponseClientRedirect(target)
    return render(request, "plans/leaving.html", {"target": target, "back": reverse("plans:page")})


# Signed by Stripe, so no token of ours is in it.
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
