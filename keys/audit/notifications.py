"""Notification mails: the managers of a consumer hear what was done to its keys, so that nobody does it unseen."""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from keys.audit.mails import deliver_if_possible
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

    That a key has leaked is mailed wherever a colleague asks for it, and an invitation always.
    """
    if not is_told(event):
        return
    what = f"event {event.pk}: its managers could not be told"
    try:
        mails = _mails(event, consumer)
    except Exception:
        logger.exception("%s", what)
        return
    deliver_if_possible(mails, what)


def is_told(event: AuditEvent) -> bool:
    """True if managers are mailed of such an event, once it is done."""
    return event.action in TOLD and bool(settings.KEYS_MAIL_MANAGERS or "found" in event.facts or _invited(event))


def in_their_words(
    addresses: list[str], write: Callable[[str], tuple[str, str]], headers: Mapping[str, str] | None = None
) -> list[EmailMessage]:
    """One mail for each address: subject and body are written anew in the language and time zone of its holder.

    Where a language is not known, it is that of whoever brings the mail about.
    """
    languages = import_string(settings.KEYS_LANGUAGES)(addresses)
    zones = import_string(settings.KEYS_TIME_ZONES)(addresses)
    mails = []
    for address in addresses:
        language = languages.get(address.lower()) or get_language()
        with timezone.override(zone(zones.get(address.lower(), ""))), override(language):
            subject, body = write(address)
        named = {"Content-Language": language} if language else {}
        mails.append(EmailMessage(subject, body, to=[address], headers={**(headers or {}), **named}))
    return mails


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
    return in_their_words(_addresses(event, consumer), lambda address: _write(address, context))


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


def _write(address: str, context: dict[str, Any]) -> tuple[str, str]:
    event = context["event"]
    template, subject = "keys/mail.txt", _("%(title)s: %(what)s")
    told = {"title": context["consumer"].title, "what": Action(event.action).label, "who": event.who}
    if "found" in event.facts:
        template, told["what"] = "keys/leak_mail.txt", _("A key has leaked")
    elif address in _invited(event):
        template, told["title"] = "keys/invitation_mail.txt", _title_for_strangers(context["consumer"])
        subject = _("%(who)s gives you access to the API keys of %(title)s")
        context = context | told | {"address": address, "page": page_of_consumer(event.environment, event.consumer)}
    return subject % told, render_to_string(template, context)


def _addresses(event: AuditEvent, consumer: Consumer) -> list[str]:
    """The managers, and who is one no more. What upstream calls a manager's address need not be one."""
    concerned = [event.facts["address"]] if event.action == Action.REMOVE_MANAGER else _invited(event)
    if not settings.KEYS_MAIL_MANAGERS and "found" not in event.facts:
        return _invited(event)
    return list(dict.fromkeys([*filter(is_address, concerned), *managers_to_tell(consumer)]))


REQUEST = "keys.access-request"
REQUEST_SECONDS = 14 * 24 * 60 * 60


def ask_managers(environment: str, consumer: Consumer, address: str) -> None:
    """Mail every manager that somebody asks for access, with a link to the form in which that address stands."""
    addresses = managers_to_tell(consumer)
    languages = import_string(settings.KEYS_LANGUAGES)(addresses)
    form = settings.PORTAL_URL + reverse("keys:add_manager", args=[environment, consumer.name])
    context = {
        "address": address,
        "consumer": consumer,
        "portal_name": settings.PORTAL_NAME,
        "portal_url": settings.PORTAL_URL,
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
        "page": f"{form}?for={signing.dumps(address, salt=REQUEST)}",
    }
    mails = []
    for manager in addresses:
        language = languages.get(manager.lower()) or get_language()
        with override(language):
            subject = _("%(who)s asks for access to %(title)s") % {"who": address, "title": consumer.title}
            body = render_to_string("keys/access_request_mail.txt", context)
        mails.append(EmailMessage(subject, body, to=[manager], headers={"Content-Language": language}))
    deliver_if_possible(mails, f"managers of {consumer.name} could not be asked for access")


def address_asked_for(signed: str) -> str:
    """The address in a link of such a mail; "" where it is none of ours, or old."""
    try:
        return str(signing.loads(signed, salt=REQUEST, max_age=REQUEST_SECONDS))
    except signing.BadSignature:
        return ""


def _invited(event: AuditEvent) -> list[str]:
    return [event.facts["address"]] if event.action == Action.ADD_MANAGER else []


def _title_for_strangers(consumer: Consumer) -> str:
    """The title, unless it may hold a link: its managers choose it, and whom it is mailed to."""
    return consumer.name if re.search(r"[:/@]|\w\.\w", consumer.title) else consumer.title


def page_of_consumer(environment: str, name: str) -> str:
    return str(settings.PORTAL_URL + reverse("keys:consumer", args=[environment, name]))


def managers_to_tell(consumer: Consumer) -> list[str]:
    return addresses_of(consumer)[:MANAGERS_AT_MOST]


def addresses_of(consumer: Consumer) -> list[str]:
    """The managers' addresses, each once: somebody may be added and invited. What upstream calls so need not be one."""
    found = {manager.email.lower(): manager.email for manager in consumer.managers if is_address(manager.email)}
    return list(found.values())


def is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
