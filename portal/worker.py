"""The gunicorn worker: green threads, so that a client who says next to nothing costs next to nothing.

gunicorn itself gives the headers of a request `keepalive` seconds as a whole; this bounds what comes after them.
"""

from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

REQUEST_SECONDS = 20
"""For one request, body and answer included. The portal bounds its own work to ten; the rest is the client's."""


class TooSlow(gevent.Timeout):
    """The client did not send its request, or take the answer, in time."""


class Worker(GeventWorker):
    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        limit = TooSlow.start_new(REQUEST_SECONDS)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TooSlow as expired:
            if expired is not limit:
                raise
            self._give_back_connections()
            self.log.info("A request from %s was not over after %s seconds.", addr and addr[0], REQUEST_SECONDS)
            raise StopIteration from None
        finally:
            limit.close()

    def _give_back_connections(self) -> None:
        """What Django does at the end of a request, which this one did not reach."""
        from django.db import connections

        connections.close_all()
