"""Notification mails: the managers of a consumer hear what was done to its keys, so that nobody does it unseen."""

import logging
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from keys.conf import settings
from keys.models import PLANNING, Action, AuditEvent, Outcome
from keys.times import zone
from keys.types import Consumer

logger = logging.getLogger(__name__)

TOLD = PLANNING | {
    Action.CREATE,
    Action.ROTATE,
    Action.ROTATE_ALL,
    Action.CHANGE_END,
    Action.DELETE,
    Action.CREATE_CONSUMER,
    Action.DELETE_CONSUMER,
    Action.ADD_MANAGER,
    Action.REMOVE_MANAGER,
}
MANAGERS_AT_MOST = 50


def tell_managers(event: AuditEvent, consumer: Consumer) -> None:
    """Mail every manager. The change has been made: trouble with the mails neither fails, repeats nor hides it.

    That a key has leaked is mailed wherever a colleague asks for it.
    """
    if event.action not in TOLD or not (settings.KEYS_MAIL_MANAGERS or "found" in event.facts):
        return
    try:
        get_connection().send_messages(_mails(event, consumer))
    except Exception:
        logger.exception("event %s: its managers could not be told", event.pk)


def _mails(event: AuditEvent, consumer: Consumer) -> list[EmailMessage]:
    place = ["key", event.consumer, event.key_id] if "found" in event.facts else ["environment"]
    page = settings.PORTAL_URL + reverse(f"keys:{place[0]}", args=[event.environment, *place[1:]])
    context = {
        "event": event,
        "consumer": consumer,
        "portal_name": settings.PORTAL_NAME,
        "portal_url": settings.PORTAL_URL,
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
        "page": page,
        "ends": _end_of(event),
        "has_ended": _has_ended_a_key(event),
        "many": event.action in {Action.ROTATE_ALL, Action.DELETE_CONSUMER},
    }
    addresses = _addresses(event, consumer)
    languages = import_string(settings.KEYS_LANGUAGES)(addresses)
    zones = import_string(settings.KEYS_TIME_ZONES)(addresses)
    mails = []
    for address in addresses:
        with timezone.override(zone(zones.get(address.lower(), ""))):
            mails.append(_mail(address, languages.get(address.lower()) or get_language(), context))
    return mails


def _end_of(event: AuditEvent) -> datetime | None:
    """New end of the key that the mail names, if that was changed."""
    ends = None
    if event.action == Action.CHANGE_END:
        ends = event.facts.get("ends")
    elif event.action == Action.ROTATE and event.outcome == Outcome.DONE:  # else the old key goes on
        ends = event.facts.get("old", {}).get(event.key_id)
    return parse_datetime(ends) if ends else None


def _has_ended_a_key(event: AuditEvent) -> bool:
    """True if a key that worked until then works no more, so that the mail says how soon the gateway knows."""
    if event.action == Action.DELETE:
        return True
    if event.action == Action.DELETE_CONSUMER:
        return bool(event.facts.get("ended"))
    if event.action == Action.ROTATE_ALL:  # its facts name each old key, those that had ended long before too
        was = event.facts.get("was", {})
        ends = [end for key, end in event.facts.get("old", {}).items() if end != was.get(key)]
    else:
        ends = [end.isoformat()] if (end := _end_of(event)) else []
    moments = filter(None, map(parse_datetime, ends))
    return event.outcome == Outcome.DONE and any(moment <= timezone.now() for moment in moments)


def _mail(address: str, language: str | None, context: dict[str, Any]) -> EmailMessage:
    """One mail, in the manager's own language; in that of whoever made the change where it is not known."""
    event = context["event"]
    has_leaked = "found" in event.facts
    with override(language):
        what = _("A key has leaked") if has_leaked else Action(event.action).label
        subject = _("%(title)s: %(what)s") % {"title": context["consumer"].title, "what": what}
        body = render_to_string("keys/leak_mail.txt" if has_leaked else "keys/mail.txt", context)
    return EmailMessage(subject, body, to=[address], headers={"Content-Language": language} if language else None)


def _addresses(event: AuditEvent, consumer: Consumer) -> list[str]:
    """The managers, and who is one no more. What upstream calls a manager's address need not be one."""
    removed = [event.facts["address"]] if event.action == Action.REMOVE_MANAGER else []
    return list(filter(is_address, removed)) + managers_to_tell(consumer)


def managers_to_tell(consumer: Consumer) -> list[str]:
    return list(filter(is_address, (manager.email for manager in consumer.managers[:MANAGERS_AT_MOST])))


def is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
