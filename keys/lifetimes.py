"""How long a key was made for. Its end may have been moved since: the API does not know, but the audit log does."""

from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys.models import DONE, Action, AuditEvent
from keys.types import ApiKey

MOVING = {Action.CHANGE_END, Action.ROTATE, Action.ROTATE_ALL}


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
    """When the key was to end as it was made, as far as that is known; None is never."""
    events = AuditEvent.objects.filter(
        environment=environment,
        consumer=key.consumer,
        action__in=MOVING | {Action.CREATE, Action.CREATE_CONSUMER},
        outcome__in=DONE,
    )
    for facts in events.order_by("started_at").values_list("facts", flat=True):
        if facts.get("new") == key.id:
            return _moment(facts.get("ends"))
        if key.id in facts.get("was", {}):
            return _moment(facts["was"][key.id])
    return key.expires_on


def as_they_are(*keys: ApiKey) -> dict[str, str | None]:
    """The ends of keys before a change moves them, to be noted with it."""
    return {key.id: key.expires_on.isoformat() if key.expires_on else None for key in keys}


def _moment(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None
