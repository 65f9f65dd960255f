"""gunicorn worker class: green threads with a time limit on each request, so that slow clients cost next to nothing.

gunicorn itself gives the headers of a request `keepalive` seconds as a whole; this bounds what comes after them.
"""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

import gevent
from gunicorn.http.errors import (
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.workers.ggevent import GeventWorker

REQUEST_SECONDS = 20
"""Time limit of one request, body and answer included. The portal bounds its own work to ten seconds."""


TOO_LONG = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}
REFUSAL = """\
HTTP/1.1 {status.value} {status.phrase}
Connection: close
Content-Type: text/plain; charset=utf-8
Content-Length: {length}
Cache-Control: no-store
Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
Cross-Origin-Opener-Policy: same-origin
Cross-Origin-Resource-Policy: same-origin
Referrer-Policy: same-origin
X-Content-Type-Options: nosniff

""".replace("\n", "\r\n")
"""Raw response to malformed requests, with the headers that the portal's own pages have."""


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

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """400, 414 or 431 for what is no request, in words that repeat nothing of it."""
        own_fault = isinstance(exc, InvalidResponseHeader | InvalidResponseHeaderName)
        if own_fault or not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("Not a request, from %s: %s", addr and addr[0], exc)
        status = TOO_LONG.get(type(exc), HTTPStatus.BAD_REQUEST)
        words = "This address is too long. " if status == HTTPStatus.REQUEST_URI_TOO_LONG else ""
        words += "The portal cannot read this request. Please go back, reload the page and try again.\n"
        with suppress(OSError):
            client.sendall((REFUSAL.format(status=status, length=len(words)) + words).encode())

    def _give_back_connections(self) -> None:
        """Close database connections, as Django does at the end of a request, which this one did not reach."""
        from django.db import connections

        connections.close_all()
