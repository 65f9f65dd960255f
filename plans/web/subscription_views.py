"""Views of one consumer's plan: what it is and what was used, another one, its end, and taking that back."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from keys.errors import ChangedMeanwhile
from keys.http import Request
from keys.models import PLANNING, Action
from keys.web.answers import require_form, undone
from plans.models import PlanRequest, RequestState
from plans.service.subscriptions import Subscriptions, Wish, mark, way_to
from plans.types import Direction, Subscription
from plans.web.decorators import with_plans
from plans.web.forms import CancelForm, ChangeForm, SeenForm
from plans.web.listing import listing
from plans.web.panels import panel_of, whole_look
from plans.web.usage import usage_of
from plans.web.views import back_of, done, post_data, render_form


@require_safe
@with_plans
def page(request: Request, ring: Subscriptions, name: str) -> HttpResponse:
    consumer, subscription = ring.current(name)
    plan = ring.source.plan(subscription.plan_key) if subscription else None
    context = {
        "environment": ring.environment,
        "consumer": consumer,
        "subscription": subscription,
        "plan": plan,
        "column": listing([plan]).columns[0] if plan else None,
        "can_change": all(ring.may(action) for action in PLANNING),
        "token": SeenForm().initial,
        "resume_form": _resume_form(subscription),
        "waiting": PlanRequest.objects.filter(
            environment=ring.environment, consumer=consumer.name, state=RequestState.OPEN
        ),
        "emails": ring.actor.emails,
        "is_visit": ring.actor.on_visit,
        "is_paying": ring.pays_by_stripe(consumer),
    }
    return render(request, "plans/subscription.html", context | usage_of(ring, subscription))


@require_safe
@with_plans
def panel(request: Request, ring: Subscriptions, name: str) -> HttpResponse:
    """The panel of one card of the API Keys page, where a glance did not do."""
    return HttpResponse(panel_of(ring, ring.consumer(name), whole_look(ring)))


@require_safe
@with_plans
def change(request: Request, ring: Subscriptions, name: str) -> HttpResponse:
    """The plans to choose from, for this consumer."""
    consumer, subscription = ring.current(name)
    context = {
        "consumer": consumer,
        "subscription": subscription,
        "columns": listing(ring.offered()).columns,
    }
    return render_form(request, ring, "plans/_change.html", back=back_of(ring, name), **context)


@require_form
@with_plans
def change_to(request: Request, ring: Subscriptions, name: str, plan: str) -> HttpResponse:
    """Confirm a change of plan, or the beginning of a first one, and make it."""
    consumer, old = ring.current(name)
    wish = ring.wish(old, ring.choosable(plan))
    if other := {"request": "plans:request_for", "pay": "plans:pay_for"}.get(way_to(wish.plan)):
        return HttpResponseRedirect(reverse(other, args=[ring.environment, name, plan]))
    form = ChangeForm(post_data(request), url=request.path, asks_when=_asks_when(wish))
    if form.is_valid():
        token, seen = form.cleaned_data["token"], form.cleaned_data["seen"]
        if old is None and seen in {"", mark(None)}:
            change = ring.subscribe(name, plan, token=token)
        else:
            change = ring.change_plan(name, plan, seen=seen, token=token, at_once=form.at_once)
        return done(request, back_of(ring, name), undone() if change.is_gone else _changed(wish))
    action = Action.CHANGE_PLAN if old else Action.START_PLAN
    ring.check_right(action)
    ring.check_proof(action)
    form.initial["seen"] = mark(old)
    context = {
        "consumer": consumer,
        "wish": wish,
        "estimate": _estimate(ring, wish),
        "restarts": ring.source.knows_usage,
    }
    context |= {"column": listing([wish.plan]).columns[0]}
    return render_form(request, ring, "plans/_change_to.html", form, back=back_of(ring, name), **context)


@require_form
@with_plans
def cancel(request: Request, ring: Subscriptions, name: str) -> HttpResponse:
    consumer, subscription = ring.current(name)
    data = post_data(request)
    # A form that is sent again finds no plan any more.
    expected = subscription.plan_name if subscription else data.get("plan_name", "") if data else ""
    form = CancelForm(data, url=request.path, expected=expected)
    if form.is_valid():
        change = ring.cancel_plan(name, seen=form.cleaned_data["seen"], token=form.cleaned_data["token"])
        words = undone() if change.is_gone else _("Plan cancelled. Everyone with access gets an email.")
        return done(request, back_of(ring, name), words)
    if subscription is None:
        raise ChangedMeanwhile("there is no plan")
    ring.check_right(Action.CANCEL_PLAN)
    ring.check_proof(Action.CANCEL_PLAN)
    form.initial["seen"] = mark(subscription)
    context = {"consumer": consumer, "subscription": subscription, "is_at_once": subscription.is_in_free_phase}
    return render_form(request, ring, "plans/_cancel.html", form, back=back_of(ring, name), **context)


@require_POST
@with_plans
def resume(request: Request, ring: Subscriptions, name: str) -> HttpResponse:
    form = SeenForm(request.POST, url=request.path)
    if not form.is_valid():
        raise ChangedMeanwhile("a form that was not sent whole")
    change = ring.resume_plan(name, seen=form.cleaned_data["seen"], token=form.cleaned_data["token"])
    words = undone() if change.is_gone else _("Your plan continues as before.")
    return done(request, back_of(ring, name), words)


def _asks_when(wish: Wish) -> bool:
    """Only people can say when, where neither order nor price tells an upgrade, and there is a period to wait for."""
    old = wish.old if wish.direction == Direction.UNKNOWN else None
    return old is not None and old.plan_key != wish.plan.key and old.resets_on is not None


def _resume_form(subscription: Subscription | None) -> Any:
    form = SeenForm()
    form.initial["seen"] = mark(subscription)
    return form


def _estimate(ring: Subscriptions, wish: Wish) -> Any:
    if wish.old is None or wish.when is not None:
        return None
    return ring.source.estimate(wish.old, wish.plan, at_once=True)


def _changed(wish: Wish) -> str:
    if wish.old is None:
        return _("The %(plan)s plan has started. It applies from your next call.") % {"plan": wish.plan.name}
    if wish.when is None:
        return _("You're now on the %(plan)s plan. It applies from your next call.") % {"plan": wish.plan.name}
    return _("Your plan changes to %(plan)s at the end of the billing period.") % {"plan": wish.plan.name}
