"""Views of Django admin about plans: answer a request, change a customer's plan with a reason."""

import functools
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from keys.access import Actor, Right, Staff
from keys.conf import settings
from keys.errors import NotAllowed, NotFound
from keys.http import Request
from keys.web.decorators import View, keyring_for
from keys.web.views import undone
from plans.models import PlanRequest, RequestState
from plans.service import requests
from plans.service.on_behalf import consumer_for
from plans.service.subscriptions import Subscriptions, mark
from plans.sources import has_plans
from plans.staff.forms import AnswerForm, FindForm, PlanForm


def with_permission(permission: str) -> Callable[[View], View]:
    """Call the view for a colleague who has it, under the own name. Pages here are whole ones."""

    def decorate(view: View) -> View:
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
        messages.warning(request, _("This request has been answered."))
        return HttpResponseRedirect(reverse("admin:plans_planrequest_change", args=[pk]))
    form = AnswerForm(request.POST if request.method == "POST" else None, url=request.path)
    if form.is_valid():
        state, sentence = RequestState(form.cleaned_data["state"]), form.cleaned_data["answer"]
        if state == RequestState.APPROVED:
            act_as_staff(request, reason=_("Request %(number)s") % {"number": asked.pk})
            _carry_out(request, asked)
        requests.answer(asked, state, sentence=sentence, by=request.user.get_username())
        messages.success(request, _("Answered. The customer gets an e-mail."))
        return HttpResponseRedirect(reverse("admin:plans_planrequest_changelist"))
    context = {"asked": asked, "form": form, "title": str(asked), "opts": PlanRequest._meta}
    return _page(request, "admin/plans/planrequest/answer.html", context, form.is_bound)


def _carry_out(request: Request, asked: PlanRequest) -> None:
    """Give the consumer the plan, a consumer of its own to who has none yet. Done again, it does nothing more."""
    if asked.environment not in settings.ZUPLO_BUCKETS:
        raise NotAllowed(_("The environment of this request is gone."))
    ring = keyring_for(request, asked.environment, Subscriptions)
    token = uuid.uuid5(uuid.UUID(int=asked.pk), "plan request")
    customer = Actor(asked.user_id or 0, (asked.email,))
    name = asked.consumer or consumer_for(ring, customer, ring.choosable(asked.plan_key), token=token)
    _consumer, old = ring.current(name)
    if old and old.plan_key == asked.plan_key:
        return
    if old:
        ring.change_plan(name, asked.plan_key, seen=mark(old), token=token, at_once=True, is_approved=True)
    else:
        ring.subscribe(name, asked.plan_key, token=token, is_approved=True)


@with_permission("plans.change_planrecord")
def find(request: Request) -> HttpResponse:
    """Lead to the plan of a consumer by its name."""
    form = FindForm(request.GET)
    if form.is_valid():
        place = [form.cleaned_data["environment"], form.cleaned_data["name"]]
        return HttpResponseRedirect(reverse("admin:plans_planrecord_plan", args=place))
    messages.error(request, _("No consumer can have this name."))
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
        words = undone() if change.is_gone else _("The plan is changed. All managers get an e-mail.")
        messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:plans_planrecord_changelist"))
    form.initial = {**form.initial, "seen": mark(old), "plan": old.plan_key if old else ""}
    context = {"consumer": consumer, "subscription": old, "form": form, "title": consumer.title}
    return _page(request, "admin/plans/planrecord/plan.html", context, form.is_bound)


def _page(request: Request, template: str, context: dict[str, Any], is_wrong: bool) -> HttpResponse:
    return render(request, template, admin.site.each_context(request) | context, status=422 if is_wrong else 200)
