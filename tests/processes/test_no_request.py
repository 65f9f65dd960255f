"""Malformed requests: refused by gunicorn in our words, under our headers, and without secrets in the log."""

import socket
from secrets import token_hex

import pytest

from bench.serving import Portal
from tests.helpers.processes import until

KEY = f"zpka_{token_hex(16)}_{token_hex(4)}"


def answer_to(portal: Portal, request: str) -> tuple[int, dict[str, str], str]:
    with socket.create_connection(("127.0.0.1", portal.port), timeout=20) as connection:
        connection.sendall(request.encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    ("request_line", "header", "status"),
    [
        (f"GET /{KEY} HTTP/1.1", f"Bad Header {KEY}: x", 400),
        (f"GET /{KEY} NONSENSE", "Host: localhost", 400),
        (f"{KEY} / HTTP/1.1", "Host: localhost", 400),
        (f"GET /{KEY}{'x' * 5000} HTTP/1.1", "Host: localhost", 414),
        ("GET / HTTP/1.1", f"X-Long: {KEY}{'x' * 9000}", 431),
        ("GET / HTTP/1.1", "Transfer-Encoding: nonsense", 400),
    ],
    ids=["header", "version", "method", "long line", "long header", "encoding"],
)
def test_what_is_no_request_is_refused(portal, request_line: str, header: str, status: int):
    """E8, F3, F6: nothing of it is repeated, neither to the client nor in the log."""
    before = len(portal.log)
    code, headers, body = answer_to(portal, f"{request_line}\r\n{header}\r\n\r\n")
    assert code == status
    assert "try again" in body
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    until(lambda: "Not a request, from 127.0.0.1" in portal.log[before:])
    assert KEY not in body + portal.log


def test_the_log_repeats_no_key_of_a_path(portal):
    """E8: by the line that is written for each request."""
    for path, status in ((f"/{KEY}", 404), (f"/?key={KEY}", 302)):
        code, _headers, _body = answer_to(
            portal, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert code == status
    assert KEY not in portal.log
