"""Request journal: what was called, and what became of it."""

import threading
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox.http_messages import Problem, Request
from sandbox.values import now

CALLS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call received. Written down on arrival, completed before its answer leaves."""

    time: str
    method: str
    path: str
    query: str
    body: Any  # JSON as parsed, other text as it came, None if there was none
    authorized: bool
    status: int | None = None  # None: not answered yet, or never
    fault: str | None = None
    committed: bool = False
    request_id: str = ""  # the caller's own, from X-Request-ID; a gateway's from zp-rid

    @property
    def params(self) -> dict[str, str]:
        """The query by name; of a repeated parameter the last value."""
        return dict(Request(self.method, self.path, self.query).params)


class Journal:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._next = 0
        self._lock = threading.Lock()

    def open(self, request: Request, *, authorized: bool) -> int:
        """Write a call down; the number returned completes it later."""
        body = _readable(request) if request.body else None
        call = Call(now(), request.method, request.path, request.query, body, authorized, request_id=request.request_id)
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._calls[number] = call
            self._calls.pop(number - CALLS_KEPT, None)
        return number

    def complete(self, number: int, *, status: int | None, fault: str | None, committed: bool) -> None:
        with self._lock:
            call = self._calls.get(number)
            if call:
                self._calls[number] = replace(call, status=status, fault=fault, committed=committed)

    def calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls.values())

    def as_list(self) -> list[dict[str, Any]]:
        return [asdict(call) for call in self.calls()]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()


def _readable(request: Request) -> Any:
    try:
        return request.document
    except Problem:
        return request.body.decode("utf-8", "replace")
