"""Confirmed writes: when an answer is lost, read the consumer back to learn whether the write happened.

What was wanted is noted as facts before the write, so that the same can be told after a crash.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime

from keys.access import same_address
from keys.errors import ApiError, ApiRefused, NotFound, OutcomeUnknown
from keys.models import AuditEvent
from keys.types import ApiKey, Consumer, FullKey, Manager, NewConsumer, as_shown, newest_first, same_time, shown_tags
from keys.zuplo.client import DeveloperAPI

Facts = dict[str, Any]


def confirmed(api: DeveloperAPI, name: str, write: Callable[[], None], is_done: Callable[[Consumer], bool]) -> None:
    """Write to a consumer; raises `OutcomeUnknown` when even a look does not show it done."""
    try:
        write()
    except (OutcomeUnknown, NotFound) as doubt:
        if not is_done(_look(api, name, doubt)):
            raise


def end_key(api: DeveloperAPI, key: ApiKey, at: datetime) -> None:
    confirmed(
        api,
        key.consumer,
        lambda: api.end_key(key.consumer, key.id, at),
        lambda now: same_time(now.key(key.id).expires_on, at),
    )


def facts_of_new_key(keys: Iterable[ApiKey], label: str, ends: datetime | None) -> Facts:
    """Facts to note before a key is made, beside the keys that are there."""
    return {"label": label, "ends": ends and ends.isoformat(), "before": sorted(key.id for key in keys)}


def is_new_key(facts: Facts, key: ApiKey) -> bool:
    """True for the key that was to be made."""
    is_as_wanted = key.label == facts["label"] and same_time(key.expires_on, wanted_end(facts))
    return key.id not in facts["before"] and is_as_wanted


def make_key(api: DeveloperAPI, name: str, facts: Facts, label: str | None = None) -> FullKey:
    """A new key by the facts noted, with its value if the API shows it; facts hold a label as it is shown."""
    try:
        full = api.create_key(name, label=facts["label"] if label is None else label, ends=wanted_end(facts))
        if not is_new_key(facts, full.key):
            raise OutcomeUnknown("another key came back than was to be made")
    except OutcomeUnknown as doubt:
        key = next((key for key in _look(api, name, doubt).keys if is_new_key(facts, key)), None)
        if key is None:
            raise
        full = FullKey(key, "")
    return with_value(api, full)


def make_consumer(api: DeveloperAPI, new: NewConsumer, facts: Facts) -> tuple[Consumer, FullKey]:
    try:
        consumer, keys = api.create_consumer(new, key_label=facts["label"], key_ends=wanted_end(facts))
    except OutcomeUnknown as doubt:
        consumer = _if_made(api, new, doubt)
        keys = [FullKey(key, "") for key in consumer.keys if is_new_key(facts, key)]
        if not keys:
            raise
    if not keys:
        consumer = _look(api, new.name, OutcomeUnknown("a new consumer whose key does not show"))
        keys = [FullKey(key, "") for key in consumer.keys]
    return consumer, with_value(api, keys[0]) if keys else make_key(api, new.name, facts)


def make_bare_consumer(api: DeveloperAPI, new: NewConsumer) -> Consumer:
    try:
        consumer, _keys = api.create_consumer(new, key_label=None, key_ends=None)
    except OutcomeUnknown as doubt:
        consumer = _if_made(api, new, doubt)
    return consumer


def _if_made(api: DeveloperAPI, new: NewConsumer, doubt: OutcomeUnknown) -> Consumer:
    """The consumer of that name, if it is what was to be made; raises the doubt again for somebody else's."""
    consumer = _look(api, new.name, doubt)
    wanted = [one if isinstance(one, str) else one["email"] for one in new.managers]
    if not is_the_one(consumer, new.label, wanted):
        raise doubt
    return consumer


def is_the_one(consumer: Consumer, label: str, addresses: Collection[str]) -> bool:
    """True if a consumer can be the one that was to be made so: two of one name and label may belong to others."""
    are_same = len(consumer.managers) == len(addresses) and all(manager_of(consumer, one) for one in addresses)
    return are_same and consumer.label == as_shown(label)


def change_consumer(api: DeveloperAPI, name: str, wanted: Facts) -> None:
    """Give a consumer its label, tags or metadata, whichever are wanted.

    PATCH may merge: then a name that is to go is still there, and is left without a value.
    """
    now = _patched(api, name, wanted)
    there = {"tags": now.raw_tags, "metadata": now.metadata}
    left = {
        field: dict.fromkeys(_full(there[field]).keys() - wanted[field].keys(), "") for field in MAPS & wanted.keys()
    }
    if any(left.values()):
        now = _patched(api, name, wanted | {field: wanted[field] | names for field, names in left.items()})
    if not is_changed(now, wanted):
        raise OutcomeUnknown("not changed as asked")


def delete_consumer(api: DeveloperAPI, name: str) -> None:
    try:
        api.delete_consumer(name)
    except (OutcomeUnknown, NotFound) as doubt:
        try:
            api.consumer(name)
        except NotFound:
            return
        except ApiError:
            raise doubt from None
        raise


def add_manager(api: DeveloperAPI, name: str, email: str, sub: str) -> Manager:
    """The manager, who may have been one already: how that is answered is documented nowhere."""
    try:
        added = api.add_manager(name, email, sub)
    except (OutcomeUnknown, ApiRefused) as doubt:
        there = manager_of(_look(api, name, doubt), email)
        if there is None:
            raise
        return there
    if not same_address(added.email, email):
        raise OutcomeUnknown("another manager came back than was to be added")
    return added


def manager_of(consumer: Consumer, email: str) -> Manager | None:
    return next((manager for manager in consumer.managers if same_address(manager.email, email)), None)


def roll_keys(api: DeveloperAPI, before: Consumer, old_ends: datetime, facts: Facts) -> tuple[Consumer, FullKey]:
    """Roll a consumer's keys: as it is afterwards, and its new key. Where roll-key cannot be used a key is made."""
    if any(key.expires_on and key.expires_on < old_ends for key in before.keys):
        # By one reading roll-key would move this end to a later time, and nobody may be able to move it back.
        return before, make_key(api, before.name, facts)
    doubt = OutcomeUnknown("rolled, but no new key shows")
    try:
        api.roll_keys(before.name, old_keys_end=old_ends)
    except (NotFound, ApiRefused):
        return before, make_key(api, before.name, facts)
    except OutcomeUnknown as unknown:
        doubt = unknown
    for _try in range(2):
        try:
            fulls = _keys_with_values(api, before.name)
        except ApiError as failure:
            raise doubt from failure
        now = replace(before, keys=newest_first(full.key for full in fulls))
        fresh = [full for full in fulls if full.key.id not in facts["before"]]
        if fresh:
            lasting = [full for full in fresh if is_new_key(facts, full.key)]
            return _shown(api, now, max(lasting or fresh, key=lambda full: full.key.created_on), facts)
    raise doubt


def _shown(api: DeveloperAPI, now: Consumer, rolled: FullKey, facts: Facts) -> tuple[Consumer, FullKey]:
    """The rolled consumer, with a new key that can be shown: nobody could use one whose value is kept hidden.

    A bucket may show keys only as they are made, and roll-key shows none; POST keys does.
    """
    if rolled.value:
        return now, rolled
    try:
        made = make_key(api, now.name, facts | {"before": [*facts["before"], rolled.key.id]})
    except ApiError:
        return now, rolled
    try:
        api.delete_key(now.name, rolled.key.id)
    except ApiError:
        return now.with_key(made.key), made  # the hidden one stays in sight, to be deleted by hand
    return now.without_key(rolled.key.id).with_key(made.key), made


def ends_of_old(keys: Iterable[ApiKey], old_ends: datetime) -> dict[str, str]:
    """End of each old key: as chosen, but never later than it would have been; what has ended stays as it was."""
    return {
        key.id: (
            min(key.expires_on, old_ends) if key.expires_on and not key.is_ended else key.expires_on or old_ends
        ).isoformat()
        for key in keys
    }


def unended(event: AuditEvent, consumer: Consumer) -> dict[ApiKey, datetime]:
    """The old keys that go on for longer than a rotation wants, and when they are to end."""
    wanted = {key_id: parse_datetime(at) for key_id, at in event.facts.get("old", {}).items()}
    late = {key: wanted.get(key.id) for key in consumer.keys}
    return {key: at for key, at in late.items() if at and not _ends_by(key, at)}


def with_value(api: DeveloperAPI, full: FullKey) -> FullKey:
    """A key just made with its value, for which one more call may be needed; a failure hides no key."""
    try:
        return full if full.value else api.full_key(full.key.consumer, full.key.id)
    except ApiError:
        return full


def _keys_with_values(api: DeveloperAPI, name: str) -> list[FullKey]:
    try:
        return api.full_keys(name)
    except ApiRefused:
        # One way to say that this bucket shows no values: then the keys without them.
        return [FullKey(key, "") for key in api.consumer(name).keys]


MAPS = {"tags", "metadata"}


def _patched(api: DeveloperAPI, name: str, wanted: Facts) -> Consumer:
    fields = {"description" if field == "label" else field: value for field, value in wanted.items()}
    try:
        return api.change_consumer(name, fields)
    except (OutcomeUnknown, NotFound) as doubt:
        now = _look(api, name, doubt)
        if not is_changed(now, wanted):
            raise
        return now


def is_changed(consumer: Consumer, wanted: Facts) -> bool:
    """True if what was wanted of label, tags and metadata is there."""
    parts = shown_facts({field: wanted[field] for field in ("label", *MAPS) if field in wanted})
    return bool(parts) and all(
        _full(getattr(consumer, field)) == _full(value) if field in MAPS else consumer.label == value
        for field, value in parts.items()
    )


def shown_facts(wanted: Facts) -> Facts:
    """Facts as they are shown and kept, whatever else is written."""
    return wanted | ({"tags": shown_tags(wanted["tags"])} if "tags" in wanted else {})


def _full(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value != ""}


def _look(api: DeveloperAPI, name: str, doubt: ApiError) -> Consumer:
    """The consumer after a doubtful write; raises the doubt again if it cannot be had."""
    try:
        return api.consumer(name)
    except ApiError:
        raise doubt from None


def wanted_end(facts: Facts) -> datetime | None:
    return parse_datetime(facts["ends"]) if facts["ends"] else None


# After a crash, or an answer that never came: what became of a change, told by the facts noted before it


def _ends_by(key: ApiKey, at: datetime) -> bool:
    return key.expires_on is not None and key.expires_on < at + timedelta(seconds=1)
