"""New rows of the v3 operations."""

import json
from datetime import datetime

from sandbox.http_messages import Document
from sandbox.metering.documents import moment
from sandbox.metering.lifecycle import Subscription, seen
from sandbox.store import Row, Store
from sandbox.values import mint_ulid, written_exactly


def insert(store: Store, table: str, bucket: int, document: Document, **columns: object) -> Row:
    """A meter, feature or plan, under an id and the time of the account."""
    now = written_exactly(store.clock.moment())
    return store.insert(
        table, bucket=bucket, id=mint_ulid(), document=json.dumps(document), created_on=now, updated_on=now, **columns
    )


def add_customer(store: Store, bucket: int, columns: Document) -> Row:
    """Without a key of its own the customer goes by the id."""
    now, ulid = written_exactly(store.clock.moment()), mint_ulid()
    columns = columns | {"subjects": json.dumps(columns["subjects"]), "key": columns["key"] or ulid}
    return store.insert("customers", bucket=bucket, id=ulid, created_on=now, updated_on=now, **columns)


def subscribe(
    store: Store, customer: int, plan: Row, start: datetime, anchor: datetime, notes: Document, *, first_payment: str
) -> Subscription:
    """A subscription from the start on; what has a price is paid, or pending."""
    now, terms = written_exactly(store.clock.moment()), json.loads(plan["document"])
    row = store.insert(
        "subscriptions",
        id=mint_ulid(),
        customer=customer,
        plan=plan["pk"],
        active_from=written_exactly(start),
        billing_anchor=written_exactly(anchor),
        document=json.dumps({"name": terms["name"], "metadata": {}} | notes),
        payment="{}",
        created_on=now,
        updated_on=now,
    )
    made = seen(store, row)
    payment = _payment(made, start, first_payment)
    return seen(store, store.update("subscriptions", row["pk"], payment=json.dumps(payment)))


def _payment(made: Subscription, start: datetime, first_payment: str) -> Document:
    if made.is_free:
        return {"status": "not_required", "isFirstPayment": False}
    if first_payment == "pending":
        return {"status": "pending", "isFirstPayment": True}
    return {
        "status": "paid",
        "isFirstPayment": False,
        "lastPaymentFailedAt": None,
        "lastPaymentSucceededAt": moment(start),
    }
