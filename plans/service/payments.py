"""Payment by Stripe: what its messages mean for a consumer's plan.

Stripe tells things late, twice and out of order. So a message only says that something happened to a subscription: what
it is now is asked for, and the consumer's plan made to fit. https://docs.stripe.com/webhooks#event-ordering
"""

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys.access import Actor
from keys.conf import settings
from keys.errors import ApiUnavailable, NotAllowed, NotFound
from keys.staff.directory import FirstKey
from keys.types import NAME, Consumer
from plans.models import PaymentIssue, PlanRecord
from plans.models import Plan as PlanRow
from plans.service import issues
from plans.service.checkout import client
from plans.service.on_behalf import consumer_for, subscriptions_for_portal
from plans.service.stripe_library import stripe
from plans.service.subscriptions import Subscriptions
from plans.sources.portal import plan_of
from plans.types import Plan

logger = logging.getLogger(__name__)

Facts = Mapping[str, Any]
Kind = PaymentIssue.Kind

LOOKS_AT_MOST = 3
RUNNING = {"active", "trialing", "past_due"}
OVER = {"canceled", "unpaid", "incomplete_expired"}
ABOUT_SUBSCRIPTIONS = ("customer.subscription.", "checkout.session.completed", "invoice.paid", "invoice.payment_")


def read_message(body: bytes, signature: str) -> Facts | None:
    """A message of Stripe's, by the library's own check of its signature; None for a forged or an old one."""
    try:
        event = stripe.Webhook.construct_event(body, signature, settings.STRIPE_WEBHOOK_SECRET)
    except (ValueError, stripe.SignatureVerificationError) as problem:
        logger.warning("a message that Stripe did not sign: %s", type(problem).__name__)
        return None
    told: Facts = event.to_dict()
    return told


def subscription_in(message: Facts) -> str:
    """The id of the subscription that a message is about; "" where it is about none."""
    kind, thing = str(message.get("type") or ""), (message.get("data") or {}).get("object") or {}
    if not kind.startswith(ABOUT_SUBSCRIPTIONS):
        return ""
    if kind.startswith("customer.subscription."):
        return str(thing.get("id") or "")
    parent = (thing.get("parent") or {}).get("subscription_details") or {}
    found = thing.get("subscription") or parent.get("subscription") or ""
    return found if isinstance(found, str) else str(found.get("id") or "")


def bring_up_to_date(subscription_id: str, message_id: str, reference: str = "") -> Consumer | None:
    """Make the plan of the consumer that pays fit what Stripe says now; raises `ApiError` to be tried again.

    A message that comes again repeats nothing; another one may well ask for the same change as one before it. Of two
    that are dealt with at once, the last one to write has looked at Stripe after writing, so the newest state stands.
    """
    now, consumer = _ask(subscription_id), None
    for _look in range(LOOKS_AT_MOST):
        consumer = _fit(now, message_id, reference)
        seen, now = now, _ask(subscription_id)
        if now == seen:
            break
    return consumer


def _ask(subscription_id: str) -> Facts:
    try:
        found: Facts = client().v1.subscriptions.retrieve(subscription_id).to_dict()
    except stripe.StripeError as problem:
        raise ApiUnavailable(f"Stripe: {type(problem).__name__}") from None
    return found


def _fit(now: Facts, message_id: str, reference: str) -> Consumer | None:
    """The consumer that pays, with the plan that it pays for; None where nothing could be given or taken."""
    facts = now.get("metadata") or {}
    environment, name = str(facts.get("environment") or ""), str(facts.get("consumer") or "")
    if environment not in settings.ZUPLO_BUCKETS or (name and not NAME.fullmatch(name)):
        logger.warning("Stripe's subscription %s belongs to nothing here", now["id"])
        return None
    ring = subscriptions_for_portal(environment, reference)
    if now.get("status") in OVER:
        issues.settle(now["id"])
        return _take(ring, now)
    return _give(ring, now, message_id) if now.get("status") in RUNNING else None


def _give(ring: Subscriptions, now: Facts, message_id: str) -> Consumer | None:
    row, facts = _plan_of(now), now.get("metadata") or {}
    about = {
        "email": str(facts.get("email") or "")[:320],
        "environment": ring.environment,
        "consumer": str(facts.get("consumer") or ""),
        "plan_name": row.name if row else str(facts.get("plan") or "")[:600],
    }
    if row is None:
        issues.report(Kind.UNKNOWN_PLAN, now["id"], **about)
        return None
    plan = plan_of(row)
    try:
        consumer = _consumer_of(ring, now, plan)
    except NotAllowed:
        issues.report(Kind.NOT_PLACED, now["id"], **about)
        return None
    except NotFound:
        issues.report(Kind.NO_CONSUMER, now["id"], **about)
        return None
    record = PlanRecord.of(ring.environment, consumer)
    if record.stripe_subscription not in {"", now["id"]}:
        other = _ask(record.stripe_subscription)
        if other.get("status") in RUNNING:
            older, newer = sorted((other, now), key=lambda one: one.get("created") or 0)
            issues.report(Kind.PAID_TWICE, older["id"], **about)
            if now["id"] != newer["id"]:
                return consumer
    is_news = (record.stripe_subscription, record.stripe_plan) != (now["id"], plan.key)
    if is_news:
        _give_plan(ring, consumer, plan, token=uuid.uuid5(uuid.UUID(int=1), f"{now['id']} {message_id}"))
        if not row.is_active:
            issues.report(Kind.WITHDRAWN_PLAN, now["id"], **about)
    _keep(PlanRecord.of(ring.environment, consumer), plan, now)
    return consumer


def _give_plan(ring: Subscriptions, consumer: Consumer, plan: Plan, *, token: uuid.UUID) -> None:
    old = ring.source.subscription(consumer)
    if old is None:
        ring.subscribe(consumer.name, plan.key, token=token, is_approved=True)
    elif old.plan_key != plan.key:
        ring.change_plan(consumer.name, plan.key, seen="", token=token, at_once=True, is_approved=True)


def _keep(record: PlanRecord, plan: Plan, now: Facts) -> None:
    """Note the payment, and of the plan that it is for its dates; a colleague may have given another one since."""
    begin, end = _period(now)
    is_ending = now.get("cancel_at_period_end") or now.get("cancel_at")
    dates = {
        "plan_name": plan.name,
        "started_at": begin,
        "ends_at": _moment(now.get("cancel_at")) or end if is_ending else None,
        "next_plan": "",
        "changes_at": None,
    }
    record.keep(
        **({"plan_key": plan.key, **dates} if record.plan_key in {"", plan.key} else {}),
        stripe_customer=str(now.get("customer") or ""),
        stripe_subscription=str(now["id"]),
        stripe_plan=plan.key,
    )


def _take(ring: Subscriptions, now: Facts) -> Consumer | None:
    """End the plan that is paid no more, unless another subscription pays for it, or a colleague gave another one."""
    record = PlanRecord.objects.filter(environment=ring.environment, stripe_subscription=now["id"]).first()
    if record is None:
        return None
    try:
        consumer, old = ring.current(record.consumer)
    except NotFound:
        consumer, old = None, None
    if consumer is None or not record.is_of(consumer):
        record.delete()
        return None
    if old and old.plan_key == record.stripe_plan:
        ring.cancel_plan(consumer.name, seen="", token=uuid.uuid5(uuid.UUID(int=1), f"{now['id']} over"), is_due=True)
    record.keep(stripe_subscription="", stripe_plan="", ends_at=None)
    return consumer


def _consumer_of(ring: Subscriptions, now: Facts, plan: Plan) -> Consumer:
    """The very consumer that the payment was begun for, or that its newcomer got; raises `NotFound` if it is gone."""
    facts = now.get("metadata") or {}
    known = PlanRecord.objects.filter(environment=ring.environment, stripe_subscription=now["id"]).first()
    name, whose = str(facts.get("consumer") or ""), str(facts.get("consumer_id") or "")
    if known:
        name, whose = known.consumer, known.consumer_id
    if not name:
        token = uuid.uuid5(uuid.UUID(int=1), str(now["id"]))
        customer = Actor(_number(facts.get("user")), (str(facts.get("email") or ""),))
        return consumer_for(ring, customer, plan, first=_first_key(facts), token=token)
    consumer = ring.consumer(name)
    if not PlanRecord(consumer_id=whose).is_of(consumer):
        raise NotFound("a later consumer of the same name")
    return consumer


def _first_key(facts: Facts) -> FirstKey:
    """As the newcomer wished it: its lifetime is a number of days, or an end; "" is for ever."""
    lifetime = str(facts.get("key_lifetime") or "")
    days = _number(lifetime)
    ends = timezone.now() + timedelta(days=days) if 0 < days < 10_000 else parse_datetime(lifetime)
    return FirstKey(str(facts.get("key_label") or ""), ends)


def _plan_of(now: Facts) -> PlanRow | None:
    """By the price that is paid, which the customer portal may have changed; else by what was chosen.

    Also one that nobody can choose any more: who pays for it keeps it.
    """
    prices = [((item.get("price") or {}).get("id")) for item in (now.get("items") or {}).get("data") or []]
    paid = PlanRow.objects.filter(stripe_price__in=[price for price in prices if price])
    found = paid.order_by("-is_active", "order").first()
    chosen = str((now.get("metadata") or {}).get("plan") or "")
    return found or PlanRow.objects.filter(key=chosen).first()


def _period(now: Facts) -> tuple[datetime | None, datetime | None]:
    """It stands on the items, since Stripe's versions of 2025; before it stood on the subscription."""
    items = (now.get("items") or {}).get("data") or [{}]
    holder = items[0] if items[0].get("current_period_start") else now
    return _moment(holder.get("current_period_start")), _moment(holder.get("current_period_end"))


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) and seconds > 0 else None


def _number(text: Any) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19 else 0
