"""Stripe's Checkout and customer portal: the way to a payment, and what became of one that people come back from."""

import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import reverse

from keys.conf import settings
from keys.errors import ApiUnavailable, NotFound
from keys.models import Action
from keys.service import rate_limits
from keys.types import Consumer
from plans.models import PlanRecord, identity
from plans.service.stripe_library import stripe
from plans.service.subscriptions import Subscriptions
from plans.types import Plan

logger = logging.getLogger(__name__)

SECONDS = 4
SESSION = re.compile(r"cs_[A-Za-z0-9_]{1,250}")


@cache
def _client_of(key: str, url: str) -> Any:
    # By itself it waits for 80 seconds, and sends nothing a second time.
    http = stripe.RequestsClient(timeout=SECONDS)
    return stripe.StripeClient(key, base_addresses={"api": url}, max_network_retries=1, http_client=http)


def client() -> Any:
    return _client_of(settings.STRIPE_API_KEY, settings.STRIPE_API_URL)


def checkout_url(
    ring: Subscriptions, plan: Plan, consumer: Consumer | None, *, token: uuid.UUID, **first_key: str
) -> str:
    """Where the person pays for the plan; one click is one payment, however often it is sent.

    A newcomer says here what the `first_key` is to be: it is made with the consumer as soon as the plan is paid.
    """
    rate_limits.count(ring.actor, Action.START_PLAN)
    record = PlanRecord.of(ring.environment, consumer) if consumer else None
    facts = {
        "environment": ring.environment,
        "consumer": consumer.name if consumer else "",
        "consumer_id": identity(consumer) if consumer else "",
        "plan": plan.key,
        "email": ring.actor.email,
        "user": str(ring.actor.user_id),
        **first_key,
    }
    known = {"customer": record.stripe_customer} if record and record.stripe_customer else {}
    trial = plan.trial.duration.days if plan.trial and plan.trial.duration else 0
    back = reverse("plans:page")
    if consumer:
        back = reverse("plans:subscription", args=[ring.environment, consumer.name])
    paid = settings.PORTAL_URL + reverse("plans:paid", args=[ring.environment])
    wish: dict[str, Any] = {
        "mode": "subscription",
        "line_items": [{"price": plan.stripe_price, "quantity": 1}],
        "success_url": f"{paid}?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": settings.PORTAL_URL + back,
        "client_reference_id": f"{ring.environment}/{facts['consumer'] or ring.actor.user_id}",
        "metadata": facts,
        "subscription_data": {"metadata": facts} | ({"trial_period_days": trial} if trial else {}),
    } | (known or {"customer_email": ring.actor.email})
    return _url(client().v1.checkout.sessions.create, wish, token)


def portal_url(ring: Subscriptions, consumer: Consumer, *, token: uuid.UUID) -> str:
    """Where the person changes or ends what is paid, sees invoices and gives another card."""
    rate_limits.count(ring.actor, Action.CHANGE_PLAN)
    record = PlanRecord.of(ring.environment, consumer)
    if not record.stripe_customer or not settings.STRIPE_API_KEY:
        raise NotFound("nothing that is paid by Stripe")
    back = settings.PORTAL_URL + reverse("plans:subscription", args=[ring.environment, consumer.name])
    return _url(
        client().v1.billing_portal.sessions.create, {"customer": record.stripe_customer, "return_url": back}, token
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


@dataclass(frozen=True, slots=True)
class Payment:
    """Payment that a person comes back from: `subscription_id` is "" while it is not finished."""

    subscription_id: str
    is_newcomers: bool


def finished_payment(ring: Subscriptions, session_id: str) -> Payment:
    """The person's own session at Stripe; raises `NotFound` for any other one."""
    if not SESSION.fullmatch(session_id):
        raise NotFound("no session of Stripe's")
    try:
        session: Mapping[str, Any] = client().v1.checkout.sessions.retrieve(session_id).to_dict()
    except stripe.InvalidRequestError as problem:
        raise NotFound("no session that Stripe knows") from problem
    except stripe.StripeError as problem:
        raise ApiUnavailable(f"Stripe: {type(problem).__name__}") from None
    facts = session.get("metadata") or {}
    if (facts.get("user"), facts.get("environment")) != (str(ring.actor.user_id), ring.environment):
        raise NotFound("somebody else's session")
    is_finished = session.get("status") == "complete"
    return Payment(str(session.get("subscription") or "") if is_finished else "", not facts.get("consumer"))
