"""Errors are reported to Sentry where the operator has one: where it broke, never a key, a token or a person."""

import gzip
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest

from sandbox.values import mint_key

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "token-of-the-operator"
EMAIL = "ann@acme.test"
OWN = "a-key-of-the-operators-own-format"

# A person whose page breaks with secrets at hand, and an error that is only logged.
FAILING = """
import logging, sys
import django
django.setup()
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory
settings.ROOT_URLCONF = "tests.helpers.failing_urls"
person = RequestFactory(REMOTE_ADDR="203.0.113.7", SERVER_NAME="127.0.0.1", HTTP_COOKIE="device=a-session")
path = "/fail-with-secrets?manager-email=%s" % sys.argv[2]
request = person.post(path, {"secret": sys.argv[1], "key": sys.argv[1], "own": sys.argv[3]})
told = []
get_wsgi_application()(request.environ, lambda status, headers: told.append((status, dict(headers)))).close()
((status, headers),) = told
assert status.startswith("500"), status
print(headers["X-Request-ID"])
logging.getLogger("keys").critical("refused: %s for Bearer %s", sys.argv[1], settings.ZUPLO_API_KEY)
logging.getLogger("keys").warning("only a warning")
stranger = RequestFactory(HTTP_HOST="any.thing").get("/")
get_wsgi_application()(stranger.environ, lambda *_: None).close()
import sentry_sdk
sentry_sdk.flush(5)
"""


class Ingest(http.server.BaseHTTPRequestHandler):
    """Takes envelopes as Sentry does."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = {"br": brotli.decompress, "gzip": gzip.decompress}[self.headers["Content-Encoding"]](body)
        self.server.envelopes.append((self.path, self.headers.get("X-Sentry-Auth", ""), body.decode()))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sentry() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ingest) as server:
        server.envelopes = []
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def fail(key: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    given |= {"ZUPLO_API_URL": "http://127.0.0.1:9", "ZUPLO_ACCOUNT": "a", "ZUPLO_BUCKET": "b", "ZUPLO_API_KEY": TOKEN}
    command = [sys.executable, "-c", FAILING, key, EMAIL, OWN]
    done = subprocess.run(command, cwd=ROOT, env=given | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_a_report_says_where_and_nothing_about_whom(sentry):
    """E2, E8"""
    key = mint_key()
    done = fail(key, SENTRY_DSN=f"http://public@127.0.0.1:{sentry.server_port}/42")
    assert {path for path, _, _ in sentry.envelopes} == {"/api/42/envelope/"}
    assert all("sentry_key=public" in auth for _, auth, _ in sentry.envelopes)
    events = [json.loads(body.splitlines()[2]) for _, _, body in sentry.envelopes]
    broken, logged = sorted(events, key=lambda event: event["level"])
    assert broken["level"] == "error"
    (exception,) = broken["exception"]["values"]
    assert exception["type"] == "RuntimeError"
    assert "zpka_[removed]" in exception["value"]
    assert "[key removed]" in exception["value"]
    assert exception["stacktrace"]["frames"][-1]["function"] == "fail_with_secrets"
    assert broken["request"] == {"method": "POST", "url": "http://127.0.0.1/fail-with-secrets"}
    assert broken["tags"]["request_id"] == done.stdout.strip()
    assert logged["level"] == "fatal"
    assert "[token removed]" in json.dumps(logged["logentry"])

    everything = "\n".join(body for _, _, body in sentry.envelopes)
    for secret in (key[5:37], OWN, TOKEN, EMAIL, "ann%40", "a-session", "203.0.113.7", "only a warning", '"vars"'):
        assert secret not in everything


def test_without_a_dsn_nothing_is_reported(sentry):
    fail(mint_key())
    assert sentry.envelopes == []


def test_a_sentry_that_is_down_holds_nothing_up():
    """G15: the page is answered, and the process ends in good time."""
    fail(mint_key(), SENTRY_DSN="http://public@127.0.0.1:9/42")
