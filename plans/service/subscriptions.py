"""Subscription service: start, change, cancel, resume. Every verb passes the gate itself, is recorded, and mailed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID, uuid5

from django.utils.translation import gettext as _

from keys.audit import log
from keys.conf import settings
from keys.errors import ApiError, ChangedMeanwhile, DoneBefore, NotAllowed, NotFound
from keys.models import PLANNING, Action, AuditEvent
from keys.service.idempotency import Change, once
from keys.service.keyring import KeyRing
from keys.types import Consumer
from plans.models import Invitation, PlanRecord
from plans.service.reconciliation import settle
from plans.sources import source_for
from plans.sources.base import Source
from plans.types import Direction, Plan, Subscription, direction


@dataclass(frozen=True, slots=True)
class Start:
    """Result of a first subscription: the key, and whether the plan has begun with it or is still to be started."""

    change: Change
    plan: Plan
    has_begun: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """A change of plan as it would be made: what it is, and when it comes; `when` None is at once."""

    plan: Plan
    old: Subscription | None
    old_plan: Plan | None
    direction: Direction
    when: datetime | None

    @property
    def lost(self) -> list[str]:
        """The features that the new plan lacks."""
        known = {card.key for card in self.plan.phase.features}
        return [card.name for card in self.old_plan.phase.features if card.key not in known] if self.old_plan else []


class Subscriptions(KeyRing):
    """The plans of all consumers that a person may see in one environment.

    Support on a visit sees them and changes none; colleagues in Django admin change them under their own name.
    """

    @cached_property
    def source(self) -> Source:
        return source_for(self.api, self.environment)

    def may(self, action: Action) -> bool:
        return not (self.actor.on_visit and action in PLANNING) and super().may(action)

    # Looking

    def offered(self) -> list[Plan]:
        """Plans that this person may choose, or ask for; private ones by invitation of a verified address."""
        plans = self.source.plans()
        invited = self._invited() if any(plan.is_private for plan in plans) else set()
        return [plan for plan in plans if not plan.is_private or plan.key in invited or self.actor.sees_all]

    def _invited(self) -> set[str]:
        lowered = [email.lower() for email in self.actor.emails]
        return set(Invitation.objects.filter(email__in=lowered).values_list("plan_key", flat=True))

    def choosable(self, key: str) -> Plan:
        """The plan of that key; raises `NotFound` for one that is gone, or not for this person."""
        for plan in self.offered():
            if plan.key == key:
                return plan
        raise NotFound("no such plan for this person")

    def current(self, name: str) -> tuple[Consumer, Subscription | None]:
        """Past the gate: the consumer, and its plan. What was left open by lost answers is settled by this look."""
        consumer = self.consumer(name)
        subscription = self.source.subscription(consumer)
        settle(self.environment, consumer, subscription)
        return consumer, subscription

    def wish(self, old: Subscription | None, plan: Plan, *, at_once: bool | None = None) -> Wish:
        """Preview of a change to this plan; `at_once` is what the person said, where only they can."""
        old_plan = self.source.plan(old.plan_key) if old else None
        way = direction(old_plan, plan)
        immediate = self.source.is_immediate(old, way) if at_once is None or way != Direction.UNKNOWN else at_once
        return Wish(plan, old, old_plan, way, None if immediate or old is None else old.resets_on)

    # Changing

    def start(self, plan: Plan, *, label: str, ends: datetime | None, token: UUID) -> Start:
        """For a newcomer: consumer, first key and plan in one go. Sent again, it doubles none of them.

        What went well stays: a key whose plan could not be started is shown, and the plan offered once more.
        """
        self.check_right(Action.START_PLAN)
        self._check_immediate(plan)
        metadata = self.source.metadata_of_new(plan)
        change = self.create_first(
            label=label, ends=ends, token=token, metadata=metadata, plan=plan.key, plan_name=plan.name
        )
        if metadata:
            if PlanRecord.of(self.environment, change.consumer).plan_key != plan.key:
                self.source.begun(change.consumer, plan)
            return Start(change, plan, has_begun=True)
        try:
            self.subscribe(change.consumer.name, plan.key, token=uuid5(token, "plan"))
        except ApiError:
            return Start(change, plan, has_begun=False)
        return Start(change, plan, has_begun=True)

    @once
    def subscribe(self, name: str, plan_key: str, *, token: UUID, is_approved: bool = False) -> Change:
        """Begin with a plan, for a consumer that has none."""
        with self._recorded(Action.START_PLAN, name, token=token) as event:
            consumer = self._locked(event)
            plan = self._plan(plan_key, is_approved=is_approved)
            if self.source.subscription(consumer):
                raise ChangedMeanwhile("there is a plan already")
            self._note(event, consumer, plan)
            self.source.subscribe(consumer, plan, self.actor.email)
        return Change(event, self._with_plan(consumer, event))

    @once
    def change_plan(
        self,
        name: str,
        plan_key: str,
        *,
        seen: str,
        token: UUID,
        at_once: bool | None = None,
        is_approved: bool = False,
    ) -> Change:
        """Another plan; raises `ChangedMeanwhile` if the one to be changed is not the one that was `seen`."""
        with self._recorded(Action.CHANGE_PLAN, name, token=token) as event:
            consumer = self._locked(event)
            plan, old = self._plan(plan_key, is_approved=is_approved), self.source.subscription(consumer)
            if old is None or seen not in {"", mark(old)}:
                raise ChangedMeanwhile("the plan is another one than was seen")
            if not is_approved:
                self.check_payment(consumer)
            if old.plan_key == plan.key and not old.next_plan:
                raise NotAllowed(_("You already have this plan."))
            when = None if is_approved and at_once else self.wish(old, plan, at_once=at_once).when
            self._note(event, consumer, plan, old, when)
            self.source.change(consumer, old, plan, at_once=when is None)
        return Change(event, self._with_plan(consumer, event))

    @once
    def cancel_plan(self, name: str, *, seen: str, token: UUID, is_due: bool = False) -> Change:
        """The end of a plan: free ones and trials end at once, others at the end of the paid period, once it is due."""
        with self._recorded(Action.CANCEL_PLAN, name, token=token) as event:
            consumer = self._locked(event)
            old = self.source.subscription(consumer)
            if old is None or seen not in {"", mark(old)}:
                raise ChangedMeanwhile("the plan is another one than was seen")
            if not is_due:
                self.check_payment(consumer)
            at_once = is_due or old.is_in_free_phase or old.resets_on is None
            wanted = {"metadata": self.source.wanted(consumer, "")} if at_once else {}
            log.note(event, plan=old.plan_key, plan_name=old.plan_name, **self._facts(consumer, old, wanted))
            self.source.cancel(consumer, old, at_once=at_once)
        return Change(event, self._with_plan(consumer, event))

    @once
    def resume_plan(self, name: str, *, seen: str, token: UUID) -> Change:
        """Take back a cancellation, or a change, that has not come yet."""
        with self._recorded(Action.RESUME_PLAN, name, token=token) as event:
            consumer = self._locked(event)
            old = self.source.subscription(consumer)
            if old is None or seen not in {"", mark(old)} or not (old.is_canceled or old.next_plan):
                raise ChangedMeanwhile("there is nothing to take back")
            self.check_payment(consumer)
            log.note(event, plan=old.plan_key, plan_name=old.plan_name, **self._facts(consumer, old, {}))
            self.source.resume(consumer, old)
        return Change(event, consumer)

    # What verbs share

    def first_result(self, event: AuditEvent) -> Change:
        """Replay: what was done to a plan may have been undone since."""
        change = super().first_result(event)
        if event.action not in PLANNING:
            return change
        try:
            now = self.source.subscription(change.consumer)
        except ApiError as problem:
            raise DoneBefore(f"event {event.pk}: {problem}") from problem
        return replace(change, is_gone=not _still_stands(event, now))

    def _plan(self, key: str, *, is_approved: bool) -> Plan:
        """The plan of that key, if it may begin here; what was approved or paid for also after it was withdrawn."""
        if is_approved and (approved := self.source.plan(key)):
            return approved
        plan = self.choosable(key)
        if not is_approved:
            self._check_immediate(plan)
        return plan

    def pays_by_stripe(self, consumer: Consumer) -> bool:
        return bool(PlanRecord.of(self.environment, consumer).stripe_subscription)

    def check_payment(self, consumer: Consumer) -> None:
        """Raises `NotAllowed` where Stripe is paid for a plan: changed or bought anew here, it would be paid on."""
        if self.pays_by_stripe(consumer):
            raise NotAllowed(
                _("This plan is paid through Stripe."),
                advice=_("Change or cancel it under “Manage payment” on its page."),
            )

    def _check_immediate(self, plan: Plan) -> None:
        """Raises `NotAllowed` where a plan is to be asked for, or paid first: only its own way leads to it."""
        if way_to(plan) != "start":
            raise NotAllowed(_("This plan can't be started here."), advice=_("Choose it on the Plans page."))

    def _note(
        self,
        event: AuditEvent,
        consumer: Consumer,
        plan: Plan,
        old: Subscription | None = None,
        when: datetime | None = None,
    ) -> None:
        wanted = {"metadata": self.source.wanted(consumer, plan.key)} if when is None else {}
        before = {"plan_before": old.plan_name} if old else {}
        later = {"plan_from": when.isoformat()} if when else {}
        facts = self._facts(consumer, old, wanted) | before | later
        log.note(event, plan=plan.key, plan_name=plan.name, **facts)

    def _facts(self, consumer: Consumer, old: Subscription | None, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Write-ahead facts, so that it can be told later whether it was done."""
        said = {name: value for name, value in wanted.items() if value is not None}
        return said | {"subscription": old.id if old else ""}

    def _with_plan(self, consumer: Consumer, event: AuditEvent) -> Consumer:
        return replace(consumer, metadata=event.facts.get("metadata", consumer.metadata))

    def check_newcomer_with_plan(self, plan: Plan) -> None:
        """Raises `NotAllowed` for whoever may not start with this plan, before the form is shown."""
        self.check_right(Action.START_PLAN)
        self._check_immediate(plan)
        self.check_newcomer()


def _still_stands(event: AuditEvent, now: Subscription | None) -> bool:
    """True if the plan is as a change made it, or is to become so."""
    if now is None or event.action == Action.CANCEL_PLAN:
        return (now is None or now.is_canceled) and event.action == Action.CANCEL_PLAN
    if event.action == Action.RESUME_PLAN:
        return not now.is_canceled and not now.next_plan
    return now.plan_key == event.facts["plan"] or now.next_plan == str(event.facts["plan_name"])


def mark(subscription: Subscription | None) -> str:
    """Tells whether a plan is as it was when a form was opened."""
    if subscription is None:
        return "none"
    facts = (subscription.id, subscription.plan_key, subscription.active_to, subscription.next_plan)
    return uuid5(UUID(int=0), repr(facts)).hex


def way_to(plan: Plan) -> str:
    """How a plan is got: "start" at once, "pay" by Stripe first, "request" it, or "contact" the operator's sales."""
    if plan.contact_url:
        return "contact"
    if plan.needs_approval:
        return "request"
    if plan.is_free:
        return "start"
    return "pay" if settings.STRIPE_API_KEY and plan.stripe_price else "request"
