"""Portal source: plans from Django admin; a consumer's `metadata.plan` upstream is the one truth of which it has.

The gateway's policies read it there. Usage is the gateway's business and not known here, and that is said.
"""

from dataclasses import replace
from typing import Any

from django.utils import timezone

from keys.errors import NotAllowed
from keys.redaction import harmless, without_keys
from keys.service import confirmed_writes
from keys.types import Consumer
from plans import models
from plans.models import PlanRecord
from plans.periods import Period
from plans.sources.base import Source
from plans.types import (
    Entitlement,
    EntitlementKind,
    Phase,
    Plan,
    Price,
    PriceKind,
    RateCard,
    Status,
    Subscription,
)

PLAN = "plan"
"""The name in a consumer's metadata that Zuplo's own guides use for it."""


def _feature(row: models.PlanFeature) -> RateCard:
    if row.limit is not None:
        entitlement = Entitlement(EntitlementKind.METERED, row.limit, is_soft=row.is_soft)
    elif row.words:
        entitlement = Entitlement(EntitlementKind.STATIC, value=row.words)
    else:
        entitlement = Entitlement(EntitlementKind.BOOLEAN)
    return RateCard(row.key, row.name, entitlement)


def _price(row: models.Plan) -> Price | None:
    if row.price_text:
        return Price(PriceKind.TEXT, text=row.price_text)
    return Price(PriceKind.FLAT, row.amount) if row.amount else None


def plan_of(row: models.Plan) -> Plan:
    """A row of Django admin as a plan like any other."""
    cadence, features = Period.from_iso(row.cadence), tuple(map(_feature, row.features.all()))
    price = _price(row)
    fee = (RateCard("fee", row.name, price=price, cadence=cadence),) if price else ()
    lasting = Phase("default", row.name, None, (*fee, *features))
    trial = (Phase("trial", row.name, Period(days=row.trial_days), features),) if row.trial_days and price else ()
    return Plan(
        key=row.key,
        name=row.name,
        phases=(*trial, lasting),
        description=row.description,
        currency=row.currency,
        cadence=cadence,
        order=row.order,
        is_private=row.is_private,
        is_popular=row.is_popular,
        needs_approval=row.needs_approval,
        contact_url=row.contact_url,
        contact_label=row.contact_label,
        stripe_price=row.stripe_price,
    )


def _key_of(consumer: Consumer) -> str:
    """The plan in the metadata; whatever else stands there is none."""
    value = consumer.metadata.get(PLAN)
    return without_keys(harmless(value))[:64] if isinstance(value, str) else ""


class PortalSource(Source):
    def plans(self) -> list[Plan]:
        rows = models.Plan.objects.filter(is_active=True).prefetch_related("features")
        return list(map(plan_of, rows))

    def plan(self, key: str) -> Plan | None:
        """Also one that nobody can choose any more: who has it keeps it."""
        row = models.Plan.objects.filter(key=key).prefetch_related("features").first()
        return plan_of(row) if row else None

    def metadata_of_new(self, plan: Plan) -> dict[str, Any]:
        return {PLAN: plan.key}

    def subscription(self, consumer: Consumer) -> Subscription | None:
        return self._told(consumer, PlanRecord.of(self.environment, consumer))

    def _told(self, consumer: Consumer, record: PlanRecord) -> Subscription | None:
        key = _key_of(consumer)
        if not key:
            return None
        plan = self.plan(key)
        is_ours = record.plan_key == key
        following = models.Plan.objects.filter(key=record.next_plan).first() if is_ours and record.next_plan else None
        return Subscription(
            consumer=consumer.name,
            plan_key=key,
            plan_name=plan.name if plan else key,
            status=Status.CANCELED if is_ours and record.ends_at else Status.ACTIVE,
            id=record.stripe_subscription if is_ours else "",
            active_from=record.started_at if is_ours else None,
            active_to=record.ends_at if is_ours else None,
            anchor=record.started_at if is_ours else None,
            cadence=plan.cadence if plan else None,
            next_plan=following.name if following else "",
            changes_on=record.changes_at if following else None,
            is_in_free_phase=bool(plan and self._is_free_now(plan, record if is_ours else None)),
        )

    def _is_free_now(self, plan: Plan, record: PlanRecord | None) -> bool:
        if plan.is_free:
            return True
        trial, began = plan.trial, record.started_at if record else None
        return bool(trial and trial.duration and began and trial.duration.after(began) > timezone.now())

    def subscribe(self, consumer: Consumer, plan: Plan, email: str) -> Subscription:
        return self._set(consumer, plan)

    def change(self, consumer: Consumer, old: Subscription, plan: Plan, *, at_once: bool) -> Subscription:
        if at_once or old.resets_on is None:
            return self._set(consumer, plan)
        record = PlanRecord.of(self.environment, consumer)
        record.keep(next_plan=plan.key, changes_at=old.resets_on, ends_at=None)
        return self._required(consumer, record)

    def cancel(self, consumer: Consumer, old: Subscription, *, at_once: bool) -> Subscription:
        record = PlanRecord.of(self.environment, consumer)
        if at_once:
            self._write(consumer, "")
            record.keep(plan_key="", plan_name="", started_at=None, ends_at=None, next_plan="", changes_at=None)
            return Subscription(consumer.name, old.plan_key, old.plan_name, Status.ENDED, active_to=timezone.now())
        record.keep(ends_at=old.resets_on, next_plan="", changes_at=None)
        return self._required(consumer, record)

    def resume(self, consumer: Consumer, old: Subscription) -> Subscription:
        record = PlanRecord.of(self.environment, consumer)
        record.keep(ends_at=None, next_plan="", changes_at=None)
        return self._required(consumer, record)

    def wanted(self, consumer: Consumer, plan_key: str) -> dict[str, Any]:
        """The metadata with this plan in it, and all else as it is; "" is no plan."""
        others = {name: value for name, value in consumer.metadata.items() if name != PLAN}
        return others | ({PLAN: plan_key} if plan_key else {})

    def begun(self, consumer: Consumer, plan: Plan) -> None:
        """Note since when the plan runs: its periods are counted from there."""
        PlanRecord.of(self.environment, consumer).keep(
            plan_key=plan.key,
            plan_name=plan.name,
            cadence=str(plan.cadence),
            started_at=timezone.now(),
            ends_at=None,
            next_plan="",
            changes_at=None,
        )

    def _set(self, consumer: Consumer, plan: Plan) -> Subscription:
        changed = self._write(consumer, plan.key)
        self.begun(consumer, plan)
        return self._required(changed, PlanRecord.of(self.environment, consumer))

    def _write(self, consumer: Consumer, plan_key: str) -> Consumer:
        wanted = self.wanted(consumer, plan_key)
        confirmed_writes.change_consumer(self.api, consumer.name, {"metadata": wanted}, {"metadata": consumer.metadata})
        return replace(consumer, metadata=wanted)

    def _required(self, consumer: Consumer, record: PlanRecord) -> Subscription:
        told = self._told(consumer, record)
        if told is None:
            raise NotAllowed("no plan")
        return told
