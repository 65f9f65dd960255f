"""Redis that dies, or falls silent: no page fails, limits still hold, and nobody stays signed in."""

import re
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
import requests
from redis import Redis
from redis.exceptions import RedisError

from bench.serving import browser
from keys import counter
from tests.helpers.processes import post, until

pytestmark = pytest.mark.services
LIMIT = 4


class OwnRedis:
    """A real Redis that a test may stop."""

    def __init__(self, folder) -> None:
        self.folder, self.url = folder, f"unix://{folder}/redis.sock"
        self.start()

    def start(self) -> None:
        program = shutil.which("redis-server")
        options = ["--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(Redis.from_url(self.url).ping())
        except RedisError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis(tmp_path_factory):
    redis = OwnRedis(tmp_path_factory.mktemp("redis"))
    yield redis
    redis.kill()


class SlowToCount(socketserver.BaseRequestHandler):
    """A wire to Redis on which an increment takes longer than a second."""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as redis:
            redis.connect(self.server.redis)
            threading.Thread(target=self.answer, args=(redis,), daemon=True).start()
            while asked := self.request.recv(65536):
                if b"INCRBY" in asked:
                    time.sleep(1.2)
                redis.sendall(asked)

    def answer(self, redis: socket.socket) -> None:
        while answered := redis.recv(65536):
            self.request.sendall(answered)


@pytest.fixture
def slow_to_count(redis: OwnRedis) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SlowToCount) as wire:
        wire.daemon_threads, wire.redis = True, f"{redis.folder}/redis.sock"
        threading.Thread(target=wire.serve_forever, args=(0.05,), daemon=True).start()
        yield f"redis://127.0.0.1:{wire.server_address[1]}"
        wire.shutdown()


def create(person: requests.Session, url: str) -> int:
    form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
    return post(person, f"{url}/keys/production/acme/create/", form, timeout=20).status_code


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "silent"])
def test_key_operations_go_on_and_limits_hold(trouble, serve, sqlite_stores, upstream, redis):
    """G15, A10: limits are counted by each process for itself meanwhile."""
    upstream.add_consumer("acme", managers=["ann@acme.test"])
    portal = serve(
        sqlite_stores | {"REDIS_URL": redis.url},
        WEB_CONCURRENCY="1",
        KEYS_CHANGES_PER_MINUTE=str(LIMIT),
        KEYS_PER_CONSUMER="100",
    )
    ann = portal.sign_in(["ann@acme.test"])["ann@acme.test"]
    assert create(ann, portal.url) == 200
    assert "cache ok" in ann.get(f"{portal.url}/readyz", timeout=20).text
    redis.process.send_signal(trouble)
    for page in ("/", "/accounts/login/", "/keys/", "/healthz"):
        assert ann.get(portal.url + page, timeout=20).status_code == 200
    answer = ann.get(f"{portal.url}/readyz", timeout=20)
    assert (answer.status_code, "cache failed" in answer.text) == (503, True)
    statuses = [create(ann, portal.url) for _ in range(2 * LIMIT + 1)]
    # A new minute may begin once meanwhile, and with it a new count.
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 2 * LIMIT
    assert len(upstream.keys("acme")) == 1 + statuses.count(200)

    if trouble == signal.SIGSTOP:
        redis.process.send_signal(signal.SIGCONT)
    else:
        redis.process.wait()
        redis.start()
    until(lambda: "cache ok" in ann.get(f"{portal.url}/readyz", timeout=20).text)
    assert "Traceback" not in portal.log


def test_a_sign_out_during_the_outage_lasts(serve, sqlite_stores, upstream, redis):
    """B2: no copy of the session is left in Redis."""
    portal = serve(sqlite_stores | {"REDIS_URL": redis.url})
    ann = portal.sign_in(["ann@acme.test"])["ann@acme.test"]
    stolen = browser(ann.cookies.get_dict())
    assert stolen.get(f"{portal.url}/keys/", timeout=20, allow_redirects=False).status_code == 200
    redis.process.send_signal(signal.SIGSTOP)
    assert post(ann, f"{portal.url}/accounts/logout/").status_code == 302
    redis.process.send_signal(signal.SIGCONT)
    for _ in range(3):
        answer = stolen.get(f"{portal.url}/keys/", timeout=20, allow_redirects=False)
        assert answer.status_code == 302
        assert re.match(r"/accounts/login/", answer.headers["Location"])


def test_a_count_that_ends_while_one_more_is_counted_has_an_end_again(redis, slow_to_count, settings):
    """Else a limit that is reached once holds for ever: Django looks for the counter, then Redis makes it anew."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": slow_to_count}}
    assert counter.count("calls", 1) == 1
    assert Redis.from_url(redis.url).ttl(":1:calls") != -1
