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
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from keys import counter
from keys.audit import sentences
from keys.audit.mails import deliver_if_possible
from keys.conf import settings
from keys.models import PLANNING, Action, AuditEvent, Outcome
from keys.times import in_words, written, zone
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
AT_MOST = {60 * 60: 20, 24 * 60 * 60: 60}
"""Mails in so many seconds about one consumer to one mailbox: its managers choose whom else they name as one."""
NAMED_AT_MOST = 50


def tell_managers(event: AuditEvent, consumer: Consumer) -> bool:
    """Mail every manager. The change has been made: trouble with the mails neither fails, repeats nor hides it.

    That a key has leaked is mailed wherever a colleague asks for it, and an invitation always. False: see `mail_about`.
    """
    return not is_told(event) or mail_about(event, consumer)


def mail_about(event: AuditEvent, consumer: Consumer) -> bool:
    """Mail whomever the event concerns; False if an invitation was among the mails and could not be sent."""
    what = f"event {event.pk}: its managers could not be told"
    try:
        mails = _mails(event, consumer)
    except Exception:
        logger.exception("%s", what)
        return False
    invitations = [one for one in mails if one.to[0] in _invited(event)]
    is_sent = not invitations or deliver_if_possible(invitations, what)
    if others := [one for one in mails if one not in invitations]:
        deliver_if_possible(others, what)
    return is_sent


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
        "is_gone": False,
        "many": event.action in {Action.ROTATE_ALL, Action.DELETE_CONSUMER},
    }
    room = _room(event, _addresses(event, consumer))
    return in_their_words(list(room), lambda address: _write(address, context | {"is_last": room[address] == 1}))


def _room(event: AuditEvent, addresses: list[str]) -> dict[str, int]:
    """Rate limit: to whom there is room for a mail, and for how many, this one included.

    Each consumer has its own, so that nobody silences what is done to keys elsewhere. Colleagues' changes and leaks
    are always told; invitations have limits of their own.
    """
    unlimited = addresses if event.staff_email or "found" in event.facts else _invited(event)
    found = dict.fromkeys(filter(addresses.__contains__, unlimited), max(AT_MOST.values()))
    for address in filter(lambda one: one not in found, addresses):
        who = digest_of_mailbox(f"{event.environment}/{event.consumer}", address)
        left = [most + 1 - counter.count(f"keys:mails:{seconds}:{who}", seconds) for seconds, most in AT_MOST.items()]
        if min(left) > 0:
            found[address] = min(left)
    return found


def digest_of_mailbox(purpose: str, email: str) -> str:
    """Cache key of the mailbox that an address leads to."""
    salt = f"keys.audit.notifications {purpose}"
    return salted_hmac(salt, counter.mailbox(email), algorithm="sha256").hexdigest()


def _end_of(event: AuditEvent) -> datetime | None:
    """Expiry that the mail names: a new one of its key, or that of the key that was replaced."""
    ends = None
    if event.action in {Action.CREATE, Action.CHANGE_END}:
        ends = event.facts.get("ends")
    elif event.action in {Action.ROTATE, Action.ROTATE_ALL} and event.outcome == Outcome.DONE:  # else it stays
        ends = max(event.facts.get("old", {}).values(), default=None)
    return parse_datetime(ends) if ends else None


def _facts(event: AuditEvent) -> list[tuple[str, str]]:
    """Facts of the change as lines of the mail, in the language and zone of its reader."""
    facts, ends = event.facts, _end_of(event)
    end = f"{written(ends)} ({from_now(ends)})" if ends else ""
    has_expired, of_many = ends is not None and ends <= timezone.now(), event.action == Action.ROTATE_ALL
    until = _("Old keys work until") if of_many else _("Old key works until")
    if has_expired:
        until = _("Old keys expired") if of_many else _("Old key expired")
    names = [f"{label} ••••{ending}".strip() for label, ending in facts.get("names", {}).values()]
    replaces = event.action in {Action.ROTATE, Action.ROTATE_ALL}
    lines = [
        (_("Key"), f"{event.key_label} {event.masked}".strip()),
        (_("Keys"), ", ".join(names[:NAMED_AT_MOST]) + (" …" if len(names) > NAMED_AT_MOST else "")),
        (_("New key"), f"••••{facts['new_ending']}" if replaces and facts.get("new_ending") else ""),
        (until if replaces else _("Expired") if has_expired else _("Expires"), end),
        (_("Plan"), facts.get("plan_name", "")),
        (_("Plan before"), facts.get("plan_before", "")),
        (_("When"), written(event.started_at)),
        (_("From"), "" if event.staff_email else event.address),
        (_("Environment"), event.environment),
    ]
    return [(name, text) for name, text in lines if text]


def from_now(moment: datetime) -> str:
    """Relative time with plain spaces, as mails have no others."""
    return in_words(moment, timezone.now()).replace("\xa0", " ")


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
        end = _end_of(event) if event.action != Action.CREATE else None
        ends = [end.isoformat()] if end else []
    moments = filter(None, map(parse_datetime, ends))
    return event.outcome == Outcome.DONE and any(moment <= timezone.now() for moment in moments)


def _write(address: str, context: dict[str, Any]) -> tuple[str, str]:
    event, title = context["event"], context["consumer"].title
    if address in _invited(event):
        told = {"who": event.who, "title": _title_for_strangers(context["consumer"]), "address": address}
        page = page_of_consumer(event.environment, event.consumer)
        subject = _("%(who)s gave you access to the API keys of %(title)s") % told
        return subject, render_to_string("keys/invitation_mail.txt", context | told | {"page": page})
    if event.action == Action.REMOVE_MANAGER and address == event.facts["address"]:
        told = {"title": _title_for_strangers(context["consumer"])}
        subject = _("You no longer have access to the API keys of %(title)s") % told
        lines = [(_("Done by"), event.who), *_facts(event)]
        return subject, render_to_string("keys/mail.txt", context | {"what": subject, "facts": lines, "is_gone": True})
    template, what = "keys/mail.txt", sentences.in_words(event, title)
    if "found" in event.facts:
        template, what = (
            "keys/leak_mail.txt",
            _("The key %(key)s has leaked") % {"key": event.key_label or event.masked},
        )
    names_it = event.action in {Action.RENAME_CONSUMER, Action.CREATE_CONSUMER, Action.DELETE_CONSUMER}
    subject = what if names_it else _("%(what)s (%(title)s)") % {"what": what, "title": title}
    return subject, render_to_string(template, context | {"what": subject, "facts": _facts(event)})


def _addresses(event: AuditEvent, consumer: Consumer) -> list[str]:
    """The managers, and who is one no more; or the invited alone. What upstream calls an address need not be one."""
    concerned = [event.facts["address"]] if event.action == Action.REMOVE_MANAGER else _invited(event)
    if event.action == Action.INVITE or not (settings.KEYS_MAIL_MANAGERS or "found" in event.facts):
        return _invited(event)
    return list(dict.fromkeys([*filter(is_address, concerned), *managers_to_tell(consumer)]))


REQUEST = "keys.access-request"
REQUEST_SECONDS = 14 * 24 * 60 * 60


def ask_managers(environment: str, consumer: Consumer, address: str) -> None:
    """Mail every manager that somebody asks for access, with a link to the form in which that address stands."""
    context = {
        "address": address,
        "consumer": consumer,
        "portal_name": settings.PORTAL_NAME,
        "portal_url": settings.PORTAL_URL,
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
        "page": settings.PORTAL_URL + form_for(environment, consumer.name, address),
    }

    def write(_manager: str) -> tuple[str, str]:
        subject = _("%(who)s asks for access to %(title)s") % {"who": address, "title": consumer.title}
        return subject, render_to_string("keys/access_request_mail.txt", context)

    mails = in_their_words(managers_to_tell(consumer), write)
    deliver_if_possible(mails, f"managers of {consumer.name} could not be asked for access")


def form_for(environment: str, consumer: str, address: str) -> str:
    """URL of the form that gives access, in which this address stands already."""
    form = reverse("keys:add_manager", args=[environment, consumer])
    return f"{form}?for={signing.dumps(address, salt=REQUEST)}"


def address_asked_for(signed: str) -> str:
    """The address in a link of such a mail; "" where it is none of ours, or old."""
    try:
        return str(signing.loads(signed, salt=REQUEST, max_age=REQUEST_SECONDS))
    except signing.BadSignature:
        return ""


def _invited(event: AuditEvent) -> list[str]:
    return [event.facts["address"]] if event.action in {Action.ADD_MANAGER, Action.INVITE} else []


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
