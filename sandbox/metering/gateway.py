"""Gateway questions while calls are let through, as npm zuplo 7.6.4 was seen to ask; with any bearer.

Its policies answer 500 to their customers for nearly every status but 200, so refusals are said in the body.
"""

import json
from datetime import datetime, timedelta
from typing import Any

from sandbox import request_bodies
from sandbox.call import Call
from sandbox.http_messages import Answer, Document, Problem
from sandbox.metering import bodies, documents, usage
from sandbox.metering.lifecycle import Subscription, of_consumer
from sandbox.metering.periods import Duration, period_around
from sandbox.metering.subscriptions import overdue_days, usage_lag
from sandbox.serializers import as_map
from sandbox.store import Row
from sandbox.values import moment_of, written_exactly

_PERIODS = {
    "hourly": Duration(0, 3600),
    "daily": Duration(0, 86_400),
    "weekly": Duration(0, 7 * 86_400),
    "monthly": Duration(1, 0),
}
_LONGEST = 10**8  # seconds that a counter may live

# monetization-inbound


def validate_api_key(call: Call) -> Answer:
    """Who the key is, and the subscription that runs now; without one the gateway refuses it."""
    value = request_bodies.text(request_bodies.an_object(call.request.document), "apiKey")
    bucket = call.store.one("SELECT * FROM buckets WHERE id = ?", call.names["bucketId"])
    if bucket is None:
        raise Problem(401, "The bucket is not known.")
    key = call.store.key_by_value(bucket["pk"], value) if value else None
    if key is None or (key["expires_on"] is not None and key["expires_on"] <= call.now()):
        if call.switches["unknown_key"] == "401":
            raise Problem(401, "The key is not known.")
        return Answer(200, {"subscription": None})
    consumer = {"id": key["consumer_id"], "name": key["name"], "metadata": as_map(key["metadata"]) or {}}
    running = next((one for one in of_consumer(call.store, bucket["pk"], key["name"]) if one.is_running), None)
    document = _subscription(call, running) if running else None
    about = {"id": key["id"], "expiresOn": key["expires_on"], "consumer": consumer}
    return Answer(200, {**about, "subscription": document})


def _subscription(call: Call, one: Subscription) -> Document:
    whole = documents.subscription(call.store, one)
    fields = ("id", "customerId", "name", "status", "currency", "plan", "billingCadence", "billingAnchor")
    times = ("activeFrom", "activeTo", "createdAt", "updatedAt")
    return {
        **{field: whole[field] for field in (*fields, *times)},
        "nextBillingDate": documents.moment(one.billing_period[1]),
        "entitlements": usage.entitlements(call.store, one, lag=usage_lag(call)),
        "paymentStatus": one.payment,
        "maxPaymentOverdueDays": overdue_days(call.store, one),
        "accessBlocked": bool(one.row["access_blocked"]),
    }


def take_events(call: Call) -> Answer:
    """Usage. What is not understood is passed over: after a 4xx the gateway would lose the whole of it."""
    bucket = call.store.one("SELECT * FROM buckets WHERE id = ?", call.names["bucketId"])
    if bucket is None:
        raise Problem(401, "The bucket is not known.")
    for event in request_bodies.a_list(call.request.document):
        usage.count(call.store, bucket["pk"], event)
    return Answer(204)


# rate-limit-inbound, complex-rate-limit-inbound


def count_call(call: Call) -> Answer:
    """Add to a counter that begins anew when its time is over."""
    body = request_bodies.an_object(call.request.document)
    row = _counted(call, body.get("key"), body.get("incrBy", 1), body.get("expire"))
    left = (moment_of(row["ends_on"]) - call.store.clock.moment()).total_seconds()
    return Answer(200, {"count": row["count"], "ttlSeconds": max(1, round(left))})


def check_limits(call: Call) -> Answer:
    """Counters as they are, without adding to any."""
    rows = [(limit["key"], _counter(call, limit["key"])) for limit in _limits(call)]
    return Answer(200, {"data": [{"key": key, "count": row["count"] if row else 0} for key, row in rows]})


def increment_limits(call: Call) -> Answer:
    rows = [_counted(call, one["key"], one.get("increment", 1), one.get("ttlSeconds")) for one in _limits(call)]
    return Answer(200, {"data": [{"key": row["key"], "count": row["count"]} for row in rows]})


def _limits(call: Call) -> list[Document]:
    body = request_bodies.an_object(call.request.document)
    limits = [request_bodies.an_object(limit, "Each limit") for limit in request_bodies.a_list(body.get("limits"))]
    for limit in limits:
        request_bodies.needed_text(limit, "key")
    return limits


def _counter(call: Call, key: str) -> Row | None:
    now = written_exactly(call.store.clock.moment())
    return call.store.one("SELECT * FROM counters WHERE key = ? AND ends_on > ?", key, now)


def _counted(call: Call, key: Any, more: Any, seconds: Any) -> Row:
    if not isinstance(key, str) or not key:
        raise Problem(400, "key is required.")
    for name, value in (("the increment", more), ("the time to live", seconds)):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LONGEST:
            raise Problem(400, f"{name} must be a whole number, at least 0.")
    row = _counter(call, key)
    if row:
        return call.store.update("counters", row["pk"], count=row["count"] + more)
    call.store.connection.execute("DELETE FROM counters WHERE key = ?", (key,))
    end = call.store.clock.moment() + timedelta(seconds=seconds)
    return call.store.insert("counters", key=key, count=more, ends_on=written_exactly(end))


# quota-inbound


def read_quota(call: Call) -> Answer:
    """The meters of the running period. New callers get empty ones, or the gateway would not count them."""
    row = call.store.one("SELECT * FROM quotas WHERE key = ?", call.names["quota"])
    if row is None:
        return Answer(200, {"anchorDate": documents.moment(call.store.clock.moment()), "meters": {}})
    start, _end = _quota_period(call, row["anchor"], row["period"])
    meters = json.loads(row["meters"]) if row["starts_on"] == written_exactly(start) else {}
    return Answer(200, {"anchorDate": documents.moment(moment_of(row["anchor"])), "meters": meters})


def count_quota(call: Call) -> Answer:
    body = request_bodies.an_object(call.request.document)
    config = request_bodies.an_object(body.get("config"), "config")
    added = request_bodies.an_object(body.get("increments"), "increments")
    period = request_bodies.text(config, "period") or "monthly"
    if period not in _PERIODS:
        raise Problem(400, f"config.period must be one of {', '.join(_PERIODS)}.")
    row = call.store.one("SELECT * FROM quotas WHERE key = ?", call.names["quota"])
    given = bodies.date(config, "anchorDate") if config.get("anchorDate") else None
    anchor = row["anchor"] if row else written_exactly(given or call.store.clock.moment())
    start, _end = _quota_period(call, anchor, period)
    began = written_exactly(start)
    meters = json.loads(row["meters"]) if row and row["starts_on"] == began else {}
    for name, value in added.items():
        meters[name] = meters.get(name, 0) + usage.plain(bodies.number(value) or usage.ZERO)
    columns = {"period": period, "starts_on": began, "meters": json.dumps(meters)}
    if row:
        call.store.update("quotas", row["pk"], **columns)
    else:
        call.store.insert("quotas", key=call.names["quota"], anchor=anchor, **columns)
    return Answer(200, {"anchorDate": documents.moment(moment_of(anchor)), "meters": meters})


def _quota_period(call: Call, anchor: str, period: str) -> tuple[datetime, datetime]:
    return period_around(moment_of(anchor), _PERIODS[period], call.store.clock.moment())


# The gateway's own reports


def take_report(call: Call) -> Answer:
    """Telemetry and audit events: taken and dropped, but for the journal."""
    return Answer(202)
