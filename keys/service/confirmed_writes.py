"""Confirmed writes: when an answer is lost, read the consumer back to learn whether the write happened.

What was wanted is noted as facts before the write, so that the same can be told after a crash.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.utils.dateparse import parse_datetime

from keys.access import same_address
from keys.errors import ApiError, ApiRefused, NotFound, OddAnswer, OutcomeUnknown
from keys.models import Action, AuditEvent
from keys.tolerance import (
    composed,
    may_be_end,
    may_be_new_end,
    may_be_new_text,
    may_be_new_value,
    may_be_text,
    same_time,
)
from keys.types import ApiKey, Consumer, FullKey, Manager, NewConsumer, as_shown, newest_first, shown_tags
from keys.zuplo.client import DeveloperAPI

Facts = dict[str, Any]
T = TypeVar("T")


def confirmed(api: DeveloperAPI, name: str, write: Callable[[], None], is_done: Callable[[Consumer], bool]) -> None:
    """Write to a consumer; raises `OutcomeUnknown` when even a look does not show it done."""
    try:
        write()
    except (OutcomeUnknown, NotFound) as doubt:
        now = _look(api, name, doubt)
        try:
            is_seen = is_done(now)
        except OddAnswer:  # what was written to can be read no more
            is_seen = False
        if not is_seen:
            raise


def kept(
    api: DeveloperAPI,
    name: str,
    write: Callable[[], T],
    find: Callable[[Consumer], T],
    is_done: Callable[[T], bool],
    is_answer: Callable[[T], bool] | None = None,
) -> T:
    """Change something of a consumer: the thing as the API keeps it, by its answer, or by a look.

    Less may be asked of an answer than of a look, if `is_answer` says so: it says by itself that something was done.
    Raises `OutcomeUnknown` when neither shows it done.
    """
    doubt: ApiError = OutcomeUnknown("not changed as asked")
    try:
        answered = write()
        if (is_answer or is_done)(answered):
            return answered
    except (OutcomeUnknown, NotFound) as unknown:
        doubt = unknown
    now = _look(api, name, doubt)
    try:
        seen = find(now)
    except OddAnswer:  # what was written to can be read no more
        raise doubt from None
    if not is_done(seen):
        raise doubt
    return seen


def end_key(api: DeveloperAPI, key: ApiKey, at: datetime) -> ApiKey:
    """Give a key an end: the key as it is kept. A service may round the end; that it is another than before tells.

    An answer tells by itself: what was rounded before may be rounded to the same end again.
    """
    return kept(
        api,
        key.consumer,
        lambda: api.end_key(key.consumer, key.id, at),
        lambda now: now.key(key.id),
        lambda seen: may_be_new_end(seen.expires_on, at, key.expires_on),
        lambda answered: may_be_end(answered.expires_on, at),
    )


def rename_key(api: DeveloperAPI, key: ApiKey, label: str) -> ApiKey:
    """Give a key a label: the key as it is kept."""
    return kept(
        api,
        key.consumer,
        lambda: api.rename_key(key.consumer, key.id, label),
        lambda now: now.key(key.id),
        lambda seen: may_be_new_text(seen.label, label, key.label),
        lambda answered: may_be_text(answered.label, label),
    )


def rename_consumer(api: DeveloperAPI, name: str, label: str, was: str) -> str:
    """Give a consumer a label in place of another: the label as it is kept."""
    return kept(
        api,
        name,
        lambda: api.rename_consumer(name, label).label,
        lambda now: now.label,
        lambda seen: may_be_new_text(seen, label, was),
        lambda answered: may_be_text(answered, label),
    )


def facts_of_new_key(known: Iterable[str], label: str, ends: datetime | None) -> Facts:
    """Facts to note before a key is made, beside the ids of the keys that are there."""
    return {"label": label, "ends": ends and ends.isoformat(), "before": sorted(known)}


def new_key_among(facts: Facts, keys: Iterable[ApiKey], answered: str = "") -> ApiKey | None:
    """The key that was to be made, told by what is new in the list: by its id where an answer gave one.

    Else one just as it was to be, or what a service may have made of that.
    """
    fresh, ends = [key for key in keys if key.id not in facts["before"]], wanted_end(facts)
    by_id = [key for key in fresh if key.id == answered]
    exact = [key for key in fresh if key.label == facts["label"] and same_time(key.expires_on, ends)]
    alike = [key for key in fresh if may_be_text(key.label, facts["label"]) and may_be_end(key.expires_on, ends)]
    return next(iter([*by_id, *exact, *alike]), None)


def make_key(api: DeveloperAPI, name: str, facts: Facts, label: str | None = None) -> FullKey:
    """A new key by the facts noted, with its value if the API shows it; facts hold a label as it is shown."""
    doubt = OutcomeUnknown("another key came back than was to be made")
    answered = None
    try:
        label = facts["label"] if label is None else label
        answered = api.create_key(name, label=label, ends=wanted_end(facts))
        if new_key_among(facts, [answered.key]):
            return with_value(api, answered)
    except OutcomeUnknown as unknown:
        doubt = unknown
    key = new_key_among(facts, _look(api, name, doubt).keys, answered.key.id if answered else "")
    if key is None:
        raise doubt
    return with_value(api, answered if answered and answered.key == key else FullKey(key, ""))


def make_consumer(api: DeveloperAPI, new: NewConsumer, facts: Facts) -> tuple[Consumer, FullKey]:
    try:
        consumer, keys = api.create_consumer(new, key_label=facts["label"], key_ends=wanted_end(facts))
    except OutcomeUnknown as doubt:
        consumer = _if_made(api, new, doubt)
        made = new_key_among(facts, consumer.keys)
        if made is None:
            raise
        keys = [FullKey(made, "")]
    if not keys:
        hidden = OutcomeUnknown("a new consumer whose key does not show")
        consumer = _look(api, new.name, hidden)
        if consumer.unread_keys:
            raise hidden
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
    return are_same and may_be_text(consumer.label, as_shown(label))


def change_consumer(api: DeveloperAPI, name: str, wanted: Facts, were: Facts) -> None:
    """Give a consumer its label, tags or metadata, whichever are wanted, in place of those that there were.

    PATCH may merge: then a name that is to go is still there, and is left without a value.
    """
    now = _patched(api, name, wanted, were)
    there = {"tags": now.raw_tags, "metadata": now.metadata}
    left = {field: _left_over(there[field], wanted[field]) for field in MAPS & wanted.keys()}
    if any(left.values()):
        now = _patched(api, name, wanted | {field: wanted[field] | names for field, names in left.items()}, were)
    if not is_changed(now, wanted, were):
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


def sub_of(email: str) -> str:
    """Subject of a manager added by hand, as Zuplo wants one: the portal itself goes by the address alone."""
    return f"portal|{email}"


def add_manager(api: DeveloperAPI, name: str, email: str) -> Manager:
    """The manager, who may have been one already: how that is answered is documented nowhere."""
    try:
        added = api.add_manager(name, email, sub_of(email))
    except (OutcomeUnknown, ApiRefused) as doubt:
        there = added_manager(_look(api, name, doubt), email)
        if there is None:
            raise
        return there
    if not same_address(added.email, email):
        raise OutcomeUnknown("another manager came back than was to be added")
    return added


def manager_of(consumer: Consumer, email: str) -> Manager | None:
    return next((manager for manager in consumer.managers if same_address(manager.email, email)), None)


def added_manager(consumer: Consumer, email: str) -> Manager | None:
    """The same, unless there is an invitation only: that one stood before says nothing of what was added."""
    added = (manager for manager in consumer.managers if not manager.invited)
    return next((manager for manager in added if same_address(manager.email, email)), None)


def roll_keys(api: DeveloperAPI, before: Consumer, old_ends: datetime, facts: Facts) -> tuple[Consumer, FullKey]:
    """Roll a consumer's keys: as it is afterwards, and its new key. Where roll-key cannot be used a key is made."""
    if facts["ends"] or any(key.expires_on and key.expires_on < old_ends for key in before.keys):
        # roll-key gives the new key no end. By one reading it would move an early end to a later time, and nobody may
        # be able to move it back.
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
        # An old key that cannot be read any more is taken to be as it was, and ended by its id.
        known = {key.id: key for key in before.keys} | {full.key.id: full.key for full in fulls}
        now = replace(before, keys=newest_first(known.values()))
        fresh = [full for full in fulls if full.key.id not in facts["before"]]
        if fresh:
            lasting = [full for full in fresh if new_key_among(facts, [full.key])]
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
    was = {key_id: at and parse_datetime(at) for key_id, at in event.facts.get("was", {}).items()}
    late = {key: wanted.get(key.id) for key in consumer.keys}
    return {key: at for key, at in late.items() if at and not _ends_by(key, at, was.get(key.id, key.expires_on))}


def ends_as_kept(event: AuditEvent, consumer: Consumer) -> Facts:
    """Facts to correct where the service kept another end than was sent: what is rounded up works until then.

    A key that could not be given its end keeps the one that was wanted, to be finished.
    """
    late = {key.id for key in unended(event, consumer)}
    ends = {key.id: key.expires_on for key in consumer.keys if key.expires_on and key.id not in late}
    if event.action == Action.CHANGE_END:
        kept, wanted = ends.get(event.key_id), wanted_end(event.facts)
        return {"ends": kept.isoformat()} if kept and not same_time(kept, wanted) else {}
    old = {key_id: parse_datetime(at) for key_id, at in event.facts.get("old", {}).items()}
    others = {key_id: ends[key_id].isoformat() for key_id, at in old.items() if not same_time(ends.get(key_id, at), at)}
    return {"old": event.facts["old"] | others} if others else {}


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


def _patched(api: DeveloperAPI, name: str, wanted: Facts, were: Facts) -> Consumer:
    fields = {"description" if field == "label" else field: value for field, value in wanted.items()}
    try:
        return api.change_consumer(name, fields)
    except (OutcomeUnknown, NotFound) as doubt:
        now = _look(api, name, doubt)
        if not is_changed(now, wanted, were):
            raise
        return now


def is_changed(consumer: Consumer, wanted: Facts, were: Facts) -> bool:
    """True if what was wanted of label, tags and metadata is there, in place of what there was."""
    shown = shown_facts(wanted)
    parts = {field: (getattr(consumer, field), shown[field]) for field in ("label", *MAPS) if field in shown}
    return bool(parts) and all(
        may_be_new_value(kept, sent, were.get(field, kept)) for field, (kept, sent) in parts.items()
    )


def shown_facts(wanted: Facts) -> Facts:
    """Facts as they are shown and kept, whatever else is written."""
    return wanted | ({"tags": shown_tags(wanted["tags"])} if "tags" in wanted else {})


def _left_over(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, str]:
    """The names that have a value and are to have none, without one."""
    names = set(map(composed, wanted))
    return {name: "" for name, value in there.items() if value != "" and composed(name) not in names}


def _look(api: DeveloperAPI, name: str, doubt: ApiError) -> Consumer:
    """The consumer after a doubtful write; raises the doubt again if it cannot be had."""
    try:
        return api.consumer(name)
    except ApiError:
        raise doubt from None


def wanted_end(facts: Facts) -> datetime | None:
    return parse_datetime(facts["ends"]) if facts["ends"] else None


# After a crash, or an answer that never came: what became of a change, told by the facts noted before it


def _ends_by(key: ApiKey, at: datetime, was: datetime | None) -> bool:
    in_time = key.expires_on is not None and key.expires_on < at + timedelta(seconds=1)
    return in_time or may_be_new_end(key.expires_on, at, was)
