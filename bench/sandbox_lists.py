"""Sandbox benchmark: lists of consumers by e-mail, with few consumers and with many.

python -m bench.sandbox_lists [--consumers 1000 1000000] [--seconds 5]
"""

import argparse
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import quote

from sandbox import ACCOUNT, BUCKET
from sandbox.seed import email_of

RUNS = 3
TOKEN = secrets.token_hex()

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")


@dataclass(frozen=True, slots=True)
class Measured:
    """The median of some runs."""

    consumers: int
    lists: float  # a second
    p50: float  # seconds
    p99: float


class Client:
    """One kept connection, as thin as can be, so that the sandbox is what is measured."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def list_by_email(self, email: str) -> bytes:
        """The body of the list; anything but a 200 is an error."""
        query = (
            f"limit=1000&offset=0&manager-email={quote(email)}"
            "&include-api-keys=true&include-managers=true&key-format=masked"
        )
        self._socket.sendall(
            f"GET /v1/accounts/{ACCOUNT}/key-buckets/{BUCKET}/consumers?{query} HTTP/1.1\r\n"
            f"host: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\naccept: application/json\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or not length:
            raise RuntimeError(f"The sandbox answered {head!r}.")
        while len(body) < int(length[1]):
            body += self._more()
        return body

    def _more(self) -> bytes:
        part = self._socket.recv(65_536)
        if not part:
            raise RuntimeError("The sandbox closed the connection.")
        return part


@contextmanager
def serving(path: Path, consumers: int) -> Iterator[int]:
    """A sandbox in a process of its own, filled; yields its port."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--token", TOKEN, "--db", str(path)]
    root = Path(__file__).parent.parent
    process = subprocess.Popen(
        [*command, "--seed-consumers", str(consumers)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        first_line = process.stdout.readline() if process.stdout else ""
        port = re.search(r"http://127\.0\.0\.1:(\d+)", first_line)
        if not port:
            raise RuntimeError("The sandbox did not start.")
        yield int(port[1])
    finally:
        process.terminate()
        process.wait()


def run(port: int, consumers: int, seconds: float) -> list[float]:
    """The times that the lists of random managers took."""
    client, times = Client(port), list[float]()
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        email = email_of(1 + secrets.randbelow(consumers))
        if email.encode() not in client.list_by_email(email):
            raise RuntimeError(f"{email} is not in the list of {email}.")
        times.append(time.perf_counter() - began)
    client.close()
    return times


def measured(port: int, consumers: int, seconds: float) -> Measured:
    run(port, consumers, min(seconds, 1))  # warm up
    runs = [run(port, consumers, seconds) for _ in range(RUNS)]
    return Measured(
        consumers,
        lists=median(len(times) / sum(times) for times in runs),
        p50=median(median(times) for times in runs),
        p99=median(quantiles(times, n=100)[98] for times in runs),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sandbox_lists", description=__doc__)
    parser.add_argument("--consumers", type=int, nargs="+", default=[1_000, 1_000_000], metavar="N")
    parser.add_argument("--seconds", type=float, default=5, help=f"length of each of {RUNS} runs")
    wish = parser.parse_args(arguments)
    results = []
    for consumers in wish.consumers:
        # A folder a size, gone before the next one is filled: a million consumers take about a gigabyte.
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder, "bench.db"), consumers) as port:
            results.append(measured(port, consumers, wish.seconds))
    print(f"\nLists of consumers by email, one client, one connection, median of {RUNS} runs\n")
    print(f"{'consumers':>12} {'lists/s':>10} {'p50 ms':>10} {'p99 ms':>10} {'p50 ratio':>10}")
    for one in results:
        ratio = one.p50 / results[0].p50
        times = f"{one.p50 * 1e3:>10.3f} {one.p99 * 1e3:>10.3f}"
        print(f"{one.consumers:>12,} {one.lists:>10,.0f} {times} {ratio:>10.2f}")


if __name__ == "__main__":
    main()
