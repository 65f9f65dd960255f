"""Views of plans: the public page, choosing one, a newcomer's start, and asking for what is on request."""

import logging
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from keys.conf import settings
from keys.errors import ApiError, NotFound, OddAnswer
from keys.http import Request
from keys.web.answers import require_form
from keys.web.decorators import api_for, keyring_for
from keys.web.forms import CreateForm
from keys.web.views import first_key_response
from plans.models import PlanRequest, RequestState
from plans.service import requests
from plans.service.subscriptions import Subscriptions, way_to
from plans.sources import has_plans, source_for
from plans.web.decorators import with_plans
from plans.web.forms import RequestForm
from plans.web.listing import listing

logger = logging.getLogger(__name__)

CACHED_SECONDS = 300


@transaction.non_atomic_requests
@require_safe
def page(request: Request, environment: str | None = None) -> HttpResponse:
    """All plans, for everybody: kept by caches for those who are not signed in, with one's own marked for others."""
    if not has_plans() or (environment and environment not in settings.ZUPLO_BUCKETS):
        raise Http404
    environment = environment or next(iter(settings.ZUPLO_BUCKETS))
    context: dict[str, Any] = {
        "environment": environment,
        "environments": list(settings.ZUPLO_BUCKETS),
        "portal_url": settings.PORTAL_URL,
    }
    if request.user.is_authenticated:
        ring = keyring_for(request, environment, Subscriptions)
        response = render(request, "plans/page.html", context | _own(ring))
        add_never_cache_headers(response)
        return response
    plans = [plan for plan in source_for(api_for(environment), environment).plans() if not plan.is_private]
    response = render(
        request,
        "plans/page.html",
        context | {"listing": listing(plans), "trouble": False, "waiting": [], "is_visit": False},
    )
    patch_vary_headers(response, ["Cookie", "Accept-Language"])
    # The shell of a host project may hold a form, whose cookie is one visitor's.
    if settings.SESSION_COOKIE_NAME not in request.COOKIES and not request.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
        patch_cache_control(response, public=True, max_age=CACHED_SECONDS)
    return response


def _own(ring: Subscriptions) -> dict[str, Any]:
    """The page for somebody who is signed in; if their own plans cannot be had now, the page says so and goes on."""
    own: dict[str, list[str]] = {}
    trouble, count = False, 0
    try:
        found = ring.consumers()
        count, trouble = len(found.consumers), bool(found.unread)
        for consumer in found.consumers:
            if subscription := ring.source.subscription(consumer):
                own.setdefault(subscription.plan_key, []).append(consumer.title)
    except ApiError as problem:
        logger.warning("own plans are not marked: %s", problem)
        trouble = True
    waiting = PlanRequest.objects.filter(
        email__in=ring.actor.emails, environment=ring.environment, state=RequestState.OPEN
    )
    return {
        "listing": listing(ring.offered(), {key: tuple(titles) for key, titles in own.items()}),
        "consumers": count,
        "trouble": trouble,
        "waiting": list(waiting),
        "emails": ring.actor.emails,
        "is_visit": ring.actor.on_visit,
    }


@require_safe
@with_plans
def choose(request: Request, ring: Subscriptions, plan: str) -> HttpResponse:
    """From a plan to the way to it: a newcomer's start, the change of one's consumer, or the choice among several."""
    chosen = ring.choosable(plan)
    found = ring.consumers()
    consumers = found.consumers
    if found.unread and not consumers:
        raise OddAnswer("a consumer that may be this person's could not be read")
    if not consumers:
        name = {"request": "request", "pay": "pay"}.get(way_to(chosen), "start")
        return HttpResponseRedirect(reverse(f"plans:{name}", args=[ring.environment, plan]))
    if len(consumers) == 1:
        return HttpResponseRedirect(reverse("plans:change_to", args=[ring.environment, consumers[0].name, plan]))
    context = {"plan": chosen, "consumers": consumers}
    return render_form(request, ring, "plans/_choose.html", back=reverse("plans:page"), **context)


@require_form
@with_plans
def start(request: Request, ring: Subscriptions, plan: str) -> HttpResponse:
    """A newcomer's plan, consumer and key in one go."""
    form = CreateForm(post_data(request), url=request.path)
    chosen = ring.choosable(plan)
    if form.is_valid():
        label, token = form.cleaned_data["label"], form.cleaned_data["token"]
        begun = ring.start(chosen, label=label, ends=form.key_ends, token=token)
        if not begun.has_begun:
            messages.warning(
                request, _("Your key was created, but the plan couldn't be started. Start it on the Plans page.")
            )
        return first_key_response(request, ring, begun.change)
    ring.check_newcomer_with_plan(chosen)
    return render_form(request, ring, "plans/_start.html", form, plan=chosen, back=reverse("plans:page"))


@require_form
@with_plans
def request_plan(request: Request, ring: Subscriptions, plan: str, name: str = "") -> HttpResponse:
    """Ask for a plan that somebody has to approve."""
    chosen = ring.choosable(plan)
    if way_to(chosen) != "request":
        raise NotFound("nothing that has to be asked for")
    form = RequestForm(post_data(request), url=request.path)
    consumer = ring.consumer(name) if name else None
    requests.check(ring, consumer, chosen)
    if form.is_valid():
        requests.ask(ring, consumer, chosen, form.cleaned_data["words"])
        return done(request, back_of(ring, name), _("Request sent. We'll email you the answer."))
    return render_form(
        request, ring, "plans/_request.html", form, plan=chosen, consumer=consumer, back=back_of(ring, name)
    )


@require_POST
@with_plans
def withdraw(request: Request, ring: Subscriptions, pk: int) -> HttpResponse:
    requests.withdraw(ring, pk)
    return done(request, reverse("plans:page"), _("Request withdrawn."))


# What views share


def back_of(ring: Subscriptions, name: str) -> str:
    return reverse("plans:subscription", args=[ring.environment, name]) if name else reverse("plans:page")


def post_data(request: Request) -> Any:
    return request.POST if request.method == "POST" else None


def render_form(
    request: Request, ring: Subscriptions, partial: str, form: Any = None, *, back: str, **context: Any
) -> HttpResponse:
    """The partial for htmx, or a page around it; 422 when the form came back with errors."""
    context |= {"environment": ring.environment, "form": form, "back": back, "partial": partial}
    status = 422 if form is not None and form.is_bound else 200
    return render(request, partial if request.htmx else "plans/dialog.html", context, status=status)


def done(request: Request, page: str, notice: str) -> HttpResponse:
    """Lead the whole page on, with a notice."""
    messages.success(request, notice)
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page, status=303)
