"""Shared counter, for rate limits, attempts and the circuit breaker: in the cache, so over all workers.

What is counted is counted before it is judged: of many at one moment each sees another number.
"""

import contextlib

from django.core.cache import cache


def mailbox(email: str) -> str:
    """An address without its `+tag`, to be counted: most mail servers deliver to the same mailbox (RFC 5233)."""
    name, _at, domain = email.lower().rpartition("@")
    return f"{name.partition('+')[0]}@{domain}"


def count(what: str, seconds: int) -> int:
    """Count one more and return how many there have been; forgotten so many seconds after the first."""
    cache.add(what, 0, timeout=seconds)
    try:
        number = int(cache.incr(what))
    except ValueError:  # forgotten between the two calls
        return 1
    if number <= 1:  # forgotten while Django was counting it: Redis begins such a one without an end
        cache.touch(what, seconds)
    return number


def restart(what: str, seconds: int) -> None:
    """Count the seconds from now on."""
    cache.touch(what, seconds)


def uncount(what: str) -> None:
    with contextlib.suppress(ValueError):
        cache.decr(what)


def reset(what: str) -> None:
    cache.delete(what)
