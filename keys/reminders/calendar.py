"""Calendar feed (RFC 5545) of the ends of a person's keys, at an address that only its holder knows."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from keys.access import Actor
from keys.conf import settings
from keys.models import CalendarAddress
from keys.redaction import CALENDAR_TOKEN, Secret
from keys.service.keyring import KeyRing
from keys.types import ApiKey, Consumer
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline

icalendar: Any = SimpleLazyObject(lambda: import_module("icalendar"))  # four megabytes, for those who subscribe
REFRESH = timedelta(hours=6)


def make_address(user_id: Any) -> str:
    """The token of a new address; of it only a digest is kept."""
    token = Secret(CALENDAR_TOKEN + secrets.token_urlsafe(32))
    values = {"digest": _digest(token), "made_at": timezone.now()}
    CalendarAddress.objects.update_or_create(user_id=user_id, defaults=values)
    return token


def revoke_address(user_id: Any) -> None:
    CalendarAddress.objects.filter(user_id=user_id).delete()


def address_of(user_id: Any) -> CalendarAddress | None:
    return CalendarAddress.objects.filter(user_id=user_id).first()


def owner_of(token: str) -> AbstractBaseUser | None:
    """The person whose calendar this is; nobody if the address is unknown or revoked, or the account is closed."""
    address = CalendarAddress.objects.filter(digest=_digest(token)).first()
    return get_user_model().objects.filter(pk=address.user_id, is_active=True).first() if address else None


def _digest(token: str) -> str:
    # 256 random bits: no salt or slow hash is needed where nobody can guess.
    return hashlib.sha256(token.encode()).hexdigest()


def feed(actor: Actor) -> bytes:
    """The calendar as it is now, over all environments; raises an `ApiError` where one of them cannot be asked."""
    deadline, unread, events = Deadline(settings.KEYS_PAGE_SECONDS), 0, []
    for environment, bucket in settings.ZUPLO_BUCKETS.items():
        found = KeyRing(actor, environment, DeveloperAPI(bucket, deadline)).consumers()
        unread += found.unread
        events += list(_events(environment, found.consumers))
    name = _("Keys of %(portal)s") % {"portal": settings.PORTAL_NAME}
    calendar = icalendar.Calendar.new(
        name=name,
        description=_note(unread),
        prodid=f"-//{settings.PORTAL_NAME}//API keys//{(get_language() or 'en').upper()}",
        uid=uuid5(NAMESPACE_URL, f"{settings.PORTAL_URL}/calendar/{actor.user_id}"),
        refresh_interval=REFRESH,
        subcomponents=events,
    )
    # The library leaves it out, and programs take what has no type for a text (RFC 7986, section 5.7).
    calendar["REFRESH-INTERVAL"].params["VALUE"] = "DURATION"
    return bytes(calendar.to_ical())


def _events(environment: str, consumers: Iterable[Consumer]) -> Iterable[Any]:
    for consumer in consumers:
        for key in consumer.keys:
            if key.expires_on:
                yield _event(environment, consumer, key)


def _event(environment: str, consumer: Consumer, key: ApiKey) -> Any:
    """The end of one key; it takes no time, and keeps nobody busy."""
    page = settings.PORTAL_URL + reverse("keys:environment", args=[environment])
    facts = {"title": consumer.title, "environment": environment}
    return icalendar.Event.new(
        uid=uuid5(NAMESPACE_URL, f"{page}/{consumer.name}/{key.id}"),
        start=key.expires_on,
        stamp=timezone.now(),
        summary=_("%(label)s expires (%(title)s)") % {"label": key.title, "title": consumer.title},
        description=_("This API key of %(title)s (%(environment)s) expires now.") % facts,
        url=f"{page}#consumer-{consumer.name}",
        transparency=icalendar.enums.TRANSP.TRANSPARENT,
    )


def _note(unread: int) -> str:
    """Description of the calendar, and of what it lacks."""
    if not unread:
        return _("When your API keys expire.")
    words = ngettext(
        "Not complete: %(number)d consumer couldn't be read.",
        "Not complete: %(number)d consumers couldn't be read.",
        unread,
    )
    return words % {"number": unread}
