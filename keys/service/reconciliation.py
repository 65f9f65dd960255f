"""Reconciliation: after a crash or a lost answer, tell from the facts noted before what became of a change."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys.audit import log, notifications
from keys.models import DONE, OPEN, PLANNING, Action, AuditEvent, Outcome
from keys.service.confirmed_writes import (
    Facts,
    added_manager,
    ends_as_kept,
    is_changed,
    is_the_one,
    new_key_among,
    unended,
    wanted_end,
)
from keys.tolerance import may_be_new_end, may_be_new_text
from keys.types import ApiKey, Consumer

NOT_DONE_AFTER = timedelta(minutes=2)
"""Grace period: by then a write that does not show was not done. No request lives, and no list lags, that long."""


def settled(
    event: AuditEvent, consumer: Consumer | None, by_others: Collection[str], now: datetime
) -> tuple[Outcome, ApiKey | None]:
    """The outcome of a change, and the key that it made; `consumer` is as it is now, None when there is none.

    `by_others` are keys that other changes made: two that were wanted alike are told apart by nothing else.
    """
    made = None
    if event.action == Action.INVITE and event.facts:
        return Outcome.UNCONFIRMED, None  # no consumer shows whether the mail had left
    if consumer is None and event.action == Action.DELETE_CONSUMER and "title" in event.facts:
        return Outcome.DONE, None
    if (
        consumer
        and event.action == Action.CREATE_CONSUMER
        and "title" in event.facts
        and not _shows(event, consumer, None)
    ):
        return Outcome.UNCONFIRMED, None  # it may be ours, and changed since, or somebody else's
    if consumer and "each" in event.facts:
        return _settled_by_parts(event, consumer, now), None
    if consumer and "before" in event.facts:
        free = (key for key in consumer.keys if key.id not in by_others)
        made = new_key_among(event.facts, free)
    if consumer and _shows(event, consumer, made):
        return Outcome.DONE, made
    if made:
        return Outcome.PARTLY, made
    if consumer and consumer.unread:
        return Outcome.UNCONFIRMED, None  # what does not show may be among what could not be read
    return (Outcome.FAILED if now - event.started_at > NOT_DONE_AFTER else Outcome.UNCONFIRMED), None


def _settled_by_parts(event: AuditEvent, consumer: Consumer, now: datetime) -> Outcome:
    """The outcome where keys were rotated one by one: each has an event of its own, which is settled first."""
    outcomes = {part.outcome for part in _parts(event)}
    if outcomes & OPEN:
        return Outcome.UNCONFIRMED
    if outcomes & DONE:
        return Outcome.PARTLY if unended(event, consumer) else Outcome.DONE
    return Outcome.FAILED if now - event.started_at > NOT_DONE_AFTER else Outcome.UNCONFIRMED


def _parts(event: AuditEvent) -> list[AuditEvent]:
    return list(
        AuditEvent.objects.filter(
            environment=event.environment, consumer=event.consumer, started_at__gte=event.started_at, facts__of=event.pk
        )
    )


def _told_by_parts(event: AuditEvent) -> Facts:
    """Facts of keys that were rotated one by one: the new ones, and the old ones that they replace."""
    done = {part.key_id: part.facts for part in _parts(event) if "new" in part.facts}
    return {"each": [facts["new"] for facts in done.values()], **facts_of_each(event, done)}


def facts_of_each(event: AuditEvent, done: Collection[str]) -> Facts:
    """Facts to correct where keys were rotated one by one, and these are done.

    `old` is without those that were to be rotated and stay as they are. `names` has what was rotated, and of what had
    been replaced before what is to end earlier.
    """
    facts, was = event.facts, event.facts["was"]
    stay = set(facts.get("wanted", facts["old"])) - set(done)
    old = {key_id: at for key_id, at in facts["old"].items() if key_id not in stay}
    concerned = {key_id for key_id, at in old.items() if key_id in done or at != was.get(key_id)}
    return {
        "old": old,
        "names": {key_id: name for key_id, name in facts.get("names", {}).items() if key_id in concerned},
    }


def _shows(event: AuditEvent, consumer: Consumer, made: ApiKey | None) -> bool:
    facts, keys = event.facts, {key.id: key for key in consumer.keys}
    key = keys.get(event.key_id)
    match event.action:
        case Action.CREATE:
            return made is not None
        case Action.ROTATE | Action.ROTATE_ALL:
            return made is not None and not unended(event, consumer)
        case Action.RENAME:
            return key is not None and "label" in facts and may_be_new_text(key.label, facts["label"], event.key_label)
        case Action.CHANGE_END:
            return key is not None and "ends" in facts and _has_new_end(key, facts)
        case Action.DELETE:
            return "deletes" in facts and consumer.lacks_key(event.key_id)
        case Action.RENAME_CONSUMER:
            return "label" in facts and is_changed(consumer, facts, facts.get("were", {}))
        case Action.CREATE_CONSUMER:
            return "title" in facts and is_the_one(consumer, facts["title"], facts["managers"])
        case Action.CHANGE_CONSUMER | Action.START_PLAN | Action.CHANGE_PLAN | Action.CANCEL_PLAN:
            return is_changed(consumer, facts, facts.get("were", {}))
        case Action.ADD_MANAGER:
            return "address" in facts and added_manager(consumer, facts["address"]) is not None
        case Action.REMOVE_MANAGER:
            return "manager_id" in facts and consumer.lacks_manager(facts["manager_id"])
        case Action.REMINDERS_OFF | Action.REMINDERS_ON:
            return "addresses" in facts  # noted in the transaction that did it
    return False


def _has_new_end(key: ApiKey, facts: Facts) -> bool:
    wanted, was = wanted_end(facts), facts.get("was", {}).get(key.id)
    return wanted is not None and may_be_new_end(key.expires_on, wanted, was and parse_datetime(was))


def settle(event: AuditEvent, consumer: Consumer | None) -> bool:
    """Reconcile a change with its consumer as it is now, and tell the managers what was done.

    False while somebody else is changing the consumer, or where it shows nothing of it: then nothing can be told.
    """
    if event.action in PLANNING and event.facts and "metadata" not in event.facts:
        return False  # no consumer shows it: the plan is kept elsewhere
    if log.is_locked_by_another(event):
        return False
    now = timezone.now()
    outcome, made = settled(event, consumer, log.keys_made_by_others(event), now)
    if outcome in DONE and "each" in event.facts:
        event.facts |= _told_by_parts(event)
    if consumer and outcome == Outcome.DONE:
        event.facts |= ends_as_kept(event, consumer)
    in_doubt = outcome == Outcome.UNCONFIRMED and now - event.started_at > NOT_DONE_AFTER
    if log.settle(event, outcome, made, in_doubt=in_doubt) and consumer and outcome in DONE:
        notifications.tell_managers(event, consumer)
    return True
