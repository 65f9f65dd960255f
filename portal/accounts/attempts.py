"""Attempt counter: how often something was tried, counted before it is judged, in the shared cache."""

import contextlib

from django.core.cache import cache


def count(what: str, seconds: int) -> int:
    """Count this attempt and return how many there have been; forgotten so many seconds after the first."""
    cache.add(what, 0, timeout=seconds)
    try:
        return int(cache.incr(what))
    except ValueError:  # forgotten between the two calls
        return 1


def restart(what: str, seconds: int) -> None:
    """Count the seconds from now on."""
    cache.touch(what, seconds)


def uncount(what: str) -> None:
    with contextlib.suppress(ValueError):
        cache.decr(what)


def reset(what: str) -> None:
    cache.delete(what)
