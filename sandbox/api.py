"""API without sockets: from a request to its answer."""

import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from urllib.parse import unquote

from sandbox import key_operations as keys
from sandbox import operations as ops
from sandbox.call import Call
from sandbox.database import Database
from sandbox.http_messages import Answer, Problem, Request
from sandbox.metering.routes import ROUTES as METERING
from sandbox.routing import Route, asked_by_gateway, reads, writes
from sandbox.store import Store
from sandbox.switches import Switches
from sandbox.values import now

BUILD_ID = str(uuid.uuid4())


def who_am_i(call: Call) -> Answer:
    return Answer(200, {"sub": "apikey|sandbox", "account": call.names["account"]})


_BUCKETS = "/v1/accounts/{account}/key-buckets"
_CONSUMERS = _BUCKETS + "/{bucket}/consumers"
_CONSUMER = _CONSUMERS + "/{consumer}"

ROUTES: dict[str, dict[str, Route]] = {
    "/v1/who-am-i": {"GET": reads(who_am_i)},
    "/v3/key-auth/validate": {"POST": asked_by_gateway(keys.validate)},
    _BUCKETS: {"GET": reads(ops.list_buckets), "POST": writes(ops.create_bucket)},
    _BUCKETS + "/{bucket}": {
        "GET": reads(ops.read_bucket),
        "PATCH": writes(ops.change_bucket),
        "DELETE": writes(ops.delete_bucket),
    },
    _CONSUMERS: {"GET": reads(ops.list_consumers, guard=True), "POST": writes(ops.create_consumer)},
    _CONSUMER: {
        "GET": reads(ops.read_consumer, guard=True),
        "PATCH": writes(ops.change_consumer, guard=True),
        "DELETE": writes(ops.delete_consumer, guard=True),
    },
    _CONSUMER + "/roll-key": {"POST": writes(keys.roll_key, guard=True)},
    _CONSUMER + "/keys": {"GET": reads(keys.list_keys), "POST": writes(keys.create_key)},
    _CONSUMER + "/keys/$bulk": {"POST": writes(keys.create_keys)},
    _CONSUMER + "/keys/{key}": {
        "GET": reads(keys.read_key, guard=True),
        "PATCH": writes(keys.change_key, guard=True),
        "DELETE": writes(keys.delete_key, guard=True),
    },
    _CONSUMER + "/managers": {"GET": reads(ops.list_managers), "POST": writes(ops.create_manager)},
    _CONSUMER + "/managers/{manager}": {"DELETE": writes(ops.delete_manager)},
    **METERING,
}

_PATTERNS = [(pattern.split("/")[1:], methods) for pattern, methods in ROUTES.items()]
_DOTS = re.compile(r"(\.|%2e){1,2}", re.I)


class Api:
    """Answers requests out of the database as the switches say."""

    def __init__(self, database: Database, switches: Switches, *, account: str, token: str) -> None:
        self._database = database
        self._switches = switches
        self._account = account
        self._token = token
        self._recent: deque[float] = deque()
        self._rate_lock = threading.Lock()

    def accepts(self, request: Request) -> bool:
        """Authentication: True if the bearer token is right; a gateway's question may carry any."""
        return request.bearer == self._token or _is_asked_by_gateway(request)

    def forget_rate(self) -> None:
        with self._rate_lock:
            self._recent.clear()

    def answer(self, request: Request, *, past: bool = False, seconds: float | None = None) -> Answer:
        """Consistency: the truth; for a read with `past`, that before the last write or of so many seconds ago."""
        try:
            if request.problem:
                raise request.problem
            route, names = self._find(request)
            if route.management:
                self._admit(request, names)
            names.setdefault("account", self._account)
            with self._transaction(route, past, seconds) as store:
                before = store.connection.total_changes
                call = Call(request, self._switches.current, store, names, self._minds_guards(route))
                answer = route.operation(call)
                answer.committed = store.connection.total_changes != before
            return answer
        except Problem as problem:
            return self._refusal(problem, request)

    def _find(self, request: Request) -> tuple[Route, dict[str, str]]:
        segments = _folded(request.path)
        for pattern, methods in _PATTERNS:
            names = _matched(pattern, segments)
            if names is None:
                continue
            route = methods.get(request.method)
            if route is None:
                raise Problem(405, "The method is not allowed here.", allow=", ".join(sorted(methods)))
            return route, names
        raise Problem(404, "There is nothing at this path.")

    def _admit(self, request: Request, names: dict[str, str]) -> None:
        if not self.accepts(request):
            raise Problem(401, "The bearer token is missing or wrong.")
        if names.get("account", self._account) != self._account:
            raise Problem(404, "There is no such account.")
        if self._switches.current["rate"] != "off" and names:  # who-am-i declares no 429
            self._count(int(self._switches.current["rate"]))

    def _count(self, allowed: int) -> None:
        """Rate limit: let so many calls through in any one second."""
        moment = time.monotonic()
        with self._rate_lock:
            while self._recent and self._recent[0] <= moment - 1:
                self._recent.popleft()
            if len(self._recent) < allowed:
                self._recent.append(moment)
                return
        match self._switches.current["rate_retry_after"]:
            case "seconds":
                raise Problem(429, "Too many requests.", retry_after="1")
            case "date":
                later = datetime.now(UTC) + timedelta(seconds=1)
                raise Problem(429, "Too many requests.", retry_after=format_datetime(later, usegmt=True))
        raise Problem(429, "Too many requests.")

    def _transaction(self, route: Route, past: bool, seconds: float | None) -> AbstractContextManager[Store]:
        if route.writes:
            return self._database.writing()
        return self._database.reading_past(seconds) if past else self._database.reading()

    def _minds_guards(self, route: Route) -> bool:
        scope = self._switches.current["guard_scope"]
        return scope == "all" or (scope == "declared" and route.guard)

    def _refusal(self, problem: Problem, request: Request) -> Answer:
        title = HTTPStatus(problem.status).phrase
        document = {
            "type": f"https://httpproblems.com/http-status/{problem.status}",
            "title": title,
            "status": problem.status,
            "detail": problem.detail,
        }
        match self._switches.current["error_type"]:
            case "text":
                return Answer(502, text="Bad Gateway\n", content_type="text/plain", headers=problem.headers)
            case "json":
                return Answer(problem.status, document, headers=problem.headers)
        document["instance"] = request.path
        trace = {"timestamp": now(), "requestId": str(uuid.uuid4()), "buildId": BUILD_ID}
        return Answer(
            problem.status,
            document | {"trace": trace},
            content_type="application/problem+json",
            headers=problem.headers,
        )


def _is_asked_by_gateway(request: Request) -> bool:
    segments = _folded(request.path)
    routes = [methods for pattern, methods in _PATTERNS if _matched(pattern, segments) is not None]
    return any(not route.management for methods in routes for route in methods.values())


def _folded(path: str) -> list[str]:
    """The decoded segments, `.` and `..` followed as a JavaScript server does (url.spec.whatwg.org)."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if "." not in segment and "%" not in segment:
            kept.append(segment)
        elif _DOTS.fullmatch(segment):
            if len(unquote(segment)) == 2:
                del kept[-1:]
        else:
            kept.append(unquote(segment))
    return kept


def _matched(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    """The names in a path that fits the pattern."""
    if len(pattern) != len(segments):
        return None
    names = {}
    for wanted, found in zip(pattern, segments, strict=True):
        if wanted.startswith("{"):
            names[wanted[1:-1]] = found
        elif wanted != found:
            return None
    return names
