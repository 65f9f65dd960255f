"""Page benchmark: the portal beside a bare Django page and beside the sandbox's own answers, of the same run.

python -m bench.pages [--seconds 1.5] [--runs 3] [--consumers 1000000] [--write bench.txt]

DATABASE_URL and REDIS_URL, where set, are what the portal uses; the database must be empty.
"""

import argparse
import itertools
import os
import secrets
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import requests

from bench.driving import Figures, Request, drive, resident
from bench.serving import ROOT, Portal, environment, free_port
from bench.weight import weight
from sandbox import ACCOUNT, BUCKET, Sandbox
from sandbox.seed import email_of

CLIENTS = (1, 8, 32)
DELAYS = (0.0, 0.05)
TOKEN = secrets.token_hex()
CSRF = "c" * 32
ANN, MAKER = "ann@bench.test", "maker@bench.test"
MANY = {"one-of-25@bench.test": 25, "one-of-1000@bench.test": 1000}
MANY_KEYS = "500-keys@bench.test"
SEEDED = email_of(7)
FEW = 1_000
PEOPLE = [ANN, MAKER, *MANY, MANY_KEYS, SEEDED]
ONE_WORKER = "--max-requests=0"  # a worker that is replaced in the middle of a run closes connections
ROOMS = 400  # consumers in which keys are made by turns, so that none fills up


def fill(path: Path, consumers: int) -> str:
    """The consumers that are looked at, and others up to so many; the id of a key of Ann's."""
    with Sandbox(0, path, token=TOKEN) as sandbox:
        keys = [{"description": label} for label in ("Server", "Laptop", "CI")]
        sandbox.add_consumer("ann", label="Acme Inc", managers=[ANN], keys=keys)
        for number in range(ROOMS):
            sandbox.add_consumer(f"room-{number}", managers=[MAKER])
        for email, wanted in MANY.items():
            for number in range(wanted):
                sandbox.add_consumer(f"{email.partition('@')[0]}-{number}", managers=[email], keys=keys[:2])
        sandbox.add_consumer("many-keys", managers=[MANY_KEYS], keys=[{"description": f"Key {n}"} for n in range(500)])
        sandbox.seed_consumers(consumers)
        return str(sandbox.keys("ann")[0]["id"])


@dataclass
class Upstream:
    """A sandbox in a process of its own."""

    port: int

    def delay(self, seconds: float) -> None:
        """Answer each call so much later, from now on."""
        fault = {"method": "*", "path": "*", "kind": "delay", "times": 0, "seconds": seconds}
        change = {"clear": ["faults"], "faults": [fault] if seconds else []}
        requests.post(f"http://127.0.0.1:{self.port}/_sandbox", json=change, timeout=10).raise_for_status()

    def list_of(self, email: str) -> Request:
        """URL that the portal asks for the keys page of that person."""
        query = "&include-api-keys=true&include-managers=true&include-manager-invites=true&key-format=masked"
        path = f"/v1/accounts/{ACCOUNT}/key-buckets/{BUCKET}/consumers?manager-email={quote(email)}{query}"
        return Request(f"{path}&limit=1000&offset=0", {"Authorization": f"Bearer {TOKEN}"})


@contextmanager
def upstream_on(path: Path) -> Iterator[Upstream]:
    port = free_port()
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--token", TOKEN, "--db", str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with suppress(requests.ConnectionError):
                requests.get(f"http://127.0.0.1:{port}/_sandbox?journal=0", timeout=10)
                break
            time.sleep(0.05)
        yield Upstream(port)
    finally:
        process.terminate()
        process.wait()


@dataclass
class Bench:
    """A portal on a sandbox, people who are signed in, and how to measure."""

    upstream: Upstream
    portal: Portal
    full: Portal  # on a sandbox with very many consumers
    bare: Portal
    cookies: dict[str, str]
    key_id: str
    seconds: float
    runs: int

    def person(self, email: str) -> dict[str, str]:
        cookie = f"__Host-session={self.cookies[email]}; __Host-csrf={CSRF}"
        return {"Cookie": cookie, "X-Forwarded-Proto": "https", "Origin": "https://127.0.0.1", "HX-Request": "true"}

    def page(self, email: str = ANN) -> Request:
        headers = self.person(email)
        del headers["HX-Request"]
        return Request("/keys/", headers)

    def bare_page(self, path: str = "/") -> Request:
        return Request(path, self.page().headers)

    def reveal(self) -> Request:
        path, body = f"/keys/production/ann/{self.key_id}/reveal/", urlencode({"csrfmiddlewaretoken": CSRF}).encode()
        return Request(path, self.person(ANN), lambda: (path, body))

    def create(self) -> Request:
        rooms = itertools.cycle(range(ROOMS))

        def form() -> tuple[str, bytes]:
            fields = {"label": "CI", "ends": "never", "token": str(uuid.uuid4()), "csrfmiddlewaretoken": CSRF}
            return f"/keys/production/room-{next(rooms)}/create/", urlencode(fields).encode()

        return Request("", self.person(MAKER), form)

    def measure(self, server: Portal | Upstream, request: Request, clients: int) -> Figures:
        return Figures.medians([self.run(server, request, clients) for _ in range(self.runs)])

    def run(self, server: Portal | Upstream, request: Request, clients: int) -> Figures:
        workers = server.workers() if isinstance(server, Portal) else []
        return drive(server.port, request, clients=clients, seconds=self.seconds, workers=workers)


class Report:
    """Lines for the terminal and for the file, as they come."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        if self._path:
            self._path.write_text("")

    def say(self, line: str = "") -> None:
        print(line, flush=True)
        if self._path:
            with self._path.open("a") as file:
                file.write(line + "\n")


def actions(bench: Bench, report: Report) -> None:
    """(a)"""
    report.say("(a) Pages and forms, beside a bare page of the same run and the sandbox's own answers")
    head = f"{'':10}{'delay':>6}{'clients':>9}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'/ bare':>8}"
    report.say(head + f"{'sandbox p50':>13}")
    bare = {clients: bench.measure(bench.bare, bench.bare_page(), clients) for clients in CLIENTS}
    for clients, found in bare.items():
        report.say(_row("bare", 0, clients, found) + f"{1:>8.2f}")
    for clients in CLIENTS:
        found = bench.measure(bench.bare, bench.bare_page("/call"), clients)
        report.say(_row("bare, call", 0, clients, found) + f"{found.cpu / bare[clients].cpu:>8.2f}")
    for delay in DELAYS:
        bench.upstream.delay(delay)
        own = {clients: bench.measure(bench.upstream, bench.upstream.list_of(ANN), clients).p50 for clients in CLIENTS}
        for name, request in (("page", bench.page()), ("reveal", bench.reveal()), ("create", bench.create())):
            for clients in CLIENTS:
                found = bench.measure(bench.portal, request, clients)
                row = _row(name, delay, clients, found) + f"{found.cpu / bare[clients].cpu:>8.2f}"
                report.say(row + f"{own[clients]:>13.2f}")
    bench.upstream.delay(0)
    memory = ", ".join(f"{resident(pid):.0f} MB" for pid in bench.portal.workers())
    report.say(f"memory of each worker: {memory}; of the bare page's: {resident(bench.bare.workers()[0]):.0f} MB\n")


def _row(name: str, delay: float, clients: int, found: Figures) -> str:
    times = f"{found.rate:>9.0f}{found.p50:>9.2f}{found.p99:>9.2f}{found.cpu:>9.2f}"
    return f"{name:10}{delay * 1e3:>6.0f}{clients:>9}{times}"


def sizes(bench: Bench, report: Report, consumers: int) -> None:
    """(b)"""
    page = bench.page(SEEDED)
    report.say("(b) The keys page of one person, by the number of consumers in the bucket, one client")
    report.say(f"{'consumers':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'p50 ratio':>11}")
    # By turns: what else the machine does meanwhile touches both.
    turns = [(bench.run(bench.portal, page, 1), bench.run(bench.full, page, 1)) for _ in range(bench.runs)]
    few, many = (Figures.medians(list(runs)) for runs in zip(*turns, strict=True))
    for number, found in ((FEW, few), (consumers, many)):
        times = f"{found.p50:>9.2f}{found.p99:>9.2f}{found.cpu:>9.2f}"
        report.say(f"{number:>12,}{times}{found.p50 / few.p50:>11.2f}")
    report.say()


def people(bench: Bench, report: Report) -> None:
    """(c)"""
    report.say("(c) The keys page of one person who has much, one client; 25 consumers are on a page")
    report.say(f"{'':24}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'sandbox p50':>13}")
    names = {ANN: "1 consumer"} | {email: f"{number:,} consumers" for email, number in MANY.items()}
    for email, name in (names | {MANY_KEYS: "500 keys on a consumer"}).items():
        found = bench.measure(bench.portal, bench.page(email), 1)
        own = bench.measure(bench.upstream, bench.upstream.list_of(email), 1)
        times = f"{found.rate:>9.0f}{found.p50:>9.2f}{found.p99:>9.2f}{found.cpu:>9.2f}{own.p50:>13.2f}"
        report.say(f"{name:24}{times}")
    report.say()


def browsers(bench: Bench, report: Report) -> None:
    """(d)"""
    report.say("(d) The keys page in a browser that has never been here")
    report.say(f"    {weight(bench.portal.url, bench.cookies[ANN])}\n")


def production(folder: Path) -> dict[str, str]:
    """The portal as it is shipped, rehearsed on loopback; limits per minute are lifted, for few people do much."""
    kept = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "WEB_CONCURRENCY") if name in os.environ}
    limits = ("KEYS_PER_CONSUMER", "KEYS_REVEALS_PER_MINUTE", "KEYS_CHANGES_PER_MINUTE")
    return environment(
        folder,
        **dict.fromkeys(limits, "999999"),
        DEBUG="0",
        ALLOWED_HOSTS="127.0.0.1",
        TRUSTED_PROXY_COUNT="1",
        SECRET_KEY=secrets.token_urlsafe(50),
        EMAIL_URL="dummymail://",
        ZUPLO_ACCOUNT=ACCOUNT,
        ZUPLO_BUCKET=BUCKET,
        ZUPLO_API_KEY=TOKEN,
        **kept,
    )


@contextmanager
def bench_of(folder: Path, wish: argparse.Namespace) -> Iterator[Bench]:
    """Two sandboxes, a portal on each, the bare page, and everybody signed in."""
    key_id = fill(folder / "few.sqlite3", FEW)
    fill(folder / "many.sqlite3", wish.consumers)
    with ExitStack() as stack:
        few, many = (stack.enter_context(upstream_on(folder / f"{name}.sqlite3")) for name in ("few", "many"))
        told = production(folder)
        of_few, of_many = ({"ZUPLO_API_URL": f"http://127.0.0.1:{sandbox.port}"} for sandbox in (few, many))
        servers = {
            "portal": (of_few, []),
            "full": (of_many, []),
            "bare": (of_few | {"DJANGO_SETTINGS_MODULE": "bench.bare_settings"}, ["bench.bare:application"]),
        }
        portals = {}
        for name, (values, options) in servers.items():
            (folder / name).mkdir()
            portals[name] = Portal(folder / name, told | values, [ONE_WORKER, *options])
        portals["portal"].manage("collectstatic", "--noinput", "--verbosity=0")
        portals["portal"].manage("migrate", "--verbosity=0")
        people = portals["portal"].sign_in(PEOPLE)
        cookies = {email: person.cookies["__Host-session"] for email, person in people.items()}
        for portal in portals.values():
            stack.enter_context(portal)
        bench = Bench(few, **portals, cookies=cookies, key_id=key_id, seconds=wish.seconds, runs=wish.runs)
        for portal, request in (
            (bench.portal, bench.page()),
            (bench.full, bench.page()),
            (bench.bare, bench.bare_page()),
        ):
            bench.run(portal, request, 2)  # the first requests of a worker load modules and templates
        yield bench


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a run")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is told")
    parser.add_argument("--consumers", type=int, default=1_000_000, help="in the large bucket")
    parser.add_argument("--write", default="", metavar="FILE", help="where the table is kept too")
    wish = parser.parse_args(arguments)
    report = Report(wish.write)
    store = os.environ.get("DATABASE_URL", "sqlite").partition(":")[0]
    cores, load = os.cpu_count(), os.getloadavg()[0]
    report.say(f"Medians of {wish.runs} runs of {wish.seconds} s; {store}, {cores} cores, load {load:.1f} before.")
    report.say("Clients, sandbox and portal share the cores. CPU is the portal's own, for each request.\n")
    with tempfile.TemporaryDirectory() as folder, bench_of(Path(folder), wish) as bench:
        actions(bench, report)
        sizes(bench, report, wish.consumers)
        people(bench, report)
        browsers(bench, report)


if __name__ == "__main__":
    main()
