"""Retry policy: at most two attempts; what may be sent again, how long to back off, when not to ask at all."""

import http.client
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from django.utils import timezone

from keys.conf import settings
from keys.errors import ApiUnavailable, OutcomeUnknown
from keys.green_threads import give_back_connection, semaphore
from keys.zuplo import call_stats, circuit_breaker
from keys.zuplo.transport import CALL_SECONDS, Answer, Deadline, NoAnswer, NotSent, send

logger = logging.getLogger(__name__)

WAIT_AT_MOST = 2.0
WAIT_TOLD_AT_MOST = 3600
LOOK_SECONDS = 1.5
PLACE_SECONDS = 1.0

# A silent Developer API may not keep every thread of a worker from serving the pages that do not need it.
_places = semaphore(settings.ZUPLO_CALLS_AT_ONCE)


class _TryAgain(Exception):
    """Retryable: the call was surely not done, or is a read; one more try after `wait` seconds does no harm."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `operation` names the kind of it, for metrics, without whose it is."""

    operation: str
    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)


def send_with_retries(call: Call, deadline: Deadline) -> Answer:
    """The first usable answer. Reads are tried twice; writes only if the first one surely was not done.

    Raises `ApiUnavailable` when nothing was done, `OutcomeUnknown` when a write may have been.
    """
    try:
        return _attempt(call, deadline)
    except _TryAgain as first:
        wait = first.wait
    if wait > min(WAIT_AT_MOST, deadline.left() / 2):
        raise ApiUnavailable("told to wait", _retry_after_for_people(wait))
    time.sleep(wait + random.uniform(0.02, 0.2))  # noqa: S311, no secret depends on it
    try:
        return _attempt(call, deadline)
    except _TryAgain as second:
        raise ApiUnavailable(str(second), _retry_after_for_people(second.wait)) from None


def is_up(path: str, *, seconds: float) -> bool:
    """Health probe: True if a read of that path succeeds. The circuit breaker is neither asked nor moved."""
    call = Call(f"GET {path}", "GET", settings.ZUPLO_API_URL + path)
    try:
        return 200 <= _send_counted(call, seconds).status < 300
    except (NotSent, NoAnswer):
        return False


def _headers(call: Call) -> Mapping[str, str]:
    headers = {
        "Authorization": f"Bearer {settings.ZUPLO_API_KEY}",
        "Accept": "application/json, application/problem+json",
        "Accept-Encoding": "identity",
    }
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    if reference := call_stats.reference():
        headers["X-Request-ID"] = reference
    return headers


def _attempt(call: Call, deadline: Deadline) -> Answer:
    had_trouble = circuit_breaker.admit()
    try:
        answer = _send_in_turn(call, deadline)
    except (NotSent, NoAnswer) as problem:
        circuit_breaker.record_failure()
        logger.warning("%s was not answered: %s", call.method, problem)
        if isinstance(problem, NotSent):
            raise _TryAgain(str(problem)) from None
        if call.method != "GET":
            raise OutcomeUnknown(f"{call.method} was not answered: {problem}") from None
        if problem.slow:
            raise ApiUnavailable(str(problem)) from None
        raise _TryAgain(str(problem)) from None
    if answer.status in {502, 503, 504}:
        circuit_breaker.record_failure()
    elif had_trouble:
        circuit_breaker.record_success()
    return _check_status(call.method, answer)


def _send_in_turn(call: Call, deadline: Deadline) -> Answer:
    give_back_connection()
    if not _places.acquire(timeout=max(0, min(PLACE_SECONDS, deadline.left()))):
        raise ApiUnavailable("too many calls at once", retry_after=round(PLACE_SECONDS))
    try:
        # After a write time is kept back, to look what became of it.
        seconds = min(CALL_SECONDS, deadline.left() - (0 if call.method == "GET" else LOOK_SECONDS))
        if seconds <= 0.05:
            raise ApiUnavailable("no time left for another call")
        return _send_counted(call, seconds)
    finally:
        _places.release()


def _send_counted(call: Call, seconds: float) -> Answer:
    """The answer; the call is counted, whatever came of it."""
    began, outcome = time.monotonic(), "no answer"
    try:
        answer = send(call.method, call.url, headers=_headers(call), body=call.body, seconds=seconds)
        outcome = str(answer.status) if answer.status in http.client.responses else "odd status"
        return answer
    except NotSent:
        outcome = "not sent"
        raise
    finally:
        call_stats.count(call.operation, outcome, time.monotonic() - began)


def _check_status(method: str, answer: Answer) -> Answer:
    """The answer, if it says what was done: a 429 means that nothing was.

    With a server's error nobody knows, nor where somebody on the way gave up waiting: 408 says so, and so do numbers
    that no standard knows, such as 499 of nginx.
    """
    if answer.status == 429 or (method == "GET" and answer.status == 503):
        raise _TryAgain(f"status {answer.status}", wait=_retry_after(answer))
    if answer.status >= 500 or answer.status == HTTPStatus.REQUEST_TIMEOUT or _is_unknown(answer.status):
        logger.warning("%s was answered with status %s", method, answer.status)
        if method != "GET":
            raise OutcomeUnknown(f"{method} was answered with status {answer.status}")
        raise _TryAgain(f"status {answer.status}")
    return answer


def _is_unknown(status: int) -> bool:
    return 400 <= status < 500 and status not in http.client.responses


def _retry_after(answer: Answer) -> float:
    """Retry-After in seconds, from a number or a date; 0 where it says nothing usable."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - timezone.now()).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _retry_after_for_people(wait: float) -> int | None:
    """The Retry-After that a person is told, in whole seconds."""
    return min(round(wait), WAIT_TOLD_AT_MOST) or None
