"""HTTP/1.1 server on a socket: one thread a connection, each answer in one send."""

import socketserver
import threading
import time
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from socket import SHUT_RDWR, socket

from sandbox.dispatch import Dispatcher
from sandbox.http_messages import Answer, Problem, Request

LONGEST_LINE = 65_536
MOST_HEADERS = 100
LARGEST_BODY = 2**20
MOST_SKIPPED = 64 * 2**20

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Broken(Exception):
    """Protocol error: what came is not HTTP, or too much; answer, then close."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(status, detail)


# Not HTTPServer: it asks for the host's full name, which can take seconds, and its handler reads headers with
# the email package, which costs more than the rest of a call.
class Server(socketserver.ThreadingTCPServer):
    """Listens from the moment it is made."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self._open: dict[socket, threading.Thread] = {}
        super().__init__((host, port), Connection)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="sandbox", daemon=True)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and let no thread outlive it."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()
        self.dispatcher.faults.release(for_good=True)
        for connection, thread in list(self._open.items()):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
            thread.join(timeout=2)

    def opened(self, connection: socket) -> None:
        self._open[connection] = threading.current_thread()

    def closed(self, connection: socket) -> None:
        self._open.pop(connection, None)


class Connection(socketserver.StreamRequestHandler):
    """Reads requests and writes answers until either side has had enough."""

    server: Server
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        with suppress(OSError):  # the caller is gone
            while self._exchange():
                pass

    def _exchange(self) -> bool:
        """One request and its answer; False ends the connection."""
        line = self.rfile.readline(LONGEST_LINE + 1)
        if not line.strip():
            return line != b""
        try:
            request, stays = self._read(line)
        except Broken as broken:
            method = line.split(b" ", 1)[0].decode("ascii", "replace")
            request, stays = Request(method, "", problem=broken.problem), False
        answer = self.server.dispatcher.answer(request)
        if answer is None:
            return False
        return self._send(answer, stays and not answer.missing, bodiless=request.method == "HEAD")

    # Reading

    def _read(self, line: bytes) -> tuple[Request, bool]:
        """The request, and whether the connection stays open after it."""
        words = line.decode("utf-8", "replace").split()
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
            raise Broken(400, "This is not an HTTP/1.1 request line.")
        method, target, version = words
        if target.startswith("http://"):
            target = "/" + target[len("http://") :].partition("/")[2]
        path, _, query = target.partition("?")
        headers = self._headers()
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        request = Request(method, path, query, bearer.strip() if scheme.lower() == "bearer" else None)
        request.body, request.problem = self._body(headers)
        request.request_id = headers.get("x-request-id") or headers.get("zp-rid", "")
        connection = headers.get("connection", "").lower()
        return request, connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"

    def _line(self) -> bytes:
        line = self.rfile.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise Broken(431, "A line is too long.")
        if not line.endswith(b"\n"):
            raise ConnectionError("the caller left in the middle of a request")
        return line

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while (line := self._line()) not in (b"\r\n", b"\n"):
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or len(headers) >= MOST_HEADERS:
                raise Broken(400, "The headers make no sense or are too many.")
            headers[name.lower()] = value.strip()
        return headers

    def _body(self, headers: dict[str, str]) -> tuple[bytes, Problem | None]:
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "transfer-encoding" in headers:
            return self._chunked_body(headers["transfer-encoding"])
        length = _number(headers.get("content-length", "0"), 10)
        if length <= LARGEST_BODY:
            return self._exactly(length), None
        if length > MOST_SKIPPED:
            raise Broken(413, "The body is too large.")
        # Most callers read no answer before they have sent all of their body.
        for start in range(0, length, LARGEST_BODY):
            self._exactly(min(LARGEST_BODY, length - start))
        return b"", Problem(413, f"The body is larger than {LARGEST_BODY} bytes.")

    def _chunked_body(self, encoding: str) -> tuple[bytes, Problem | None]:
        if encoding.lower() != "chunked":
            raise Broken(501, "Only chunked transfer encoding is understood.")
        body = b""
        while size := _number(self._line().decode("latin-1").partition(";")[0].strip(), 16):
            if len(body) + size > LARGEST_BODY:
                raise Broken(413, f"The body is larger than {LARGEST_BODY} bytes.")
            body += self._exactly(size)
            self._line()
        while self._line() not in (b"\r\n", b"\n"):
            pass
        return body, None

    def _exactly(self, size: int) -> bytes:
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionError("the caller left in the middle of a body")
        return body

    # Writing

    def _send(self, answer: Answer, stays: bool, *, bodiless: bool) -> bool:
        """Write the answer; whether the connection stays open after it."""
        body = b"" if answer.stream else answer.payload()
        length = answer.stream.length if answer.stream else len(body)
        head = self._head(answer, length + answer.missing, stays)
        if bodiless:
            self.wfile.write(head)
        elif answer.stream:
            self.wfile.write(head)
            for part in answer.stream.parts:
                self.wfile.write(part)
        elif answer.drip:
            quick, slow = (b"", head + body) if answer.drip.headers else (head, body)
            self.wfile.write(quick)
            return self._drip(slow, answer.drip.interval) and stays
        else:
            self.wfile.write(head + body)
        return stays

    def _drip(self, text: bytes, interval: float) -> bool:
        released = self.server.dispatcher.faults.released
        for number in text:
            if released.wait(interval):
                return False
            self.wfile.write(bytes((number,)))
        return True

    def _head(self, answer: Answer, length: int, stays: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Unknown')}",
            f"date: {_date(int(time.time()))}",
            "x-sandbox: 1",
        ]
        if answer.status not in (204, 304):
            lines.append(f"content-length: {length}")
        if length and answer.status not in (204, 304):
            lines.append(f"content-type: {answer.content_type}")
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if not stays:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _number(text: str, base: int) -> int:
    if not text.isalnum() or not text.isascii() or len(text) > 15:
        raise Broken(400, "The length of the body makes no sense.")
    try:
        return int(text, base)
    except ValueError as error:
        raise Broken(400, "The length of the body makes no sense.") from error
