"""Views of Django admin about plans: answer a request, change a customer's plan with a reason."""

import functools
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from keys.access import Actor, Right, Staff
from keys.conf import settings
from keys.errors import NotAllowed, NotFound
from keys.http import Request
from keys.staff.directory import FirstKey
from keys.types import Consumer
from keys.web.answers import undone
from keys.web.decorators import View, keyring_for
from plans.models import PlanRecord, PlanRequest, RequestState
from plans.service import requests
from plans.service.issues import leave_payment
from plans.service.on_behalf import consumer_for
from plans.service.subscriptions import Subscriptions, mark
from plans.sources import has_plans
from plans.staff.forms import AnswerForm, FindForm, PlanForm

FIRST_KEY_LASTS = timedelta(days=90)
"""As the form for a first key proposes."""


def with_permission(permission: str) -> Callable[[View], View]:
    """Call the view for a colleague who has it, under the own name. Pages are whole ones, and no transactions."""

    def decorate(view: View) -> View:
        @transaction.non_atomic_requests
        @functools.wraps(view)
        def as_staff(request: Request, **parts: Any) -> HttpResponseBase:
            if not has_plans():
                raise Http404
            if not request.user.has_perm(permission):
                raise PermissionDenied
            act_as_staff(request)
            request.htmx = HtmxDetails(HttpRequest())
            return view(request, **parts)

        return as_staff

    return decorate


def act_as_staff(request: Request, reason: str = "") -> None:
    """Act as staff: whoever may change plans sees the consumers that have them; each change has a reason."""
    assert request.user.is_authenticated  # noqa: S101, Django admin has seen to it
    rights = frozenset({Right.VIEW, Right.CHANGE})
    request.staff = Staff(request.user.pk, request.user.email, rights, reason)


@with_permission("plans.change_planrequest")
def answer(request: Request, pk: int) -> HttpResponse:
    """Approve or refuse what somebody asked for. The plan is changed first: what failed stays in the queue."""
    asked = get_object_or_404(PlanRequest, pk=pk)
    if asked.state != RequestState.OPEN:
        messages.warning(request, _("This request has already been answered."))
        return HttpResponseRedirect(reverse("admin:plans_planrequest_change", args=[pk]))
    form = AnswerForm(request.POST if request.method == "POST" else None, url=request.path)
    if form.is_valid():
        state, sentence = RequestState(form.cleaned_data["state"]), form.cleaned_data["answer"]
        made, said = "", _("Answered. The customer gets an email.")
        if state == RequestState.APPROVED:
            act_as_staff(request, reason=_("Request %(number)s") % {"number": asked.pk})
            try:
                made = _carry_out(request, asked).name
            except NoManager:
                state, sentence = RequestState.WITHDRAWN, ""
                said = _("Nothing was changed: %(email)s is no longer a manager of %(consumer)s. Request closed.")
                said %= {"email": asked.email, "consumer": asked.consumer}
        by = request.user.get_username()
        requests.answer(asked, state, sentence=sentence, by=by, consumer=made)
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:plans_planrequest_changelist"))
    context = {"asked": asked, "form": form, "title": str(asked), "opts": PlanRequest._meta}
    context |= {"payment": _payment_of(asked.environment, asked.consumer)}
    return _page(request, "admin/plans/planrequest/answer.html", context, form.is_bound)


class NoManager(Exception):
    """Who asked for a plan is no manager of that consumer any more, or it is gone."""


def _carry_out(request: Request, asked: PlanRequest) -> Consumer:
    """Give the consumer the plan, a consumer of its own to who has none yet. Done again, it does nothing more."""
    if asked.environment not in settings.ZUPLO_BUCKETS:
        raise NotAllowed(_("This request's environment no longer exists."))
    ring = keyring_for(request, asked.environment, Subscriptions)
    token = uuid.uuid5(uuid.UUID(int=asked.pk), "plan request")
    consumer = _asked_for(ring, asked) if asked.consumer else _of_newcomer(ring, asked, token)
    old = ring.source.subscription(consumer)
    if old and old.plan_key == asked.plan_key:
        return consumer
    if old:
        ring.change_plan(consumer.name, asked.plan_key, seen=mark(old), token=token, at_once=True, is_approved=True)
    else:
        ring.subscribe(consumer.name, asked.plan_key, token=token, is_approved=True)
    leave_payment(ring, consumer, asked.plan_key)
    return consumer


def _asked_for(ring: Subscriptions, asked: PlanRequest) -> Consumer:
    try:
        consumer, _subscription = ring.current(asked.consumer)
    except NotFound as gone:
        raise NoManager from gone
    if not requests.is_askers(asked, consumer):
        raise NoManager
    return consumer


def _of_newcomer(ring: Subscriptions, asked: PlanRequest, token: uuid.UUID) -> Consumer:
    plan = ring.source.plan(asked.plan_key)
    if plan is None:
        raise NotAllowed(
            _("This plan no longer exists."),
            advice=_("Refuse the request and say what the customer can choose instead."),
        )
    first = FirstKey(_("First key"), timezone.now() + FIRST_KEY_LASTS)
    return consumer_for(ring, Actor(asked.user_id or 0, (asked.email,)), plan, first=first, token=token)


def _payment_of(environment: str, name: str) -> PlanRecord | None:
    """The consumer's payment by Stripe, for a warning; that of an earlier consumer of this name warns as well."""
    paid = PlanRecord.objects.filter(environment=environment, consumer=name).exclude(stripe_subscription="")
    return paid.first() if name else None


@with_permission("plans.change_planrecord")
def find(request: Request) -> HttpResponse:
    """Lead to the plan of a consumer by its name."""
    form = FindForm(request.GET)
    if form.is_valid():
        place = [form.cleaned_data["environment"], form.cleaned_data["name"]]
        return HttpResponseRedirect(reverse("admin:plans_planrecord_plan", args=place))
    messages.error(request, _("That isn't a valid consumer name."))
    return HttpResponseRedirect(reverse("admin:plans_planrecord_changelist"))


@with_permission("plans.change_planrecord")
def change_plan(request: Request, environment: str, name: str) -> HttpResponse:
    """Change a customer's plan at once, or give a first one, with a reason."""
    if environment not in settings.ZUPLO_BUCKETS:
        raise NotFound("no such environment")
    ring = keyring_for(request, environment, Subscriptions)
    consumer, old = ring.current(name)
    form = PlanForm(request.POST if request.method == "POST" else None, url=request.path, plans=ring.offered())
    if form.is_valid():
        act_as_staff(request, form.cleaned_data["reason"])
        ring = keyring_for(request, environment, Subscriptions)
        wanted, seen, token = (form.cleaned_data[field] for field in ("plan", "seen", "token"))
        if old:
            change = ring.change_plan(name, wanted, seen=seen, token=token, at_once=True, is_approved=True)
        else:
            change = ring.subscribe(name, wanted, token=token, is_approved=True)
        if not change.is_gone:
            leave_payment(ring, consumer, wanted)
        words = undone() if change.is_gone else _("Plan changed. All managers get an email.")
        messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:plans_planrecord_changelist"))
    form.initial = {**form.initial, "seen": mark(old), "plan": old.plan_key if old else ""}
    context: dict[str, Any] = {"consumer": consumer, "subscription": old, "form": form, "title": consumer.title}
    context |= {"payment": _payment_of(environment, name)}
    return _page(request, "admin/plans/planrecord/plan.html", context, form.is_bound)


def _page(request: Request, template: str, context: dict[str, Any], is_wrong: bool) -> HttpResponse:
    return render(request, template, admin.site.each_context(request) | context, status=422 if is_wrong else 200)
