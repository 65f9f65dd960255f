"""Plan source: the interface behind which plans, subscriptions and usage are kept, by Zuplo or by the portal itself.

Verbs of a source are called by `plans.service` only, past the gate and inside an audit event. They raise the errors of
`keys.errors`: `OutcomeUnknown` where nobody can tell whether a change was made.
"""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

from keys.errors import ApiError
from keys.types import Consumer
from keys.zuplo.client import DeveloperAPI
from plans.types import UNKNOWN_USAGE, Day, Direction, Estimate, Plan, Subscription, Usage


class NotLookedAt(ApiError):
    """There may be a plan, and to tell would take more calls than a card among others may cost."""


class Source(ABC):
    """Plans of one environment, for the time of one page."""

    knows_usage = False
    """True if anything is known here of what was used; then a change of plan also begins to count anew."""
    can_schedule = True
    """True if a change or an end can be put off to the end of a period."""

    def __init__(self, api: DeveloperAPI, environment: str) -> None:
        self.api = api
        self.environment = environment

    @abstractmethod
    def plans(self) -> list[Plan]:
        """All that can be chosen by somebody, in their order, private ones too."""

    def plan(self, key: str) -> Plan | None:
        return next((plan for plan in self.plans() if plan.key == key), None)

    def metadata_of_new(self, plan: Plan) -> dict[str, Any]:
        """Metadata of a new consumer that says its plan."""
        return {}

    def wanted(self, consumer: Consumer, plan_key: str) -> dict[str, Any] | None:
        """The metadata that the consumer is to have with this plan; None where they say nothing of it."""
        return None

    def begun(self, consumer: Consumer, plan: Plan) -> None:  # noqa: B027, most sources keep no note
        """Note that the plan begins now, where its new consumer was made with it."""

    @abstractmethod
    def subscription(self, consumer: Consumer) -> Subscription | None:
        """The consumer's plan at this moment, or the one that comes."""

    def usage(self, subscription: Subscription) -> Usage:
        return UNKNOWN_USAGE

    def glance(self, consumer: Consumer) -> tuple[Subscription | None, Usage]:
        """Plan and usage for a card among others: for at most one call, and as of half a minute ago if need be.

        Raises `NotLookedAt` where one call does not do.
        """
        subscription = self.subscription(consumer)
        return subscription, self.usage(subscription) if subscription else UNKNOWN_USAGE

    def days(self, subscription: Subscription, feature: str, begin: datetime, end: datetime) -> list[Day] | None:
        """Usage by day; None where that is unknown."""
        return None

    def estimate(self, subscription: Subscription, plan: Plan, *, at_once: bool) -> Estimate | None:
        """The credit that a change would bring; None where none is reckoned."""
        return None

    def invite(self, plan: Plan, email: str) -> str:
        """Let somebody choose a private plan; the id of the invitation, "" where none is kept but here."""
        return ""

    def take_back_invitation(self, invite_id: str) -> None:  # noqa: B027, most sources keep none
        """Take an invitation back that was kept there."""

    @abstractmethod
    def subscribe(self, consumer: Consumer, plan: Plan, email: str) -> Subscription:
        """Begin with a plan."""

    @abstractmethod
    def change(self, consumer: Consumer, old: Subscription, plan: Plan, *, at_once: bool) -> Subscription:
        """Another plan, at once or at the end of the period."""

    @abstractmethod
    def cancel(self, consumer: Consumer, old: Subscription, *, at_once: bool) -> Subscription:
        """An end of the plan, at once or at the end of the period."""

    @abstractmethod
    def resume(self, consumer: Consumer, old: Subscription) -> Subscription:
        """Take back a cancellation, or a change, that has not come yet."""

    def is_immediate(self, old: Subscription | None, direction: Direction) -> bool:
        """True if a change in this direction is made at once: upgrades are, downgrades wait for the period's end."""
        return not (self.can_schedule and direction == Direction.DOWNGRADE and old is not None and old.resets_on)
