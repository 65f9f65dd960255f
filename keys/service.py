"""The verbs: what a person can do with keys. Every one passes the gate itself and is recorded."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext as _

from keys import audit, limits, notices, recent, settlement
from keys.access import Actor, may_manage
from keys.developer_api import DeveloperAPI
from keys.errors import ApiError, ApiRefused, Busy, NotAllowed, NotFound, OutcomeUnknown, ValueHidden
from keys.models import OPEN, Action, AuditEvent, Outcome
from keys.provisioning import provisioning
from keys.transport import Deadline
from keys.types import ApiKey, Consumer, FullKey, same_time

Verb = TypeVar("Verb", bound=Callable[..., "Change"])

HIDDEN_FOR = 600  # seconds during which Reveal is not offered, after the API showed a mask instead of a key


@dataclass(frozen=True, slots=True)
class Change:
    """What a verb did: the consumer as it is now, the key concerned, and its value where it is to be shown.

    `unended` are old keys that a rotation should have ended at `ends`, but could not.
    """

    event: AuditEvent
    consumer: Consumer
    key: ApiKey | None = None
    value: str = field(default="", repr=False)
    ends: datetime | None = None
    unended: tuple[ApiKey, ...] = ()


def once(verb: Verb) -> Verb:
    """Carry a form out once, and tell the managers: when it is sent again, its first result is the answer."""

    @functools.wraps(verb)
    def verb_once(ring: "KeyRing", *args: Any, **kwargs: Any) -> Change:
        try:
            change = verb(ring, *args, **kwargs)
        except audit.Repeated as repeated:
            return ring.first_result(repeated.event)
        notices.tell_managers(change.event, change.consumer)
        return change

    return cast("Verb", verb_once)


class KeyRing:
    """All keys that a person may see in one environment.

    Whatever a verb is asked about must be the person's own, else it raises `NotFound`. A change takes the one-time
    token of its form. Changes to one consumer are made one after the other.
    """

    def __init__(self, actor: Actor, environment: str, api: DeveloperAPI) -> None:
        self.actor = actor
        self.environment = environment
        self.api = api

    # Looking

    def consumers(self) -> list[Consumer]:
        """Every consumer that lists one of the person's addresses, by title."""
        found = {
            consumer.name: consumer
            for email in self.actor.emails
            for consumer in self.api.consumers_of(email)
            if may_manage(self.actor, consumer)
        }
        known = self._with_recent_changes(found) if self.actor.emails else found
        return sorted(known.values(), key=lambda consumer: (consumer.title.casefold(), consumer.name))

    def consumer(self, name: str) -> Consumer:
        """The gate: the consumer as it is at this moment, if the person may manage it."""
        if not self.actor.emails:
            raise NotFound("nobody without a verified address manages anything")
        try:
            found = {name: self.api.consumer(name)}
        except NotFound:
            found = {}
        consumer = self._with_recent_changes(found).get(name)
        if consumer is None or not may_manage(self.actor, consumer):
            raise NotFound("absent, or not this person's")
        return consumer

    @property
    def can_reveal(self) -> bool:
        """Whether the Developer API shows keys after their creation, as far as was seen lately."""
        return not cache.get(self._hidden_flag)

    @property
    def _hidden_flag(self) -> str:
        return f"keys:hidden:{self.environment}"

    def reveal(self, name: str, key_id: str, *, action: Action = Action.REVEAL) -> FullKey:
        """The key with its value; raises `ValueHidden` where the API shows only a mask."""
        with self._recorded(action, name, key_id) as event:
            key = self.consumer(name).key(key_id)
            audit.note(event, key)
            full = self._visible(key)
            if not full.value:
                cache.set(self._hidden_flag, True, HIDDEN_FOR)
                raise ValueHidden("a mask instead of the key")
            return full

    # Changing one key

    @once
    def create(self, name: str, *, label: str, ends: datetime | None, token: UUID) -> Change:
        """One more key; raises `NotAllowed` by the operator's rules."""
        with self._recorded(Action.CREATE, name, token=token) as event:
            consumer = self.consumer(name)
            provisioning().may_create(self.actor, consumer)
            facts = audit.note(event, **settlement.facts_of_new_key(consumer.keys, label, ends))
            full = settlement.make_key(self.api, name, facts)
            audit.note_made(event, full.key)
        return Change(event, consumer.with_key(full.key), full.key, full.value)

    @once
    def create_first(self, *, label: str, ends: datetime | None, token: UUID) -> Change:
        """A newcomer's first key, in a consumer made for it."""
        with self._recorded(Action.CREATE, lock=f"newcomer {self.actor.user_id}", token=token) as event:
            if not self.actor.emails:
                raise NotAllowed(_("Please confirm your e-mail address first."))
            if self.consumers():
                raise NotAllowed(_("You have keys already. Reload the page, and create this one beside them."))
            provisioning().may_create(self.actor, None)
            new = provisioning().new_consumer(self.actor)
            event.consumer = new.name
            facts = settlement.facts_of_new_key((), label, ends)
            audit.note(event, title=new.label, manager=self.actor.email, **facts)
            consumer, full = settlement.make_consumer(self.api, new, facts)
            audit.note_made(event, full.key)
        return Change(event, consumer.with_key(full.key), full.key, full.value)

    @once
    def rotate(self, name: str, key_id: str, *, old_ends: datetime, token: UUID) -> Change:
        """A new key with the same label, and an end for the old one: its own, if that comes first.

        The new key lives as long from now on as the old one was made for.
        """
        with self._recorded(Action.ROTATE, name, key_id, token=token) as event:
            consumer = self.consumer(name)
            old = _live(consumer.key(key_id))
            ends = settlement.end_after_rotation(old, old_ends)
            facts = settlement.facts_of_new_key(consumer.keys, old.label, renewed_end(old))
            new = settlement.make_key(self.api, name, audit.note(event, old, old_ends=ends.isoformat(), **facts))
            audit.note_made(event, new.key)
            unended = self._end_all(event, {old: ends})
        consumer = consumer.with_key(new.key).with_key(old if unended else replace(old, expires_on=ends))
        return Change(event, consumer, new.key, new.value, ends, unended)

    @once
    def rename(self, name: str, key_id: str, *, label: str, token: UUID) -> Change:
        with self._recorded(Action.RENAME, name, key_id, token=token) as event:
            consumer = self.consumer(name)
            key = consumer.key(key_id)
            audit.note(event, key, label=label)
            settlement.confirmed(
                self.api,
                name,
                lambda: self.api.rename_key(name, key_id, label),
                lambda now: now.key(key_id).label == label,
            )
        renamed = replace(key, label=label)
        return Change(event, consumer.with_key(renamed), renamed)

    @once
    def change_end(self, name: str, key_id: str, *, ends: datetime, token: UUID) -> Change:
        """An earlier end, or a first one; raises `NotAllowed` for a later one, as no key may live longer."""
        with self._recorded(Action.CHANGE_END, name, key_id, token=token) as event:
            consumer = self.consumer(name)
            key = _live(consumer.key(key_id))
            if key.expires_on and ends > key.expires_on:
                raise NotAllowed(_("A key cannot be made to live longer. Create or rotate a key instead."))
            audit.note(event, key, ends=ends.isoformat())
            settlement.end_key(self.api, key, ends)
        ended = replace(key, expires_on=ends)
        return Change(event, consumer.with_key(ended), ended, ends=ends)

    @once
    def delete(self, name: str, key_id: str, *, token: UUID) -> Change:
        with self._recorded(Action.DELETE, name, key_id, token=token) as event:
            consumer = self.consumer(name)
            key = consumer.key(key_id)
            audit.note(event, key)
            settlement.confirmed(
                self.api,
                name,
                lambda: self.api.delete_key(name, key_id),
                lambda now: key_id not in now.key_ids,
            )
        return Change(event, consumer.without_key(key_id), key)

    # Changing a consumer

    @once
    def rename_consumer(self, name: str, *, label: str, token: UUID) -> Change:
        with self._recorded(Action.RENAME_CONSUMER, name, token=token) as event:
            consumer = self.consumer(name)
            audit.note(event, label=label)
            settlement.confirmed(
                self.api,
                name,
                lambda: self.api.rename_consumer(name, label),
                lambda now: now.label == label,
            )
        return Change(event, replace(consumer, label=label))

    @once
    def rotate_all(self, name: str, *, old_ends: datetime, token: UUID) -> Change:
        """One new key, and an end for every old one: the given one or its own, whichever comes first.

        roll-key is documented in three ways; what it did is looked at, and put right key by key.
        """
        with self._recorded(Action.ROTATE_ALL, name, token=token) as event:
            before = self.consumer(name)
            if not before.live_keys:
                raise NotAllowed(_("There is no key to rotate. Create one instead."))
            facts = settlement.facts_of_new_key(before.keys, "", None)
            audit.note(event, old_ends=old_ends.isoformat(), **facts)
            consumer, new = settlement.roll_keys(self.api, before, old_ends, facts)
            audit.note_made(event, new.key)
            wanted = {
                consumer.key(old.id): settlement.end_after_rotation(old, old_ends)
                for old in before.keys
                if old.id in consumer.key_ids
            }
            unended = self._end_all(event, wanted)
        for rolled, ends in wanted.items():
            if rolled not in unended:
                consumer = consumer.with_key(replace(rolled, expires_on=ends))
        return Change(event, consumer, new.key, new.value, old_ends, unended)

    # What verbs share

    def first_result(self, event: AuditEvent) -> Change:
        """What the form brought about when it was sent first, as far as it can be told again."""
        if event.user_id != self.actor.user_id or event.environment != self.environment:
            raise NotAllowed(_("This form was used before. Open it again."))
        if event.outcome == Outcome.STARTED:
            raise Busy(f"event {event.pk} has not ended")
        if event.outcome == Outcome.UNCONFIRMED:
            raise OutcomeUnknown(f"event {event.pk} was not confirmed")
        consumer = self.consumer(event.consumer)
        made = event.facts.get("new", "")
        if made not in consumer.key_ids:
            return Change(event, consumer)
        try:
            return Change(event, consumer, consumer.key(made), self.reveal(event.consumer, made).value)
        except ValueHidden:
            return Change(event, consumer, consumer.key(made))

    def _with_recent_changes(self, found: dict[str, Consumer]) -> dict[str, Consumer]:
        """What the Developer API answered, and what of our own changes it may not show yet.

        Changes of which it was not known whether they were done are settled by this look.
        """
        known = dict(found)
        for event in audit.lately(self.actor, self.environment, found):
            consumer = known.get(event.consumer) or recent.new_consumer(event)
            if consumer is None:
                continue
            if event.outcome in OPEN:
                audit.settle(event, *settlement.settled(event, found.get(event.consumer), timezone.now()))
            known[event.consumer] = recent.with_change(consumer, event)
        return known

    @contextmanager
    def _recorded(
        self, action: Action, name: str = "", key_id: str = "", *, token: UUID | None = None, lock: str = ""
    ) -> Iterator[AuditEvent]:
        """A row in the audit log; for a change also the lock of the consumer. Counts against the person's limit."""
        lock = (lock or name) if token else ""
        with audit.recorded(self.actor, action, self.environment, name, key_id, token=token, lock=lock) as event:
            limits.count(self.actor, action)
            yield event

    def _visible(self, key: ApiKey) -> FullKey:
        try:
            return self.api.full_key(key.consumer, key.id)
        except ApiRefused:
            # What a bucket with isRetrievable false answers is documented nowhere; a refusal is one way.
            return FullKey(key, "")

    def _end_all(self, event: AuditEvent, wanted: dict[ApiKey, datetime]) -> tuple[ApiKey, ...]:
        """Give each key the end wanted, if it has another; those for which that failed are returned and recorded."""
        unended = []
        for key, at in wanted.items():
            try:
                if not same_time(key.expires_on, at):
                    settlement.end_key(self.api, key, at)
            except ApiError:
                event.outcome = Outcome.PARTLY
                unended.append(key)
        return tuple(unended)


def renewed_end(key: ApiKey) -> datetime | None:
    """The end of a key's replacement: as long from now as the key itself was made for; None is never."""
    if key.expires_on is None:
        return None
    try:
        return timezone.now() + (key.expires_on - key.created_on)
    except OverflowError:
        return key.expires_on


def _live(key: ApiKey) -> ApiKey:
    if key.is_ended:
        raise NotAllowed(_("This key has ended already. Create a new one."))
    return key


def key_service_ready() -> bool:
    """Whether the Developer API answers within two seconds and takes our token."""
    bucket = next(iter(settings.ZUPLO_BUCKETS.values()))
    try:
        DeveloperAPI(bucket, Deadline(2)).who_am_i()
    except ApiError:
        return False
    return True
