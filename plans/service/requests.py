"""Requests for plans: asked by customers, answered by colleagues in Django admin, with mails to both sides."""

from typing import Any

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from keys import counter
from keys.access import Actor, same_address
from keys.conf import settings
from keys.errors import NotAllowed, NotFound
from keys.models import Action
from keys.service import rate_limits
from keys.service.keyring import SUPPORT_MAY_NOT
from keys.types import Consumer
from plans.models import PlanRequest, RequestState
from plans.service import mails
from plans.service.subscriptions import Subscriptions
from plans.types import Plan

DAY = 24 * 60 * 60
MAILED_AT_MOST = 10
"""Requests of one person in a day that are mailed: to ask and withdraw by turns fills nobody's mailbox."""


def check(ring: Subscriptions, consumer: Consumer | None, plan: Plan) -> None:
    """Raises `NotAllowed` for whoever may not ask: support, people without a proved address, who has it already."""
    if not ring.may(Action.START_PLAN):
        raise NotAllowed(SUPPORT_MAY_NOT)
    if not ring.actor.email:
        raise NotAllowed(_("Confirm your email address first."))
    current = ring.source.subscription(consumer) if consumer else None
    if current and current.plan_key == plan.key:
        raise NotAllowed(_("You already have this plan."))


def ask(ring: Subscriptions, consumer: Consumer | None, plan: Plan, words: str) -> PlanRequest:
    """Put a request into the queue; one that waits already is replaced by this one, never doubled."""
    rate_limits.count(ring.actor, Action.START_PLAN)
    what = {
        "user_id": ring.actor.user_id,
        "plan_key": plan.key,
        "plan_name": plan.name,
        "words": words,
        "created_at": timezone.now(),
    }
    email = _address_of(ring.actor, consumer)
    place: dict[str, Any] = {
        "email": email,
        "environment": ring.environment,
        "consumer": consumer.name if consumer else "",
        "state": RequestState.OPEN,
    }
    try:
        with transaction.atomic():
            asked, is_new = PlanRequest.objects.update_or_create(**place, defaults=what)
    except IntegrityError:  # sent twice at the same moment: the other one is there now
        asked, is_new = PlanRequest.objects.get(**place), False
    if is_new and counter.count(f"plans:asks:{ring.actor.user_id}", DAY) <= MAILED_AT_MOST:
        mails.send([email], "asked", reverse("plans:page"), asked=asked)
        admin_page = reverse("admin:plans_planrequest_change", args=[asked.pk])
        mails.send(settings.PLAN_REQUESTS_TO, "new_request", admin_page, asked=asked)
    return asked


def _address_of(actor: Actor, consumer: Consumer | None) -> str:
    """The address by which the person manages the consumer."""
    managers = consumer.managers if consumer else ()
    return next((email for email in actor.emails for one in managers if same_address(one.email, email)), actor.email)


def withdraw(ring: Subscriptions, pk: int) -> None:
    """Take one's own request back; raises `NotFound` for what is not one's own, or answered."""
    if not ring.may(Action.START_PLAN):
        raise NotAllowed(SUPPORT_MAY_NOT)
    rate_limits.count(ring.actor, Action.START_PLAN)
    own = PlanRequest.objects.filter(
        pk=pk, email__in=ring.actor.emails, environment=ring.environment, state=RequestState.OPEN
    )
    if not own.update(state=RequestState.WITHDRAWN, answered_at=timezone.now()):
        raise NotFound("no open request of this person")


def answer(asked: PlanRequest, state: RequestState, *, sentence: str, by: str, consumer: str = "") -> None:
    """Close a request and tell the person; raises `NotFound` if somebody else was quicker.

    `consumer` is the one that the person has with it, where it was made for that.
    """
    said = {"state": state, "answer": sentence, "answered_at": timezone.now(), "answered_by": by}
    if not PlanRequest.objects.filter(pk=asked.pk, state=RequestState.OPEN).update(**said):
        raise NotFound("answered meanwhile")
    asked.refresh_from_db()
    path = reverse("plans:page")
    if asked.consumer:
        path = reverse("plans:subscription", args=[asked.environment, asked.consumer])
    elif consumer:
        path = reverse("keys:environment", args=[asked.environment])
    mails.send([asked.email], _MAILS[state], path, asked=asked, consumer=consumer)


def is_askers(asked: PlanRequest, consumer: Consumer) -> bool:
    """True while the address by which the person asked is among the managers."""
    return any(same_address(manager.email, asked.email) for manager in consumer.managers)


_MAILS = {
    RequestState.APPROVED: "approved",
    RequestState.REFUSED: "refused",
    RequestState.WITHDRAWN: "closed",
}
