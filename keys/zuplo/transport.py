"""HTTP transport: one pool of connections to the Developer API and the gateway, bounded in time and size."""

import functools
import http.client
import io
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

from keys.green_threads import hard_time_limit, is_readable

CONNECT_SECONDS = 1.5
CALL_SECONDS = 8.0
BODY_LIMIT = 16 * 1024 * 1024
POOL_SIZE = 64
PLAIN_URL = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?/[A-Za-z0-9/_.~?&=%+@-]*")
"""URLs that `requests` would only find to be well; it takes a tenth of a call to do so."""


class NotSent(Exception):
    """Connection failure: the request surely did not arrive."""


class NoAnswer(Exception):
    """Lost answer: the request may have arrived; no whole answer came. `slow` if time ran out."""

    def __init__(self, reason: str, slow: bool = False) -> None:
        super().__init__(reason)
        self.slow = slow


class Deadline:
    """A moment by which the work for one page must have ended, in seconds of wall clock from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; the body stays out of `repr`, as it may hold keys."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    seconds: float,
    first: int | None = None,
) -> Answer:
    """The answer, whatever its status, or only so many bytes of it; raises `NotSent` or `NoAnswer`.

    The reason of an error names its kind only: texts of `requests` hold the URL, and its objects the token.
    """
    connect = min(CONNECT_SECONDS, seconds / 4)
    try:
        with hard_time_limit(seconds):
            prepared = _prepared(method, url, headers, body)
            raw: Any = _adapter().send(prepared, stream=True, timeout=(connect, seconds - connect))
            try:
                return Answer(raw.status, raw.headers, _body(raw, first))
            finally:
                raw.close()
                raw.release_conn()
    except requests.exceptions.ConnectTimeout:
        raise NotSent("no connection in time") from None
    except (requests.RequestException, HTTPError, OSError, ValueError) as problem:  # the last by an odd length
        cause = _cause(problem)
        if isinstance(cause, NewConnectionError):
            raise NotSent("no connection") from None
        raise NoAnswer(type(cause).__name__, slow="Timeout" in type(cause).__name__) from None


def _body(raw: Any, first: int | None) -> bytes:
    # We ask for no compression, so that the limit counts what was really sent.
    if raw.headers.get("content-encoding", "identity") != "identity":
        raise NoAnswer("a compressed body that nobody asked for")
    body: bytes = raw.read(first or BODY_LIMIT + 1, decode_content=False)
    if first:
        return body
    if len(body) > BODY_LIMIT:
        raise NoAnswer("a body over the limit")
    # urllib3 lets a body pass that ends early, when more was asked for than it announced.
    if raw.headers.get("content-length", str(len(body))) != str(len(body)):
        raise NoAnswer("a body cut short")
    return body


def _cause(problem: Exception) -> Exception:
    """Root cause under the wrappings of requests and urllib3."""
    inner = getattr(problem, "reason", None) or (problem.args[0] if problem.args else None)
    return _cause(inner) if isinstance(inner, Exception) and inner is not problem else problem


def _prepared(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> requests.PreparedRequest:
    """The request as it goes out: no cookies, no `.netrc` over our token, and nothing else that a session would add."""
    request = requests.PreparedRequest()
    request.prepare_method(method)
    if PLAIN_URL.fullmatch(url):
        request.url = url
    else:
        request.prepare_url(url, None)
    request.headers = dict(headers)  # type: ignore[assignment]  # ours, all written in one way
    request.prepare_body(body, None)
    return request


@functools.cache
def _adapter() -> HTTPAdapter:
    """The pool of connections, made on first use, after the worker has forked.

    Without a `requests.Session` around it, which follows redirects, keeps cookies and takes proxies and tokens from
    the environment, all of which would have to be switched off, at a third of what a call costs.
    """
    return _BoundedAdapter(pool_maxsize=POOL_SIZE, max_retries=0)


class _WholeTimeReader(io.RawIOBase):
    """Reads until one deadline for the whole, where a socket's own timeout starts anew with each byte."""

    def __init__(self, raw: Any, connection: socket.socket) -> None:
        self._raw = raw
        self._socket = connection
        self._deadline = Deadline(connection.gettimeout() or CALL_SECONDS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline.left()
        if left <= 0:
            raise TimeoutError("the answer took too long as a whole")
        self._socket.settimeout(left)
        count: int = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """A response whose status line, headers and body together take no longer than the read timeout."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_WholeTimeReader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _BoundedResponse

    @property
    def is_connected(self) -> bool:
        return self.sock is not None and not is_readable(self.sock)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _BoundedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        self._pools: dict[str, ConnectionPool] = {}

    def get_connection_with_tls_context(self, request: Any, *args: Any, **options: Any) -> ConnectionPool:
        """The pool of the server, which is always asked in the same way; `requests` makes its key anew each time."""
        server = _server(request.url)
        if server not in self._pools:
            self._pools[server] = super().get_connection_with_tls_context(request, *args, **options)
        return self._pools[server]

    def request_url(self, request: Any, _proxies: Any) -> str:
        """The path and query; `requests` looks for a proxy first, and there is none."""
        url: str = request.url
        return url.removeprefix(_server(url))

    def build_response(self, _request: Any, raw: Any) -> Any:
        """The answer as urllib3 has it: `requests` would look for cookies in it, and for the encoding of a text."""
        return raw


def _server(url: str) -> str:
    """Scheme, host and port of an URL that was prepared, in which a path follows."""
    return url[: url.index("/", len("https://"))]
