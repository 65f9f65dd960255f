"""Requests for plans: asked by customers, answered by colleagues in Django admin, with mails to both sides."""

import logging
from typing import Any

from django.core.mail import EmailMessage, get_connection
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from keys.conf import settings
from keys.errors import NotAllowed, NotFound
from keys.models import Action
from keys.service.keyring import SUPPORT_MAY_NOT
from keys.types import Consumer
from plans.models import PlanRequest, RequestState
from plans.service.subscriptions import Subscriptions
from plans.types import Plan

logger = logging.getLogger(__name__)


def check(ring: Subscriptions, consumer: Consumer | None, plan: Plan) -> None:
    """Raises `NotAllowed` for whoever may not ask: support, people without a proved address, who has it already."""
    if not ring.may(Action.START_PLAN):
        raise NotAllowed(SUPPORT_MAY_NOT)
    if not ring.actor.email:
        raise NotAllowed(_("Please confirm your e-mail address first."))
    current = ring.source.subscription(consumer) if consumer else None
    if current and current.plan_key == plan.key:
        raise NotAllowed(_("This is the plan that you have."))


def ask(ring: Subscriptions, consumer: Consumer | None, plan: Plan, words: str) -> PlanRequest:
    """Put a request into the queue; one that waits already is replaced by this one, never doubled."""
    what = {
        "user_id": ring.actor.user_id,
        "plan_key": plan.key,
        "plan_name": plan.name,
        "words": words,
        "created_at": timezone.now(),
    }
    place: dict[str, Any] = {
        "email": ring.actor.email,
        "environment": ring.environment,
        "consumer": consumer.name if consumer else "",
        "state": RequestState.OPEN,
    }
    try:
        with transaction.atomic():
            asked, is_new = PlanRequest.objects.update_or_create(**place, defaults=what)
    except IntegrityError:  # sent twice at the same moment: the other one is there now
        asked, is_new = PlanRequest.objects.get(**place), False
    if is_new:
        _tell([ring.actor.email], "plans/mails/asked", asked)
        _tell(settings.PLAN_REQUESTS_TO, "plans/mails/new_request", asked, path=_admin_page(asked))
    return asked


def withdraw(ring: Subscriptions, pk: int) -> None:
    """Take one's own request back; raises `NotFound` for what is not one's own, or answered."""
    if not ring.may(Action.START_PLAN):
        raise NotAllowed(SUPPORT_MAY_NOT)
    own = PlanRequest.objects.filter(
        pk=pk, email__in=ring.actor.emails, environment=ring.environment, state=RequestState.OPEN
    )
    if not own.update(state=RequestState.WITHDRAWN, answered_at=timezone.now()):
        raise NotFound("no open request of this person")


def answer(asked: PlanRequest, state: RequestState, *, sentence: str, by: str) -> None:
    """Close a request and tell the person; raises `NotFound` if somebody else was quicker."""
    said = {"state": state, "answer": sentence, "answered_at": timezone.now(), "answered_by": by}
    if not PlanRequest.objects.filter(pk=asked.pk, state=RequestState.OPEN).update(**said):
        raise NotFound("answered meanwhile")
    asked.refresh_from_db()
    path = reverse("plans:page")
    if asked.consumer:
        path = reverse("plans:subscription", args=[asked.environment, asked.consumer])
    name = "approved" if state == RequestState.APPROVED else "refused"
    _tell([asked.email], f"plans/mails/{name}", asked, path=path)


def _admin_page(asked: PlanRequest) -> str:
    return reverse("admin:plans_planrequest_change", args=[asked.pk])


def _tell(addresses: list[str], template: str, asked: PlanRequest, path: str = "") -> None:
    """Mail each address in its own language. Trouble with a mail fails and repeats nothing."""
    languages = import_string(settings.KEYS_LANGUAGES)(addresses)
    context: dict[str, Any] = {
        "asked": asked,
        "portal_name": settings.PORTAL_NAME,
        "page": settings.PORTAL_URL + (path or reverse("plans:page")),
    }
    mails = []
    for address in addresses:
        with override(languages.get(address.lower()) or get_language()):
            subject, _newline, body = render_to_string(f"{template}.txt", context).partition("\n")
        mails.append(EmailMessage(subject.strip(), body.lstrip(), to=[address]))
    try:
        get_connection().send_messages(mails)
    except Exception:
        logger.exception("plan request %s: nobody could be told", asked.pk)
