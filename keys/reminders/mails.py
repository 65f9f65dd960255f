"""Reminder mails: one for each manager of a consumer, naming the keys that expire soon or have expired."""

from dataclasses import dataclass

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from keys.audit.notifications import from_now, in_their_words
from keys.conf import settings
from keys.types import ApiKey, Consumer

NAMED_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Line:
    """A key in the mail, with the address where it is rotated, or once it has ended, where another one is made."""

    key: ApiKey
    when: str
    url: str


def mails_about(environment: str, consumer: Consumer, keys: list[ApiKey], recipients: list[str]) -> list[EmailMessage]:
    settings_url = _url("reminders_in", environment)
    return in_their_words(
        recipients,
        lambda _address: _write(environment, consumer, keys, settings_url),
        {"List-Unsubscribe": f"<{settings_url}>"},
    )


def _write(environment: str, consumer: Consumer, keys: list[ApiKey], settings_url: str) -> tuple[str, str]:
    keys = sorted(keys, key=lambda key: (key.expires_on is None, key.expires_on, key.id))
    context = {
        "consumer": consumer,
        "environment": environment,
        "lines": [_line(environment, key) for key in keys[:NAMED_AT_MOST]],
        "more": max(0, len(keys) - NAMED_AT_MOST),
        "page": _url("environment", environment),
        "settings_url": settings_url,
        "portal_name": settings.PORTAL_NAME,
        "portal_url": settings.PORTAL_URL,
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
    }
    return _subject(consumer, keys), render_to_string("keys/reminder_mail.txt", context)


def _subject(consumer: Consumer, keys: list[ApiKey]) -> str:
    first, number = keys[0], len(keys)
    words = {"title": consumer.title, "label": first.title, "number": number}
    if number == 1 and first.expires_on and not first.is_ended:
        words["when"] = from_now(first.expires_on)
        return _("%(label)s expires %(when)s (%(title)s)") % words
    if number == 1:
        return _("%(label)s has expired (%(title)s)") % words
    if all(key.is_ended for key in keys):
        return (
            ngettext("%(number)d key has expired (%(title)s)", "%(number)d keys have expired (%(title)s)", number)
            % words
        )
    if any(key.is_ended for key in keys):
        return _("%(number)d keys expire soon or have expired (%(title)s)") % words
    return (
        ngettext("%(number)d key expires soon (%(title)s)", "%(number)d keys expire soon (%(title)s)", number) % words
    )


def _line(environment: str, key: ApiKey) -> Line:
    when = from_now(key.expires_on) if key.expires_on else ""
    if key.is_ended:
        return Line(key, when, _url("create_in", environment, key.consumer))
    return Line(key, when, _url("rotate", environment, key.consumer, key.id))


def _url(name: str, *parts: str) -> str:
    return f"{settings.PORTAL_URL}{reverse(f'keys:{name}', args=parts)}"
