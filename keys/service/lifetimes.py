"""Key lifetimes: how long a key was made for. Its end may have been moved; the audit log knows, the API does not."""

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from keys.conf import settings
from keys.errors import NotAllowed
from keys.models import DONE, Action, AuditEvent
from keys.times import local
from keys.tolerance import same_time
from keys.types import ApiKey

EVENTS_AT_MOST = 50


def check_last(ends: datetime) -> None:
    """Refuse an end that lies too far ahead, whatever a form let pass. Its last day ends a day later somewhere."""
    last = timezone.now() + timedelta(days=settings.KEYS_LONGEST_DAYS)
    if ends > last + timedelta(days=1):
        words = _("The latest possible expiry is %(day)s.") % {"day": date_format(local(last))}
        raise NotAllowed(words, title=_("Can't set this expiry"))


def renewed_end(key: ApiKey, environment: str) -> datetime | None:
    """The end of a key's replacement: as long from now as the key itself was made for; None is never."""
    ends = first_end(key, environment)
    if ends is None:
        return None
    try:
        return max(ends, timezone.now() + (ends - key.created_on))
    except OverflowError:
        return ends


def first_end(key: ApiKey, environment: str) -> datetime | None:
    """Original end of the key, as far as that is known; None is never.

    We move no end past it, also where a replaced key is kept: a later one was given elsewhere, and counts.
    """
    if key.expires_on is None:
        return None
    events = AuditEvent.objects.filter(
        Q(facts__new=key.id) | Q(facts__was__has_key=key.id),
        environment=environment,
        consumer=key.consumer,
        outcome__in=DONE,
    )
    event = events.order_by("started_at").first()
    if event is None:
        return key.expires_on
    text = event.facts["ends"] if event.facts.get("new") == key.id else event.facts["was"][key.id]
    first = parse_datetime(text) if text else None
    return first and max(first, key.expires_on)


def own_end(key: ApiKey, environment: str) -> datetime | None:
    """The end that a key had before rotations gave it an earlier one; None is never. Until then it may be kept.

    An end that was chosen for the key itself stays, as when it leaked; so does one that was given elsewhere.
    """
    events = AuditEvent.objects.filter(
        Q(action__in=[Action.ROTATE, Action.ROTATE_ALL]) | Q(action=Action.CHANGE_END, key_id=key.id),
        environment=environment,
        consumer=key.consumer,
        outcome__in=DONE,
        facts__was__has_key=key.id,
    )
    own = key.expires_on
    for event in events.order_by("-started_at", "-pk")[:EVENTS_AT_MOST]:
        given = event.facts["ends"] if event.action == Action.CHANGE_END else event.facts["old"].get(key.id)
        is_chosen = event.action == Action.CHANGE_END and "keeps" not in event.facts
        if own is None or is_chosen or not same_time(own, parse_datetime(given or "")):
            break
        own = (was := event.facts["was"][key.id]) and parse_datetime(was)
    return own and max(own, key.expires_on or own)


def current_ends(*keys: ApiKey) -> dict[str, str | None]:
    """The ends of keys before a change moves them, to be noted with it."""
    return {key.id: key.expires_on.isoformat() if key.expires_on else None for key in keys}
