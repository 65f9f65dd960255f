"""Service layer: what a person can do with keys, each verb behind the gate and in the audit log."""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys.access import (
    Actor,
    Right,
    has_right,
    is_fresh,
    is_named,
    may_be_managed,
    may_change_managers,
    may_manage,
    may_see,
)
from keys.audit import log, notifications
from keys.conf import settings
from keys.errors import (
    ApiError,
    ApiMisconfigured,
    ApiRefused,
    ApiUnavailable,
    ChangedMeanwhile,
    DoneBefore,
    NotAllowed,
    NotFound,
    NotMailed,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    StepUpNeeded,
    ValueHidden,
)
from keys.models import MAKING, MANAGING, OPEN, READS, WISHES, Action, AuditEvent, Outcome
from keys.provisioning import provisioning, rules_for
from keys.service import confirmed_writes, rate_limits, read_your_writes
from keys.service.confirmed_writes import Facts
from keys.service.idempotency import Change, once
from keys.service.lifetimes import check_last, current_ends, own_end, renewed_end
from keys.service.people import people_of
from keys.service.reconciliation import facts_of_each, settle
from keys.service.replacements import with_replacements
from keys.tolerance import same_time
from keys.types import ApiKey, Consumer, FullKey, Unread, UnreadConsumer, as_shown
from keys.zuplo import gateway, retries
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.gateway import Trial

logger = logging.getLogger(__name__)

SUPPORT_MAY_NOT = gettext_lazy("Support can't do this for customers. Keys stay masked.")
A_MOMENT = timedelta(minutes=1)
KEYS_AT_ONCE = 20  # to be rotated one by one: each takes two calls, and a page has only so much time
HIDDEN_FOR = 600  # seconds during which Reveal is not offered, after the API showed a mask instead of a key


@dataclass(frozen=True, slots=True)
class Found:
    """The consumers of a person, by title; `unread` more that may be the person's could not be read or judged."""

    consumers: list[Consumer]
    unread: int = 0

    @property
    def is_empty(self) -> bool:
        """True if there surely is none: what cannot be judged is not nothing."""
        return not self.consumers and not self.unread


class KeyRing:
    """Facade over all keys that a person may see in one environment.

    Whatever a verb is asked about must be the person's own, else it raises `NotFound`. A change takes the one-time
    token of its form. Changes to one consumer are made one after the other.
    """

    def __init__(self, actor: Actor, environment: str, api: DeveloperAPI) -> None:
        self.actor = actor
        self.environment = environment
        self.api = api

    def may(self, action: Action) -> bool:
        """True if this is among what the person may do at all."""
        if action in MANAGING:
            return may_change_managers(self.actor)
        return has_right(self.actor, Right.REVEAL if action in READS else Right.CHANGE)

    def check_right(self, action: Action) -> None:
        """Raises `NotAllowed` for staff without the right to do this; every verb asks this first."""
        if self.may(action):
            self._require_a_viewer(action)
        elif self.actor.in_admin:
            raise NotAllowed(_("You don't have permission to do this."))
        else:
            raise NotAllowed(SUPPORT_MAY_NOT)

    def _require_a_viewer(self, action: Action) -> None:
        """Raises `NotAllowed` where staff would make a key that they may not see, and nobody else could later."""
        if action not in MAKING or self.may(Action.REVEAL):
            return
        if cache.get(self._hidden_flag) or not self.api.shows_keys():
            raise NotAllowed(
                _("Keys are shown only once here, to the person who creates them, and you can't see this one.")
            )

    def check_proof(self, action: Action) -> None:
        """Raises `StepUpNeeded` if the person proved too long ago who is there; every verb asks this next."""
        asks = action in WISHES and settings.KEYS_STEP_UP_URL
        if asks and not is_fresh(self.actor, timezone.now(), settings.STEP_UP_MINUTES):
            raise StepUpNeeded(WISHES[action])

    def has_proof(self, action: Action) -> bool:
        """True if the person need not prove first who is there."""
        try:
            self.check_proof(action)
        except StepUpNeeded:
            return False
        return True

    def may_change_managers(self, consumer: Consumer) -> bool:
        """True if the person may say who has access, as far as the operator's rule goes."""
        try:
            self.check_right(Action.REMOVE_MANAGER)
            rules_for(self.actor).may_change_managers(self.actor, consumer)
        except NotAllowed:
            return False
        return True

    def why_no_manager(self, consumer: Consumer) -> str:
        """Reason why the person may add no manager, said before anybody tries; "" if there is none."""
        try:
            self.check_right(Action.ADD_MANAGER)
            rules_for(self.actor).may_add_manager(self.actor, consumer)
        except NotAllowed as refusal:
            return f"{refusal.text} {refusal.advice}".strip()
        return ""

    # Looking

    def consumers(self) -> Found:
        """Every consumer that lists one of the person's addresses."""
        entries = [entry for email in self.actor.emails for entry in self.api.consumers_of(email)]
        readable = [entry for entry in entries if isinstance(entry, Consumer)]
        found = {consumer.name: consumer for consumer in readable if may_manage(self.actor, consumer)}
        known = self._with_recent_changes(found).values() if self.actor.emails else ()
        mine = [one for one in known if found.get(one.name) is one or may_manage(self.actor, one)]
        # Others' entries, which come along where the filter has no effect, are nothing to this person.
        unread = {entry.id for entry in entries if isinstance(entry, Unread) and may_be_managed(self.actor, entry)}
        unjudged = {one.name for one in readable if one.name not in found and may_be_managed(self.actor, one)}
        return Found(sorted(mine, key=lambda consumer: consumer.place), len(unread) + len(unjudged))

    def consumer(self, name: str) -> Consumer:
        """Authorisation gate: the consumer as it is at this moment, if the person may manage it."""
        if not self.actor.emails and not self.actor.sees_all:
            raise NotFound("nobody without a verified address manages anything")
        try:
            found = {name: self.api.consumer(name)}
        except NotFound:
            found = {}
        except UnreadConsumer as odd:
            if self.actor.sees_all or is_named(self.actor, odd.entry):
                raise
            raise NotFound("cannot be read, and not surely this person's") from odd
        asked = {name} if self.actor.sees_all else set()
        consumer = self._with_recent_changes(found, asked, is_all=bool(found)).get(name)
        # Our own changes may take a manager away before the API shows it, but make nobody one.
        if consumer is None or not all(may_see(self.actor, one) for one in (consumer, *found.values())):
            raise NotFound("absent, or not this person's")
        return consumer

    @property
    def can_reveal(self) -> bool:
        """True if the Developer API shows keys after their creation, as far as was seen lately."""
        return self.may(Action.REVEAL) and not cache.get(self._hidden_flag)

    @property
    def _hidden_flag(self) -> str:
        return f"keys:hidden:{self.environment}"

    def why_no_more(self, consumer: Consumer) -> str:
        """Reason why no more keys may be made in it, said before anybody tries; "" below the limit.

        Below it the operator's rule, which may be slow, is not asked for every consumer of a page.
        """
        if not self.may(Action.CREATE) or consumer.live_at_most < settings.KEYS_PER_CONSUMER:
            return ""
        try:
            rules_for(self.actor).may_create(self.actor, consumer)
        except NotAllowed as refusal:
            return f"{refusal.text} {refusal.advice}".strip()
        except Exception:  # the page shows the keys even so; whoever creates one will be told
            logger.exception("the operator's rule failed")
        return ""

    def reveal(self, name: str, key_id: str, *, action: Action = Action.REVEAL, **told: str) -> FullKey:
        """The key with its value; raises `ValueHidden` where the API shows only a mask. What is `told` is noted."""
        with self._recorded(action, name, key_id) as event:
            (consumer,) = with_replacements([self.consumer(name)], self.environment)
            key = consumer.key(key_id)
            log.note(event, key, **told)
            full = self._visible(key)
            if not full.value:
                self._remember_hiding()
                raise ValueHidden("a mask instead of the key")
            return replace(full, key=replace(full.key, replaced_by=key.replaced_by, leaked=key.leaked))

    def try_key(self, name: str, key_id: str) -> tuple[ApiKey, Trial]:
        """Answer of the operator's test route to the key, whose value is shown to nobody."""
        full = self.reveal(name, key_id, action=Action.TRY)
        return full.key, gateway.try_out(full, self.api.seconds_left)

    def _remember_hiding(self) -> None:
        """Offer no Reveal for a while, if it is the bucket that hides keys, and not this one key that is odd."""
        try:
            cache.set(self._hidden_flag, not self.api.shows_keys(), HIDDEN_FOR)
        except ApiError:
            logger.info("whether %s shows keys could not be told", self.environment)

    # Changing one key

    @once
    def create(self, name: str, *, label: str, ends: datetime | None, token: UUID) -> Change:
        """One more key; raises `NotAllowed` by the operator's rules."""
        with self._recorded(Action.CREATE, name, token=token) as event:
            consumer = self._locked(event)
            rules_for(self.actor).may_create(self.actor, consumer)
            facts = log.note(event, **confirmed_writes.facts_of_new_key(consumer.key_ids, label, ends))
            full = self._redacted_for_staff(confirmed_writes.make_key(self.api, name, facts))
            log.add_new_key(event, full.key)
        return Change(event, consumer.with_key(full.key), full.key, full.value)

    def check_newcomer(self) -> None:
        """Raises `NotAllowed` for who has keys already, or may have none."""
        if not self.actor.emails:
            raise NotAllowed(_("Confirm your email address first."))
        found = self.consumers()
        if found.consumers:
            raise NotAllowed(_("You already have a key. Reload the page to see it and add another."))
        if found.unread:
            raise OddAnswer("whether the person has keys already cannot be judged")
        provisioning().may_create(self.actor, None)

    @once
    def create_first(
        self, *, label: str, ends: datetime | None, token: UUID, metadata: Facts | None = None, **told: Any
    ) -> Change:
        """A newcomer's first key, in a consumer made for it with further metadata. What is `told` is noted as well."""
        with self._recorded(Action.CREATE, token=token) as event:
            log.lock(event, f"newcomer {self.actor.user_id}", within=self.api.seconds_left)
            self.check_newcomer()
            new = provisioning().new_consumer(self.actor)
            new = replace(new, metadata={**new.metadata, **(metadata or {})})
            event.consumer = new.name
            facts = confirmed_writes.facts_of_new_key((), label, ends)
            log.note(event, title=new.label, manager=self.actor.email, metadata=dict(new.metadata), **told, **facts)
            consumer, full = confirmed_writes.make_consumer(self.api, new, facts)
            log.add_new_key(event, full.key, consumer_id=consumer.id)
        return Change(event, consumer.with_key(full.key), full.key, full.value)

    @once
    def rotate(self, name: str, key_id: str, *, old_ends: datetime, token: UUID) -> Change:
        """A new key with the same label, and an end for the old one: its own, if that comes first.

        The new key lives as long from now on as the old one was made for.
        """
        with self._recorded(Action.ROTATE, name, key_id, token=token) as event:
            consumer = self._locked(event)
            old = require_live(consumer.key(key_id))
            rules_for(self.actor).may_rotate(self.actor, consumer)
            ends = renewed_end(old, self.environment)
            consumer, new, unended = self._replaced(event, consumer, old, old_ends, ends)
        return Change(event, consumer, new.key, new.value, consumer.key(old.id).expires_on, unended)

    @once
    def rename(self, name: str, key_id: str, *, label: str | None, token: UUID) -> Change:
        """Another label; None leaves it as it stands upstream, which may be more than is shown of it."""
        with self._recorded(Action.RENAME, name, key_id, token=token) as event:
            consumer = self._locked(event)
            key = consumer.key(key_id)
            wanted = key.label if label is None else label
            log.note(event, key, label=wanted)
            renamed = key if wanted == key.label else confirmed_writes.rename_key(self.api, key, wanted)
            log.add(event, label=renamed.label)
        renamed = replace(key, label=renamed.label)
        return Change(event, consumer.with_key(renamed), renamed)

    @once
    def change_end(
        self, name: str, key_id: str, *, ends: datetime, token: UUID, found: str = "", keeps: bool = False
    ) -> Change:
        """An earlier end, or a first one; raises `NotAllowed` for a later one, as no key may live longer.

        A key that is to end now and has ended is as wanted: whoever finishes a rotation need not know of its answer.
        `found` says where the key was found, if it has leaked: its managers are told. One that `keeps` a key that was
        replaced takes a later end too, as far as only a rotation made it earlier: its own end at the latest.
        """
        with self._recorded(Action.CHANGE_END, name, key_id, token=token) as event:
            consumer = self._locked(event)
            key = consumer.key(key_id)
            if ends > timezone.now():
                require_live(key)
            if keeps:
                (known,) = with_replacements([consumer], self.environment)
                keeps = known.key(key_id).is_replaced  # of any other key it is the own end that is chosen
            if key.expires_on and ends == key.expires_on.replace(second=0, microsecond=0):
                ends = key.expires_on  # as the form showed it, which leaves out the seconds
            last = own_end(key, self.environment) if keeps else key.expires_on
            if keeps and last:
                ends = min(ends, last)
            is_so = key.is_ended or same_time(key.expires_on, ends)
            if last and ends > last and not is_so:
                words = _("A key can't be extended. Create or rotate a key instead.")
                raise NotAllowed(words, title=_("Can't extend this key"))
            if not is_so:
                check_last(ends)
            told = ({"found": found} if found else {}) | ({"keeps": True} if keeps else {})
            log.note(event, key, ends=ends.isoformat(), was=current_ends(key), **told)
            ended = key if is_so else replace(key, expires_on=confirmed_writes.end_key(self.api, key, ends).expires_on)
            self._note_ends(event, consumer.with_key(ended))
        return Change(event, consumer.with_key(ended), ended, ends=ended.expires_on)

    @once
    def delete(self, name: str, key_id: str, *, token: UUID) -> Change:
        with self._recorded(Action.DELETE, name, key_id, token=token) as event:
            consumer = self._locked(event)
            key = consumer.key(key_id)
            log.note(event, key, deletes=key_id)
            confirmed_writes.confirmed(
                self.api,
                name,
                lambda: self.api.delete_key(name, key_id),
                lambda now: now.lacks_key(key_id),
            )
        return Change(event, consumer.without_key(key_id), key)

    # Changing a consumer

    @once
    def rename_consumer(self, name: str, *, label: str | None, token: UUID) -> Change:
        """Another label; None leaves it as it stands upstream."""
        with self._recorded(Action.RENAME_CONSUMER, name, token=token) as event:
            consumer = self._locked(event)
            wanted = was = consumer.label
            if label is not None:
                wanted = label
            log.note(event, label=wanted, were={"label": was})
            kept = was if wanted == was else confirmed_writes.rename_consumer(self.api, name, wanted, was)
            log.add(event, label=kept)
        return Change(event, replace(consumer, label=kept))

    @once
    def rotate_all(
        self,
        name: str,
        *,
        old_ends: datetime,
        token: UUID,
        seen: str = "",
        ends: datetime | None = None,
        each: bool = False,
    ) -> Change:
        """One new key for all, or `each` old one by one with its label; and an end for every old key.

        That is the given one or its own, whichever comes first. roll-key is documented in three ways; what it did is
        looked at, and put right key by key. Raises `ChangedMeanwhile` if there are other keys than those that were
        `seen`: one made since was not meant.
        """
        with self._recorded(Action.ROTATE_ALL, name, token=token) as event:
            before = self._locked(event)
            check_rotate_all(before)
            if seen and seen != before.mark:
                raise ChangedMeanwhile("there are other keys now than were seen")
            old, was = confirmed_writes.ends_of_old(before.keys, old_ends), current_ends(*before.keys)
            names = {key.id: [key.label, key.ending] for key in before.live_keys}
            if each:
                log.note(event, each=[], old=old, was=was, names=names)
                return self._rotate_each(event, before, old_ends, ends)
            facts = confirmed_writes.facts_of_new_key(before.key_ids, "", ends)
            log.note(event, old=old, was=was, names=names, **facts)
            rolled, new = confirmed_writes.roll_keys(self.api, before, old_ends, facts)
            log.add_new_key(event, new.key)
            log.note(event)
            new = self._redacted_for_staff(new)
            consumer, unended = self._end_old(event, rolled.with_key(new.key), new)
        last = _last_end(consumer, old_ends, before.key_ids)
        return Change(event, consumer, new.key, new.value, last, unended)

    def _rotate_each(self, event: AuditEvent, before: Consumer, old_ends: datetime, ends: datetime | None) -> Change:
        """Rotate one key after the other, each with an event of its own; where one fails, those left stay as they are.

        Raises the first failure if nothing was made before. Keys in whose place another one works need no more.
        """
        (known,) = with_replacements([before], self.environment)
        wanted = [key for key in known.live_keys if not key.is_replaced]
        if len(wanted) > KEYS_AT_ONCE:
            words = _("You can't rotate more than %(number)d keys one by one in one go.") % {"number": KEYS_AT_ONCE}
            raise NotAllowed(words, advice=_("Choose one new key for all, or rotate them from their own rows."))
        log.note(event, wanted=[key.id for key in wanted])
        # As many as there will be when it is the last one's turn.
        rules_for(self.actor).may_rotate(self.actor, replace(before, keys=(*before.keys, *wanted[1:])))
        consumer, left = before, list(wanted)
        made: list[FullKey] = []
        parts: list[AuditEvent] = []
        for old in wanted:
            try:
                with log.recorded(self.actor, Action.ROTATE, self.environment, before.name, old.id) as part:
                    log.note(part, of=event.pk)
                    consumer, new, unended = self._replaced(part, consumer, old, old_ends, ends)
            except ApiError:
                if not made:
                    raise
                break
            made.append(new)
            parts.append(part)
            left.remove(old)
            log.note(event, each=[full.key.id for full in made])
        log.note(event, **facts_of_each(event, {key.id for key in wanted} - {key.id for key in left}))
        consumer, unended = self._end_old(event, consumer, *made)
        late = {key.id for key in unended}
        for part in parts:
            if part.outcome == Outcome.PARTLY and part.key_id not in late:
                self._note_ends(part, consumer)
                log.complete(part)
        if left:
            event.outcome = Outcome.PARTLY
        last = _last_end(consumer, old_ends, event.facts["old"])
        return Change(event, consumer, ends=last, unended=unended, made=tuple(made), left=tuple(left))

    # Changing who manages a consumer

    @once
    def add_manager(self, name: str, email: str, *, token: UUID) -> Change:
        """One more manager, who is invited by mail; raises `NotAllowed` by the operator's rules."""
        with self._recorded(Action.ADD_MANAGER, name, token=token) as event:
            consumer = self._locked(event)
            if confirmed_writes.added_manager(consumer, email):
                raise NotAllowed(_("%(email)s already has access.") % {"email": email})
            rules_for(self.actor).may_add_manager(self.actor, consumer)
            rate_limits.count_invitation(self.actor, email)
            log.note(event, address=email)
            manager = confirmed_writes.add_manager(self.api, name, email)
            log.add(event, manager_id=manager.id)
        return Change(event, replace(consumer, managers=(*consumer.managers, manager)))

    @once
    def remove_manager(self, name: str, manager_id: str, *, token: UUID) -> Change:
        """Remove a manager, or leave. Only colleagues remove the last one: then nobody else sees the consumer."""
        with self._recorded(Action.REMOVE_MANAGER, name, token=token) as event:
            consumer = self._locked(event)
            manager = consumer.manager(manager_id)
            rules_for(self.actor).may_remove_manager(self.actor, consumer, manager)
            log.note(event, title=consumer.title, address=manager.email, manager_id=manager_id)
            confirmed_writes.confirmed(
                self.api,
                name,
                lambda: self.api.remove_manager(name, manager_id),
                lambda now: now.lacks_manager(manager_id),
            )
        left = tuple(one for one in consumer.managers if one.id != manager_id)
        return Change(event, replace(consumer, managers=left))

    @once
    def invite_again(self, name: str, manager_id: str, *, token: UUID) -> Change:
        """Mail the invitation again; raises `NotAllowed` if the manager has been here, or cannot sign in at all.

        Nothing but the mail is done, so it is done only if the mail could be sent.
        """
        with self._recorded(Action.INVITE, name, token=token) as event:
            consumer = self.consumer(name)
            manager = consumer.manager(manager_id)
            rules_for(self.actor).may_change_managers(self.actor, consumer)
            log.note(event, address=manager.email, manager_id=manager_id)
            people = people_of(self.actor, self.environment, consumer)
            if not any(one.manager == manager and one.may_be_invited for one in people):
                words = _("There's no open invitation for %(email)s.") % {"email": manager.email}
                raise NotAllowed(words, title=_("Invitation not sent"))
            rate_limits.count_invitation(self.actor, manager.email)
            if not notifications.mail_about(event, consumer):
                raise NotMailed
        return Change(event, consumer)

    # What verbs share

    def first_result(self, event: AuditEvent) -> Change:
        """Idempotent replay: the result of the first time the form was sent, as far as it can be told again."""
        if not log.is_by(event, self.actor) or event.environment != self.environment:
            raise NotAllowed(_("You already used this form. Open it again."))
        if event.outcome in OPEN:
            raise OutcomeUnknown(f"event {event.pk} is {event.outcome}")
        try:
            consumer = self._changed_by(event)
            if event.action in MANAGING:
                is_one = confirmed_writes.added_manager(consumer, event.facts.get("address", "")) is not None
                return Change(event, consumer, is_gone=is_one == (event.action == Action.REMOVE_MANAGER))
            if "each" in event.facts:
                return self._each_again(event, consumer)
            made = event.facts.get("new", "")
            concerned = made or (event.key_id if event.action != Action.DELETE else "")
            if not made or consumer.lacks_key(made):
                if not concerned or consumer.lacks_key(concerned):
                    return Change(event, consumer, is_gone=bool(concerned))
                key = consumer.key(concerned)
                return Change(event, consumer, key, ends=key.expires_on if event.action == Action.CHANGE_END else None)
            if not self.may(Action.REVEAL):
                change = Change(event, consumer, consumer.key(made), is_withheld=True)
            else:
                change = Change(event, consumer, consumer.key(made), self._value_again(event.consumer, made))
        except (ApiMisconfigured, ApiRefused, ApiUnavailable, OddAnswer, RateLimited) as problem:
            raise DoneBefore(f"event {event.pk}: {problem}") from problem
        return replace(change, unended=_to_end_now(event, consumer))

    def _each_again(self, event: AuditEvent, consumer: Consumer) -> Change:
        """The new keys of a form that is sent again, without their values: each can be revealed on its row."""
        made = tuple(FullKey(key, "") for key in consumer.keys if key.id in event.facts["each"])
        left = tuple(
            key for key in consumer.live_keys if key.id in event.facts["was"].keys() - event.facts["old"].keys()
        )
        return Change(event, consumer, unended=_to_end_now(event, consumer), made=made, left=left, is_gone=not made)

    def _changed_by(self, event: AuditEvent) -> Consumer:
        """The consumer as it is now; whoever has left it sees its title, and nothing else."""
        try:
            return self.consumer(event.consumer)
        except NotFound:
            if event.action == Action.REMOVE_MANAGER:
                return Consumer(event.consumer, event.facts.get("title", ""), managers=(), keys=())
            raise

    def _value_again(self, name: str, key_id: str) -> str:
        try:
            return self.reveal(name, key_id).value
        except ValueHidden:
            return ""

    def _with_recent_changes(
        self, found: dict[str, Consumer], asked: Collection[str] = (), *, is_all: bool = False
    ) -> dict[str, Consumer]:
        """Read-your-writes: what the Developer API answered, and what of our own changes it may not show yet.

        Changes of which it was not known whether they were done are settled by this look, also those to what was
        asked for by name and not found. What is missing in a list may be there, and not be this person's any more.
        Nothing is missing where what was found `is_all` that was asked for.
        """
        known, looked_at = dict(found), {*found, *asked}
        for event in log.recent_changes(self.actor, self.environment, looked_at, is_all=is_all):
            if event.outcome in OPEN and event.consumer in looked_at:
                settle(event, found.get(event.consumer))
            consumer = known.pop(event.consumer, None) or read_your_writes.new_consumer(event)
            if changed := consumer and read_your_writes.with_change(consumer, event):
                known[event.consumer] = changed
        return known

    @contextmanager
    def _recorded(
        self, action: Action, name: str = "", key_id: str = "", *, token: UUID | None = None
    ) -> Iterator[AuditEvent]:
        """Step-up check, audit event and rate limit around a verb."""
        if self.may(action):
            self.check_proof(action)
        with log.recorded(self.actor, action, self.environment, name, key_id, token=token) as event:
            self.check_right(action)
            rate_limits.count(self.actor, action)
            yield event

    def _locked(self, event: AuditEvent) -> Consumer:
        """The consumer that the event is about, to be changed by nobody else until the event ends.

        The gate comes before the lock: who may not pass it learns nothing of locks, and holds up nobody.
        """
        consumer = self.consumer(event.consumer)
        has_changed = log.lock(event, event.consumer, within=self.api.seconds_left)
        return self.consumer(event.consumer) if has_changed else consumer

    def _visible(self, key: ApiKey) -> FullKey:
        try:
            return self.api.full_key(key.consumer, key.id)
        except ApiRefused:
            # What a bucket with isRetrievable false answers is documented nowhere; a refusal is one way.
            return FullKey(key, "")

    def _redacted_for_staff(self, new: FullKey) -> FullKey:
        """A key just made by staff who may not see it: with its value only if the API shows it to the managers."""
        return new if self.may(Action.REVEAL) else confirmed_writes.with_value(self.api, replace(new, value=""))

    def _replaced(
        self, event: AuditEvent, consumer: Consumer, old: ApiKey, old_ends: datetime, ends: datetime | None
    ) -> tuple[Consumer, FullKey, Mapping[ApiKey, datetime]]:
        """A key in place of an old one: the consumer afterwards, the new key, and what could not be ended."""
        label = old.label_to_copy
        facts = confirmed_writes.facts_of_new_key(consumer.key_ids, as_shown(label), ends)
        old_one = {"old": confirmed_writes.ends_of_old([old], old_ends), "was": current_ends(old)}
        facts = log.note(event, old, **old_one, **facts)
        new = self._redacted_for_staff(confirmed_writes.make_key(self.api, consumer.name, facts, label))
        log.add_new_key(event, new.key)
        log.note(event)
        consumer, unended = self._end_old(event, consumer.with_key(new.key), new)
        return consumer, new, unended

    def _end_old(
        self, event: AuditEvent, consumer: Consumer, *new: FullKey
    ) -> tuple[Consumer, Mapping[ApiKey, datetime]]:
        """Give each old key its wanted end: the consumer afterwards, and those for which that failed.

        While nobody could be shown the new key, every old one goes on.
        """
        late = confirmed_writes.unended(event, consumer)
        failed = dict(late)
        for key, at in late.items() if all(full.value for full in new) else ():
            try:
                ended = replace(key, expires_on=confirmed_writes.end_key(self.api, key, at).expires_on)
            except ApiError:
                continue
            del failed[key]
            consumer = consumer.with_key(ended)
        self._note_ends(event, consumer)
        if failed:
            event.outcome = Outcome.PARTLY
        return consumer, failed

    def _note_ends(self, event: AuditEvent, consumer: Consumer) -> None:
        """Note the ends that the service kept, where it rounds them: mails and the history tell of these."""
        if facts := confirmed_writes.ends_as_kept(event, consumer):
            log.note(event, **facts)


def _last_end(consumer: Consumer, old_ends: datetime, old: Collection[str]) -> datetime:
    """When the last of the old keys ends."""
    return max([old_ends, *(key.expires_on for key in consumer.keys if key.id in old and key.expires_on)])


def _to_end_now(event: AuditEvent, consumer: Consumer) -> dict[ApiKey, datetime]:
    """The old keys that a rotation has left to end; an end that was to come long ago is to come now."""
    unended = confirmed_writes.unended(event, consumer)
    return {key: max(at, timezone.now() - A_MOMENT) for key, at in unended.items()}


def check_rotate_all(consumer: Consumer) -> None:
    """Raises `NotAllowed` where there is nothing to rotate, or a key whose own end could be moved to a later time."""
    if consumer.unread_keys:
        raise NotAllowed(
            _("Some of these keys couldn't be read, so you can't rotate them together."),
            advice=_("Rotate the others one by one, and contact support about the missing one."),
        )
    if not consumer.live_keys:
        raise NotAllowed(_("There's no key to rotate. Create one instead."))


def require_live(key: ApiKey) -> ApiKey:
    """The key, unless it has ended: then raises `NotAllowed`."""
    if key.is_ended:
        raise NotAllowed(_("This key has already expired. Create a new one."))
    return key


def key_service_ready() -> bool:
    """Readiness: True if the Developer API answers within two seconds and takes our token. The breaker is bypassed."""
    return retries.is_up("/v1/who-am-i", seconds=2)
