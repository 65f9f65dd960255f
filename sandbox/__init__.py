"""Fake server for the keys and plans of Zuplo's Developer API: a real one, on a real socket."""

import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from os import PathLike, fspath
from typing import Any, Self

from sandbox.database import Database
from sandbox.dispatch import Dispatcher
from sandbox.faults import Fault, made
from sandbox.http_messages import Document
from sandbox.journal import Call
from sandbox.metering.control import Metering
from sandbox.seed import Progress, add_consumer, seed_consumers, seed_samples
from sandbox.serializers import PLAIN, Serializer
from sandbox.server import Server
from sandbox.store import Row, Store
from sandbox.switches import Switches

__all__ = ["ACCOUNT", "BUCKET", "Call", "Fault", "Sandbox"]

ACCOUNT = "acme-account"
BUCKET = "zprj-demo-production"

_COLUMNS = {
    "description": "description",
    "expiresOn": "expires_on",
    "createdOn": "created_on",
    "key": "value",
}


class Sandbox:
    """Sandbox in this process. As a context manager it listens inside the block."""

    def __init__(
        self,
        port: int = 0,
        db: str | PathLike[str] | None = None,
        *,
        host: str = "127.0.0.1",
        account: str = ACCOUNT,
        bucket: str = BUCKET,
        token: str | None = None,
        switches: Mapping[str, object] | None = None,
    ) -> None:
        self.account = account
        self.bucket = bucket
        stem = bucket.removesuffix("-production")
        self.buckets = [bucket, f"{stem}-preview", f"{stem}-working-copy"]  # as every Zuplo project has
        self.token = token or secrets.token_urlsafe(24)
        self._switches = Switches(switches)
        self._database = Database(fspath(db) if db else None)
        try:
            self._dispatcher = Dispatcher(
                self._database, self._switches, account=account, buckets=self.buckets, token=self.token
            )
            self._server = Server(host, port, self._dispatcher)
        except BaseException:
            self._database.close()
            raise
        self.url = self._server.url
        self.metering = Metering(self._database, bucket)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._database.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # How it behaves

    @property
    def switches(self) -> dict[str, str]:
        return dict(self._switches.current)

    def set(self, **switches: object) -> None:
        """Choose other readings; a ValueError names the allowed ones."""
        self._switches.set(switches)

    def fault(
        self,
        method: str,
        path: str,
        kind: str,
        *,
        when: str = "before",
        nth: int = 1,
        times: int = 1,
        **options: Any,
    ) -> Fault:
        """Arm a fault on calls whose path, without the query, fits the pattern (as file names do)."""
        common = {"method": method, "path": path, "kind": kind, "when": when, "nth": nth, "times": times}
        fault = made(common | options)
        self._dispatcher.arm(fault)
        return fault

    def clear_faults(self) -> None:
        self._dispatcher.clear_faults()

    def journal(self) -> list[Call]:
        """The calls received, oldest first."""
        return self._dispatcher.journal.calls()

    def clear_journal(self) -> None:
        self._dispatcher.journal.clear()

    def reset(self) -> None:
        """No consumers, faults or journal; the switches and buckets of the start."""
        self._dispatcher.reset()

    # What it holds. These look past the switches: values are visible, fields without a value are None.

    def add_consumer(
        self,
        name: str,
        *,
        label: str | None = None,
        managers: Iterable[str] = (),
        invites: Iterable[str] = (),
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        keys: Iterable[Mapping[str, Any]] = (),
        created: str | None = None,
        bucket: str | None = None,
    ) -> Document:
        """Keys may say description, expiresOn, createdOn and key, as on the wire."""
        sample = {
            "name": name,
            "description": label,
            "created_on": created,
            "tags": tags,
            "metadata": metadata,
            "managers": managers,
            "invites": invites,
            "keys": [{_COLUMNS[field]: value for field, value in key.items() if value} for key in keys],
        }
        with self._database.writing() as store:
            pk = add_consumer(store, self._bucket(store, bucket)["pk"], sample)
            return _plain(store, store.all("SELECT * FROM consumers WHERE pk = ?", pk))[0]

    def consumer(self, name: str, bucket: str | None = None) -> Document | None:
        with self._database.reading() as store:
            row = store.consumer(self._bucket(store, bucket)["pk"], name)
            return _plain(store, [row])[0] if row else None

    def consumers(self, bucket: str | None = None) -> list[Document]:
        """Oldest first."""
        with self._database.reading() as store:
            pk = self._bucket(store, bucket)["pk"]
            return _plain(store, store.page("consumers", "bucket = ?", [pk], sort="oldest"))

    def keys(self, name: str, bucket: str | None = None) -> list[Document]:
        """Keys of the consumer, oldest first; none if there is no such consumer."""
        consumer = self.consumer(name, bucket)
        return list(consumer["apiKeys"]) if consumer else []

    def remove_consumer(self, name: str, bucket: str | None = None) -> None:
        with self._database.writing() as store, suppress(LookupError):
            store.delete("consumers", self._consumer(store, name, bucket)["pk"])

    def set_managers(self, name: str, managers: Iterable[str], bucket: str | None = None) -> None:
        """These and no others; invited people go too."""
        with self._database.writing() as store:
            consumer = self._consumer(store, name, bucket)
            store.connection.execute("DELETE FROM managers WHERE consumer = ?", (consumer["pk"],))
            for email in managers:
                store.add_manager(consumer["pk"], email, f"portal|{email}")

    def authorizes(self, value: str, bucket: str | None = None) -> bool:
        """True if a gateway that asks now lets the key through."""
        with self._database.reading() as store:
            key = store.key_by_value(self._bucket(store, bucket)["pk"], value)
            return key is not None and (key["expires_on"] is None or key["expires_on"] > store.clock.now())

    def seed(self) -> bool:
        """The sample account: three consumers, six keys, three plans. False if there were consumers already."""
        if not seed_samples(self._database, self.bucket, self.buckets[1]):
            return False
        self.metering.seed()
        return True

    def seed_consumers(self, number: int, progress: Progress | None = None) -> None:
        """Fill the bucket up to so many consumers."""
        seed_consumers(self._database, self.bucket, number, progress)

    def _bucket(self, store: Store, name: str | None) -> Row:
        row = store.bucket(name or self.bucket)
        if row is None:
            raise LookupError(f"There is no bucket {name or self.bucket}.")
        return row

    def _consumer(self, store: Store, name: str, bucket: str | None) -> Row:
        row = store.consumer(self._bucket(store, bucket)["pk"], name)
        if row is None:
            raise LookupError(f"There is no consumer {name}.")
        return row


def _plain(store: Store, rows: list[Row]) -> list[Document]:
    """The consumers with everything they have."""
    pks = [row["pk"] for row in rows]
    keys, people = (store.belonging(table, pks, sort="oldest") for table in ("keys", "managers"))
    return [
        Serializer(PLAIN).consumer(
            row,
            keys=keys[row["pk"]],
            key_format="visible",
            managers=[person for person in people[row["pk"]] if not person["invited"]],
            invites=[person for person in people[row["pk"]] if person["invited"]],
        )
        for row in rows
    ]
