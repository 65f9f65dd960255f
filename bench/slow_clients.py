"""Slowloris benchmark: normal pages beside many clients that hold connections and say next to nothing.

python -m bench.slow_clients [--worker-class gevent] [--kind headers|body|reading] [--clients 400] [--seconds 20]

DATABASE_URL and REDIS_URL, where set, are what the portal uses; the database must be empty or the portal's own.
"""

import argparse
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

import requests

from bench.serving import ROOT, Portal, browser, environment, free_port
from sandbox import ACCOUNT, BUCKET

PAGES = ("/", "/accounts/login/", "/keys/")
LOOKERS = 3
KINDS = {
    "headers": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-Slow: 1\r\n"),
    "body": (
        b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nCookie: csrftoken=%s\r\n\r\n" % (b"a" * 32),
        b"a",
    ),
    "reading": (b"GET /static/keys/fonts/inter-latin-wght-normal.woff2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 8, b""),
}


class SlowClients(threading.Thread):
    """Keeps so many connections open, says a little on each now and then, and opens a new one for each that ends."""

    def __init__(self, port: int, number: int, kind: str, every: float = 2.0) -> None:
        super().__init__(daemon=True)
        self.port, self.number, self.every = port, number, every
        self.first, self.more = KINDS[kind]
        self.opened = self.ended = self.refused = 0
        self.enough = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._open: set[socket.socket] = set()

    def run(self) -> None:
        while not self.enough.is_set():
            while len(self._open) < self.number and not self.enough.is_set():
                if not self._another():
                    break
            for connection in list(self._open):
                try:
                    connection.send(self.more)
                except BlockingIOError:
                    continue
                except OSError:
                    self._end(connection)
            self._listen(self.every)
        for connection in list(self._open):
            self._end(connection)

    def _another(self) -> bool:
        connection = socket.socket()
        try:
            connection.settimeout(0.5)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", self.port))
            connection.setblocking(False)
            connection.send(self.first)
        except OSError:
            connection.close()
            self.refused += 1
            return False
        self.opened += 1
        self._open.add(connection)
        if self.more:  # who reads slowly reads nothing
            self._selector.register(connection, selectors.EVENT_READ)
        return True

    def _listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.enough.is_set():
            if not self._selector.get_map():
                self.enough.wait(left)
                continue
            for key, _events in self._selector.select(min(left, 0.2)):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                try:
                    gone = not connection.recv(65_536)
                except OSError:
                    gone = True
                if gone:
                    self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        self.ended += 1
        self._open.discard(connection)
        if connection in self._selector.get_map():
            self._selector.unregister(connection)
        connection.close()


def look(url: str, cookies: dict[str, str], until: float, times: dict[str, list[float]], failures: list[str]) -> None:
    """Ask for the pages in turn, each on a new connection as a new visitor would, at most every 50 ms."""
    while time.monotonic() < until:
        for page in PAGES:
            began = time.perf_counter()
            try:
                with browser(cookies) as visitor:
                    status = visitor.get(url + page, timeout=10).status_code
                if status != 200:
                    failures.append(f"{page} {status}")
            except requests.RequestException as problem:
                failures.append(f"{page} {type(problem).__name__}")
            times[page].append(time.perf_counter() - began)
            time.sleep(0.05)


def measured(portal: Portal, cookies: dict[str, str], slow: SlowClients | None, seconds: float) -> None:
    """Print how long the pages took."""
    times: dict[str, list[float]] = {page: [] for page in PAGES}
    failures: list[str] = []
    if slow:
        slow.start()
        time.sleep(3)  # for all to be connected
    until = time.monotonic() + seconds
    lookers = [
        threading.Thread(target=look, args=(portal.url, cookies, until, times, failures)) for _ in range(LOOKERS)
    ]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    if slow:
        slow.enough.set()
        slow.join()
        print(f"slow clients: {slow.opened} opened, {slow.ended} ended, {slow.refused} refused")
    for page, taken in times.items():
        p99 = quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
        words = f"{page:18} {len(taken):5} looks   p50 {median(taken) * 1e3:7.1f} ms   p99 {p99 * 1e3:7.1f} ms"
        print(f"{words}   max {max(taken) * 1e3:7.1f} ms   failed {sum(one.split()[0] == page for one in failures)}")
    print("memory of the workers:", ", ".join(f"{_resident(pid):.0f} MB" for pid in portal.workers()), flush=True)


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.slow_clients", description=__doc__)
    parser.add_argument("--worker-class", help="instead of the one that is shipped")
    parser.add_argument(
        "--option", action="append", default=[], help="one more option of gunicorn's, as --option=--x=1"
    )
    parser.add_argument("--kind", choices=KINDS, default="headers")
    parser.add_argument("--clients", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=20)
    wish = parser.parse_args(arguments)
    options = [f"--worker-class={wish.worker_class}"] if wish.worker_class else []
    sandbox_port = free_port()
    values = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "WEB_CONCURRENCY") if name in os.environ}
    values |= {"ZUPLO_API_URL": f"http://127.0.0.1:{sandbox_port}", "ZUPLO_API_KEY": "sandbox-token"}
    values |= {"ZUPLO_ACCOUNT": ACCOUNT, "ZUPLO_BUCKET": BUCKET, "LOG_LEVEL": "ERROR"}
    sandbox = subprocess.Popen([sys.executable, "-m", "sandbox", "--port", str(sandbox_port), "--seed"], cwd=ROOT)
    try:
        with tempfile.TemporaryDirectory() as folder:
            portal = Portal(Path(folder), environment(Path(folder), **values), [*options, *wish.option])
            portal.manage("migrate", "--verbosity=0")
            ann = portal.sign_in(["ann@acme.test"])["ann@acme.test"]
            with portal:
                print(f"\n{' '.join([*options, *wish.option]) or 'as shipped'}: nobody slow")
                measured(portal, ann.cookies.get_dict(), None, min(5, wish.seconds))
                print(f"\n{wish.clients} clients, slow with {wish.kind}")
                slow = SlowClients(portal.port, wish.clients, wish.kind)
                measured(portal, ann.cookies.get_dict(), slow, wish.seconds)
                if "Traceback" in portal.log:
                    print(portal.log[-3000:])
    finally:
        sandbox.terminate()
        sandbox.wait()


if __name__ == "__main__":
    main()
