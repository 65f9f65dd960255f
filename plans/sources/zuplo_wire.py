"""Deserializers of Zuplo's metering API (v3, a preview): its names and odd shapes stop here.

Shapes: zuplo.com/docs, articles/monetization; lists and durations as OpenMeter has them, on which it is built. What is
of an unknown kind is kept as unknown: a price that cannot be read must never look like none.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from keys.errors import OddAnswer
from keys.redaction import harmless, without_keys
from plans.periods import MONTH, Period
from plans.types import (
    Entitlement,
    EntitlementKind,
    Estimate,
    Phase,
    Plan,
    Price,
    PriceKind,
    RateCard,
    Status,
    Subscription,
    Tier,
    Used,
)

KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
ULID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as published 26 characters; whatever fits a path will do
CONTACT = re.compile(r"(https://|mailto:)[^\s<>\"']{1,300}")


def an_object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise OddAnswer(f"{type(data).__name__} where an object should be")
    return data


def objects(data: Any) -> list[dict[str, Any]]:
    """The entries of a list, under `items` or `data`, or bare."""
    if isinstance(data, dict):
        data = next((data[name] for name in ("items", "data") if isinstance(data.get(name), list)), None)
    if not isinstance(data, list):
        raise OddAnswer("no list")
    return [an_object(one) for one in data]


def number(value: Any) -> Decimal | None:
    """A quantity or an amount: a decimal text, or a JSON number as it was written; None for all else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < Decimal(10) ** 18 else None


def text(value: Any) -> str:
    return without_keys(harmless(value))[:600] if isinstance(value, str) else ""


def moment(value: Any) -> datetime | None:
    """RFC 3339, with up to microseconds; null, absent and "" are the same."""
    if value is None or value == "":
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError) as problem:
        raise OddAnswer("no time") from problem


def identity(data: Mapping[str, Any]) -> str:
    value = data.get("id")
    if not isinstance(value, str) or not ULID.fullmatch(value):
        raise OddAnswer("no id")
    return value


def period(value: Any) -> Period | None:
    return Period.from_iso(value) if isinstance(value, str) and value else None


def is_set(value: Any) -> bool:
    """Metadata say true as a text, and as a boolean in fixtures."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def amount_of(value: Any) -> Decimal | None:
    """The amount of a price within a price; a bare number will do."""
    found = number(value.get("amount")) if isinstance(value, dict) else number(value)
    return found if found is None or found >= 0 else None


def price(data: Any) -> Price | None:
    """None is free, and nothing else is."""
    if data is None:
        return None
    unknown = Price(PriceKind.UNKNOWN)
    if not isinstance(data, dict):
        return unknown
    amount = amount_of(data)
    match data.get("type"):
        case "flat" if amount is not None:
            return Price(PriceKind.FLAT, amount)
        case "unit" if amount is not None:
            return Price(PriceKind.UNIT, amount)
        case "package" if amount is not None:
            quantity = number(data.get("quantityPerPackage") or data.get("quantityPerUnit"))
            return Price(PriceKind.PACKAGE, amount, quantity) if quantity and quantity > 0 else unknown
        case "tiered":
            return _tiered(data) or unknown
    return unknown


def _tiered(data: Mapping[str, Any]) -> Price | None:
    tiers = data.get("tiers")
    if not isinstance(tiers, list) or not tiers or data.get("mode") not in {"graduated", "volume"}:
        return None
    found = []
    for tier in tiers:
        if not isinstance(tier, dict):
            return None
        up_to, flat, unit = number(tier.get("upToAmount")), tier.get("flatPrice"), tier.get("unitPrice")
        known = Tier(up_to, amount_of(flat), amount_of(unit))
        is_odd = (flat is not None and known.flat is None) or (unit is not None and known.unit is None)
        if is_odd or (tier.get("upToAmount") is not None and up_to is None):
            return None
        found.append(known)
    return Price(PriceKind.TIERED, tiers=tuple(found), is_volume=data["mode"] == "volume")


def entitlement(data: Any) -> Entitlement | None:
    if data is None:
        return None
    if not isinstance(data, dict):
        return Entitlement(EntitlementKind.UNKNOWN)
    match data.get("type"):
        case "metered":
            included, every = number(data.get("issueAfterReset")), period(data.get("usagePeriod"))
            return Entitlement(EntitlementKind.METERED, included, data.get("isSoftLimit") is True, every)
        case "boolean":
            return Entitlement(EntitlementKind.BOOLEAN)
        case "static":
            return Entitlement(EntitlementKind.STATIC, value=_config(data.get("config")))
    return Entitlement(EntitlementKind.UNKNOWN)


def _config(value: Any) -> str:
    """A plain value in a text of JSON, in words; "" for all else."""
    try:
        found = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        found = value
    return text(str(found)) if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def rate_card(data: Mapping[str, Any]) -> RateCard:
    key = text(data.get("featureKey")) or text(data.get("key"))
    return RateCard(
        key=key,
        name=text(data.get("name")) or key,
        entitlement=entitlement(data.get("entitlementTemplate")),
        price=price(data.get("price")),
        cadence=period(data.get("billingCadence")),
    )


def phase(data: Mapping[str, Any]) -> Phase:
    cards = tuple(rate_card(an_object(card)) for card in data.get("rateCards") or [])
    return Phase(text(data.get("key")), text(data.get("name")), period(data.get("duration")), cards)


def hidden_phases(settings: Any, phases: Iterable[Phase]) -> frozenset[str]:
    """All but the `visiblePhases` that the configuration names for a plan; none where it names none of the plan's."""
    visible = settings.get("visiblePhases") if isinstance(settings, dict) else None
    keys = {phase.key for phase in phases}
    named = keys.intersection(one for one in visible if isinstance(one, str)) if isinstance(visible, list) else set()
    return frozenset(keys - named) if named else frozenset()


def plan(data: Any, configuration: Mapping[str, Any]) -> Plan:
    """The monetization configuration tells the order of plans, and which of their phases are to be seen."""
    data = an_object(data)
    key, metadata = data.get("key"), data.get("metadata")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise OddAnswer("a plan without a key")
    metadata = metadata if isinstance(metadata, dict) else {}
    phases = tuple(phase(an_object(one)) for one in data.get("phases") or [])
    if not phases:
        raise OddAnswer("a plan without phases")
    contact = metadata.get("contactUrl")
    is_custom = is_set(metadata.get("isCustom")) and isinstance(contact, str) and CONTACT.fullmatch(contact)
    version, order, settings = data.get("version"), configuration.get("planOrder"), configuration.get("planSettings")
    return Plan(
        key=key,
        name=text(data.get("name")) or key,
        phases=phases,
        description=text(data.get("description")),
        currency=text(data.get("currency"))[:3].upper(),
        cadence=period(data.get("billingCadence")) or MONTH,
        order=order.index(key) if isinstance(order, list) and key in order else None,
        is_private=is_set(metadata.get("zuplo_private_plan")),
        is_popular=is_set(metadata.get("zuplo_most_popular")),
        contact_url=contact if is_custom and isinstance(contact, str) else "",
        contact_label=text(metadata.get("contactLabel"))[:60],
        hidden_phases=hidden_phases(settings.get(key) if isinstance(settings, dict) else None, phases),
        version=version if isinstance(version, int) else 1,
        id=text(data.get("id")),
    )


def subscription(data: Any, consumer: str) -> Subscription:
    data = an_object(data)
    plan_data = an_object(data.get("plan"))
    key, status = text(plan_data.get("key")), data.get("status")
    aligned = data.get("alignment")
    billing = aligned.get("currentAlignedBillingPeriod") if isinstance(aligned, dict) else None
    return Subscription(
        consumer=consumer,
        plan_key=key,
        plan_name=text(plan_data.get("name")) or text(data.get("name")) or key,
        status=Status(status) if isinstance(status, str) and status in set(Status) else Status.UNKNOWN,
        id=identity(data),
        customer_id=text(data.get("customerId")),
        active_from=moment(data.get("activeFrom")),
        active_to=moment(data.get("activeTo")),
        anchor=moment(data.get("billingAnchor")),
        cadence=period(data.get("billingCadence")),
        period_end=moment(billing.get("to")) if isinstance(billing, dict) else None,
        is_in_free_phase=_is_free_now(data),
    )


def _is_free_now(data: Mapping[str, Any]) -> bool:
    """By the items of the phase that runs; what cannot be told is taken for paid, and asked again by the answer."""
    now = datetime.now(UTC)
    running = [
        one
        for one in data.get("phases") or []
        if isinstance(one, dict)
        and (moment(one.get("activeFrom")) or now) <= now
        and ((moment(one.get("activeTo")) or now) >= now)
    ]
    items = [item for item in running[-1].get("items") or [] if isinstance(item, dict)] if running else []
    return bool(items) and all("price" in item and item["price"] is None for item in items)


def subscription_in(data: Any, consumer: str) -> Subscription | None:
    """Subscription in the answer to a write: itself, or under `next` or `subscription`; None where it holds none."""
    for one in (data.get("next"), data.get("subscription"), data) if isinstance(data, dict) else ():
        if isinstance(one, dict) and one.get("id") and one.get("plan"):
            return subscription(one, consumer)
    return None


def entitlements(data: Any) -> dict[str, dict[str, Any]]:
    """By feature: a map or a list, at the top, or under `access` or `data`."""
    data = an_object(data)
    for holder in (data, data.get("access"), data.get("data")):
        found = holder.get("entitlements") if isinstance(holder, dict) else None
        if isinstance(found, dict):
            return {str(key): an_object(one) for key, one in found.items()}
        if isinstance(found, list):
            return {str(an_object(one).get("featureKey")): one for one in found}
    raise OddAnswer("no entitlements")


def used(key: str, data: Mapping[str, Any], plan: Plan | None) -> Used | None:
    """Usage of a feature; None for one that is not metered. A number that is missing stays unknown."""
    card = plan.feature(key) if plan else None
    is_metered = card is not None and card.entitlement and card.entitlement.kind == EntitlementKind.METERED
    if (card and not is_metered) or "config" in data:
        return None
    usage, balance, overage = (number(data.get(name)) for name in ("usage", "balance", "overage"))
    included = balance + usage - (overage or 0) if balance is not None and usage is not None else None
    if card is None and not included and not usage:
        return None
    access = data.get("hasAccess")
    return Used(
        key=key,
        name=card.name if card else text(key).replace("_", " "),
        used=usage,
        included=included,
        has_access=access if isinstance(access, bool) else None,
        is_soft=card.entitlement.is_soft if card and card.entitlement else None,
    )


def payment(data: Any) -> str:
    """Trouble with a payment for which the gateway refuses calls, as it was seen to judge: "first", "failed", or ""."""
    found = data.get("paymentStatus") if isinstance(data, dict) else None
    if not isinstance(found, dict) or not text(found.get("status")):
        return ""
    if found.get("isFirstPayment") is True:
        return "" if found["status"] in {"paid", "not_required"} else "first"
    return "failed" if found["status"] in {"failed", "uncollectible"} else ""


def estimate(data: Any) -> Estimate | None:
    data = an_object(data)
    credit = number(data.get("creditAmount"))
    return None if credit is None else Estimate(credit, text(data.get("currency"))[:3])
