"""Reload, stop, and many slow clients: whoever sent a whole request gets an answer."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from bench.serving import ROOT, Portal, environment
from bench.slow_clients import SlowClients
from tests.helpers.processes import AtOnce, until

SLOW = 400


class Visitors:
    """Ask for pages in turn until told to stop, each on a new connection; `failures` is what went wrong."""

    def __init__(self, url: str, number: int = 3) -> None:
        self.url, self.answers, self.failures, self.enough = url, 0, [], threading.Event()
        self.threads = [threading.Thread(target=self._visit) for _ in range(number)]

    def _visit(self) -> None:
        while not self.enough.is_set():
            for page in ("/healthz", "/", "/accounts/login/"):
                try:
                    status = requests.get(self.url + page, timeout=30).status_code
                    self.failures += [f"{page} {status}"] if status != 200 else []
                except requests.RequestException as problem:
                    self.failures.append(f"{page} {problem}")
                self.answers += 1
                time.sleep(0.02)

    def __enter__(self) -> "Visitors":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.enough.set()
        for thread in self.threads:
            thread.join(60)


def test_a_reload_loses_no_request_and_a_stop_answers_what_was_begun(serve, sqlite_stores, ann, upstream):
    """H6: new workers take over while people look around, and one of them waits for a slow page; then SIGTERM.

    As a container's host sends it.
    """
    upstream.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    portal = serve(sqlite_stores, WEB_CONCURRENCY="2")
    before = set(portal.workers())
    upstream.fault("*", "*", "delay", seconds=2)
    slow = AtOnce.start([lambda: ann.get(f"{portal.url}/keys/", timeout=30)])
    until(upstream.journal)
    with Visitors(portal.url) as visitors:
        portal.process.send_signal(signal.SIGHUP)
        until(lambda: len(portal.workers()) == 2 and not before & set(portal.workers()))
        seen = visitors.answers
        until(lambda: visitors.answers > seen + 10)
    assert visitors.failures == []
    assert [answer.status_code for answer in slow.all()] == [200]
    assert ann.get(f"{portal.url}/keys/", timeout=30).status_code == 200

    upstream.clear_journal()
    upstream.fault("*", "*", "delay", seconds=3, times=0)
    looks = AtOnce.start([lambda: requests.get(f"{portal.url}/keys/", cookies=ann.cookies, timeout=30)] * 5)
    until(lambda: len(upstream.journal()) == 5)
    portal.process.send_signal(signal.SIGTERM)
    assert [answer.status_code for answer in looks.all()] == [200] * 5
    assert portal.process.wait(timeout=30) == 0


AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"])
"""


def test_a_restart_on_a_socket_that_systemd_holds_loses_no_request(sqlite_stores, tmp_path):
    """H6: whoever comes between the old version and the new one waits, as docs/deployment.md says."""

    def start(held: socket.socket) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", AS_SYSTEMD, str(held.fileno())]
        told = environment(tmp_path, **sqlite_stores)
        return subprocess.Popen(words, cwd=ROOT, env=told, pass_fds=[held.fileno()], stderr=subprocess.DEVNULL)

    with socket.create_server(("127.0.0.1", 0), backlog=512) as held:
        server = start(held)
        try:
            with Visitors(f"http://127.0.0.1:{held.getsockname()[1]}") as visitors:
                until(lambda: visitors.answers > 10)
                server.send_signal(signal.SIGTERM)
                assert server.wait(timeout=30) == 0
                seen = visitors.answers
                server = start(held)
                until(lambda: visitors.answers > seen + 10)
            assert visitors.failures == []
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)


@pytest.fixture
def dawdle() -> Iterator[Callable[[Portal], SlowClients]]:
    """Lets 400 clients hold connections of a portal, over the headers of a request."""
    crowds: list[SlowClients] = []

    def dawdle(portal: Portal) -> SlowClients:
        crowds.append(SlowClients(portal.port, SLOW, "headers", every=1))
        crowds[-1].start()
        until(lambda: crowds[-1].opened - crowds[-1].ended >= SLOW)
        return crowds[-1]

    yield dawdle
    for crowd in crowds:
        crowd.enough.set()
        crowd.join(30)


def test_slow_clients_hold_up_nobody(dawdle, serve, sqlite_stores):
    """G14: pages come while 400 connections are held; here longer than as shipped, so that none ends meanwhile."""
    portal = serve(sqlite_stores, GUNICORN_CMD_ARGS="--keep-alive=120")
    crowd = dawdle(portal)
    for page in ("/", "/accounts/login/", "/healthz"):
        assert requests.get(portal.url + page, timeout=20).status_code == 200
    assert (crowd.opened, crowd.ended) == (SLOW, 0)


def test_nobody_dawdles_over_headers_for_long(dawdle, portal):
    """A header now and then does not keep a connection: all are given a few seconds as a whole."""
    crowd = dawdle(portal)
    until(lambda: crowd.ended >= SLOW, seconds=60)


def test_a_body_that_never_ends_is_given_up(portal):
    with socket.create_connection(("127.0.0.1", portal.port)) as client:
        client.settimeout(60)
        client.sendall(
            b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nCookie: csrftoken=" + b"c" * 32 + b"\r\n\r\n"
        )
        sender = AtOnce.start([lambda: _drip(client)])
        assert client.recv(1000) == b""
    sender.all()
    assert requests.get(f"{portal.url}/healthz", timeout=20).status_code == 200
    assert "Traceback" not in portal.log


def _drip(client: socket.socket) -> None:
    for _ in range(60):
        try:
            client.send(b"a")
        except OSError:
            return
        time.sleep(1)
