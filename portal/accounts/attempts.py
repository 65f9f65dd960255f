"""How often something was tried, counted before it is judged: in the shared cache, so over all processes at once."""

import contextlib

from django.core.cache import cache


def count(what: str, seconds: int) -> int:
    """Count one more, and say the how manieth it is; forgotten so many seconds after the first."""
    cache.add(what, 0, timeout=seconds)
    try:
        return int(cache.incr(what))
    except ValueError:  # forgotten between the two calls
        return 1


def wait_anew(what: str, seconds: int) -> None:
    """Count the seconds from now on."""
    cache.touch(what, seconds)


def take_back(what: str) -> None:
    with contextlib.suppress(ValueError):
        cache.decr(what)


def forget(what: str) -> None:
    cache.delete(what)
