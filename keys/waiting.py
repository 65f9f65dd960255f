"""What a request gives up while it waits for something else."""

from django.db import connection


def give_back_connection() -> None:
    """Return the database connection to its pool, if there is one, for others to use meanwhile.

    A pool is small; forty people who wait for a silent Developer API would keep everybody else from signing in.
    """
    if getattr(connection, "pool", None) and not connection.in_atomic_block:
        connection.close()
