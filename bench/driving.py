"""Load generator: so many clients, each on a kept connection, each asking again once it has its answer."""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    """One run, or the medians of several."""

    rate: float  # requests a second
    p50: float  # milliseconds, as all times here
    p99: float
    cpu: float = 0.0  # of the server, for each request

    @classmethod
    def medians(cls, runs: list["Figures"]) -> "Figures":
        return cls(*(median(getattr(run, name) for run in runs) for name in ("rate", "p50", "p99", "cpu")))


@dataclass
class Request:
    """Request to send; `form`, asked before each one, gives path and body of a POST."""

    path: str
    headers: dict[str, str] = field(default_factory=dict)
    form: Callable[[], tuple[str, bytes]] | None = None

    def encoded(self) -> bytes:
        lines = [f"{name}: {value}" for name, value in {"Host": "127.0.0.1", **self.headers}.items()]
        path, body = self.form() if self.form else (self.path, b"")
        if self.form:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        method = "POST" if self.form else "GET"
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body


class Connection:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def answer(self, request: bytes) -> bytes:
        """The body of the answer; anything but a 200 is an error."""
        self._socket.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more()
        head, _, body = got.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200 ") or not length:
            raise RuntimeError(f"{request.splitlines()[0]!r} was answered {head[:400]!r}.")
        parts, missing = [body], int(length[1]) - len(body)
        while missing > 0:
            parts.append(self._more())
            missing -= len(parts[-1])
        return b"".join(parts)

    def _more(self) -> bytes:
        if part := self._socket.recv(262_144):
            return part
        raise RuntimeError("The server closed the connection.")


def drive(port: int, request: Request, *, clients: int, seconds: float, workers: Iterable[int] = ()) -> Figures:
    """One run; the first look of each client is not in it."""
    taken: list[float] = []
    troubles: list[Exception] = []
    ready = threading.Barrier(clients + 1)
    workers = list(workers)

    def ask() -> None:
        try:
            with closing(Connection(port)) as connection:
                connection.answer(request.encoded())
                ready.wait(60)
                end = time.perf_counter() + seconds
                while (began := time.perf_counter()) < end:
                    connection.answer(request.encoded())
                    taken.append(time.perf_counter() - began)
        except Exception as problem:  # noqa: BLE001, told by whoever waits for all
            troubles.append(problem)
            ready.abort()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    with suppress(threading.BrokenBarrierError):  # told below
        ready.wait(60)
    before, began = cpu_seconds(workers), time.perf_counter()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]
    lasted, used = time.perf_counter() - began, cpu_seconds(workers) - before
    p99 = quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
    return Figures(len(taken) / lasted, median(taken) * 1e3, p99 * 1e3, used / len(taken) * 1e3)


def cpu_seconds(pids: Iterable[int]) -> float:
    used = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / _TICKS


def resident(pid: int) -> float:
    """Megabytes of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
