"""Database: an SQLite file or memory; connections, transactions, snapshots of earlier states."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from queue import Empty, SimpleQueue

from sandbox.metering.schema import SCHEMA as METERING_SCHEMA
from sandbox.store import Store
from sandbox.values import Clock

COPIES_KEPT = 32

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    pk INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL UNIQUE, description TEXT, tags TEXT,
    created_on TEXT NOT NULL, updated_on TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS consumers (
    pk INTEGER PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES buckets ON DELETE CASCADE,
    id TEXT NOT NULL, name TEXT NOT NULL, description TEXT, tags TEXT, metadata TEXT,
    created_on TEXT NOT NULL, updated_on TEXT NOT NULL, UNIQUE (bucket, name));
CREATE INDEX IF NOT EXISTS consumers_by_age ON consumers (bucket, created_on);
CREATE TABLE IF NOT EXISTS keys (
    pk INTEGER PRIMARY KEY, consumer INTEGER NOT NULL REFERENCES consumers ON DELETE CASCADE,
    id TEXT NOT NULL, value TEXT NOT NULL UNIQUE, description TEXT, expires_on TEXT,
    created_on TEXT NOT NULL, updated_on TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS keys_of_consumer ON keys (consumer);
CREATE TABLE IF NOT EXISTS managers (
    pk INTEGER PRIMARY KEY, consumer INTEGER NOT NULL REFERENCES consumers ON DELETE CASCADE,
    id TEXT NOT NULL, email TEXT NOT NULL, sub TEXT, invited INTEGER NOT NULL, created_on TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS managers_of_consumer ON managers (consumer);
CREATE INDEX IF NOT EXISTS managers_by_email ON managers (email COLLATE NOCASE);
"""


class Database:
    """Many readers and one writer on a file; one at a time in memory."""

    def __init__(self, path: str | None = None) -> None:
        self.clock = Clock()
        self._path = path
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._write_lock = threading.Lock()
        self._copies: deque[tuple[float, sqlite3.Connection]] = deque()
        self.keeps_copies = False
        first = self._open()
        first.executescript(_SCHEMA + METERING_SCHEMA)
        self._idle.put(first)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path or ":memory:", timeout=20, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        if self._path:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA mmap_size = {2**31}")
            connection.execute("PRAGMA cache_size = -65536")
        return connection

    def _borrow(self) -> sqlite3.Connection:
        if self._path is None:
            return self._idle.get()  # the only one there is: wait for it
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._open()

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """One consistent view."""
        connection = self._borrow()
        try:
            connection.execute("BEGIN")
            yield Store(connection, self.clock)
        finally:
            connection.rollback()
            self._idle.put(connection)

    @contextmanager
    def writing(self) -> Iterator[Store]:
        """One change, kept if the block ends well and undone if it raises."""
        with self._write_lock:
            connection = self._borrow()
            try:
                if self.keeps_copies:
                    self._copy(connection)
                connection.execute("BEGIN IMMEDIATE")
                yield Store(connection, self.clock)
                connection.execute("COMMIT")
            finally:
                connection.rollback()
                self._idle.put(connection)

    def _copy(self, connection: sqlite3.Connection) -> None:
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        copy.row_factory = sqlite3.Row
        connection.backup(copy)
        self._copies.append((time.monotonic(), copy))
        while len(self._copies) > COPIES_KEPT:
            self._copies.popleft()[1].close()

    @contextmanager
    def reading_past(self, seconds: float | None) -> Iterator[Store]:
        """The state of so many seconds ago, or before the last write; the present one if no copy is that old.

        Each copy was taken just before a write, so it is the truth up to that moment.
        """
        with self._write_lock:
            since = time.monotonic() - seconds if seconds is not None else None
            copies = [copy for taken, copy in self._copies if since is None or taken >= since]
            if copies:
                yield Store(copies[-1] if since is None else copies[0], self.clock)
                return
        with self.reading() as store:
            yield store

    def settle(self) -> None:
        """Move what the write-ahead log holds into the file, where reading it is quicker."""
        with self._write_lock:
            connection = self._borrow()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._idle.put(connection)

    def forget_copies(self) -> None:
        with self._write_lock:
            self.keeps_copies = False
            while self._copies:
                self._copies.pop()[1].close()

    def close(self) -> None:
        self.forget_copies()
        while not self._idle.empty():
            with closing(self._idle.get()):
                pass
