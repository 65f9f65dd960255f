"""Database backend: SQLite for green threads, with a connection pool and waits that block nobody else.

Whoever finds the file locked waits without holding up everybody else: SQLite's own waiting stops the whole process,
and with it the green thread that may hold the lock. Connections are kept for the next request: to open one takes as
long as four queries, and with the last one SQLite puts its write-ahead log away, to make another one at once.
"""

import os
import random
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any
from weakref import WeakSet

from django.db.backends.sqlite3 import base

PATIENCE = 20.0
AT_ONCE = "PRAGMA busy_timeout = 0"
SMALL_CACHE = "PRAGMA cache_size = -256"  # of each connection, in kilobytes: the system keeps the file in memory anyway

KEPT = 8


class Connection(sqlite3.Connection):
    """One that a `WeakSet` can hold."""


_used: defaultdict[str, WeakSet[Connection]] = defaultdict(WeakSet)
"""Connections to each file that somebody uses; one that is lost on whatever way leaves as it is collected."""

_kept: defaultdict[str, list[Connection]] = defaultdict(list)
"""Connection pool: of each file the connections that nobody uses.

Whoever left rows unread there would keep an old state of the file in sight of the next user; Django reads all rows, or
closes its cursor.
"""


def _patiently(statement: Callable[..., Any], *args: Any) -> Any:
    """Retry the statement until the file is free. One that finds it locked has done nothing yet."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return statement(*args)
        except sqlite3.OperationalError as problem:
            busy = getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > give_up:
                raise
        time.sleep(random.uniform(0.005, 0.05))  # noqa: S311, no secret depends on it


def _make_private(file: Any) -> None:
    """Let nobody else read a file that is about to be made; SQLite gives those beside it the same mode."""
    with suppress(OSError):  # it is there, or cannot be made, which SQLite will say
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


@lru_cache(maxsize=500)
def _with_question_marks(query: str) -> str:
    """The query as SQLite wants it; to look for its placeholders took longer than most answers."""
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class Cursor(base.SQLiteCursorWrapper):
    def convert_query(self, query: str, *, param_names: Any = None) -> str:
        return super().convert_query(query, param_names=param_names) if param_names else _with_question_marks(query)

    def execute(self, query: str, params: Any = None) -> Any:
        return _patiently(super().execute, query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        return _patiently(super().executemany, query, list(param_list))


class DatabaseWrapper(base.DatabaseWrapper):
    @property
    def pool(self) -> bool:
        """True where others can use the connection of whoever waits; by this name PostgreSQL's has one too.

        Of those beyond the first few each would be 300 kB, while its holder waits for the Developer API.
        """
        return len(self._used) + len(self._free) > KEPT

    @property
    def _used(self) -> WeakSet[Connection]:
        return _used[str(self.settings_dict["NAME"])]

    @property
    def _free(self) -> list[Connection]:
        return _kept[str(self.settings_dict["NAME"])]

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            connection = self._free.pop()
        except IndexError:
            _make_private(self.settings_dict["NAME"])
            connection = super().get_new_connection(conn_params | {"factory": Connection})
            connection.execute(AT_ONCE)
            connection.execute(SMALL_CACHE)
        self._used.add(connection)
        return connection

    def _close(self) -> None:
        """Roll back and return the connection to the pool, or close it."""
        self._used.discard(self.connection)
        if self.connection is None or len(self._free) >= KEPT:
            super()._close()  # type: ignore[misc]  # the stubs do not know it
            return
        with self.wrap_database_errors:
            self.connection.rollback()
        self._free.append(self.connection)

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=Cursor)
