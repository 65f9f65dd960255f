"""Page benchmark: the portal in turns with an earlier commit of it, a bare Django page and the sandbox's own answers.

python -m bench.pages [--seconds 1] [--runs 3] [--consumers 1000000] [--before a13f24a] [--write bench.txt]

DATABASE_URL and REDIS_URL, where set, are what the portal uses; the database must be empty, and nothing is compared
with the earlier commit then, which would need one of its own.
"""

import argparse
import itertools
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlencode

import requests

from bench import browser
from bench.driving import Connection, Figures, Request, drive, resident
from bench.serving import ROOT, Portal, environment, free_port
from sandbox import ACCOUNT, BUCKET, Sandbox
from sandbox.seed import email_of

BEFORE = "a13f24a"
"""Commit that the aims in docs/performance.md are reckoned from; it runs with the packages of today."""
CLIENTS = (1, 8, 32)
DELAYS = (0.0, 0.05)
CALL = "bare, call"
BARE = {"bare": "/", CALL: "/call"}
TOKEN = secrets.token_hex()
CSRF = "c" * 32
ANN, MAKER = "ann@bench.test", "maker@bench.test"
MANY = {"one-of-25@bench.test": 25, "one-of-1000@bench.test": 1000}
MANY_KEYS = "500-keys@bench.test"
SEEDED = email_of(7)
FEW = 1_000
PEOPLE = [ANN, MAKER, *MANY, MANY_KEYS, SEEDED]
ONE_WORKER = "--max-requests=0"  # a worker that is replaced in the middle of a run closes connections
LABELS = ("Server", "Laptop", "CI", "Nightly", "Batch", "Web")
ROOMS = 400  # consumers in which keys are made by turns, so that none fills up


def fill(path: Path, consumers: int) -> str:
    """The consumers that are looked at, and others up to so many; the id of a key of Ann's."""
    with Sandbox(0, path, token=TOKEN) as sandbox:
        keys = [{"description": label} for label in LABELS]
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
        query = "include-api-keys=true&include-managers=true&include-manager-invites=true&key-format=masked"
        path = f"/v1/accounts/{ACCOUNT}/key-buckets/{BUCKET}/consumers?{query}&manager-email={quote(email, safe='@')}"
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


Asked = dict[str, tuple[Portal | Upstream, Request]]


@dataclass
class Bench:
    """A portal on a sandbox, people who are signed in, and how to measure."""

    upstream: Upstream
    portal: Portal
    full: Portal  # on a sandbox with very many consumers
    bare: Portal
    desk: Portal  # as on a development machine
    before: Portal | None
    cookies: dict[Portal, dict[str, str]]
    key_id: str
    seconds: float
    runs: int

    def person(self, server: Portal, email: str) -> dict[str, str]:
        cookie = f"__Host-session={self.cookies[server][email]}; __Host-csrf={CSRF}"
        return {"Cookie": cookie, "X-Forwarded-Proto": "https", "Origin": "https://127.0.0.1", "HX-Request": "true"}

    def page(self, server: Portal, email: str = ANN, path: str = "/keys/") -> Request:
        headers = self.person(server, email)
        del headers["HX-Request"]
        return Request(path, headers)

    def reveal(self, server: Portal) -> Request:
        path, body = f"/keys/production/ann/{self.key_id}/reveal/", urlencode({"csrfmiddlewaretoken": CSRF}).encode()
        return Request(path, self.person(server, ANN), lambda: (path, body))

    def create(self, server: Portal) -> Request:
        rooms = itertools.cycle(range(ROOMS))

        def form() -> tuple[str, bytes]:
            fields = {"label": "CI", "ends": "never", "token": str(uuid.uuid4()), "csrfmiddlewaretoken": CSRF}
            return f"/keys/production/room-{next(rooms)}/create/", urlencode(fields).encode()

        return Request("", self.person(server, MAKER), form)

    def in_turns(self, asked: Asked, clients: int = 1) -> dict[str, "Runs"]:
        """By name, what was measured: what else the machine does meanwhile touches all of them."""
        found: dict[str, list[Figures]] = {name: [] for name in asked}
        for _ in range(self.runs):
            for name, (server, request) in asked.items():
                found[name].append(self.run(server, request, clients))
        return {name: Runs(runs) for name, runs in found.items()}

    def with_before(self, name: str, request: Callable[[Portal], Request]) -> Asked:
        """The same asked of both commits."""
        servers = {name: self.portal} | ({f"{name} before": self.before} if self.before else {})
        return {name: (server, request(server)) for name, server in servers.items()}

    def run(self, server: Portal | Upstream, request: Request, clients: int) -> Figures:
        workers = server.workers() if isinstance(server, Portal) else []
        return drive(server.port, request, clients=clients, seconds=self.seconds, workers=workers)


@dataclass
class Runs:
    """The runs of one thing, in the order of their turns."""

    runs: list[Figures]

    @property
    def medians(self) -> Figures:
        return Figures.medians(self.runs)

    def beside(self, other: "Runs | None", figure: str) -> str:
        """Another one's figure, and the median share of it in the same turn: two columns, empty without another."""
        if not other:
            return f"{'':15}"
        pairs = zip(self.runs, other.runs, strict=True)
        share = median(getattr(mine, figure) / getattr(theirs, figure) for mine, theirs in pairs)
        return f"{getattr(other.medians, figure):>8.2f}{share:>7.2f}"


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
    report.say("(a) Pages and forms, in turns with a bare page, one with a call, and the same before")
    report.say(
        f"{'':10}{'delay':>6}{'clients':>9}{'req/s':>8}{'p99 ms':>9}" + _heads("p50 ms", "CPU ms") + f"{'/ call':>8}"
    )
    for delay, clients in itertools.product(DELAYS, CLIENTS):
        bench.upstream.delay(delay)
        asked: Asked = {name: (bench.bare, bench.page(bench.portal, path=path)) for name, path in BARE.items()}
        for name, request in (("page", bench.page), ("reveal", bench.reveal), ("create", bench.create)):
            asked |= bench.with_before(name, request)
        found = bench.in_turns(asked, clients)
        for name in [one for one in found if not one.endswith(" before")]:
            report.say(_row(name, delay, clients, found))
    bench.upstream.delay(0)
    memory = {"each worker": bench.portal, "the bare page's": bench.bare, "before": bench.before}
    told = (f"{name}: {resident(one.workers()[0]):.0f} MB" for name, one in memory.items() if one)
    report.say(f"memory of {', '.join(told)}\n")


def _heads(*figures: str) -> str:
    return "".join(f"{figure:>9}{'before':>8}{'share':>7}" for figure in figures)


def _row(name: str, delay: float, clients: int, found: Mapping[str, Runs]) -> str:
    own, before, call = found[name], found.get(f"{name} before"), found[CALL]
    figures = own.medians
    row = f"{name:10}{delay * 1e3:>6.0f}{clients:>9}{figures.rate:>8.0f}{figures.p99:>9.2f}"
    row += f"{figures.p50:>9.2f}{own.beside(before, 'p50')}{figures.cpu:>9.2f}{own.beside(before, 'cpu')}"
    return row + own.beside(call, "cpu")[8:].rjust(8)


def sizes(bench: Bench, report: Report, consumers: int) -> None:
    """(b)"""
    report.say("(b) The keys page of one person, by the number of consumers in the bucket, one client")
    report.say(f"{'consumers':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'p50 share':>11}")
    page = bench.page(bench.portal, SEEDED)
    found = bench.in_turns({"few": (bench.portal, page), "many": (bench.full, page)})
    for name, number in (("few", FEW), ("many", consumers)):
        one = found[name].medians
        share = found[name].beside(found["few"], "p50")[8:]
        report.say(f"{number:>12,}{one.p50:>9.2f}{one.p99:>9.2f}{one.cpu:>9.2f}{share:>11}")
    report.say()


def people(bench: Bench, report: Report) -> None:
    """(c)"""
    report.say("(c) The keys page of one person who has much, one client")
    report.say(f"{'':24}{'kB':>7}{'before':>8}{'sandbox p50':>13}" + _heads("p50 ms", "CPU ms"))
    names = {ANN: "1 consumer, 6 keys"} | {email: f"{number:,} consumers" for email, number in MANY.items()}
    for email, name in (names | {MANY_KEYS: "500 keys on a consumer"}).items():
        asked = bench.with_before(name, lambda server, email=email: bench.page(server, email))  # type: ignore[misc]
        found = bench.in_turns(asked | {"sandbox": (bench.upstream, bench.upstream.list_of(email))})
        own, before = found[name], found.get(f"{name} before")
        sizes = [f"{_size(*one) / 1000:>7.1f}" for one in asked.values()]
        line = f"{name:24}{sizes[0]}{(sizes[1:] or [''])[0]:>8}{found['sandbox'].medians.p50:>13.2f}"
        line += f"{own.medians.p50:>9.2f}{own.beside(before, 'p50')}{own.medians.cpu:>9.2f}{own.beside(before, 'cpu')}"
        report.say(line)
    report.say()


def _size(server: Portal | Upstream, request: Request) -> int:
    with closing(Connection(server.port)) as connection:
        return len(connection.answer(request.encoded()))


def browsers(bench: Bench, report: Report) -> None:
    """(d)"""
    report.say("(d) The keys page in a browser that has never been here")
    if reason := browser.why_not():
        report.say(f"    {reason}\n")
        return
    for name, portal in (("now", bench.portal), ("before", bench.before)):
        if portal:
            report.say(f"    {name}: {browser.weight(portal.url, bench.person(portal, ANN)['Cookie'])}")
    people = bench.desk.sign_in([ANN, MANY_KEYS])
    with bench.desk:
        for name, email in (("6 keys", ANN), ("500 keys", MANY_KEYS)):
            cookies = people[email].cookies.get_dict()
            report.say(f"    {name}: {browser.presses(bench.desk.url, cookies, rotates=email == ANN)}")
    report.say()


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
        GATEWAY_URL="https://api.example.com",  # for the ready requests on the page
        ZUPLO_ACCOUNT=ACCOUNT,
        ZUPLO_BUCKET=BUCKET,
        ZUPLO_API_KEY=TOKEN,
        **kept,
    )


def checked_out(commit: str, folder: Path) -> Path | None:
    """The files of an earlier commit; None where git does not know it, as in a copy without history."""
    folder.mkdir()
    packed = folder.with_suffix(".tar")
    git = shutil.which("git")
    if not git or subprocess.run([git, "archive", f"--output={packed}", commit], cwd=ROOT, check=False).returncode:
        return None
    with tarfile.open(packed) as files:
        files.extractall(folder, filter="data")
    return folder


@contextmanager
def bench_of(folder: Path, wish: argparse.Namespace) -> Iterator[Bench]:
    """Two sandboxes, a portal on each, the earlier one, the bare page, and everybody signed in."""
    key_id = fill(folder / "few.sqlite3", FEW)
    fill(folder / "many.sqlite3", wish.consumers)
    earlier = None if "DATABASE_URL" in os.environ else checked_out(wish.before, folder / "earlier")
    with ExitStack() as stack:
        few, many = (stack.enter_context(upstream_on(folder / f"{name}.sqlite3")) for name in ("few", "many"))
        told = production(folder)
        of_few, of_many = ({"ZUPLO_API_URL": f"http://127.0.0.1:{sandbox.port}"} for sandbox in (few, many))
        bare_settings = {"DJANGO_SETTINGS_MODULE": "bench.bare_settings"}

        def server(name: str, values: dict[str, str], *options: str, root: Path = ROOT) -> Portal:
            (folder / name).mkdir()
            return Portal(folder / name, told | values, [ONE_WORKER, *options], root=root)

        portal, full = server("portal", of_few), server("full", of_many)
        bare = server("bare", of_few | bare_settings, "bench.bare:application")
        before = server("before", of_few | _own_data(folder / "before"), root=earlier) if earlier else None
        desk = server("desk", of_few | _own_data(folder / "desk") | {"DEBUG": "1"})
        cookies = {one: _sign_in(one) for one in (portal, before) if one}
        for one in (portal, full, bare, before):
            if one:
                stack.enter_context(one)
        cookies[full] = cookies[portal]
        desk.manage("migrate", "--verbosity=0")
        bench = Bench(few, portal, full, bare, desk, before, cookies, key_id, wish.seconds, wish.runs)
        for one in cookies:
            bench.run(one, bench.page(one), 2)  # the first requests of a worker load modules and templates
        yield bench


def _own_data(folder: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{folder / 'portal.sqlite3'}"}


def _sign_in(portal: Portal) -> dict[str, str]:
    portal.manage("collectstatic", "--noinput", "--verbosity=0")
    portal.manage("migrate", "--verbosity=0")
    return {email: person.cookies["__Host-session"] for email, person in portal.sign_in(PEOPLE).items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1, help="length of a run")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is told")
    parser.add_argument("--consumers", type=int, default=1_000_000, help="in the large bucket")
    parser.add_argument("--before", default=BEFORE, metavar="COMMIT", help="the earlier commit to compare with")
    parser.add_argument("--write", default="", metavar="FILE", help="where the table is kept too")
    wish = parser.parse_args(arguments)
    report = Report(wish.write)
    store = os.environ.get("DATABASE_URL", "sqlite").partition(":")[0]
    cores, load = os.cpu_count(), os.getloadavg()[0]
    report.say(f"Medians of {wish.runs} runs of {wish.seconds} s; {store}, {cores} cores, load {load:.1f} before.")
    report.say("Clients, sandbox and portal share the cores. CPU is the portal's own, for each request.")
    report.say(f"Before is commit {wish.before}; a share is the median one of what was measured in the same turn.\n")
    with tempfile.TemporaryDirectory() as folder, bench_of(Path(folder), wish) as bench:
        actions(bench, report)
        sizes(bench, report, wish.consumers)
        people(bench, report)
        browsers(bench, report)


if __name__ == "__main__":
    main()
