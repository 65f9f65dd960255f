"""Payment by Stripe: Checkout and the customer portal, and what its messages mean for a consumer's plan.

Stripe tells things late, twice and out of order. So a message only says that something happened to a subscription: what
it is now is asked for, and the consumer's plan made to fit. https://docs.stripe.com/webhooks#event-ordering
"""

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import stripe
from django.urls import reverse

from keys.access import Actor
from keys.conf import settings
from keys.errors import ApiUnavailable
from keys.types import NAME
from plans.models import Plan as PlanRow
from plans.models import PlanRecord
from plans.service.on_behalf import consumer_for, subscriptions_for_portal
from plans.service.subscriptions import Subscriptions
from plans.sources.portal import plan_of
from plans.types import Plan

logger = logging.getLogger(__name__)

SECONDS = 4
RUNNING = {"active", "trialing", "past_due"}
OVER = {"canceled", "unpaid", "incomplete_expired"}
ABOUT_SUBSCRIPTIONS = ("customer.subscription.", "checkout.session.completed", "invoice.pay")


@cache
def _client_of(key: str, url: str) -> stripe.StripeClient:
    # By itself it waits for 80 seconds, and sends nothing a second time.
    http = stripe.RequestsClient(timeout=SECONDS)
    return stripe.StripeClient(key, base_addresses={"api": url}, max_network_retries=1, http_client=http)


def _client() -> stripe.StripeClient:
    return _client_of(settings.STRIPE_API_KEY, settings.STRIPE_API_URL)


def checkout_url(ring: Subscriptions, plan: Plan, consumer: str, *, token: uuid.UUID) -> str:
    """Where the person pays for the plan; one click is one payment, however often it is sent."""
    facts = {
        "environment": ring.environment,
        "consumer": consumer,
        "plan": plan.key,
        "email": ring.actor.email,
        "user": str(ring.actor.user_id),
    }
    record = PlanRecord.of(ring.environment, consumer) if consumer else None
    known = {"customer": record.stripe_customer} if record and record.stripe_customer else {}
    trial = plan.trial.duration.days if plan.trial and plan.trial.duration else 0
    back = settings.PORTAL_URL + reverse("plans:page")
    if consumer:
        back = settings.PORTAL_URL + reverse("plans:subscription", args=[ring.environment, consumer])
    wish: dict[str, Any] = {
        "mode": "subscription",
        "line_items": [{"price": plan.stripe_price, "quantity": 1}],
        "success_url": back + "?paid=1",
        "cancel_url": back,
        "client_reference_id": f"{ring.environment}/{consumer or ring.actor.user_id}",
        "metadata": facts,
        "subscription_data": {"metadata": facts} | ({"trial_period_days": trial} if trial else {}),
    } | (known or {"customer_email": ring.actor.email})
    return _url(_client().v1.checkout.sessions.create, wish, token)


def portal_url(record: PlanRecord, *, token: uuid.UUID) -> str:
    """Where the person changes or ends what is paid, sees invoices and gives another card."""
    back = settings.PORTAL_URL + reverse("plans:subscription", args=[record.environment, record.consumer])
    return _url(
        _client().v1.billing_portal.sessions.create, {"customer": record.stripe_customer, "return_url": back}, token
    )


def _url(create: Any, wish: dict[str, Any], token: uuid.UUID) -> str:
    try:
        session = create(params=wish, options={"idempotency_key": f"portal-{token}"})
    except stripe.StripeError as problem:
        logger.warning("Stripe did not make a session: %s", type(problem).__name__)
        raise ApiUnavailable("Stripe made no session") from None
    url = session.url or ""
    if not url.startswith(("https://", f"{settings.STRIPE_API_URL}/")):
        raise ApiUnavailable("Stripe names no page")
    return str(url)


# What Stripe says


def read_message(body: bytes, signature: str) -> Mapping[str, Any] | None:
    """A message of Stripe's, by the library's own check of its signature; None for a forged or an old one."""
    try:
        event = stripe.Webhook.construct_event(body, signature, settings.STRIPE_WEBHOOK_SECRET)
    except (ValueError, stripe.SignatureVerificationError) as problem:
        logger.warning("a message that Stripe did not sign: %s", type(problem).__name__)
        return None
    told: Mapping[str, Any] = event.to_dict()
    return told


def subscription_in(message: Mapping[str, Any]) -> str:
    """The id of the subscription that a message is about; "" where it is about none."""
    kind, thing = str(message.get("type") or ""), (message.get("data") or {}).get("object") or {}
    if not kind.startswith(ABOUT_SUBSCRIPTIONS):
        return ""
    if kind.startswith("customer.subscription."):
        return str(thing.get("id") or "")
    parent = (thing.get("parent") or {}).get("subscription_details") or {}
    found = thing.get("subscription") or parent.get("subscription") or ""
    return found if isinstance(found, str) else str(found.get("id") or "")


def bring_up_to_date(subscription_id: str, message_id: str, reference: str = "") -> None:
    """Make the plan of the consumer that pays fit what Stripe says now; raises `ApiError` to be tried again.

    A message that comes again repeats nothing; another one may well ask for the same change as one before it.
    """
    try:
        now = _client().v1.subscriptions.retrieve(subscription_id).to_dict()
    except stripe.StripeError as problem:
        raise ApiUnavailable(f"Stripe: {type(problem).__name__}") from None
    facts = now.get("metadata") or {}
    environment, consumer = str(facts.get("environment") or ""), str(facts.get("consumer") or "")
    if environment not in settings.ZUPLO_BUCKETS or (consumer and not NAME.fullmatch(consumer)):
        logger.warning("Stripe's subscription %s belongs to nothing here", subscription_id)
        return
    ring = subscriptions_for_portal(environment, reference)
    if not consumer:
        known = PlanRecord.objects.filter(environment=environment, stripe_subscription=subscription_id).first()
        consumer = known.consumer if known else ""
    if now.get("status") in OVER and consumer:
        _take(ring, consumer, now)  # whatever became of the plan meanwhile
    elif now.get("status") in RUNNING:
        row = _plan_of(now)
        if row is None:
            logger.warning("Stripe's subscription %s pays for no plan that is known here", subscription_id)
            return
        plan = plan_of(row)
        if not consumer:
            token = uuid.uuid5(uuid.UUID(int=1), subscription_id)
            customer = Actor(_number(facts.get("user")), (str(facts.get("email") or ""),))
            consumer = consumer_for(ring, customer, ring.choosable(plan.key), token=token)
        _give(ring, consumer, plan, now, token=uuid.uuid5(uuid.UUID(int=1), f"{now['id']} {message_id}"))


def _give(ring: Subscriptions, name: str, plan: Plan, now: Mapping[str, Any], *, token: uuid.UUID) -> None:
    begin, end = _period(now)
    _consumer, old = ring.current(name)
    paid_so_far = PlanRecord.of(ring.environment, name).stripe_subscription
    if paid_so_far not in {"", now["id"]}:
        logger.warning("%s pays twice at Stripe: by %s and by %s", name, paid_so_far, now["id"])
    if old is None:
        ring.subscribe(name, plan.key, token=token, is_approved=True)
    elif old.plan_key != plan.key:
        ring.change_plan(name, plan.key, seen="", token=token, at_once=True, is_approved=True)
    is_ending = now.get("cancel_at_period_end") or now.get("cancel_at")
    PlanRecord.of(ring.environment, name).keep(
        plan_key=plan.key,
        plan_name=plan.name,
        started_at=begin,
        ends_at=_moment(now.get("cancel_at")) or end if is_ending else None,
        next_plan="",
        changes_at=None,
        stripe_customer=str(now.get("customer") or ""),
        stripe_subscription=str(now["id"]),
    )


def _take(ring: Subscriptions, name: str, now: Mapping[str, Any]) -> None:
    """End the plan that is paid no more, unless another subscription pays for it by now."""
    record = PlanRecord.of(ring.environment, name)
    if record.stripe_subscription != now["id"]:
        return
    _consumer, old = ring.current(name)
    if old and old.plan_key == record.plan_key:
        ring.cancel_plan(name, seen="", token=uuid.uuid5(uuid.UUID(int=1), f"{now['id']} over"), is_due=True)
    record.keep(stripe_subscription="", ends_at=None)


def _plan_of(now: Mapping[str, Any]) -> PlanRow | None:
    """By the price that is paid, which the customer portal may have changed; else by what was chosen.

    Also one that nobody can choose any more: who pays for it keeps it.
    """
    prices = [((item.get("price") or {}).get("id")) for item in (now.get("items") or {}).get("data") or []]
    paid = PlanRow.objects.filter(stripe_price__in=[price for price in prices if price])
    found = paid.order_by("-is_active", "order").first()
    chosen = str((now.get("metadata") or {}).get("plan") or "")
    return found or PlanRow.objects.filter(key=chosen).first()


def _period(now: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """It stands on the items, since Stripe's versions of 2025; before it stood on the subscription."""
    items = (now.get("items") or {}).get("data") or [{}]
    holder = items[0] if items[0].get("current_period_start") else now
    return _moment(holder.get("current_period_start")), _moment(holder.get("current_period_end"))


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) and seconds > 0 else None


def _number(text: Any) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19 else 0
