"""Plans of the portal's own: Free, Pro and Scale to choose, one by invitation; and Ann's consumer acme."""

import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.test import Client

from plans.models import Plan, PlanFeature, PlanRecord
from tests.helpers import stripe_server
from tests.helpers.stripe_server import StripeServer

ACME = "/plans/production/consumer/acme/"
PRO, TEAM = "price_pro", "price_team"


def make_plan(key: str, *, limit: int | None = None, **values) -> Plan:
    plan = Plan.objects.create(key=key, name=values.pop("name", key.capitalize()), **values)
    PlanFeature.objects.create(plan=plan, key="api_requests", name="API requests", limit=limit, order=1)
    return plan


def record_of(sandbox, name: str = "acme") -> PlanRecord:
    """Record of the consumer's plan, to be set up by a test."""
    return PlanRecord(environment="production", consumer=name, consumer_id=sandbox.consumer(name)["id"])


@pytest.fixture
def portal_plans(db, settings) -> None:
    """PLANS=portal, with plans in Django admin."""
    settings.PLANS = "portal"
    settings.KEYS_PANELS = "plans.web.panels.PlanPanels"
    settings.PLAN_REQUESTS_TO = ["sales@acme.test"]
    make_plan("free", limit=1000, order=1, description="To try things out")
    pro = make_plan("pro", limit=50_000, order=2, amount=Decimal("49.00"), is_popular=True, trial_days=14)
    PlanFeature.objects.create(plan=pro, key="support", name="Support", words="Within 4 hours", order=2)
    PlanFeature.objects.create(plan=pro, key="webhooks", name="Webhooks", order=3)
    make_plan("team", limit=5000, order=1, name="Team")  # free as well, beside Free
    make_plan("scale", name="Scale", order=3, price_text="On request", contact_url="https://acme.test/sales")
    make_plan("partner", limit=10**9, order=4, is_private=True, name="Partner")


@pytest.fixture
def acme(sandbox) -> str:
    """Ann and Ben manage it; it has the plan "free", a key, and metadata of the operator's own."""
    sandbox.add_consumer(
        "acme",
        label="Acme Inc",
        managers=["ann@acme.test", "ben@acme.test"],
        metadata={"plan": "free", "seats": 25},
        keys=[{"description": "CI"}],
    )
    return "acme"


@pytest.fixture
def stripe(portal_plans, settings) -> Iterator[StripeServer]:
    """Pro and Team are paid by Stripe."""
    Plan.objects.filter(key="pro").update(stripe_price=PRO)
    Plan.objects.filter(key="team").update(stripe_price=TEAM, amount=99, order=3)
    with stripe_server.running() as server:
        settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = stripe_server.KEY, stripe_server.SECRET
        settings.STRIPE_API_URL = server.url
        yield server


def pay(client: Client, where: str = f"{ACME}pay/pro/", token: str = "", htmx: bool = False, **fields: str):
    form = {"token": token or str(uuid.uuid4())} | fields
    return client.post(where, form, headers={"HX-Request": "true"} if htmx else {})


def tell(client: Client, message: tuple[bytes, str]):
    body, signature = message
    return client.post("/plans/stripe/webhook/", body, "application/json", headers={"Stripe-Signature": signature})


def plan_of(sandbox, name: str = "acme") -> str:
    return sandbox.consumer(name)["metadata"].get("plan", "")
