"""Repository: queries and changes, inside one transaction."""

import json
import random
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.values import Clock, mint_id, mint_key

Row = sqlite3.Row

MOST_AT_ONCE = 1000

_ORDERS = {
    "newest": "created_on DESC, pk DESC",
    "oldest": "created_on, pk",
    "id": "id",
    "shuffled": "id",  # pages that can be told apart, each in an order of its own
}

_MANAGED_BY = {
    "ignore_case": "email = ? COLLATE NOCASE AND NOT invited",
    "case_sensitive": "email = ? COLLATE NOCASE AND email = ? AND NOT invited",
    "with_invites": "email = ? COLLATE NOCASE",
}


class Store:
    """Rows in, rows out. Knows nothing of switches but the names of orders and e-mail readings."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock

    def all(self, sql: str, *values: object) -> list[Row]:
        return self.connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Row | None:
        row: Row | None = self.connection.execute(sql, values).fetchone()
        return row

    def page(
        self, table: str, where: str, values: Iterable[object], *, sort: str, limit: int = -1, offset: int = 0
    ) -> list[Row]:
        sql = f"SELECT * FROM {table} WHERE {where} ORDER BY {_ORDERS[sort]} LIMIT ? OFFSET ?"
        rows = self.all(sql, *values, limit, offset)
        if sort == "shuffled":
            random.shuffle(rows)
        return rows

    def count(self, table: str, where: str = "1", values: Iterable[object] = ()) -> int:
        row = self.one(f"SELECT count(*) AS n FROM {table} WHERE {where}", *values)
        return int(row["n"]) if row else 0

    def insert(self, table: str, **columns: object) -> Row:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        return self.all(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING *", *columns.values())[0]

    def update(self, table: str, pk: int, **columns: object) -> Row:
        settings = ", ".join(f"{name} = ?" for name in columns)
        return self.all(f"UPDATE {table} SET {settings} WHERE pk = ? RETURNING *", *columns.values(), pk)[0]

    def delete(self, table: str, pk: int) -> None:
        self.connection.execute(f"DELETE FROM {table} WHERE pk = ?", (pk,))

    def empty(self) -> None:
        for table in ("buckets", "counters", "quotas"):  # a bucket goes with all that is in it
            self.connection.execute(f"DELETE FROM {table}")

    # Buckets

    def bucket(self, name: str) -> Row | None:
        return self.one("SELECT * FROM buckets WHERE name = ?", name)

    def add_bucket(self, name: str, *, description: str | None = None, tags: Any = None) -> Row:
        created = self.clock.now()
        return self.insert(
            "buckets",
            id=mint_id("bckt"),
            name=name,
            description=description,
            tags=as_json(tags),
            created_on=created,
            updated_on=created,
        )

    # Consumers

    def consumer(self, bucket: int, name: str) -> Row | None:
        return self.one("SELECT * FROM consumers WHERE bucket = ? AND name = ?", bucket, name)

    def add_consumer(
        self,
        bucket: int,
        name: str,
        *,
        description: str | None = None,
        tags: Any = None,
        metadata: Any = None,
        created_on: str | None = None,
    ) -> Row:
        created = created_on or self.clock.now()
        return self.insert(
            "consumers",
            bucket=bucket,
            id=mint_id("csmr"),
            name=name,
            description=description,
            tags=as_json(tags),
            metadata=as_json(metadata),
            created_on=created,
            updated_on=created,
        )

    # Keys

    def key(self, consumer: int, key_id: str) -> Row | None:
        return self.one("SELECT * FROM keys WHERE consumer = ? AND id = ?", consumer, key_id)

    def key_by_value(self, bucket: int, value: str) -> Row | None:
        """The key with its consumer's name and metadata."""
        return self.one(
            "SELECT keys.*, consumers.id AS consumer_id, consumers.name, consumers.metadata FROM keys"
            " JOIN consumers ON consumers.pk = keys.consumer WHERE keys.value = ? AND consumers.bucket = ?",
            value,
            bucket,
        )

    def add_key(
        self,
        consumer: int,
        *,
        description: str | None = None,
        expires_on: str | None = None,
        value: str | None = None,
        created_on: str | None = None,
    ) -> Row:
        created = created_on or self.clock.now()
        return self.insert(
            "keys",
            consumer=consumer,
            id=mint_id("key"),
            value=value or mint_key(),
            description=description,
            expires_on=expires_on,
            created_on=created,
            updated_on=created,
        )

    # Managers

    def add_manager(self, consumer: int, email: str, sub: str | None, created_on: str | None = None) -> Row:
        """A manager, or without a sub an invited one."""
        return self.insert(
            "managers",
            consumer=consumer,
            id=mint_id("eusr"),
            email=email,
            sub=sub,
            invited=sub is None,
            created_on=created_on or self.clock.now(),
        )

    def manager(self, consumer: int, manager_id: str) -> Row | None:
        return self.one("SELECT * FROM managers WHERE consumer = ? AND id = ?", consumer, manager_id)

    def manager_by_email(self, consumer: int, email: str, *, invited: bool) -> Row | None:
        return self.one(
            "SELECT * FROM managers WHERE consumer = ? AND email = ? COLLATE NOCASE AND invited = ?",
            consumer,
            email,
            invited,
        )

    # Both

    def belonging(self, table: str, consumers: Iterable[int], *, sort: str) -> dict[int, list[Row]]:
        """The keys or managers of many consumers, grouped; one statement for a page of them."""
        groups: dict[int, list[Row]] = {pk: [] for pk in consumers}
        pks = list(groups)
        for start in range(0, len(pks), MOST_AT_ONCE):
            some = pks[start : start + MOST_AT_ONCE]
            for row in self.page(table, f"consumer IN ({', '.join('?' * len(some))})", some, sort=sort):
                groups[row["consumer"]].append(row)
        return groups


def consumers_where(
    bucket: int, *, email: str | None, email_reading: str, tags: Iterable[tuple[str, str]]
) -> tuple[str, list[object]]:
    """The condition and its values for a list of consumers."""
    where, values = "bucket = ?", list[object]([bucket])
    if email is not None:
        # The e-mail is the narrow way in; the plus keeps SQLite from walking the bucket by age instead.
        managed = _MANAGED_BY[email_reading]
        where = f"pk IN (SELECT consumer FROM managers WHERE {managed}) AND +bucket = ?"
        values = [*[email] * managed.count("?"), bucket]
    for name, value in tags:
        where += " AND EXISTS (SELECT 1 FROM json_each(consumers.tags) WHERE key = ? AND value = ?)"
        values += [name, value]
    return where, values


def as_json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))
