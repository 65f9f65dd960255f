"""Django's PostgreSQL, with a pool that is over a restart of the server at once.

After a restart every kept connection is dead. The pool of psycopg (3.3) looks at one after the other, and pauses for
0, 1, 2 and 4 seconds before the next look: with four of them a request gives up after five seconds although the server
is back. Here the first dead connection has all others looked at too.
"""

from typing import Any

from django.db.backends.postgresql import base
from psycopg import OperationalError
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        if not self.pool:
            return connection
        try:
            ConnectionPool.check_connection(connection)
        except OperationalError:
            self.pool.putconn(connection)
            self.pool.check()
            connection = super().get_new_connection(conn_params)
        return connection
