"""Circuit breaker: stop asking a Developer API that is down, probe it now and then; shared by all workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

from django.core.cache import cache

from keys import counter
from keys.errors import ApiUnavailable

FAILURES_AT_MOST = 5
FAILURES_FOR = 30  # seconds without any failure after which earlier ones are forgotten
OPEN_FOR = 60  # seconds after the last failure, should nobody ask meanwhile
PROBE_EVERY = 5  # seconds; one call is let through to see whether it is up again

_bypassed = ContextVar("bypassed", default=False)
_FAILURES, _OPEN, _PROBE = "keys:breaker:failures", "keys:breaker:open", "keys:breaker:probe"


class State(StrEnum):
    """State of the Developer API as far as it is known without asking it."""

    WELL = "well"
    SHAKY = "shaky"
    DOWN = "down"


def state() -> State:
    seen = cache.get_many([_FAILURES, _OPEN])
    if _OPEN in seen:
        return State.DOWN
    return State.SHAKY if seen.get(_FAILURES) else State.WELL


@contextmanager
def bypassed() -> Iterator[None]:
    """Bypass the breaker, for who tries settings: they are asked anyhow, and what comes of it stops nobody else."""
    token = _bypassed.set(True)
    try:
        yield
    finally:
        _bypassed.reset(token)


def admit() -> bool:
    """Admit a call, and return True if one failed lately; raises `ApiUnavailable` while open, but for a probe."""
    if _bypassed.get():
        return False
    seen = cache.get_many([_FAILURES, _OPEN])
    if _OPEN in seen and not cache.add(_PROBE, True, PROBE_EVERY):
        raise ApiUnavailable("not asked, as it is down", retry_after=PROBE_EVERY)
    return bool(seen)


def is_open() -> bool:
    return _OPEN in cache.get_many([_OPEN])


def record_failure() -> None:
    if _bypassed.get():
        return
    failures = counter.count(_FAILURES, FAILURES_FOR)
    counter.restart(_FAILURES, FAILURES_FOR)
    if failures >= FAILURES_AT_MOST:
        cache.set(_OPEN, True, OPEN_FOR)


def record_success() -> None:
    cache.delete_many([_FAILURES, _OPEN, _PROBE])
