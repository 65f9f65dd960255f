"""PostgreSQL that is away for a while, as when it is upgraded: the portal is back as soon as it is."""

import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import requests
from django.db import ConnectionHandler

from portal.config import environment

pytestmark = pytest.mark.services
SOCKET = ".s.PGSQL.5432"
ENDED = """
    SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
"""They may finish what they are at; each is waited for, up to a minute."""
AWAY = 8.3  # a pool that doubles its pauses tries after 7 seconds, and then after 15


def test_nothing_waits_any_more_once_the_database_is_back(serve, postgres_stores, tmp_path_factory):
    url = postgres_stores["DATABASE_URL"]
    real = parse_qs(urlsplit(url).query)["host"][0]
    road = tmp_path_factory.mktemp("road") / SOCKET
    road.symlink_to(Path(real) / SOCKET)
    portal = serve(postgres_stores | {"DATABASE_URL": url.replace(real, str(road.parent))}, WEB_CONCURRENCY="1")
    assert requests.get(f"{portal.url}/readyz", timeout=20).text.startswith("database ok")

    road.unlink()
    end = time.monotonic() + AWAY
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(ENDED)
    assert requests.get(f"{portal.url}/readyz", timeout=20).text.startswith("database failed")
    time.sleep(max(0, end - time.monotonic()))
    road.symlink_to(Path(real) / SOCKET)
    assert requests.get(f"{portal.url}/readyz", timeout=20).text.startswith("database ok")


def test_after_a_quick_restart_the_very_next_query_is_answered(postgres_stores, monkeypatch, django_db_blocker):
    """However many kept connections are dead: the pool would pause for longer and longer after each of them."""
    monkeypatch.setenv("DATABASE_URL", postgres_stores["DATABASE_URL"])
    databases = ConnectionHandler({"default": {}, "restarted": environment.database(Path("none"))})
    used = [databases.create_connection("restarted") for _ in range(4)]
    with django_db_blocker.unblock():
        try:
            for one in used:
                one.ensure_connection()
            for one in used:
                one.close()
            with psycopg.connect(postgres_stores["DATABASE_URL"], autocommit=True) as server:
                server.execute(ENDED)
            with databases["restarted"].cursor() as cursor:
                assert cursor.execute("SELECT 1").fetchone() == (1,)
        finally:
            databases["restarted"].close()
            databases["restarted"].close_pool()
