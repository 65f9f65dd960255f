"""Rows of the v3 operations as the API shows them, and its lists."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sandbox.call import Call
from sandbox.http_messages import Answer, Document, Problem
from sandbox.metering.lifecycle import Phase, Subscription
from sandbox.store import Row, Store
from sandbox.values import written_exactly

_PAGE = 100
_LARGEST_PAGE = 1000


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC; without a fraction where there is none."""
    return None if value is None else written_exactly(value).replace(".000000Z", "Z")


def stored(row: Row, **more: Any) -> Document:
    """Document as it was sent, with the id and the times that it got."""
    times = {"createdAt": row["created_on"], "updatedAt": row["updated_on"]}
    return {"id": row["id"], **json.loads(row["document"]), **more, **times}


def plan(row: Row) -> Document:
    more: Document = {"version": row["version"], "status": row["status"]}
    if row["deleted_on"]:
        more["deletedAt"] = row["deleted_on"]
    return stored(row, **more)


def customer(row: Row) -> Document:
    return {
        "id": row["id"],
        "key": row["key"],
        "name": row["name"],
        "primaryEmail": row["primary_email"],
        "usageAttribution": {"subjectKeys": json.loads(row["subjects"])},
        "createdAt": row["created_on"],
        "updatedAt": row["updated_on"],
    }


def plan_of(subscription: Subscription) -> Document:
    terms = subscription.terms
    named = {name: terms[name] for name in ("key", "name", "description") if terms.get(name)}
    return {"id": subscription.plan["id"], "version": subscription.plan["version"], **named}


def subscription(store: Store, one: Subscription) -> Document:
    start, end = one.billing_period
    customer_id = store.all("SELECT id FROM customers WHERE pk = ?", one.row["customer"])[0]["id"]
    return {
        "id": one.row["id"],
        "customerId": customer_id,
        **one.notes,
        "status": one.status,
        "activeFrom": moment(one.active_from),
        "activeTo": moment(one.active_to),
        "billingAnchor": moment(datetime.fromisoformat(one.row["billing_anchor"])),
        "billingCadence": one.terms["billingCadence"],
        "currency": one.terms["currency"],
        "alignment": {
            "billablesMustAlign": True,
            "currentAlignedBillingPeriod": {"from": moment(start), "to": moment(end)},
        },
        "plan": plan_of(one),
        "phases": [_phase(one, phase) for phase in one.phases],
        "createdAt": one.row["created_on"],
        "updatedAt": one.row["updated_on"],
    }


def _phase(one: Subscription, phase: Phase) -> Document:
    document: Document = {
        "key": phase.key,
        "name": phase.name,
        "activeFrom": moment(phase.start),
        "items": [_item(one, card, is_present=phase == one.phase) for card in phase.cards],
    }
    return document | ({"activeTo": moment(phase.end)} if phase.end else {})


def _item(one: Subscription, card: Document, *, is_present: bool) -> Document:
    item: Document = {
        name: card[name] for name in ("key", "name", "featureKey", "billingCadence", "price") if name in card
    }
    template = card.get("entitlementTemplate")
    if isinstance(template, dict) and card.get("featureKey"):
        entitlement = dict(template)
        if template.get("type") == "metered" and is_present:
            start, end = one.period(template.get("usagePeriod") or one.terms["billingCadence"])
            entitlement["currentUsagePeriod"] = {"from": moment(start), "to": moment(end)}
        item["included"] = {"feature": {"key": card["featureKey"]}, "entitlement": entitlement}
    return item


# Lists


def paging(call: Call) -> tuple[int, int]:
    """The page, from one, and its size."""
    page, size = (_number(call, name, usual) for name, usual in (("page", 1), ("pageSize", _PAGE)))
    return page, min(size, _LARGEST_PAGE)


def listing(call: Call, rows: list[Document], *, bare: bool = False) -> Answer:
    """A page of the rows, or with `bare` all of them without a wrapper, as meters are listed."""
    page, size = paging(call)
    wrapper = call.switches["metering_lists"]
    if bare or wrapper == "bare":
        return Answer(200, rows)
    some = rows[(page - 1) * size : page * size]
    return Answer(200, {wrapper: some, "page": page, "pageSize": size, "totalCount": len(rows)})


def created(call: Call, document: Mapping[str, Any]) -> Answer:
    return Answer(int(call.switches["metering_create_status"]), document)


def _number(call: Call, name: str, usual: int) -> int:
    value = call.param(name)
    if value is None:
        return usual
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 10**9:
        raise Problem(400, f"{name} must be a whole number, at least 1.")
    return int(value)
