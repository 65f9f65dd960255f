"""Zuplo source: plans, subscriptions and usage of Zuplo's metering (v3), a preview API, never tried on a live account.

No idempotency keys are documented there. So each write is looked after: a lost answer is settled by reading the
customer's subscriptions, before anybody is told that it failed, and before anything is sent again.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext as _

from keys.errors import (
    ApiError,
    ApiMisconfigured,
    ApiRefused,
    ChangedMeanwhile,
    NotAllowed,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
)
from keys.types import Consumer
from plans.models import PlanRecord, identity
from plans.periods import Period
from plans.sources import zuplo_wire as wire
from plans.sources.base import NotLookedAt, Source
from plans.types import UNKNOWN_USAGE, Day, Estimate, Plan, Status, Subscription, Usage

logger = logging.getLogger(__name__)

PLANS_SECONDS = 60
GLANCE_SECONDS = 30
BUCKET_SECONDS = 24 * 3600
OFF_SECONDS = 60
PAGE_SIZE, PAGES_AT_MOST = 100, 20
NOT_IN_CYCLE = {400, 409, 422}
"""Statuses that may answer an end at the close of a period that a free phase does not have."""


def _anything(data: Any) -> Any:
    return data


class ZuploSource(Source):
    knows_usage = True

    # Plans

    def plans(self) -> list[Plan]:
        kept: list[Plan] | None = cache.get(self._key("plans"))
        if kept is None:
            configuration = wire.an_object(self._call("GET", "/monetization-configuration"))
            listed = self._list("/plans", {"status": "active"})
            kept = [wire.plan(one, configuration) for one in listed if _is_active(one)]
            kept.sort(key=lambda plan: (plan.order is None, plan.order or 0, plan.monthly or 0))
            cache.set(self._key("plans"), kept, PLANS_SECONDS)
        return kept

    # Looking

    def subscription(self, consumer: Consumer) -> Subscription | None:
        customer_id = self._customer_id(consumer)
        return self._chosen(consumer, customer_id) if customer_id else None

    def glance(self, consumer: Consumer) -> tuple[Subscription | None, Usage]:
        """By what was kept of the last look at the subscription, its usage alone is asked for."""
        key = self._key(f"glance:{identity(consumer)}")
        kept: tuple[Subscription | None, Usage] | None = cache.get(key)
        if kept is None:
            kept = self._glance(consumer)
            cache.set(key, kept, GLANCE_SECONDS)
        return kept

    def _glance(self, consumer: Consumer) -> tuple[Subscription | None, Usage]:
        record = PlanRecord.of(self.environment, consumer)
        if not record.customer_id:
            if self._customer_id(consumer):
                raise NotLookedAt("a customer whose subscription was not looked at so far")
            return None, UNKNOWN_USAGE
        if not record.subscription_id:
            return self._chosen(consumer, record.customer_id), UNKNOWN_USAGE
        kept = _kept(record)
        try:
            return kept, self.usage(kept)
        except NotFound:
            record.keep(subscription_id="")
            raise

    def usage(self, subscription: Subscription) -> Usage:
        data = self._call("GET", f"/subscriptions/{subscription.id}/access")
        plan = self._plan_if_kept(subscription.plan_key)
        found = (wire.used(key, one, plan) for key, one in wire.entitlements(data).items())
        told = wire.text(data.get("planKey"))
        usage = Usage(tuple(filter(None, found)), timezone.now(), told, wire.payment(data))
        self._note_usage(subscription, usage)
        return usage

    def _plan_if_kept(self, key: str) -> Plan | None:
        kept: list[Plan] = cache.get(self._key("plans")) or []
        return next((plan for plan in kept if plan.key == key), None)

    def days(self, subscription: Subscription, feature: str, begin: datetime, end: datetime) -> list[Day] | None:
        if not wire.KEY.fullmatch(feature):  # it becomes a part of the path
            return None
        wish = {
            "from": begin.isoformat().replace("+00:00", "Z"),
            "to": end.isoformat().replace("+00:00", "Z"),
            "windowSize": "DAY",
            "filterSubscription": [subscription.id],
        }
        data = wire.an_object(self._call("POST", f"/meters/{feature}/query", body=wish))
        found = []
        for row in wire.objects(data):
            on, used = wire.moment(row.get("windowStart")), wire.number(row.get("value"))
            if on is not None and used is not None:
                found.append(Day(on.date(), used))
        return found

    def estimate(self, subscription: Subscription, plan: Plan, *, at_once: bool) -> Estimate | None:
        """None where it cannot be had: the change itself does not depend on it."""
        body = {"timing": _timing(at_once), "plan": {"key": plan.key}}
        try:
            return wire.estimate(
                self._call("POST", f"/subscriptions/{subscription.id}/change/estimate-credit", body=body)
            )
        except ApiError as problem:
            logger.warning("no estimate: %s", problem)
            return None

    # Invitations to private plans

    def invite(self, plan: Plan, email: str) -> str:
        made = wire.an_object(self._call("POST", "/plan-invites", body={"email": email, "planId": plan.id}))
        return wire.identity(made)

    def take_back_invitation(self, invite_id: str) -> None:
        if wire.ULID.fullmatch(invite_id):
            self._call("DELETE", f"/plan-invites/{invite_id}")

    # Changing

    def subscribe(self, consumer: Consumer, plan: Plan, email: str) -> Subscription:
        customer_id = self._customer_id(consumer) or self._made_customer(consumer, email)
        body = {"plan": {"key": plan.key, "version": plan.version}, "customerId": customer_id}
        return self._written(
            consumer,
            customer_id,
            lambda: self._call("POST", "/subscriptions", body=body),
            lambda one: one.plan_key == plan.key and _is_new(one),
        )

    def change(self, consumer: Consumer, old: Subscription, plan: Plan, *, at_once: bool) -> Subscription:
        body = {"timing": _timing(at_once), "plan": {"key": plan.key, "version": plan.version}}
        return self._written(
            consumer,
            old.customer_id,
            lambda: self._call("POST", f"/subscriptions/{old.id}/change", body=body),
            lambda one: one.id not in {old.id, old.next_id} and one.plan_key == plan.key and _is_new(one),
        )

    def cancel(self, consumer: Consumer, old: Subscription, *, at_once: bool) -> Subscription:
        try:
            return self._written(
                consumer,
                old.customer_id,
                lambda: self._call("POST", f"/subscriptions/{old.id}/cancel", body={"timing": _timing(at_once)}),
                lambda one: one.id == old.id and one.active_to is not None,
                refusals=frozenset(),
            )
        except ApiRefused as refusal:
            if at_once or refusal.code not in NOT_IN_CYCLE:
                raise
            cache.set(self._key(f"at-once:{old.id}"), True, 600)
            raise NotAllowed(
                _("This plan can only end right away."), advice=_("Open the form again if that's what you want.")
            ) from refusal

    def resume(self, consumer: Consumer, old: Subscription) -> Subscription:
        if old.next_id:  # another plan was to follow: it never begins
            self._written(
                consumer,
                old.customer_id,
                lambda: self._call("POST", f"/subscriptions/{old.next_id}/cancel", body={"timing": _timing(True)}),
                lambda one: one.id == old.next_id and one.active_to is not None,
            )
        return self._written(
            consumer,
            old.customer_id,
            lambda: self._call("POST", f"/subscriptions/{old.id}/unschedule-cancelation", body={}),
            lambda one: one.id == old.id and one.active_to is None,
        )

    def _written(
        self,
        consumer: Consumer,
        customer_id: str,
        write: Callable[[], Any],
        is_done: Callable[[Subscription], bool],
        refusals: frozenset[int] = frozenset({409}),
    ) -> Subscription:
        """Write, and find in the answer, or else by a look, what it did; raises `OutcomeUnknown` if neither shows."""
        doubt: ApiError = OutcomeUnknown("the answer to a write names no subscription")
        try:
            told = wire.subscription_in(write(), consumer.name)
            if told and is_done(told):
                self._remember(consumer, told)
                return told
        except ApiRefused as refusal:
            if refusal.code in refusals:
                raise ChangedMeanwhile(f"refused: {refusal}") from refusal
            raise
        except (OddAnswer, OutcomeUnknown, NotFound) as unknown:
            doubt = unknown
        finally:
            cache.delete(self._key(f"glance:{identity(consumer)}"))
        try:
            there = next((one for one in self._subscriptions(consumer, customer_id) if is_done(one)), None)
        except ApiError:
            raise doubt from None
        if there is None:
            raise doubt if isinstance(doubt, NotFound) else OutcomeUnknown(str(doubt)) from doubt
        self._remember(consumer, there)
        return there

    # Customers: one for each consumer, under the consumer's id, which no later one has; usage is counted by its name

    def _customer_id(self, consumer: Consumer) -> str:
        record = PlanRecord.of(self.environment, consumer)
        if record.customer_id:
            return record.customer_id
        # The filter may find every key that holds this text.
        key = identity(consumer)
        found = [one for one in self._list("/customers", {"key": key}) if one.get("key") == key]
        if not found:
            return ""
        customer_id = wire.identity(found[0])
        record.keep(customer_id=customer_id)
        return customer_id

    def _made_customer(self, consumer: Consumer, email: str) -> str:
        address = email or next((manager.email for manager in consumer.managers), "")
        body = {
            "name": consumer.title,
            "key": identity(consumer),
            "primaryEmail": address,
            "usageAttribution": {"subjectKeys": [consumer.name]},
        }
        doubt: ApiError = OutcomeUnknown("no customer in the answer")
        try:
            made = self._call("POST", "/customers", body=body)
            if isinstance(made, dict) and made.get("key") == identity(consumer):
                customer_id = wire.identity(made)
                PlanRecord.of(self.environment, consumer).keep(customer_id=customer_id)
                return customer_id
        except ApiRefused as refusal:
            if refusal.code != 409:
                raise
            doubt = NotAllowed(
                _("Zuplo is still counting usage for an earlier consumer with this name."),
                advice=_("Contact support: the earlier consumer's plan has to end first."),
            )
        except (OddAnswer, OutcomeUnknown):
            pass
        try:
            there = self._customer_id(consumer)
        except ApiError:
            there = ""
        if not there:
            raise doubt
        return there

    def _subscriptions(self, consumer: Consumer, customer_id: str) -> list[Subscription]:
        listed = self._list(f"/customers/{customer_id}/subscriptions", {})
        return [wire.subscription(one, consumer.name) for one in listed]

    def _chosen(self, consumer: Consumer, customer_id: str) -> Subscription | None:
        """The one that runs, with what follows it; else the one that comes."""
        try:
            found = self._subscriptions(consumer, customer_id)
        except NotFound:
            PlanRecord.of(self.environment, consumer).keep(customer_id="", subscription_id="")
            raise
        coming = min((one for one in found if one.status == Status.SCHEDULED), key=_begins, default=None)
        running = max((one for one in found if one.runs), key=_begins, default=None)
        if running is None:
            self._remember(consumer, coming)
            return coming
        if coming:
            running = replace(
                running, next_plan=coming.plan_name, next_id=coming.id, changes_on=coming.active_from, active_to=None
            )
        if cache.get(self._key(f"at-once:{running.id}")):
            running = replace(running, is_in_free_phase=True)
        self._remember(consumer, running)
        return running

    def _remember(self, consumer: Consumer, subscription: Subscription | None) -> None:
        """Keep what a card says beside usage, so that it can be shown for one call."""
        record = PlanRecord.of(self.environment, consumer)
        values: dict[str, Any] = {"plan_key": "", "plan_name": "", "subscription_id": "", "ends_at": None}
        if subscription:
            values = {
                "customer_id": subscription.customer_id or record.customer_id,
                "subscription_id": subscription.id,
                "plan_key": subscription.plan_key,
                "plan_name": subscription.plan_name,
                "cadence": str(subscription.cadence or ""),
                "started_at": subscription.anchor,
                "period_ends_at": subscription.period_end,
                "ends_at": subscription.active_to,
                "next_plan": subscription.next_plan[:64],
                "changes_at": subscription.changes_on,
            }
        if any(getattr(record, name) != value for name, value in values.items()):
            record.keep(**values)

    def _note_usage(self, subscription: Subscription, usage: Usage) -> None:
        nearest = usage.nearest
        PlanRecord.objects.filter(environment=self.environment, subscription_id=subscription.id).update(
            used_percent=nearest.percent if nearest else None,
            used_feature=nearest.name if nearest else "",
            looked_at=usage.taken_at,
        )

    # How calls are made

    def _key(self, name: str) -> str:
        return f"plans:{self.environment}:{name}"

    def _bucket_id(self) -> str:
        kept: str | None = cache.get(self._key("bucket"))
        if not kept:
            kept = self.api.bucket_id()
            cache.set(self._key("bucket"), kept, BUCKET_SECONDS)
        return kept

    def _call(self, method: str, path: str, params: dict[str, str] | None = None, *, body: Any = None) -> Any:
        """One call; an account without metering is not asked again for a minute."""
        if cache.get(self._key("off")):
            raise ApiMisconfigured("metering was refused a moment ago")
        try:
            return self.api.metering(method, self._bucket_id(), path, params, decode=_anything, body=body)
        except ApiMisconfigured:
            cache.set(self._key("off"), True, OFF_SECONDS)
            raise

    def _list(self, path: str, params: dict[str, str]) -> list[dict[str, Any]]:
        """All pages, each item once."""
        found: dict[str, dict[str, Any]] = {}
        for page in range(1, PAGES_AT_MOST + 1):
            data = self._call("GET", path, params | {"page": str(page), "pageSize": str(PAGE_SIZE)})
            known, listed = len(found), wire.objects(data)
            for one in listed:
                found.setdefault(wire.identity(one), one)
            total = data.get("totalCount") if isinstance(data, dict) else None
            is_all = isinstance(total, int) and len(found) >= total
            if is_all or len(found) == known or len(listed) < PAGE_SIZE:
                break
        return list(found.values())


def _is_active(data: dict[str, Any]) -> bool:
    return data.get("status") in {None, "active"} and not data.get("deletedAt")


def _is_new(subscription: Subscription) -> bool:
    """True if it runs, or is to come, as what a write brings about does; an older one may have had the same plan."""
    return subscription.runs or subscription.status == Status.SCHEDULED


def _begins(subscription: Subscription) -> datetime:
    return subscription.active_from or datetime.min.replace(tzinfo=timezone.now().tzinfo)


def _timing(at_once: bool) -> str:
    return "immediate" if at_once else "next_billing_cycle"


def _kept(record: PlanRecord) -> Subscription:
    return Subscription(
        consumer=record.consumer,
        plan_key=record.plan_key,
        plan_name=record.plan_name,
        status=Status.CANCELED if record.ends_at else Status.ACTIVE,
        id=record.subscription_id,
        customer_id=record.customer_id,
        active_to=record.ends_at,
        period_end=record.period_ends_at if record.period_ends_at and record.period_ends_at > timezone.now() else None,
        anchor=record.started_at,
        cadence=Period.from_iso(record.cadence) if record.cadence else None,
        next_plan=record.next_plan,
        changes_on=record.changes_at,
    )
