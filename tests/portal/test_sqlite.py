"""The portal's SQLite: connections are kept for the next request, which finds nothing of the one before."""

from pathlib import Path

import pytest
from django.db import ConnectionHandler
from django.db.backends.base.base import BaseDatabaseWrapper

pytestmark = pytest.mark.django_db


def wrapper(file: Path) -> BaseDatabaseWrapper:
    return ConnectionHandler({"default": {"ENGINE": "portal.backends.sqlite", "NAME": file}})["default"]


def test_what_was_not_committed_is_gone_with_the_next_request(tmp_path: Path) -> None:
    before = wrapper(tmp_path / "portal.sqlite3")
    with before.cursor() as cursor:
        cursor.execute("CREATE TABLE noted (words text)")
    kept = before.connection
    before.set_autocommit(False)
    with before.cursor() as cursor:
        cursor.execute("INSERT INTO noted VALUES ('half done')")
    before.close()

    after = wrapper(tmp_path / "portal.sqlite3")
    with after.cursor() as cursor:
        assert cursor.execute("SELECT words FROM noted").fetchall() == []
    assert after.connection is kept
    assert after.get_autocommit()
    assert not kept.in_transaction


def test_each_file_has_connections_of_its_own(tmp_path: Path) -> None:
    one, other = wrapper(tmp_path / "one.sqlite3"), wrapper(tmp_path / "other.sqlite3")
    one.ensure_connection()
    kept = one.connection
    one.close()
    other.ensure_connection()
    assert other.connection is not kept
