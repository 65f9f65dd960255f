"""What our own changes of the last minute did, for lists of the Developer API that do not show it yet.

Its documentation says that changes replicate "in seconds" (zuplo.com/docs: articles/api-key-management). A key just
made must not be missing meanwhile, and a deleted one must not be offered. Pure functions.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from django.utils.dateparse import parse_datetime

from keys.models import Action, AuditEvent, Outcome
from keys.settlement import unended
from keys.types import ApiKey, Consumer, Manager

_DONE = {Outcome.DONE, Outcome.PARTLY}


def with_change(consumer: Consumer, event: AuditEvent) -> Consumer:
    """The consumer as it is after the change, if that was done."""
    if event.outcome not in _DONE:
        return consumer
    return _AFTER[Action(event.action)](consumer, event)


def new_consumer(event: AuditEvent) -> Consumer | None:
    """The consumer that was made with a newcomer's first key, if that was done."""
    if "manager" not in event.facts or event.outcome not in _DONE:
        return None
    return Consumer(event.consumer, event.facts["title"], (Manager(event.facts["manager"]),), keys=())


def _with_new_key(consumer: Consumer, event: AuditEvent) -> Consumer:
    facts = event.facts
    if "new" not in facts or facts["new"] in consumer.key_ids:
        return consumer
    ends = parse_datetime(facts["ends"]) if facts["ends"] else None
    key = ApiKey(facts["new"], consumer.name, facts["label"], facts["new_ending"], event.started_at, ends)
    return consumer.with_key(key)


def _rotated(consumer: Consumer, event: AuditEvent) -> Consumer:
    consumer = _with_new_key(consumer, event)
    if event.outcome == Outcome.DONE:
        for key, at in unended(event, consumer).items():
            consumer = consumer.with_key(replace(key, expires_on=at))
    return consumer


def _with_end(consumer: Consumer, event: AuditEvent) -> Consumer:
    at: datetime | None = parse_datetime(event.facts["ends"])
    return _changed(consumer, event, lambda key: replace(key, expires_on=at))


def _renamed(consumer: Consumer, event: AuditEvent) -> Consumer:
    return _changed(consumer, event, lambda key: replace(key, label=event.facts["label"]))


def _changed(consumer: Consumer, event: AuditEvent, change: Callable[[ApiKey], ApiKey]) -> Consumer:
    if event.key_id not in consumer.key_ids:
        return consumer
    return consumer.with_key(change(consumer.key(event.key_id)))


_AFTER: dict[Action, Callable[[Consumer, AuditEvent], Consumer]] = {
    Action.CREATE: _with_new_key,
    Action.ROTATE: _rotated,
    Action.ROTATE_ALL: _rotated,
    Action.RENAME: _renamed,
    Action.CHANGE_END: _with_end,
    Action.DELETE: lambda consumer, event: consumer.without_key(event.key_id),
    Action.RENAME_CONSUMER: lambda consumer, event: replace(consumer, label=event.facts["label"]),
}
