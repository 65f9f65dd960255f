"""Response headers and the order of middleware: every kind of answer tells the browser what it may do with it."""

import contextlib
import logging
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from bs4 import BeautifulSoup
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client

from portal.backends import bundles
from portal.backends.bundles import BUNDLES, BundleFinder, bundled
from portal.observability.logs import LineFormatter, RequestIdFilter
from tests.helpers.people import csrf_token, signed_in_as

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
}

SITE = ("tokens", "base", "components")

pytestmark = pytest.mark.django_db


@pytest.fixture
def answers(ann, sam, client_of, sandbox, settings):
    """One answer of each kind, by name."""
    visitor, ann_client, sam_client = client_of(), client_of(ann), client_of(sam)
    failing = Client(raise_request_exception=False)
    settings.KEYS_REVEALS_PER_MINUTE = 1
    fragment = {"headers": {"HX-Request": "true"}}
    found = {
        "home": visitor.get("/"),
        "sign-in": visitor.get("/accounts/login/"),
        "form with errors": visitor.post("/accounts/login/", {"login": "nonsense"}),
        "redirect": visitor.get("/keys/"),
        "not found": visitor.get("/nowhere"),
        "wrong method": visitor.post("/"),
        "bad host": visitor.get("/", headers={"host": "evil.test"}),
        "no CSRF token": client_of(strict=True).post("/accounts/login/"),
        "too large": visitor.post("/accounts/login/", {"login": "x" * 70_000}),
        "keys": ann_client.get("/keys/"),
        "addresses": ann_client.get("/accounts/email/"),
        "forbidden": ann_client.get("/admin/", follow=True),
        "admin": sam_client.get("/admin/"),
        "fragment": ann_client.get("/keys/create/production/", **fragment),
        "fragment not found": ann_client.post("/keys/production/acme/rotate-all/", {"grace": "1h"}, **fragment),
        "too many": too_many(lambda: ann_client.post("/keys/production/acme/key_1/reveal/", **fragment)),
        "alive": visitor.get("/healthz"),
        "ready": visitor.get("/readyz"),
        "theme": visitor.get("/theme.css"),
        "static file": visitor.get("/static/keys/css/tokens.css"),
    }
    sandbox.fault("*", "*", "drop", times=0)
    found["outage"] = ann_client.get("/keys/")
    found["static file"].close()
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    return found | {"failure": failing.get("/fail")}


def too_many(ask: Callable[[], HttpResponse]) -> HttpResponse:
    """The first answer of four that is one request too many: a new minute, and a new count, may begin meanwhile."""
    return next(answer for answer in (ask() for _ in range(4)) if answer.status_code == 429)


STATUS = {
    "redirect": 302,
    "not found": 404,
    "wrong method": 405,
    "bad host": 400,
    "no CSRF token": 403,
    "too large": 413,
    "forbidden": 403,
    "fragment not found": 404,
    "outage": 503,
    "too many": 429,
    "failure": 500,
}
CACHED = {"theme", "static file"}
FOR_VISITORS = {"home", "sign-in"}


def test_every_answer_has_the_headers(answers):
    """F3: errors and fragments too; what no browser shows by itself needs no policy, and is lighter without."""
    for name, answer in answers.items():
        assert answer.status_code == STATUS.get(name, 200), name
        assert answer["X-Content-Type-Options"] == "nosniff", name
        assert answer["Referrer-Policy"] == "same-origin", name
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin", name
        assert answer["X-Request-ID"], name
        assert not answer.has_header("Access-Control-Allow-Origin"), name
        if name not in CACHED:
            assert set(answer["Content-Security-Policy"].split("; ")) == POLICY, name
            assert "geolocation=()" in answer["Permissions-Policy"], name


def test_a_picture_of_ours_has_the_policy_too(client):
    """It can hold scripts, and be opened by itself."""
    assert set(client.get("/icon.svg")["Content-Security-Policy"].split("; ")) == POLICY


def test_pages_are_kept_nowhere_and_differ_for_htmx(answers):
    for name in answers.keys() - CACHED - FOR_VISITORS:
        assert "no-store" in answers[name]["Cache-Control"], name
    for name in ("home", "keys", "redirect", "not found", "failure"):
        vary = answers[name]["Vary"]
        assert "HX-Request" in vary, name
        assert "Cookie" in vary, name


def test_nobody_in_between_rewrites_a_page(answers):
    """Some proxies put links to themselves in the place of e-mail addresses."""
    pages = {name for name, answer in answers.items() if answer["Content-Type"].startswith("text/html")}
    assert pages >= {"home", "keys", "addresses", "admin", "fragment", "outage", "failure", "too large"}
    for name in pages:
        assert "no-transform" in answers[name]["Cache-Control"].split(", "), name


def test_cookies_are_for_this_site_only(client, ann, settings):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    cookies = client.get("/accounts/login/").cookies | client.post("/accounts/login/", {"login": ann.email}).cookies
    assert cookies.keys() == {"csrftoken", "sessionid"}
    for cookie in cookies.values():
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert not cookie["domain"]


def test_plain_http_is_sent_to_the_portals_own_name(client, settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_SSL_HOST = True, "portal.example.com"
    settings.SECURE_HSTS_SECONDS = 60
    assert client.get("/keys/?a=1").headers["Location"] == "https://portal.example.com/keys/?a=1"
    settings.SECURE_SSL_REDIRECT = False
    assert client.get("/", secure=True)["Strict-Transport-Security"].startswith("max-age=60")


@pytest.mark.parametrize("length", ["65537", "99999999999", "-1", "many"])
def test_a_body_that_no_form_sends_is_refused_unread(client, length):
    """F6: with a plain sentence."""
    response = client.generic("POST", "/accounts/login/", b"", CONTENT_LENGTH=length)
    assert response.status_code == 413
    assert "too long" in response.text


def test_forms_need_their_token_and_their_own_origin(ann, client_of):
    browser = client_of(strict=True)
    entry = {"login": "ann@acme.test", "csrfmiddlewaretoken": csrf_token(browser.get("/accounts/login/"))}
    assert browser.post("/accounts/login/", {"login": "ann@acme.test"}).status_code == 403
    assert browser.post("/accounts/login/", entry, headers={"origin": "https://evil.test"}).status_code == 403
    assert browser.post("/accounts/login/", entry).status_code == 302


def test_the_csrf_cookie_is_sent_once_and_anew_where_it_is_lost_odd_or_another_persons(ann, client_of):
    """A page that sets a cookie is kept out of the back/forward cache."""
    browser = client_of(strict=True)
    secret = browser.get("/accounts/login/").cookies["csrftoken"].value
    again = browser.get("/accounts/login/")
    assert "csrftoken" not in again.cookies
    assert "Cookie" in again["Vary"]
    entry = {"login": "ann@acme.test", "csrfmiddlewaretoken": csrf_token(again)}
    assert browser.post("/accounts/login/", entry).status_code == 302
    for lost in ("odd", ""):
        browser.cookies["csrftoken"] = lost
        assert browser.get("/accounts/login/").cookies["csrftoken"].value not in {secret, lost}


def test_a_form_out_of_date_brings_a_notice_into_its_dialog(ann, client_of):
    """One as after any other error: it can be dismissed, and says what to do there."""
    browser = client_of(ann, strict=True)
    answer = browser.post("/keys/create/production/", headers={"HX-Request": "true"})
    (notice,) = BeautifulSoup(answer.text, "html.parser").select("[data-error]")
    assert answer.status_code == 403
    assert notice.select_one("[data-dismiss]")
    assert notice.select_one("a[href='']").text == "Reload the page"
    assert "Go back" not in notice.text
    assert "Go back" in browser.post("/keys/create/production/").text


@pytest.mark.parametrize("override", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_no_header_makes_a_get_into_a_post(ann, ann_client, override):
    ann_client.get("/accounts/logout/", headers={override: "POST"})
    assert signed_in_as(ann_client) == ann.email


def test_a_request_without_a_session_leads_an_htmx_request_out_of_its_dialog(client):
    answer = client.get(
        "/keys/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/keys/preview/?page=2"}
    )
    assert answer.status_code == 200
    assert answer["HX-Redirect"] == "/accounts/login/?next=%2Fkeys%2Fpreview%2F%3Fpage%3D2"
    assert client.get(answer["HX-Redirect"]).text.count("You&#x27;ve been signed out") == 1
    assert "signed out" not in client.get(answer["HX-Redirect"]).text
    elsewhere = client.get("/keys/", headers={"HX-Request": "true", "HX-Current-URL": "https://evil.test/x"})
    assert elsewhere["HX-Redirect"] == "/accounts/login/?next=%2F"
    nonsense = client.get("/keys/", headers={"HX-Request": "true", "HX-Current-URL": "http://["})
    assert nonsense["HX-Redirect"] == "/accounts/login/?next=%2F"


def test_static_files_are_there(client):
    ours = [*BUNDLES, *(f"keys/css/{name}.css" for name in ("tokens", "base", "admin"))]
    for name in (*ours, "django_htmx/htmx-2.min.js", "admin/css/base.css"):
        assert finders.find(name), name
        with contextlib.closing(client.get(f"/static/{name}")) as response:
            assert response.status_code == 200, name


def test_a_bundle_stays_though_the_finder_that_made_it_goes():
    """Two first requests at once make two finders, and Django keeps one."""
    assert Path(BundleFinder().find("keys/css/page.css")).read_text() == bundled("keys/css/page.css")


def test_bundles_that_are_wanted_at_once_are_all_made():
    """As by the first page of a server that has just started."""
    for _start in range(20):
        finder = runpy.run_path(bundles.__file__)["BundleFinder"]()
        together = Barrier(len(BUNDLES), timeout=60)
        with ThreadPoolExecutor(len(BUNDLES), initializer=together.wait) as browser:
            made = list(browser.map(finder.find, BUNDLES))
        assert all(Path(path).is_file() for path in made)


def test_nothing_is_written_before_a_bundle_is_wanted(tmp_path):
    """A container may be read-only, and have no folder for temporary files; its files were collected before."""
    nowhere = tmp_path / "nowhere"
    script = "import django; django.setup(); from django.core.management import call_command; call_command('check')"
    wanting = f"import tempfile; tempfile.tempdir = {str(nowhere)!r}; {script}"
    done = subprocess.run([sys.executable, "-c", wanting], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_bundle_is_all_of_its_sources_without_what_only_readers_need():
    style, script = bundled("keys/css/site.css"), bundled("keys/js/page.js")
    assert style.startswith("@layer tokens, base, components, keys, site;")
    assert style.count("@layer base {") == 1
    assert style.count("{") == sum(Path(f"static/keys/css/{name}.css").read_text().count("{") for name in SITE)
    assert "\n/*" not in style
    assert "\n " not in style
    assert script.count('"use strict";') == 2
    assert "data-key-choice" in script
    for line in (script + bundled("keys/js/shell.js")).splitlines():
        assert not re.match(r"/\*|//|\s|$", line)
        assert line.count("`") % 2 == 0, "a text over several lines means its indents"


def test_code_beside_a_comment_stays_in_its_bundle():
    code = "/* one */ a {}\nb {}\n  /* two\n  lines */\n// three\nc {} /* four */ d {} /* five */\ne {}\n"
    assert bundles.COMMENT.sub("", code) == "/* one */ a {}\nb {}\nc {} /* four */ d {}\ne {}\n"


# The log


def logged(record: logging.LogRecord) -> str:
    RequestIdFilter().filter(record)
    return LineFormatter().format(record)


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, __file__, 1, message, arguments, None)


def test_a_log_line_cannot_be_forged_and_holds_no_secret(settings):
    """E8, H4: whatever names, paths and headers hold."""
    settings.ZUPLO_API_KEY = "management-token-1"
    key = "zpka_" + "0123456789abcdef" * 2 + "_" + "89abcdef"
    line = logged(record("Name %s", f"x\r\n2026-01-01 INFO forged\x1b[2J\x85\u2028 {key} management-token-1"))
    assert [text[:4] for text in line.splitlines()[1:]] == ["    "]
    assert "\x1b" not in line
    assert key not in line
    assert "management-token-1" not in line
    assert "zpka_[removed]" in line


def test_a_failure_is_logged_with_its_reference_and_without_the_key(settings, client, caplog):
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    client.raise_request_exception = False
    response = client.get("/fail")
    said = "\n".join(map(logged, caplog.records))
    assert f"[{response['X-Request-ID']}]" in said
    assert "Traceback" in said
    assert "zpka_abab" not in said
    assert not [line for line in said.splitlines() if line.startswith("2026-01-01")]


def test_what_django_logs_after_a_request_names_it_too(client, caplog):
    response = client.get("/nowhere")
    assert f"[{response['X-Request-ID']}]" in logged(caplog.records[-1])
