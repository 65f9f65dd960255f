"""Seed data: a small account to look at, or as many consumers as wished."""

import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.database import Database
from sandbox.store import Store
from sandbox.values import mint_id, mint_key, written

_BATCH = 20_000

Progress = Callable[[int, int], None]


def _days(number: float) -> str:
    """The moment so many days from now, or ago if negative."""
    return written(datetime.now(UTC) + timedelta(days=number))


def _samples() -> list[dict[str, Any]]:
    return [
        {
            "name": "acme",
            "description": "Acme Inc",
            "created_on": _days(-150),
            "tags": {"org": "acme"},
            "metadata": {"plan": "pro", "seats": 25},
            "managers": ["ann@acme.test", "ben@acme.test"],
            "keys": [
                {"description": "Production server", "created_on": _days(-149.6)},
                {"description": "CI pipeline", "created_on": _days(-30.2), "expires_on": _days(60)},
                {"description": "Laptop", "created_on": _days(-87.4), "expires_on": _days(3)},
            ],
        },
        {
            "name": "acme-mobile",
            "description": "Acme Mobile",
            "created_on": _days(-95),
            "tags": {"org": "acme"},
            "metadata": {"plan": "free"},
            "managers": ["ann@acme.test"],
            "keys": [
                {"description": "iOS app", "created_on": _days(-41.7)},
                {"description": "Old backend", "created_on": _days(-94.9), "expires_on": _days(-12)},
            ],
        },
        {
            "name": "globex",
            "description": "Globex",
            "created_on": _days(-60),
            "tags": {"org": "globex"},
            "metadata": {"plan": "enterprise"},
            "managers": ["ann@acme.test", "ben@acme.test"],
            "keys": [{"description": "Reporting", "created_on": _days(-59.3)}],
        },
    ]


def _preview_sample() -> dict[str, Any]:
    return {
        "name": "acme-preview",
        "description": "Acme Inc, preview",
        "created_on": _days(-20),
        "tags": {"org": "acme"},
        "metadata": {"plan": "pro"},
        "managers": ["ann@acme.test"],
        "keys": [{"description": "Try-out", "created_on": _days(-19.5)}],
    }


def add_consumer(store: Store, bucket: int, sample: dict[str, Any]) -> int:
    """A consumer with its people and keys, columns by name; returns its pk."""
    columns = dict(sample)
    managers, invites, keys = (columns.pop(name, ()) for name in ("managers", "invites", "keys"))
    consumer = store.add_consumer(bucket, **columns)
    for email in managers:
        store.add_manager(consumer["pk"], email, f"portal|{email}", consumer["created_on"])
    for email in invites:
        store.add_manager(consumer["pk"], email, None, consumer["created_on"])
    for key in keys:
        store.add_key(consumer["pk"], **({"created_on": consumer["created_on"]} | key))
    return int(consumer["pk"])


def seed_samples(database: Database, bucket: str, preview: str) -> bool:
    """Three consumers with six keys, and one in the preview bucket; nothing if any are there."""
    with database.writing() as store:
        if store.one("SELECT 1 FROM consumers LIMIT 1"):
            return False
        for name, samples in ((bucket, _samples()), (preview, [_preview_sample()])):
            if row := store.bucket(name):
                for sample in samples:
                    add_consumer(store, row["pk"], sample)
    return True


def email_of(number: int) -> str:
    """The manager of the nth seeded consumer."""
    return f"person-{number:07d}@customers.test"


def seed_consumers(database: Database, bucket: str, wanted: int, progress: Progress | None = None) -> None:
    """Fill the bucket up to so many consumers, each with one or two managers and one to three keys."""
    with database.reading() as store:
        row = store.bucket(bucket)
        if row is None:
            return
        there = store.count("consumers", "bucket = ?", [row["pk"]])
        last = store.one("SELECT max(pk) AS pk FROM consumers")
    first = (last["pk"] or 0) + 1 if last else 1
    missing = max(0, wanted - there)
    for done in range(0, missing, _BATCH):
        size = min(_BATCH, missing - done)
        with database.writing() as store:
            _fill(store, row["pk"], range(first + done, first + done + size))
        if progress:
            progress(done + size, missing)
    database.settle()


def _fill(store: Store, bucket: int, numbers: range) -> None:
    today = datetime.now(UTC)
    consumers, managers, keys = [], [], []
    for number in numbers:
        created = written(today - timedelta(seconds=random.randrange(180 * 86_400)))
        texts = (f"consumer-{number:07d}", f"Customer {number}", f'{{"org":"o-{number}"}}', '{"plan":"free"}')
        consumers.append((number, bucket, mint_id("csmr"), *texts, created, created))
        for person in (number, number + 1) if number % 2 else (number,):
            email = email_of(person)
            managers.append((number, mint_id("eusr"), email, f"portal|{email}", 0, created))
        for label in ("Server", "Laptop", "CI")[: number % 3 + 1]:
            key = (number, mint_id("key"), mint_key(), label, None, created, created)
            keys.append(key)
    store.connection.executemany(f"INSERT INTO consumers VALUES ({_marks(9)})", consumers)
    store.connection.executemany(
        f"INSERT INTO managers (consumer, id, email, sub, invited, created_on) VALUES ({_marks(6)})", managers
    )
    store.connection.executemany(
        f"INSERT INTO keys (consumer, id, value, description, expires_on, created_on, updated_on) VALUES ({_marks(7)})",
        keys,
    )


def _marks(number: int) -> str:
    return ", ".join("?" * number)


def bar(width: int = 40) -> Progress:
    began = time.monotonic()

    def show(done: int, total: int) -> None:
        filled = width * done // total
        took = time.monotonic() - began
        end = "\n" if done == total else ""
        text = f"[{'#' * filled:{width}}] {done:,} of {total:,} consumers, {took:.0f} s"
        print(f"\r{text}", end=end, flush=True, file=sys.stderr)

    return show
