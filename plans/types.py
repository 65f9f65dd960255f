"""Plans, subscriptions and usage in our words, whichever source they come from. Frozen, and typed.

Money and quantities are `Decimal`, made of texts, never of floats. What a source does not know is None, and is said to
be unknown: never zero, never free.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from django.utils import timezone

from plans.periods import MONTH, Period


class PriceKind(StrEnum):
    FLAT = "flat"
    UNIT = "unit"
    TIERED = "tiered"
    PACKAGE = "package"
    TEXT = "text"
    """In the operator's own words, see `Price.text`."""
    UNKNOWN = "unknown"
    """Of a kind that we cannot put into words: told by the contract."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a tiered price: up to `up_to` units, None for all further ones."""

    up_to: Decimal | None
    flat: Decimal | None = None
    unit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """Of one rate card. `amount` is for the whole (flat), for one (unit), or for `quantity` of them (package)."""

    kind: PriceKind
    amount: Decimal | None = None
    quantity: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    is_volume: bool = False
    """All units at the price of the last tier reached, rather than each at that of its own."""
    text: str = ""


class EntitlementKind(StrEnum):
    METERED = "metered"
    BOOLEAN = "boolean"
    STATIC = "static"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Entitlement: what a plan gives of a feature, so many units in each period, or the feature as such, or a value."""

    kind: EntitlementKind
    included: Decimal | None = None
    is_soft: bool = False
    period: Period | None = None
    value: str = ""


@dataclass(frozen=True, slots=True)
class RateCard:
    """One line of a plan: a feature with what is included of it, or a fee. `price` None costs nothing."""

    key: str
    name: str
    entitlement: Entitlement | None = None
    price: Price | None = None
    cadence: Period | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a plan; the last one has no duration."""

    key: str
    name: str
    duration: Period | None
    cards: tuple[RateCard, ...]

    @property
    def is_free(self) -> bool:
        return all(card.price is None for card in self.cards)

    @property
    def features(self) -> tuple[RateCard, ...]:
        return tuple(card for card in self.cards if card.entitlement)

    @property
    def fees(self) -> tuple[RateCard, ...]:
        """Fixed price, whatever is used."""
        return tuple(card for card in self.cards if card.price and not card.entitlement)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan. `order` None means that the source names no order; then prices are compared."""

    key: str
    name: str
    phases: tuple[Phase, ...]
    description: str = ""
    currency: str = ""
    cadence: Period = MONTH
    order: int | None = None
    is_private: bool = False
    is_popular: bool = False
    needs_approval: bool = False
    contact_url: str = ""
    contact_label: str = ""
    stripe_price: str = ""
    hidden_phases: frozenset[str] = frozenset()
    """Phases before the lasting one that are not to be told of; what a plan costs in the end always is."""
    version: int = 1
    id: str = ""

    @property
    def phase(self) -> Phase:
        """The lasting one, after any trial."""
        return self.phases[-1]

    @property
    def trial(self) -> Phase | None:
        """A first phase that costs nothing, before one that does."""
        first = self.phases[0]
        return first if len(self.phases) > 1 and first.is_free and first.duration else None

    @property
    def first_phases(self) -> tuple[Phase, ...]:
        """Those before the lasting one, as far as they are to be told of."""
        return tuple(phase for phase in self.phases[:-1] if phase.key not in self.hidden_phases and phase.duration)

    @property
    def is_free(self) -> bool:
        return all(phase.is_free for phase in self.phases)

    @property
    def monthly(self) -> Decimal | None:
        """The recurring price a month, as far as it is a plain amount; None where it is not."""
        total = Decimal(0)
        for card in self.phase.fees:
            if card.price is None or card.price.kind != PriceKind.FLAT or card.price.amount is None:
                return None
            months = (card.cadence or self.cadence).months
            if not months:
                return None
            total += card.price.amount / months
        return total

    def feature(self, key: str) -> RateCard | None:
        return next((card for card in self.phase.features if card.key == key), None)


class Direction(StrEnum):
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    UNKNOWN = "unknown"


def direction(old: Plan | None, new: Plan) -> Direction:
    """Tell an upgrade from a downgrade: by the order of plans, else by price, else not at all."""
    if old is None:
        return Direction.UPGRADE
    if old.order is not None and new.order is not None and old.order != new.order:
        return Direction.UPGRADE if new.order > old.order else Direction.DOWNGRADE
    before, after = old.monthly, new.monthly
    if before is None or after is None or before == after or (old.currency != new.currency and before and after):
        return Direction.UNKNOWN
    return Direction.UPGRADE if after > before else Direction.DOWNGRADE


class Status(StrEnum):
    ACTIVE = "active"
    CANCELED = "canceled"
    """It has an end and runs until then."""
    SCHEDULED = "scheduled"
    ENDED = "inactive"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A consumer's plan, as the source tells it. Dates are None where the source knows none.

    `next_plan` follows at `changes_on`, if a change was scheduled. `blocked` is why calls are refused though it runs.
    """

    consumer: str
    plan_key: str
    plan_name: str
    status: Status = Status.ACTIVE
    id: str = ""
    customer_id: str = ""
    active_from: datetime | None = None
    active_to: datetime | None = None
    anchor: datetime | None = None
    cadence: Period | None = None
    next_plan: str = ""
    next_id: str = ""
    period_end: datetime | None = None
    changes_on: datetime | None = None
    is_in_free_phase: bool = False

    @property
    def runs(self) -> bool:
        now = timezone.now()
        return self.status in {Status.ACTIVE, Status.CANCELED, Status.UNKNOWN} and not (
            self.active_to and self.active_to <= now
        )

    @property
    def is_canceled(self) -> bool:
        return self.active_to is not None and self.runs

    @property
    def resets_on(self) -> datetime | None:
        """When usage begins anew: as the source says, or by anchor and cadence."""
        if self.period_end and self.runs:
            return self.period_end
        if self.anchor is None or self.cadence is None or not self.runs:
            return None
        _begin, end = self.cadence.around(timezone.now(), self.anchor)
        return min(end, self.active_to) if self.active_to else end


@dataclass(frozen=True, slots=True)
class Used:
    """Of one metered feature in the running period: None is unknown."""

    key: str
    name: str
    used: Decimal | None = None
    included: Decimal | None = None
    has_access: bool | None = None
    is_soft: bool | None = None

    @property
    def percent(self) -> int | None:
        if self.used is None or self.included is None:
            return None
        if self.included <= 0:
            return None if self.goes_on else 100
        return int(max(min(self.used * 100 / self.included, Decimal(999)), Decimal(0)))

    @property
    def goes_on(self) -> bool:
        """True if calls are let in above what is included: the limit is soft, unless the source refuses them now."""
        return bool(self.is_soft) if self.has_access is None else self.has_access and self.is_soft is not False

    @property
    def bar(self) -> int:
        """How long the bar is, of a hundred."""
        return min(self.percent or 0, 100)

    @property
    def over(self) -> Decimal | None:
        """Overage: what was used beyond what is included."""
        if self.used is None or self.included is None or self.used <= self.included:
            return None
        return self.used - self.included

    @property
    def left(self) -> Decimal | None:
        return None if self.used is None or self.included is None else max(self.included - self.used, Decimal(0))

    @property
    def tone(self) -> str:
        """For the colour of a bar; the same stands beside it in words."""
        percent = self.percent
        if percent is None:
            return "unknown"
        return "full" if percent >= 100 else "near" if percent >= 80 else "ok"


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a plan was used, and when that was looked at; `features` None is unknown, () is none metered.

    `payment` says why calls may be refused for all that: "first" while the first payment is to be made, "failed" once
    a later one has failed.
    """

    features: tuple[Used, ...] | None
    taken_at: datetime | None = None
    plan_key: str = ""
    payment: str = ""

    @property
    def nearest(self) -> Used | None:
        """The feature that is nearest to its end."""
        known = [one for one in self.features or () if one.percent is not None]
        return max(known, key=lambda one: one.percent or 0, default=None)


UNKNOWN_USAGE = Usage(None)


@dataclass(frozen=True, slots=True)
class Day:
    """Usage of a feature on one day (UTC)."""

    on: date
    used: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """Proration: what a change would give back, by the source's own reckoning."""

    credit: Decimal
    currency: str
