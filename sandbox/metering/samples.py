"""Sample plans, and plans for tests: small enough to read, of every kind of price that is known."""

from typing import Any

from sandbox.http_messages import Document

FEATURES: list[tuple[str, str, str | None]] = [
    ("api_requests", "API requests", "api_requests"),
    ("priority_support", "Priority support", None),
    ("history_days", "Days of history", None),
]
METER: Document = {
    "slug": "api_requests",
    "name": "API requests",
    "eventType": "api_requests",
    "aggregation": "SUM",
    "valueProperty": "$.total",
}


def metered(included: int, *, soft: bool = False, price: Any = None, period: str = "P1M") -> Document:
    """API requests; above what is included, a hard limit refuses and a soft one goes on."""
    return {
        "type": "usage_based" if price else "flat_fee",
        "key": "api_requests",
        "name": "API requests",
        "featureKey": "api_requests",
        "billingCadence": "P1M" if price else None,
        "price": price,
        "entitlementTemplate": {
            "type": "metered",
            "issueAfterReset": included,
            "isSoftLimit": soft,
            "usagePeriod": period,
        },
    }


def fee(amount: str) -> Document:
    return {
        "type": "flat_fee",
        "key": "subscription_fee",
        "name": "Monthly fee",
        "billingCadence": "P1M",
        "price": {"type": "flat", "amount": amount, "paymentTerm": "in_advance"},
    }


def switched_on(feature: str, name: str) -> Document:
    template = {"type": "boolean"}
    return _included(feature, name, template)


def configured(feature: str, name: str, config: str) -> Document:
    """A static feature; its value is JSON in a text."""
    return _included(feature, name, {"type": "static", "config": config})


def _included(feature: str, name: str, template: Document) -> Document:
    card = {"type": "flat_fee", "key": feature, "name": name, "featureKey": feature}
    return card | {"billingCadence": None, "price": None, "entitlementTemplate": template}


def plan(key: str, name: str, *cards: Document, trial: list[Document] | None = None, **more: Any) -> Document:
    """A monthly plan in dollars; with a trial, two weeks of those rate cards come first."""
    last = {"key": "default", "name": "Monthly", "duration": None, "rateCards": list(cards)}
    first = [{"key": "trial", "name": "Trial", "duration": "P2W", "rateCards": trial}] if trial else []
    usual: Document = {
        "key": key,
        "name": name,
        "currency": "USD",
        "billingCadence": "P1M",
        "metadata": {},
        "proRatingConfig": {"enabled": True, "mode": "max_consumption_based"},
    }
    return usual | {"phases": [*first, last]} | more


def three_plans() -> list[Document]:
    tiers = [
        {"upToAmount": "50000", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.00"}},
        {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.002"}},
    ]
    return [
        plan("free", "Free", metered(1000), description="To try things out"),
        plan(
            "pro",
            "Pro",
            fee("49.00"),
            metered(50_000, soft=True, price={"type": "tiered", "mode": "graduated", "tiers": tiers}),
            switched_on("priority_support", "Priority support"),
            configured("history_days", "Days of history", "30"),
            trial=[metered(1000, period="P2W"), switched_on("priority_support", "Priority support")],
            description="For growing teams",
            metadata={"zuplo_most_popular": "true"},
        ),
        plan(
            "business",
            "Business",
            fee("249.00"),
            metered(500_000),
            switched_on("priority_support", "Priority support"),
            configured("history_days", "Days of history", "365"),
            description="For whole companies",
        ),
    ]
