"""Rotation pairs: which key replaced which. The API does not know, but the audit log does."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from django.db.models import CharField
from django.utils.dateparse import parse_datetime

from keys.models import DONE, Action, AuditEvent
from keys.prepared import Blank, Prepared
from keys.types import Consumer

LATELY = timedelta(minutes=2)  # "end the old key now" means a minute ago
ROTATIONS_AT_MOST = 500  # the newest; a key that was replaced long before is a row like any other


def with_replacements(consumers: Iterable[Consumer], environment: str) -> list[Consumer]:
    """The consumers with each key knowing the one that was made in its place, if that is still there.

    A key that was replaced has an end; where none has one, the audit log is not asked.
    """
    known = list(consumers)
    names = [consumer.name for consumer in known if any(key.expires_on for key in consumer.keys)]
    made = _replacement_ids(environment, names) if names else {}
    return [_with_pairs(consumer, made.get(consumer.name, {})) for consumer in known]


def _with_pairs(consumer: Consumer, made: dict[str, str]) -> Consumer:
    if not made:
        return consumer
    keys = {key.id: key for key in consumer.keys}
    return replace(
        consumer, keys=tuple(replace(key, replaced_by=keys.get(made.get(key.id, ""))) for key in consumer.keys)
    )


def _replacement_ids(environment: str, names: list[str]) -> dict[str, dict[str, str]]:
    """For each consumer the ids of replaced keys, and of those that replaced them."""
    found: dict[str, dict[str, str]] = {}
    for action, consumer, facts, started_at in _ROTATIONS.rows(names, environment=environment):
        for old, at in facts.get("old", {}).items():
            ends = parse_datetime(at)
            # Rotating all keys notes those too that had ended long before.
            if ends and (action == Action.ROTATE or ends >= started_at - LATELY):
                found.setdefault(consumer, {}).setdefault(old, facts.get("new", ""))
    return found


_ROTATIONS = Prepared(
    lambda names: (
        AuditEvent.objects.filter(
            environment=Blank("environment", CharField()),
            consumer__in=[Blank(name, CharField()) for name in names],
            action__in=[Action.ROTATE, Action.ROTATE_ALL],
            outcome__in=DONE,
        )
        .order_by("-started_at")
        .values_list("action", "consumer", "facts", "started_at")[:ROTATIONS_AT_MOST]
    )
)
