"""The objects that a v3 path names."""

from sandbox.call import Call
from sandbox.http_messages import Missing, Problem
from sandbox.metering.lifecycle import Subscription, seen
from sandbox.store import Row


def bucket(call: Call) -> Row:
    """By its id alone; the name, which the v1 paths take, is refused."""
    bucket_id = call.names["bucketId"]
    if not bucket_id.startswith("bckt_"):
        raise Problem(400, "bucketId must be the id of a bucket, which begins with bckt_.")
    row = call.store.one("SELECT * FROM buckets WHERE id = ?", bucket_id)
    if row is None:
        raise Missing("There is no such bucket.")
    if call.switches["monetization"] == "403":
        raise Problem(403, "Monetization is not enabled for this account.")
    return row


def customer(call: Call, name: str) -> Row:
    """By id or key."""
    row = call.store.one("SELECT * FROM customers WHERE bucket = ? AND ? IN (id, key)", bucket(call)["pk"], name)
    if row is None:
        raise Missing("There is no such customer.")
    return row


def subscription(call: Call) -> Subscription:
    row = call.store.one(
        "SELECT subscriptions.* FROM subscriptions JOIN customers ON customers.pk = subscriptions.customer"
        " WHERE customers.bucket = ? AND subscriptions.id = ?",
        bucket(call)["pk"],
        call.names["subscription"],
    )
    if row is None:
        raise Missing("There is no such subscription.")
    return seen(call.store, row)
