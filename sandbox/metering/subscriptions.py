"""The operations on customers and their subscriptions."""

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.call import Call
from sandbox.http_messages import Answer, Document, Problem
from sandbox.metering import bodies, catalogue, documents, usage
from sandbox.metering.lifecycle import Subscription, of_customer, seen
from sandbox.metering.lookup import bucket, customer, subscription
from sandbox.metering.records import add_customer, subscribe
from sandbox.request_bodies import an_object, text
from sandbox.store import Row, Store
from sandbox.values import moment_of, written_exactly

CENT = Decimal("0.01")

# Customers


def create_customer(call: Call) -> Answer:
    pk, columns = bucket(call)["pk"], bodies.customer(call.request.document)
    found = call.store.one("SELECT * FROM customers WHERE bucket = ? AND key = ?", pk, columns["key"])
    if found:
        if call.switches["duplicate_customer"] == "409":
            raise Problem(409, "The key is taken.")
        return Answer(200, documents.customer(found))
    return documents.created(call, documents.customer(add_customer(call.store, pk, columns)))


def list_customers(call: Call) -> Answer:
    """All, or with ?key= those whose key holds this text, as OpenMeter has it."""
    where, values = "bucket = ?", list[object]([bucket(call)["pk"]])
    if (key := call.param("key")) is not None:
        where, values = f"{where} AND instr(key, ?)", [*values, key]
    rows = call.store.all(f"SELECT * FROM customers WHERE {where} ORDER BY pk", *values)
    return documents.listing(call, [documents.customer(row) for row in rows])


def read_customer(call: Call) -> Answer:
    return Answer(200, documents.customer(customer(call, call.names["customer"])))


def list_subscriptions(call: Call) -> Answer:
    """Newest first, those that are over too."""
    found = of_customer(call.store, customer(call, call.names["customer"])["pk"])
    return documents.listing(call, [documents.subscription(call.store, one) for one in found])


# Subscriptions


def create_subscription(call: Call) -> Answer:
    body = an_object(call.request.document)
    whose = text(body, "customerId") or text(body, "customerKey")
    if not whose:
        raise Problem(400, "customerId or customerKey is required.")
    owner, plan = customer(call, whose), _active_plan(call, body)
    several = catalogue.configuration(call)["multipleSubscriptionsEnabled"]
    if not several and any(one.status != "inactive" for one in of_customer(call.store, owner["pk"])):
        raise Problem(409, "The customer has a subscription.")
    now = call.store.clock.moment()
    start = bodies.timing(body, now=now, period_end=now, usual="immediate")
    anchor = bodies.date(body, "billingAnchor") or start
    notes = {name: body[name] for name in ("name", "description", "metadata") if body.get(name) is not None}
    made = _subscribed(call, owner["pk"], plan, start, anchor, notes)
    if call.switches["subscription_consumer"] == "created":
        _add_consumer(call, owner, made)
    return documents.created(call, _answered(call, documents.subscription(call.store, made)))


def change(call: Call) -> Answer:
    """Close this subscription and open one for the other plan: at once, or when the period is over."""
    body, old = an_object(call.request.document), subscription(call)
    plan, moment = _active_plan(call, body), _moment_of_change(call, old, body)
    current = _closed(call, old, moment)
    anchor = moment_of(old.row["billing_anchor"]) if bodies.waits_for_period_end(body) else moment
    notes = {"annotations": {"subscription.previous.id": old.row["id"]}, "metadata": old.notes.get("metadata", {})}
    new = _subscribed(call, old.row["customer"], plan, moment, anchor, notes)
    both = {"current": documents.subscription(call.store, current), "next": documents.subscription(call.store, new)}
    match call.switches["change_answer"]:
        case "next":
            return Answer(200, {"next": both["next"]})
        case "empty":
            return Answer(200, {})
    return Answer(200, both)


def estimate_credit(call: Call) -> Answer:
    """Proration credit, by the larger of time and quota not used up (max_consumption_based); nothing is changed."""
    body, old = an_object(call.request.document), subscription(call)
    now, (start, end) = call.store.clock.moment(), old.billing_period
    moment = _moment_of_change(call, old, body)
    if moment > now or not (old.terms.get("proRatingConfig") or {}).get("enabled"):
        return _credit(old, Decimal(0))
    used = Decimal((old.moment - start) / (end - start))
    for left in usage.entitlements(call.store, old, lag=timedelta()).values():
        spent = Decimal(str(left["usage"])) - Decimal(str(left["overage"]))
        quota = Decimal(str(left["balance"])) + spent
        used = max(used, spent / quota if quota else Decimal(0))
    prices = [card.get("price") for card in old.phase.cards]
    paid = sum(
        (Decimal(price["amount"]) for price in prices if price and price.get("paymentTerm") == "in_advance"), Decimal(0)
    )
    return _credit(old, paid * (1 - used))


def cancel(call: Call) -> Answer:
    """At once unless told otherwise; a phase that costs nothing has no billing cycle to wait for."""
    body, one = an_object(call.request.document), subscription(call)
    if one.status == "inactive":
        raise Problem(409, "The subscription is over.")
    if bodies.waits_for_period_end(body):
        if one.phase.is_free:
            raise Problem(int(call.switches["cancel_free"]), "There are no billables, so there is no billing cycle.")
        if one.status == "canceled":
            raise Problem(409, "The subscription is canceled.")
    moment = bodies.timing(body, now=one.now, period_end=one.billing_period[1], usual="immediate")
    closed = _closed(call, one, max(moment, one.active_from))
    return Answer(200, _answered(call, documents.subscription(call.store, closed)))


def resume(call: Call) -> Answer:
    """Until the end date has come; not while another subscription waits for it. Of its two paths one is there."""
    if not call.request.path.endswith(f"/{call.switches['resume_path']}"):
        raise Problem(404, "There is nothing at this path.")
    one = subscription(call)
    if one.status != "canceled" or _successor(call, one):
        raise Problem(409, "The subscription is not canceled, or another one follows it.")
    row = call.store.update("subscriptions", one.row["pk"], active_to=None, updated_on=written_exactly(one.now))
    return Answer(200, _answered(call, documents.subscription(call.store, seen(call.store, row))))


def access(call: Call) -> Answer:
    """The shape of the portal's own usage answer; the guides name this operation and do not show it."""
    one = subscription(call)
    found = usage.entitlements(call.store, one, lag=usage_lag(call))
    match call.switches["access_shape"]:
        case "entitlements":
            return Answer(200, {"entitlements": found})
        case "list":
            rows = [{"featureKey": feature, **entitlement} for feature, entitlement in found.items()]
            return Answer(200, {"access": {"entitlements": rows}})
    customer_id = call.store.all("SELECT id FROM customers WHERE pk = ?", one.row["customer"])[0]["id"]
    whole = {
        "subscriptionId": one.row["id"],
        "customerId": customer_id,
        "planKey": one.plan["key"],
        "entitlements": found,
        "paymentStatus": one.payment,
    }
    return Answer(200, whole)


def usage_lag(call: Call) -> timedelta:
    lag = call.switches["usage_lag"]
    return timedelta(seconds=0 if lag == "none" else int(lag))


def overdue_days(store: Store, one: Subscription) -> int:
    """For how many days a later payment may be overdue: as the plan says, else the bucket."""
    row = store.one("SELECT document FROM monetization WHERE bucket = ?", one.plan["bucket"])
    usual: int = (bodies.CONFIGURATION | (json.loads(row["document"]) if row else {}))["maxPaymentOverdueDays"]
    wish = str((one.terms.get("metadata") or {}).get("zuplo_max_payment_overdue_days", ""))
    return int(wish) if wish.isdigit() else usual


# Shared


def _active_plan(call: Call, body: Document) -> Row:
    key, version = bodies.plan_reference(body)
    found = call.store.one(
        "SELECT * FROM plans WHERE bucket = ? AND key = ? AND status = 'active' AND deleted_on IS NULL"
        " AND (? IS NULL OR version = ?)",
        bucket(call)["pk"],
        key,
        version,
        version,
    )
    if found is None:
        raise Problem(400, "There is no such plan, or it takes no subscriptions.")
    return found


def _moment_of_change(call: Call, old: Subscription, body: Document) -> datetime:
    if not old.is_running or _successor(call, old):
        raise Problem(409, "The subscription does not run, or another one follows it.")
    return bodies.timing(body, now=old.now, period_end=old.billing_period[1])


def _successor(call: Call, one: Subscription) -> Subscription | None:
    """The customer's subscription that is to begin when this one ends."""
    others = of_customer(call.store, one.row["customer"])
    return next((other for other in others if other.status == "scheduled" and other.row["pk"] > one.row["pk"]), None)


def _subscribed(call: Call, owner: int, plan: Row, start: datetime, anchor: datetime, notes: Document) -> Subscription:
    return subscribe(call.store, owner, plan, start, anchor, notes, first_payment=call.switches["first_payment"])


def _closed(call: Call, one: Subscription, moment: datetime) -> Subscription:
    columns = {"active_to": written_exactly(moment), "updated_on": written_exactly(one.now)}
    return seen(call.store, call.store.update("subscriptions", one.row["pk"], **columns))


def _answered(call: Call, document: Document) -> Document:
    match call.switches["subscription_answer"]:
        case "wrapped":
            return {"subscription": document}
        case "empty":
            return {}
    return document


def _credit(one: Subscription, amount: Decimal) -> Answer:
    return Answer(200, {"creditAmount": str(amount.quantize(CENT)), "currency": one.terms["currency"]})


def _add_consumer(call: Call, owner: Row, made: Subscription) -> None:
    """A consumer with a key of its own for the subscription; how it is named is our invention."""
    name = re.sub(r"[^a-z0-9-]", "-", f"sub-{made.row['id']}".lower())
    consumer = call.store.add_consumer(
        owner["bucket"],
        name,
        description=owner["name"],
        tags={"subscriptionId": made.row["id"]},
        metadata={"customerId": owner["id"]},
    )
    call.store.add_key(consumer["pk"])
    if owner["primary_email"]:
        call.store.add_manager(consumer["pk"], owner["primary_email"], f"portal|{owner['primary_email']}")
    subjects = [*json.loads(owner["subjects"]), name]
    call.store.update("customers", owner["pk"], subjects=json.dumps(subjects))
