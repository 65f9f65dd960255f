"""Rotation pairs and leaks: which key replaced which, and where one was found. The log knows it, the API does not."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.db.models import CharField, Q
from django.utils.dateparse import parse_datetime

from keys.models import DONE, Action, AuditEvent
from keys.prepared import Blank, Prepared
from keys.types import ApiKey, Consumer

LATELY = timedelta(minutes=2)  # "end the old key now" means a minute ago
EVENTS_AT_MOST = 500  # the newest; a key that was replaced long before is a row like any other
_ROTATIONS = Q(action__in=[Action.ROTATE, Action.ROTATE_ALL])
_LEAKS = Q(action=Action.CHANGE_END, facts__has_key="found")


@dataclass(frozen=True, slots=True)
class _Told:
    """Of one consumer: the ids of replaced keys with those that replaced them; where leaked ones were found."""

    new: dict[str, str] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)


def with_replacements(consumers: Iterable[Consumer], environment: str) -> list[Consumer]:
    """The consumers with each key knowing the one made in its place, if that is still there, and where it leaked.

    A key that was replaced, or has leaked, has an end; where none has one, the audit log is not asked.
    """
    known = list(consumers)
    names = [consumer.name for consumer in known if consumer.has_ends]
    told = _told(environment, names) if names else {}
    return [_with_told(consumer, told[consumer.name]) if consumer.name in told else consumer for consumer in known]


def _with_told(consumer: Consumer, told: _Told) -> Consumer:
    keys = {key.id: key for key in consumer.keys}

    def with_told(key: ApiKey) -> ApiKey:
        if key.id not in told.new and key.id not in told.found:  # nearly all, where there are many
            return key
        return replace(key, replaced_by=keys.get(told.new.get(key.id, "")), leaked=told.found.get(key.id, ""))

    return replace(consumer, keys=tuple(map(with_told, consumer.keys)))


def _told(environment: str, names: list[str]) -> dict[str, _Told]:
    told: dict[str, _Told] = {}
    for action, consumer, key_id, facts, started_at in _EVENTS.rows(names, environment=environment):
        of_consumer = told.setdefault(consumer, _Told())
        if action == Action.CHANGE_END:
            of_consumer.found.setdefault(key_id, facts["found"])
        if "each" in facts:
            continue  # of keys that were rotated one by one, each has an event of its own
        for old, at in facts.get("old", {}).items():
            ends = parse_datetime(at)
            # Rotating all keys notes those too that had ended long before.
            if ends and (action == Action.ROTATE or ends >= started_at - LATELY):
                of_consumer.new.setdefault(old, facts.get("new", ""))
    return told


_EVENTS = Prepared(
    lambda names: (
        AuditEvent.objects.filter(
            _ROTATIONS | _LEAKS,
            environment=Blank("environment", CharField()),
            consumer__in=[Blank(name, CharField()) for name in names],
            outcome__in=DONE,
        )
        .order_by("-started_at")
        .values_list("action", "consumer", "key_id", "facts", "started_at")[:EVENTS_AT_MOST]
    )
)
