"""Django's SQLite, for green threads: whoever finds the file locked waits without holding up everybody else.

SQLite's own waiting stops the whole process, and with it the green thread that may hold the lock.
"""

import random
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from django.db.backends.sqlite3 import base

PATIENCE = 20.0
AT_ONCE = "PRAGMA busy_timeout = 0"

_held: dict[str, Any] = {}
"""A connection to each file, which nobody uses. With the last one SQLite would put its write-ahead log away, and make
another one for the next request: that costs more than what most requests ask for."""


def _patiently(statement: Callable[..., Any], *args: Any) -> Any:
    """Carry the statement out as soon as the file is free. One that finds it locked has done nothing yet."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return statement(*args)
        except sqlite3.OperationalError as problem:
            busy = getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > give_up:
                raise
        time.sleep(random.uniform(0.005, 0.05))  # noqa: S311, no secret depends on it


class Cursor(base.SQLiteCursorWrapper):
    def execute(self, query: str, params: Any = None) -> Any:
        return _patiently(super().execute, query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        return _patiently(super().executemany, query, list(param_list))


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        connection.execute(AT_ONCE)
        if conn_params["database"] not in _held:
            _held[conn_params["database"]] = super().get_new_connection(conn_params)
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=Cursor)
