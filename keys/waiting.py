"""What a request gives up while it waits for something else, and when it gives that up too."""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from django.db import connection
from gevent.monkey import is_module_patched


def give_back_connection() -> None:
    """Return the database connection to its pool, if there is one, for others to use meanwhile.

    A pool is small; forty people who wait for a silent Developer API would keep everybody else from signing in.
    """
    if getattr(connection, "pool", None) and not connection.in_atomic_block:
        connection.close()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` inside a green thread after so many seconds, whatever it waits for.

    There a TLS socket begins its time-out anew with each byte that drips in, and each address of a name has one of
    its own. Elsewhere the time-outs of sockets must do.
    """
    if not is_module_patched("socket"):
        yield
        return
    with gevent.Timeout(seconds, TimeoutError("it took too long as a whole")):
        yield
