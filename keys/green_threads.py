"""Green-thread helpers: return the database connection while waiting; hard time limits."""

import select
import socket
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connection

try:
    import gevent.lock
    from gevent.monkey import get_original, is_module_patched
except ImportError:  # a host project without green threads

    def is_module_patched(_name: str) -> bool:
        return False

    _poll: Any = select.poll
else:
    _poll = get_original("select", "poll")


def give_back_connection() -> None:
    """Return the database connection to its pool, if there is one, for others to use meanwhile.

    A pool is small; forty people who wait for a silent Developer API would keep everybody else from signing in.
    """
    if getattr(connection, "pool", None) and not connection.in_atomic_block:
        connection.close()


def hard_time_limit(seconds: float) -> AbstractContextManager[object]:
    """Hard time limit: raise `TimeoutError` inside a green thread after so many seconds, whatever it waits for.

    There a TLS socket begins its time-out anew with each byte that drips in, and each address of a name has one of
    its own. Elsewhere the time-outs of sockets must do.
    """
    if not is_module_patched("socket"):
        return nullcontext()
    limit: AbstractContextManager[object] = gevent.Timeout(seconds, TimeoutError("it took too long as a whole"))
    return limit


def semaphore(number: int) -> threading.BoundedSemaphore:
    """A semaphore whose release does not switch to another green thread.

    That of `threading`, patched by gevent, lets other green threads go first at each release, whole pages of them.
    """
    semaphore: threading.BoundedSemaphore
    semaphore = (gevent.lock if is_module_patched("threading") else threading).BoundedSemaphore(number)
    return semaphore


def is_readable(sock: socket.socket) -> bool:
    """True if there is something to read, or an end. gevent's `poll` would let other green threads go first."""
    asked = _poll()
    asked.register(sock, select.POLLIN)
    return bool(asked.poll(0))
