"""The portal's SQLite: connections are kept for the next request, which finds nothing of the one before."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import ConnectionHandler, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.backends.sqlite.base import KEPT
from tests.portal.test_settings import PRODUCTION, manage

pytestmark = pytest.mark.django_db


def wrapper(file: Path) -> BaseDatabaseWrapper:
    return ConnectionHandler({"default": {"ENGINE": "portal.backends.sqlite", "NAME": file}})["default"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine may enter."""
    folder = Path(tempfile.mkdtemp(prefix="portal-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_new_file_is_for_the_portal_alone(open_folder: Path) -> None:
    """Whatever the umask says; so are those that SQLite puts beside it."""
    before = os.umask(0)
    try:
        connection = wrapper(open_folder / "portal.sqlite3")
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("CREATE TABLE noted (words text)")
        modes = {file.name: file.stat().st_mode & 0o777 for file in open_folder.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["portal.sqlite3", "portal.sqlite3-wal", "portal.sqlite3-shm"], 0o600)


def test_a_file_that_everybody_may_read_stops_the_start(open_folder: Path, tmp_path: Path) -> None:
    file = open_folder / "portal.sqlite3"
    file.touch()
    file.chmod(0o644)
    words = f"(portal.E004) The database file {file} can be read by every user of this machine."

    def said(named: Path = file) -> str:
        return manage("check", **PRODUCTION | {"DATABASE_URL": f"sqlite:///{named}"}).stderr

    assert words in said()
    (tmp_path / "link.sqlite3").symlink_to(file)
    tmp_path.chmod(0o700)
    assert words in said(tmp_path / "link.sqlite3"), "reached by a link in a folder that is private"
    open_folder.chmod(0o700)  # nobody gets to it
    assert "portal.E004" not in said()
    open_folder.chmod(0o755)
    file.chmod(0o640)  # a group is the operator's own choice
    assert "portal.E004" not in said()


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


def test_connections_that_are_lost_are_not_counted(tmp_path: Path) -> None:
    """Whoever waits gives a connection back where many are open, and only there."""
    for lose in (lambda one: one.connection.close(), lambda one: setattr(one, "connection", None)):
        for _ in range(2 * KEPT):
            one = wrapper(tmp_path / "portal.sqlite3")
            one.ensure_connection()
            lose(one)
            with suppress(ProgrammingError):  # nothing can be rolled back there
                one.close()
            del one
        gc.collect()
        assert not wrapper(tmp_path / "portal.sqlite3").pool

    many = [wrapper(tmp_path / "portal.sqlite3") for _ in range(KEPT + 1)]
    for one in many:
        assert not one.pool
        one.ensure_connection()
    assert many[0].pool
    for one in many:
        one.close()
    assert not many[0].pool
