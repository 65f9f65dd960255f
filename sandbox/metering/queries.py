"""The query of a meter: usage in windows of time."""

import json
from datetime import UTC, datetime, timedelta

from sandbox.call import Call
from sandbox.http_messages import Answer, Document, Problem
from sandbox.metering import bodies, documents, usage
from sandbox.metering.catalogue import meter
from sandbox.metering.subscriptions import usage_lag
from sandbox.request_bodies import a_list, an_object
from sandbox.store import Row
from sandbox.values import moment_of

_ZEROED = {
    # What of a moment is set to its least for the start of its window.
    "MINUTE": {"second": 0, "microsecond": 0},
    "HOUR": {"minute": 0, "second": 0, "microsecond": 0},
    "DAY": {"hour": 0, "minute": 0, "second": 0, "microsecond": 0},
    "MONTH": {"day": 1, "hour": 0, "minute": 0, "second": 0, "microsecond": 0},
}


def query_meter(call: Call) -> Answer:
    """The body of a POST, or the query of a GET. Windows in which nothing was used are left out."""
    row, wish = meter(call), _wish(call)
    now = call.store.clock.moment()
    start = bodies.date(wish, "from") or datetime(2000, 1, 1, tzinfo=UTC)
    end = bodies.date(wish, "to") or now + timedelta(seconds=1)
    size = wish.get("windowSize")
    if size is not None and size not in _ZEROED:
        raise Problem(400, f"windowSize must be one of {', '.join(_ZEROED)}.")
    document, pks = json.loads(row["document"]), _subscriptions(call, row, wish)
    rows = usage.events(call.store, document, pks, start, end, lag=usage_lag(call))
    windows: dict[tuple[datetime, datetime], list[Row]] = {} if size else {(start, end): []}
    for event in rows:
        windows.setdefault(_window(moment_of(event["counted_on"]), size) if size else (start, end), []).append(event)
    data: list[Document] = [
        {
            "value": usage.plain(usage.aggregated(document, some)),
            "windowStart": documents.moment(window[0]),
            "windowEnd": documents.moment(window[1]),
            "subject": None,
            "groupBy": {},
        }
        for window, some in sorted(windows.items())
    ]
    about = {"from": documents.moment(start), "to": documents.moment(end), "windowSize": size}
    return Answer(200, {**about, "data": data})


def _wish(call: Call) -> Document:
    if call.request.method == "POST":
        return an_object(call.request.document)
    wish: Document = dict(call.request.first)
    names = ("filterSubscription", "filterSubscription[]")
    if some := [value for name, value in call.request.params if name in names]:
        wish["filterSubscription"] = some
    return wish


def _subscriptions(call: Call, row: Row, wish: Document) -> list[int]:
    """The subscriptions asked for, or all of the bucket."""
    found = call.store.all(
        "SELECT subscriptions.pk, subscriptions.id FROM subscriptions"
        " JOIN customers ON customers.pk = subscriptions.customer WHERE customers.bucket = ?",
        row["bucket"],
    )
    if wish.get("filterSubscription") is None:
        return [one["pk"] for one in found]
    wanted = a_list(wish["filterSubscription"], "filterSubscription")
    return [one["pk"] for one in found if one["id"] in wanted]


def _window(moment: datetime, size: str) -> tuple[datetime, datetime]:
    start = moment.replace(**_ZEROED[size])  # type: ignore[arg-type]
    if size == "MONTH":
        return start, (start + timedelta(days=32)).replace(day=1)
    return start, start + {"MINUTE": timedelta(minutes=1), "HOUR": timedelta(hours=1)}.get(size, timedelta(days=1))
