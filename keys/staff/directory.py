"""Service layer for staff: all consumers of an environment, searches, and the changes that only colleagues make."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from django.utils.translation import gettext as _

from keys.audit import log
from keys.errors import ApiRefused, ChangedMeanwhile, NotAllowed, NotFound, OddAnswer
from keys.models import Action, AuditEvent, Outcome
from keys.service import confirmed_writes
from keys.service.idempotency import Change, once
from keys.service.keyring import KeyRing
from keys.staff.search.scan import Finder, ScanResult, look_if_small, look_through
from keys.types import Consumer, Manager, NewConsumer, Unread
from keys.zuplo.client import Window, read_entry

ON_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class FirstKey:
    """The key that a new consumer begins with; `ends` None is never."""

    label: str
    ends: datetime | None


class Directory(KeyRing):
    """Key ring of a colleague: everybody's. Whatever is asked of it needs the permission to view."""

    def check_view(self) -> None:
        """Raises `NotAllowed` for whoever may not look at consumers."""
        if not self.actor.sees_all:
            raise NotAllowed(
                _("You don't have permission to see consumers."),
                advice=_("Ask an admin for the permission “Can view consumers and their masked keys”."),
            )

    def refuse(self, action: Action, name: str = "") -> NoReturn:
        """Put on record that this was tried without the permission to do it; raises `NotAllowed`."""
        with self._recorded(action, name):
            raise NotAllowed(_("You don't have permission to do this."))

    # Looking

    def some(self, offset: int, *, email: str = "", tag: tuple[str, str] | None = None) -> Window[Consumer]:
        """A page of all consumers, or of those that the Developer API finds; never more of them than it shows."""
        self.check_view()
        window = self.api.some_consumers(offset, ON_A_PAGE, email=email, tag=tag, decode=read_entry)
        found = {entry.name: entry for entry in window.items if isinstance(entry, Consumer)}
        known, unread = self._with_recent_changes(found), sum(isinstance(entry, Unread) for entry in window.items)
        return Window([known[name] for name in found if name in known], window.next, window.total, unread)

    def named(self, name: str) -> Window[Consumer]:
        """The consumer of exactly this name, if there is one: the Developer API finds no part of a name."""
        self.check_view()
        try:
            return Window([self.consumer(name)], None, 1)
        except NotFound:
            return Window([], None, 0)
        except OddAnswer:
            return Window([], None, 1, unread=1)

    def look_through(self, begin: int, finder: Finder) -> ScanResult:
        self.check_view()
        return look_through(self.api, begin, finder)

    def look_if_small(self, finder: Finder) -> ScanResult | None:
        self.check_view()
        return look_if_small(self.api, finder)

    # Changing

    @once
    def create_consumer(self, new: NewConsumer, first: FirstKey | None, *, token: UUID) -> Change:
        """A new consumer; raises `NotAllowed` when the name is taken, for nobody's consumer is adopted."""
        with self._recorded(Action.CREATE_CONSUMER, new.name, token=token) as event:
            if first:
                self.check_right(Action.CREATE)
            log.lock(event, new.name, within=self.api.seconds_left)
            self._check_free(new.name)
            managers = _managers(new)
            facts = confirmed_writes.facts_of_new_key((), first.label, first.ends) if first else {}
            log.note(event, **_facts(new, managers), **facts)
            try:
                return self._made(event, new, managers, facts)
            except ApiRefused as refusal:
                if refusal.code == 409:
                    raise _taken(new.name) from refusal
                raise

    def _made(
        self, event: AuditEvent, new: NewConsumer, managers: tuple[Manager, ...], facts: Mapping[str, Any]
    ) -> Change:
        if not facts:
            consumer = confirmed_writes.make_bare_consumer(self.api, new)
            log.add(event, consumer_id=consumer.id)
            return Change(event, replace(consumer, managers=consumer.managers or managers))
        consumer, full = confirmed_writes.make_consumer(self.api, new, dict(facts))
        log.add_new_key(event, full.key, consumer_id=consumer.id)
        consumer = replace(consumer, managers=consumer.managers or managers).with_key(full.key)
        return Change(event, consumer, full.key, full.value)

    def _check_free(self, name: str) -> None:
        try:
            self.api.consumer(name)
        except NotFound:
            return
        raise _taken(name)

    @once
    def change_consumer(self, seen: Consumer, wanted: Mapping[str, Any], *, token: UUID) -> Change:
        """Another label, other tags or metadata: those of them that are wanted, in place of what was seen."""
        name = seen.name
        with self._recorded(Action.CHANGE_CONSUMER, name, token=token) as event:
            consumer = self._locked(event)
            if any(getattr(consumer, field) != getattr(seen, field) for field in wanted):
                raise ChangedMeanwhile("somebody else's change came first")
            were = {field: getattr(consumer, field) for field in wanted}
            log.note(event, **wanted, were=were)
            if wanted:
                tags = {"tags": consumer.tags_to_write(wanted["tags"])} if "tags" in wanted else {}
                confirmed_writes.change_consumer(self.api, name, {**wanted, **tags}, were)
        return Change(event, replace(consumer, **wanted))

    @once
    def delete_consumer(self, name: str, *, token: UUID) -> Change:
        """Delete a consumer with its keys, which stop working, and its managers."""
        with self._recorded(Action.DELETE_CONSUMER, name, token=token) as event:
            consumer = self._locked(event)
            log.note(event, title=consumer.title, ended=[key.ending for key in consumer.live_keys])
            confirmed_writes.delete_consumer(self.api, name)
        return Change(event, consumer)

    def first_result(self, event: AuditEvent) -> Change:
        """Replay: of a deletion nothing is left to look at."""
        if event.action == Action.DELETE_CONSUMER and log.is_by(event, self.actor) and event.outcome == Outcome.DONE:
            gone = Consumer(event.consumer, event.facts["title"], managers=(), keys=())
            return Change(event, gone)
        return super().first_result(event)


def _managers(new: NewConsumer) -> tuple[Manager, ...]:
    """Bare addresses are invited, the others added."""
    return tuple(Manager(one, invited=True) if isinstance(one, str) else Manager(one["email"]) for one in new.managers)


def _facts(new: NewConsumer, managers: tuple[Manager, ...]) -> dict[str, Any]:
    return {
        "title": new.label,
        "tags": dict(new.tags),
        "metadata": dict(new.metadata),
        "managers": [manager.email for manager in managers],
        "invited": any(manager.invited for manager in managers),
    }


def _taken(name: str) -> NotAllowed:
    return NotAllowed(
        _("There's already a consumer named %(name)s.") % {"name": name},
        advice=_("Choose another name. You can't change it later, but you can change the label."),
    )
