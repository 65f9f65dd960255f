"""Usage: events counted once each, summed up by period and window, and held against what a plan includes."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.http_messages import Document
from sandbox.metering import bodies
from sandbox.metering.lifecycle import Subscription
from sandbox.store import Row, Store
from sandbox.values import moment_of, written_exactly

ZERO = Decimal(0)

_AGGREGATED: dict[str, Callable[[Sequence[Decimal]], Decimal]] = {
    "SUM": lambda values: sum(values, ZERO),
    "COUNT": lambda values: Decimal(len(values)),
    "UNIQUE_COUNT": lambda values: Decimal(len(set(values))),
    "AVG": lambda values: sum(values, ZERO) / len(values),
    "MIN": min,
    "MAX": max,
    "LATEST": lambda values: values[-1],
}


def count(store: Store, bucket: int, event: Any, *, at: datetime | None = None) -> None:
    """Count one event, once however often it comes; what is not understood is passed over.

    The time of use is the time of arrival. An event that comes after its subscription's end belongs to the last period.
    """
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        return
    names = [event.get(field) for field in ("id", "type", "subscription")]
    quantity = bodies.number(event["data"].get("total"))
    if quantity is None or not all(isinstance(name, str) and name for name in names):
        return
    row = store.one(
        "SELECT subscriptions.* FROM subscriptions JOIN customers ON customers.pk = subscriptions.customer"
        " WHERE subscriptions.id = ? AND customers.bucket = ?",
        names[2],
        bucket,
    )
    if row is None:
        return
    arrived = at or store.clock.moment()
    counted = arrived
    if row["active_to"] and moment_of(row["active_to"]) <= arrived:
        counted = moment_of(row["active_to"]) - timedelta(microseconds=1)
    store.connection.execute(
        "INSERT OR IGNORE INTO usage_events (subscription, id, type, subject, data, counted_on, arrived_on)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            row["pk"],
            names[0],
            names[1],
            event.get("subject") if isinstance(event.get("subject"), str) else None,
            json.dumps({"total": str(quantity)}),
            written_exactly(counted),
            written_exactly(arrived),
        ),
    )


def total(
    store: Store, meter: Document, subscriptions: Iterable[int], start: datetime, end: datetime, *, lag: timedelta
) -> Decimal:
    """Meter reading for this time; events younger than the lag are not known yet."""
    return aggregated(meter, events(store, meter, subscriptions, start, end, lag=lag))


def events(
    store: Store, meter: Document, subscriptions: Iterable[int], start: datetime, end: datetime, *, lag: timedelta
) -> list[Row]:
    """The meter's events from the start until before the end, oldest first."""
    pks = list(subscriptions)
    return store.all(
        f"SELECT * FROM usage_events WHERE subscription IN ({', '.join('?' * len(pks))})"
        " AND type = ? AND counted_on >= ? AND counted_on < ? AND arrived_on <= ? ORDER BY counted_on, pk",
        *pks,
        meter["eventType"],
        written_exactly(start),
        written_exactly(end),
        written_exactly(store.clock.moment() - lag),
    )


def aggregated(meter: Document, rows: Iterable[Row]) -> Decimal:
    values = [Decimal(json.loads(row["data"])["total"]) for row in rows]
    return _AGGREGATED[meter["aggregation"]](values) if values else ZERO


def plain(quantity: Decimal) -> int | float:
    """As usage stands in answers: a JSON number, unlike prices."""
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def entitlements(store: Store, subscription: Subscription, *, lag: timedelta) -> dict[str, Document]:
    """By feature, what the present phase gives and how much of it is left."""
    running = subscription.is_running
    found: dict[str, Document] = {}
    for card in subscription.phase.cards:
        template, feature = card.get("entitlementTemplate"), card.get("featureKey")
        if not isinstance(template, dict) or not feature:
            continue
        if template.get("type") != "metered":
            config = template.get("config")
            text = config if isinstance(config, str) else json.dumps(True if config is None else config)
            found[feature] = {"hasAccess": running, "balance": 0, "usage": 0, "overage": 0, "config": text}
            continue
        included = Decimal(str(template.get("issueAfterReset") or 0))
        start, end = subscription.period(template.get("usagePeriod") or subscription.terms["billingCadence"])
        meter = meter_of(store, subscription.plan["bucket"], feature)
        used = total(store, meter, [subscription.row["pk"]], start, end, lag=lag) if meter else ZERO
        left = max(included - used, ZERO)
        found[feature] = {
            "hasAccess": running and (bool(template.get("isSoftLimit")) or left > 0),
            "balance": plain(left),
            "usage": plain(used),
            "overage": plain(max(used - included, ZERO)),
        }
    return found


def meter_of(store: Store, bucket: int, feature_key: str) -> Document | None:
    """The meter that measures a feature; None for a feature that is unknown or measures nothing."""
    feature = store.one(
        "SELECT document FROM features WHERE bucket = ? AND key = ? ORDER BY pk DESC", bucket, feature_key
    )
    slug = json.loads(feature["document"]).get("meterSlug") if feature else None
    row = store.one("SELECT document FROM meters WHERE bucket = ? AND slug = ?", bucket, slug) if slug else None
    document: Document | None = json.loads(row["document"]) if row else None
    return document
