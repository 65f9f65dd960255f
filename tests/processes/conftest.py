"""The portal as it is shipped: gunicorn in processes of its own, on SQLite, and on PostgreSQL and Redis."""

import itertools
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from redis import Redis

from bench.serving import Portal, browser, environment
from sandbox import Sandbox
from tests.helpers.processes import in_production, install

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
def prepared(tmp_path_factory) -> tuple[Path, dict[str, requests.Session]]:
    """A database with all tables and two people, who are signed in: to make them anew for each test takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    portal = Portal(folder, environment(folder))
    portal.manage("migrate", "--verbosity=0")
    return folder / "portal.sqlite3", portal.sign_in(["ann@acme.test", "ben@acme.test"])


@pytest.fixture(scope="session")
def empty_sqlite(prepared) -> Path:
    return prepared[0]


@pytest.fixture
def ann(prepared) -> requests.Session:
    """Ann's browser; she is signed in wherever the database is SQLite and the secret key that of development."""
    return browser(prepared[1]["ann@acme.test"].cookies.get_dict())


@pytest.fixture
def ben(prepared) -> requests.Session:
    """Ben's browser; he is signed in where Ann is."""
    return browser(prepared[1]["ben@acme.test"].cookies.get_dict())


@pytest.fixture(scope="session")
def empty_postgres(tmp_path_factory, services) -> Iterator[str]:
    url = _named(services["DATABASE_URL"], f"portal_empty_{os.getpid()}")
    with _made(url):
        folder = tmp_path_factory.mktemp("empty")
        Portal(folder, environment(folder, DATABASE_URL=url)).manage("migrate", "--verbosity=0")
        yield url


@contextmanager
def new_stores(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Stores]:
    """Stores of that kind, for a fixture of any scope."""
    if kind == SQLITE:
        shutil.copy(request.getfixturevalue("empty_sqlite"), folder / "portal.sqlite3")
        yield {"DATABASE_URL": f"sqlite:///{folder / 'portal.sqlite3'}"}
        return
    empty = request.getfixturevalue("empty_postgres")
    redis = request.getfixturevalue("services")["REDIS_URL"].partition("?")[0] + "?db=1"
    Redis.from_url(redis).flushdb()
    url = _named(empty, f"portal_{os.getpid()}_{next(_numbers)}")
    with _made(url, template=empty):
        yield {"DATABASE_URL": url, "REDIS_URL": redis}


@pytest.fixture
def sqlite_stores(request, tmp_path: Path) -> Iterator[Stores]:
    with new_stores(SQLITE, request, tmp_path) as stores:
        yield stores


@pytest.fixture
def postgres_stores(request, tmp_path: Path) -> Iterator[Stores]:
    with new_stores("postgres", request, tmp_path) as stores:
        yield stores


@pytest.fixture(params=[SQLITE, POSTGRES])
def stores(request, tmp_path: Path) -> Iterator[Stores]:
    with new_stores(request.param, request, tmp_path) as stores:
        yield stores


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


@contextmanager
def serving(upstream: Sandbox, folder: Path) -> Iterator[Callable[..., Portal]]:
    """Starts a portal on these stores, with these further variables; all are stopped at the end."""
    portals: list[Portal] = []

    def serve(stores: Stores, **values: str) -> Portal:
        own = folder / f"portal-{len(portals)}"
        own.mkdir()
        told = {
            "ZUPLO_API_URL": upstream.url,
            "ZUPLO_ACCOUNT": upstream.account,
            "ZUPLO_BUCKET": upstream.bucket,
            "ZUPLO_API_KEY": upstream.token,
        }
        portals.append(Portal(own, environment(own, **told | stores | values)))
        portals[-1].start()
        return portals[-1]

    try:
        yield serve
    finally:
        for portal in portals:
            portal.stop()


@pytest.fixture
def serve(upstream: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Portal]]:
    with serving(upstream, tmp_path) as serve:
        yield serve


@pytest.fixture(scope="session")
def running_portal(request, running_sandbox: Sandbox, tmp_path_factory) -> Iterator[Portal]:
    folder = tmp_path_factory.mktemp("portal")
    with new_stores(SQLITE, request, folder) as stores, serving(running_sandbox, folder) as serve:
        yield serve(stores)


@pytest.fixture
def portal(running_portal: Portal, upstream: Sandbox) -> Portal:
    """The portal as it is shipped, on SQLite: one for all tests that leave it as it was."""
    return running_portal


@pytest.fixture(scope="session")
def shipped(tmp_path_factory) -> Path:
    """A copy of the portal with its static files collected, which takes seconds."""
    return install(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="session")
def production(shipped: Path, empty_sqlite: Path, tmp_path_factory) -> Iterator[Portal]:
    """The portal in production's settings, behind a proxy: one for all tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("production")
    shutil.copy(empty_sqlite, folder / "portal.sqlite3")
    with in_production(shipped, folder) as portal:
        yield portal


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
