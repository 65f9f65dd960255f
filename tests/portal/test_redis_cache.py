"""A cache that is down: nothing fails, limits hold, and nobody waits for it over and over."""

import socket
import uuid
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from sandbox import Sandbox
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db


def use_redis_at(port: int, settings) -> None:
    location = f"redis://127.0.0.1:{port}/0"
    settings.CACHES = {"default": {"BACKEND": "portal.backends.redis_cache.ForgivingRedisCache", "LOCATION": location}}
    cache.clear()


@pytest.fixture
def no_redis(settings) -> None:
    use_redis_at(9, settings)  # nothing listens on the discard port


@pytest.fixture
def silent(settings) -> Iterator[socket.socket]:
    """A Redis that lets everybody connect and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        use_redis_at(silent.getsockname()[1], settings)
        yield silent


def test_limits_hold_without_redis(no_redis, sandbox: Sandbox, ann_client: Client, settings) -> None:
    """G15, A10: counted by the process itself."""
    settings.KEYS_CHANGES_PER_MINUTE = 2
    acme(sandbox)
    statuses = [
        ann_client.post(
            "/keys/production/acme/create/", {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
        ).status_code
        for _ in range(5)  # a new minute may begin once meanwhile
    ]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses


def test_wrong_passwords_are_counted_without_redis(no_redis, ann, client: Client) -> None:
    """A10: after five of them even the right one has to wait."""
    ann.set_password("open-sesame")
    ann.save()
    for _ in range(5):
        client.post("/accounts/login/", {"login": "ann@acme.test", "password": "guess"})
    client.post("/accounts/login/", {"login": "ann@acme.test", "password": "open-sesame"})
    assert "_auth_user_id" not in client.session


def test_the_breaker_works_without_redis(no_redis, sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.fault("*", "*", "drop", times=0)
    for _ in range(10):
        assert ann_client.get("/keys/").status_code == 503
    sandbox.clear_journal()
    for _ in range(10):
        ann_client.get("/keys/")
    assert len(sandbox.journal()) <= 2


def test_what_a_cache_does_is_done_without_redis(no_redis) -> None:
    assert cache.add("name", 1)
    assert not cache.add("name", 2)
    assert (cache.incr("name"), cache.incr("uncounted")) == (2, 1)
    cache.set_many({"one": 1, "two": 2})
    assert cache.get_many(["one", "two", "three"]) == {"one": 1, "two": 2}
    assert cache.touch("one")
    assert "one" in cache
    cache.delete_many(["one", "two"])
    assert cache.get("one", "gone") == "gone"
    assert cache.delete("name")


def test_a_silent_redis_is_left_alone_for_a_while(silent: socket.socket) -> None:
    """Else each page would wait for it, several times."""
    for number in range(20):
        cache.set(f"name{number}", number)
        assert cache.get(f"name{number}") == number
    silent.setblocking(False)
    asked = 0
    while True:
        try:
            silent.accept()[0].close()
            asked += 1
        except BlockingIOError:
            break
    assert 1 <= asked <= 3
