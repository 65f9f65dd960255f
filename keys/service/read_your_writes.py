"""Read-your-writes: our own changes of the last minute, applied to lists of the Developer API that lag behind.

Its documentation says that changes replicate "in seconds" (zuplo.com/docs: articles/api-key-management). A key just
made must not be missing meanwhile, and a deleted one must not be offered. Pure functions.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from django.utils.dateparse import parse_datetime

from keys.access import same_address
from keys.models import DONE, Action, AuditEvent, Outcome
from keys.service.confirmed_writes import unended
from keys.types import ApiKey, Consumer, Manager


def with_change(consumer: Consumer, event: AuditEvent) -> Consumer | None:
    """The consumer as it is after the change, if that was done; None when it was deleted."""
    if event.outcome not in DONE:
        return consumer
    return _AFTER[Action(event.action)](consumer, event)


def new_consumer(event: AuditEvent) -> Consumer | None:
    """The consumer that was made by a colleague or with a newcomer's first key, if that was done."""
    facts = event.facts
    if event.outcome not in DONE or not facts.keys() & {"manager", "managers"}:
        return None
    addresses = facts["managers"] if "managers" in facts else [facts["manager"]]
    managers = tuple(Manager(address, invited=facts.get("invited", False)) for address in addresses)
    tags, metadata, consumer_id = facts.get("tags", {}), facts.get("metadata", {}), facts.get("consumer_id", "")
    return Consumer(event.consumer, facts["title"], managers, (), tags, metadata, id=consumer_id)


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


def _reshaped(consumer: Consumer, event: AuditEvent) -> Consumer:
    facts = event.facts
    return replace(
        consumer,
        label=facts.get("label", consumer.label),
        tags=facts.get("tags", consumer.tags),
        metadata=facts.get("metadata", consumer.metadata),
    )


def _with_manager(consumer: Consumer, event: AuditEvent) -> Consumer:
    address, manager_id = event.facts["address"], event.facts.get("manager_id", "")
    if any(same_address(manager.email, address) and not manager.invited for manager in consumer.managers):
        return consumer
    return replace(consumer, managers=(*consumer.managers, Manager(address, manager_id)))


def _without_manager(consumer: Consumer, event: AuditEvent) -> Consumer:
    gone, address = event.facts["manager_id"], event.facts["address"]
    # Of a consumer that we know by its making only, no manager has an id yet.
    left = [one for one in consumer.managers if one.id != gone and (one.id or not same_address(one.email, address))]
    return replace(consumer, managers=tuple(left))


def _changed(consumer: Consumer, event: AuditEvent, change: Callable[[ApiKey], ApiKey]) -> Consumer:
    """Change the key, unless it is gone, or cannot be read and so is not shown."""
    known = next((key for key in consumer.keys if key.id == event.key_id), None)
    return consumer.with_key(change(known)) if known else consumer


_AFTER: dict[Action, Callable[[Consumer, AuditEvent], Consumer | None]] = {
    Action.CREATE: _with_new_key,
    Action.ROTATE: _rotated,
    Action.ROTATE_ALL: _rotated,
    Action.RENAME: _renamed,
    Action.CHANGE_END: _with_end,
    Action.DELETE: lambda consumer, event: consumer.without_key(event.key_id),
    Action.CREATE_CONSUMER: _with_new_key,
    Action.CHANGE_CONSUMER: _reshaped,
    Action.START_PLAN: _reshaped,
    Action.CHANGE_PLAN: _reshaped,
    Action.CANCEL_PLAN: _reshaped,
    Action.RESUME_PLAN: _reshaped,
    Action.DELETE_CONSUMER: lambda consumer, event: None,
    Action.ADD_MANAGER: _with_manager,
    Action.REMOVE_MANAGER: _without_manager,
    Action.RENAME_CONSUMER: lambda consumer, event: replace(consumer, label=event.facts["label"]),
    Action.INVITE: lambda consumer, event: consumer,
    Action.ASK_FOR_ACCESS: lambda consumer, event: consumer,
    Action.REMINDERS_OFF: lambda consumer, event: consumer,
    Action.REMINDERS_ON: lambda consumer, event: consumer,
}
