"""One subscription at one moment: its status, phase, periods, and whether it costs anything."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.http_messages import Document
from sandbox.metering.periods import after, period_around, read_duration
from sandbox.store import Row, Store
from sandbox.values import moment_of

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a subscription; the last one of a plan has no end."""

    key: str
    name: str
    start: datetime
    end: datetime | None
    cards: list[Document]

    @property
    def is_free(self) -> bool:
        return all(card.get("price") is None for card in self.cards)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row with its plan, seen at this moment."""

    row: Row
    plan: Row
    terms: Document
    now: datetime

    @property
    def active_from(self) -> datetime:
        return moment_of(self.row["active_from"])

    @property
    def active_to(self) -> datetime | None:
        return moment_of(self.row["active_to"]) if self.row["active_to"] else None

    @property
    def status(self) -> str:
        """Computed from the two dates alone; a canceled one still gives access until its end."""
        if self.active_to and self.active_to <= max(self.now, self.active_from):
            return "inactive"
        if self.active_from > self.now:
            return "scheduled"
        return "canceled" if self.active_to else "active"

    @property
    def is_running(self) -> bool:
        return self.status in ("active", "canceled")

    @property
    def moment(self) -> datetime:
        """Now, or the nearest instant at which the subscription ran or will run."""
        latest = max(self.active_from, self.active_to - _INSTANT) if self.active_to else self.now
        return max(self.active_from, min(self.now, latest))

    @property
    def phases(self) -> list[Phase]:
        return list(self._phases())

    def _phases(self) -> Iterator[Phase]:
        start = self.active_from
        for phase in self.terms["phases"]:
            end = after(start, read_duration(phase["duration"])) if phase.get("duration") else None
            yield Phase(phase["key"], phase.get("name", phase["key"]), start, end, phase["rateCards"])
            if end is None:
                return
            start = end

    @property
    def phase(self) -> Phase:
        """The one that holds the moment; a plan whose last phase has an end stays in that one."""
        phases = self.phases
        return next((phase for phase in phases if phase.end is None or phase.end > self.moment), phases[-1])

    @property
    def billing_period(self) -> tuple[datetime, datetime]:
        """At the longest until the phase ends: a trial is not billed beyond itself."""
        start, end = self.period(self.terms["billingCadence"])
        return start, min(end, self.phase.end or end)

    def period(self, length: str) -> tuple[datetime, datetime]:
        """The period of this length around the moment, counted from the phase's start or the agreed billing anchor."""
        anchor = moment_of(self.row["billing_anchor"])
        if anchor == self.active_from:
            anchor = self.phase.start
        return period_around(anchor, read_duration(length), self.moment)

    @property
    def is_free(self) -> bool:
        """The whole plan: every rate card of every phase is without a price."""
        return all(phase.is_free for phase in self.phases)

    @property
    def payment(self) -> Document:
        payment: Document = json.loads(self.row["payment"])
        return payment

    @property
    def notes(self) -> Document:
        """Name, description, metadata and annotations."""
        notes: Document = json.loads(self.row["document"])
        return notes


def seen(store: Store, row: Row) -> Subscription:
    plan = store.all("SELECT * FROM plans WHERE pk = ?", row["plan"])[0]
    return Subscription(row, plan, json.loads(plan["document"]), store.clock.moment())


def of_customer(store: Store, customer: int) -> list[Subscription]:
    """Newest first."""
    rows = store.all("SELECT * FROM subscriptions WHERE customer = ? ORDER BY pk DESC", customer)
    return [seen(store, row) for row in rows]


def of_consumer(store: Store, bucket: int, name: str) -> list[Subscription]:
    """Those of the customers whose usage is attributed to this consumer, newest first."""
    rows: list[Any] = store.all(
        "SELECT subscriptions.* FROM subscriptions JOIN customers ON customers.pk = subscriptions.customer"
        " WHERE customers.bucket = ? AND EXISTS (SELECT 1 FROM json_each(customers.subjects) WHERE value = ?)"
        " ORDER BY subscriptions.pk DESC",
        bucket,
        name,
    )
    return [seen(store, row) for row in rows]
