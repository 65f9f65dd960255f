"""Plans, subscriptions and usage of a sandbox in this process: what tests set up and look at, past all switches."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sandbox.database import Database
from sandbox.http_messages import Document
from sandbox.metering import bodies, documents, samples, usage
from sandbox.metering.lifecycle import of_consumer, of_customer, seen
from sandbox.metering.records import add_customer, insert, subscribe
from sandbox.store import Row, Store
from sandbox.values import mint_ulid, written_exactly


class Metering:
    """Seeds, moves and shows what the v3 operations work on, in the sandbox's first bucket unless one is named."""

    def __init__(self, database: Database, bucket: str) -> None:
        self._database = database
        self._usual_bucket = bucket

    # The clock

    def move_clock(self, **ahead: float) -> None:
        """So many days, hours ... further, or back if negative, for all that the sandbox does."""
        self._database.clock.offset += timedelta(**ahead)

    def now(self) -> datetime:
        return self._database.clock.moment()

    # Plans

    def has_plans(self, bucket: str | None = None) -> bool:
        with self._database.reading() as store:
            return store.count("plans", "bucket = ?", [self._bucket(store, bucket)["pk"]]) > 0

    def bucket_id(self, bucket: str | None = None) -> str:
        """Id of the bucket in v3 paths."""
        with self._database.reading() as store:
            return str(self._bucket(store, bucket)["id"])

    def add_plans(self, *plans: Document, order: Iterable[str] | None = None, bucket: str | None = None) -> None:
        """Publish plans, in this order from the least to the greatest; the three samples if none are given.

        The meter and the features of the samples are there too.
        """
        with self._database.writing() as store:
            pk = self._bucket(store, bucket)["pk"]
            if store.one("SELECT 1 FROM meters WHERE bucket = ?", pk) is None:
                insert(store, "meters", pk, bodies.meter(samples.METER), slug=samples.METER["slug"])
                for key, name, slug in samples.FEATURES:
                    insert(
                        store, "features", pk, bodies.feature({"key": key, "name": name, "meterSlug": slug}), key=key
                    )
            chosen = plans or tuple(samples.three_plans())
            for plan in chosen:
                self._publish(store, pk, plan)
            keys = list(order) if order is not None else [plan["key"] for plan in chosen]
            settings = bodies.CONFIGURATION | {"planOrder": keys}
            store.connection.execute(
                "INSERT OR REPLACE INTO monetization (bucket, document) VALUES (?, ?)", (pk, json.dumps(settings))
            )

    def _publish(self, store: Store, bucket: int, plan: Document) -> None:
        document = bodies.plan(plan)
        last = store.count("plans", "bucket = ? AND key = ?", [bucket, document["key"]])
        store.connection.execute(
            "UPDATE plans SET status = 'archived' WHERE bucket = ? AND key = ?", (bucket, document["key"])
        )
        columns = {"key": document["key"], "version": last + 1, "status": "active", "currency": document["currency"]}
        insert(store, "plans", bucket, document, **columns)

    # Customers and subscriptions

    def subscribe(
        self,
        consumer: str,
        plan: str,
        *,
        customer: str | None = None,
        email: str | None = None,
        since: datetime | None = None,
        payment: Document | None = None,
        bucket: str | None = None,
    ) -> str:
        """Subscribe the consumer's customer, made if need be, to a plan; the subscription's id. A running one ends."""
        with self._database.writing() as store:
            pk = self._bucket(store, bucket)["pk"]
            known = store.one("SELECT id FROM consumers WHERE bucket = ? AND name = ?", pk, consumer)
            key = customer or (known["id"] if known else consumer)
            owner = store.one("SELECT * FROM customers WHERE bucket = ? AND key = ?", pk, key)
            if owner is None:
                columns = {"key": key, "name": key, "primary_email": email, "subjects": [consumer]}
                owner = add_customer(store, pk, columns)
            start = since or store.clock.moment()
            for one in of_customer(store, owner["pk"]):
                if one.is_running:
                    store.update("subscriptions", one.row["pk"], active_to=written_exactly(start))
            row = store.one("SELECT * FROM plans WHERE bucket = ? AND key = ? AND status = 'active'", pk, plan)
            if row is None:
                raise LookupError(f"There is no plan {plan}.")
            made = subscribe(store, owner["pk"], row, start, start, {}, first_payment="paid")
            if payment is not None:
                store.update("subscriptions", made.row["pk"], payment=json.dumps(payment))
            return str(made.row["id"])

    def subscriptions(self, consumer: str, bucket: str | None = None) -> list[Document]:
        """Those of the consumer's customers, newest first."""
        with self._database.reading() as store:
            found = of_consumer(store, self._bucket(store, bucket)["pk"], consumer)
            return [documents.subscription(store, one) for one in found]

    def customers(self, bucket: str | None = None) -> list[Document]:
        with self._database.reading() as store:
            rows = store.all("SELECT * FROM customers WHERE bucket = ? ORDER BY pk", self._bucket(store, bucket)["pk"])
            return [documents.customer(row) for row in rows]

    def invites(self, bucket: str | None = None) -> list[tuple[str, str]]:
        """Address and plan id of each invitation."""
        with self._database.reading() as store:
            pk = self._bucket(store, bucket)["pk"]
            rows = store.all("SELECT email, plan_id FROM plan_invites WHERE bucket = ? ORDER BY pk", pk)
            return [(row["email"], row["plan_id"]) for row in rows]

    def set_payment(self, subscription: str, **payment: Any) -> None:
        """Status, isFirstPayment, lastPaymentFailedAt ... as validate-api-key and access say them."""
        with self._database.writing() as store:
            store.update("subscriptions", self._subscription(store, subscription)["pk"], payment=json.dumps(payment))

    def block(self, subscription: str, *, blocked: bool = True) -> None:
        with self._database.writing() as store:
            store.update("subscriptions", self._subscription(store, subscription)["pk"], access_blocked=blocked)

    def seed(self) -> None:
        """Three plans, and a subscription for each sample consumer: acme-mobile has used up what it may."""
        self.add_plans()
        now = self.now()
        for consumer, plan, days, used in (("acme", "pro", 45, 38_000), ("acme-mobile", "free", 95, 1000)):
            subscription = self.subscribe(consumer, plan, email="ann@acme.test", since=now - timedelta(days=days))
            start = datetime.fromisoformat(self._period_start(subscription))
            for part in range(1, 11):  # one tenth at a time, over the period so far
                self.use(subscription, used / 10, at=start + (now - start) * part / 11)
        globex = self.subscribe("globex", "business", email="ann@acme.test", since=now - timedelta(days=20))
        self.use(globex, 420_000)

    def _period_start(self, subscription: str) -> str:
        with self._database.reading() as store:
            return seen(store, self._subscription(store, subscription)).billing_period[0].isoformat()

    # Usage

    def use(self, subscription: str, number: float, *, meter: str = "api_requests", at: datetime | None = None) -> None:
        """Usage as if a gateway had reported it, now or at a time."""
        with self._database.writing() as store:
            row = self._subscription(store, subscription)
            bucket = store.all("SELECT bucket FROM plans WHERE pk = ?", row["plan"])[0]["bucket"]
            event = {"id": mint_ulid(), "type": meter, "subscription": subscription, "data": {"total": number}}
            usage.count(store, bucket, event, at=at)

    def used(self, subscription: str) -> dict[str, Document]:
        """By feature: hasAccess, balance, usage, overage of the present period."""
        with self._database.reading() as store:
            return usage.entitlements(store, seen(store, self._subscription(store, subscription)), lag=timedelta())

    def _bucket(self, store: Store, name: str | None) -> Row:
        row = store.bucket(name or self._usual_bucket)
        if row is None:
            raise LookupError(f"There is no bucket {name or self._usual_bucket}.")
        return row

    def _subscription(self, store: Store, subscription: str) -> Row:
        row = store.one("SELECT * FROM subscriptions WHERE id = ?", subscription)
        if row is None:
            raise LookupError(f"There is no subscription {subscription}.")
        return row
