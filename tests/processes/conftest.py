"""The portal as it is shipped: gunicorn in processes of its own, on SQLite, and on PostgreSQL and Redis."""

import itertools
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from redis import Redis

from bench.serving import Portal, environment
from sandbox import Sandbox

SQLITE = "sqlite"
POSTGRES = pytest.param("postgres", marks=pytest.mark.services)

Stores = dict[str, str]
_numbers = itertools.count()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on one worker, one after the other: each keeps several processes busy."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.processes)
            item.add_marker(pytest.mark.xdist_group("processes"))


@pytest.fixture
def upstream(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """An empty account of the Developer API, that every portal of a test uses."""
    running_sandbox.reset()
    yield running_sandbox
    running_sandbox.reset()  # lets go of calls that are still held


# Where things are kept


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory) -> Path:
    """A database with all tables and nothing in them: to make them anew for each test takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    Portal(folder, environment(folder)).manage("migrate", "--verbosity=0")
    return folder / "portal.sqlite3"


@pytest.fixture(scope="session")
def empty_postgres(tmp_path_factory, services) -> Iterator[str]:
    url = _named(services["DATABASE_URL"], f"portal_empty_{os.getpid()}")
    with _made(url):
        folder = tmp_path_factory.mktemp("empty")
        Portal(folder, environment(folder, DATABASE_URL=url)).manage("migrate", "--verbosity=0")
        yield url


@pytest.fixture
def sqlite_stores(empty_sqlite: Path, tmp_path: Path) -> Stores:
    (tmp_path / "portal.sqlite3").write_bytes(empty_sqlite.read_bytes())
    return {"DATABASE_URL": f"sqlite:///{tmp_path / 'portal.sqlite3'}"}


@pytest.fixture
def postgres_stores(empty_postgres: str, services) -> Iterator[Stores]:
    redis = services["REDIS_URL"].partition("?")[0] + "?db=1"
    Redis.from_url(redis).flushdb()
    url = _named(empty_postgres, f"portal_{os.getpid()}_{next(_numbers)}")
    with _made(url, template=empty_postgres):
        yield {"DATABASE_URL": url, "REDIS_URL": redis}


@pytest.fixture(params=[SQLITE, POSTGRES])
def stores(request) -> Stores:
    return request.getfixturevalue(f"{request.param}_stores")


def _named(url: str, name: str) -> str:
    """The same server's database of that name."""
    return re.sub(r"^(\w+://[^/]*/)[^?]*", rf"\g<1>{name}", url)


@contextmanager
def _made(url: str, template: str = "template1") -> Iterator[None]:
    name, template = (urlsplit(one).path.strip("/") for one in (url, template))
    with psycopg.connect(_named(url, "postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


# Portals


@pytest.fixture
def serve(upstream: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Portal]]:
    """Starts a portal on these stores, with these further variables; all are stopped at the end."""
    portals: list[Portal] = []

    def serve(stores: Stores, **values: str) -> Portal:
        folder = tmp_path / f"portal-{len(portals)}"
        folder.mkdir()
        told = {
            "ZUPLO_API_URL": upstream.url,
            "ZUPLO_ACCOUNT": upstream.account,
            "ZUPLO_BUCKET": upstream.bucket,
            "ZUPLO_API_KEY": upstream.token,
        }
        portals.append(Portal(folder, environment(folder, **told | stores | values)))
        portals[-1].start()
        return portals[-1]

    yield serve
    for portal in portals:
        portal.stop()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Something that lets everybody connect and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        yield silent.getsockname()[1]


@pytest.fixture
def dripping_tls() -> Iterator[int]:
    """Something that begins a TLS handshake and goes on with a byte now and then."""
    beginning = b"\x16\x03\x03\x40\x00\x02"  # a long message of the handshake is announced

    def drip(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(4096)
            client.sendall(beginning)
            for _ in range(120):
                time.sleep(0.5)
                client.sendall(b"\x00")

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
