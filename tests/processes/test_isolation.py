"""Isolation: what is slow or silent stays by itself, and nobody else's pages wait for it."""

import sqlite3
import subprocess
import sys
import uuid

import pytest
import requests

from bench.serving import ROOT, Portal, browser
from tests.helpers.processes import AtOnce, post, until
from tests.processes.conftest import POSTGRES, SQLITE

PEOPLE = 40
AT_ONCE = 32  # ZUPLO_CALLS_AT_ONCE as shipped


@pytest.fixture(params=[SQLITE, POSTGRES])
def visited(request) -> tuple[Portal, requests.Session]:
    """The portal as it is shipped, and Ann's browser."""
    if request.param == SQLITE:
        return request.getfixturevalue("portal"), request.getfixturevalue("ann")
    portal = request.getfixturevalue("serve")(request.getfixturevalue("postgres_stores"))
    return portal, portal.sign_in(["ann@acme.test"])["ann@acme.test"]


def test_a_silent_key_service_holds_up_the_keys_pages_only(visited, upstream):
    """G13: forty people wait for it, and home, sign-in and probes answer; when it is back, so are the keys."""
    upstream.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    portal, ann = visited
    cookies = ann.cookies.get_dict()
    workers, before = portal.workers(), len(portal.log)
    upstream.fault("*", "*", "delay", seconds=300, times=0)

    crowd = AtOnce.start([lambda: browser(cookies).get(f"{portal.url}/keys/", timeout=60)] * PEOPLE)
    until(lambda: len(upstream.journal()) >= AT_ONCE)
    for page in ("/", "/accounts/login/", "/healthz", "/static/keys/css/tokens.css"):
        assert requests.get(portal.url + page, timeout=20).status_code == 200
    assert ann.get(f"{portal.url}/", timeout=20).status_code == 200  # signed in, so with a look into the database
    assert crowd.waiting >= AT_ONCE, "those pages came only after the key service was given up"

    for answer in crowd.all():
        assert answer.status_code == 503
        assert "key service" in answer.text
        assert f"[{answer.headers['X-Request-ID']}] answered 503" in portal.log  # H1, by the right green thread
    upstream.clear_faults()
    until(lambda: ann.get(f"{portal.url}/keys/", timeout=20).status_code == 200)
    assert portal.workers() == workers
    assert "Traceback" not in portal.log[before:]


def test_a_dripping_answer_is_given_up(portal, ann, upstream):
    """G1: deadlines count the whole, for green threads too."""
    upstream.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    upstream.fault("*", "*", "drip", interval=0.5, times=0)
    answer = ann.get(f"{portal.url}/keys/", timeout=30)  # the whole drip would take many minutes
    assert (answer.status_code, "key service" in answer.text) == (503, True)


def test_a_dripping_handshake_is_given_up(serve, sqlite_stores, ann, dripping_tls):
    """G1: a green thread's TLS socket takes each byte for a new beginning."""
    portal = serve(sqlite_stores, ZUPLO_API_URL=f"https://localhost:{dripping_tls}")
    answer = ann.get(f"{portal.url}/keys/", timeout=60)  # the worker itself ends what lasts for twenty seconds
    assert (answer.status_code, "key service" in answer.text) == (503, True)


def test_a_locked_database_file_holds_up_only_who_writes(portal, ann, upstream):
    """G15: something else, such as a clean-up, holds the file; pages that do not write are served."""
    upstream.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
    holder = sqlite3.connect(portal.folder.parent / "portal.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    creating = AtOnce.start([lambda: post(ann, f"{portal.url}/keys/production/acme/create/", form)])
    for _ in range(20):
        for page in ("/", "/accounts/login/", "/healthz"):
            assert requests.get(portal.url + page, timeout=20).status_code == 200
    assert creating.waiting
    assert upstream.keys("acme")[1:] == []
    holder.execute("ROLLBACK")
    (made,) = creating.all()
    assert made.status_code == 200
    assert len(upstream.keys("acme")) == 2


def test_a_mail_server_that_says_nothing_holds_up_no_page_about_keys(serve, sqlite_stores, ann, upstream, silent_port):
    """G15: somebody waits for a mailed code, Ann makes a key."""
    upstream.add_consumer("acme", managers=["ann@acme.test"])
    portal = serve(sqlite_stores, EMAIL_URL=f"smtp://127.0.0.1:{silent_port}")
    mails = AtOnce.start(
        [lambda: post(browser(), f"{portal.url}/accounts/login/", {"login": "ben@acme.test", "password": ""})] * 2
    )
    form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
    assert post(ann, f"{portal.url}/keys/production/acme/create/", form, timeout=20).status_code == 200
    assert ann.get(f"{portal.url}/keys/", timeout=20).status_code == 200
    assert all(answer.status_code < 500 for answer in mails.all())


def test_a_call_stops_for_nothing_but_its_answer(upstream):
    """Whoever lets others go first in between waits for whole pages of theirs, and soon all wait at the same time.

    It stops once for the answer, which is held back for that, or not at all where this process came to it too late.
    """
    upstream.fault("GET", "/v1/who-am-i", "delay", seconds=0.5, nth=2)
    code = """
import django
django.setup()
import greenlet
from keys.zuplo.retries import Call, send_with_retries
from keys.zuplo.transport import Deadline
from django.conf import settings
call = Call("list", "GET", settings.ZUPLO_API_URL + "/v1/who-am-i")
stops = []
def count(event, ends):
    stops.append(ends[0] is me)
send_with_retries(call, Deadline(5))  # connects
me = greenlet.getcurrent()
greenlet.settrace(count)
print(send_with_retries(call, Deadline(5)).status, sum(stops))
"""
    account = {"ZUPLO_ACCOUNT": upstream.account, "ZUPLO_BUCKET": upstream.bucket, "ZUPLO_API_KEY": upstream.token}
    assert in_green_threads(code, ZUPLO_API_URL=upstream.url, **account) in (["200", "1"], ["200", "0"])


def test_hashing_a_password_lets_others_run():
    """Without this each wrong password would stop all pages of a worker for half a second."""
    code = """
import gevent, django
django.setup()
from django.contrib.auth.hashers import check_password, make_password
turns = []
def count():
    while True:
        turns.append(1)
        gevent.sleep(0.001)
gevent.spawn(count)
gevent.sleep(0.01)
before = len(turns)
stored = make_password("open-sesame")
print(len(turns) - before, stored.split("$")[0], check_password("open-sesame", stored), check_password("x", stored))
"""
    turns, *words = in_green_threads(code)
    assert words == ["pbkdf2_sha256", "True", "False"]
    assert int(turns) > 5


def in_green_threads(code: str, **values: str) -> list[str]:
    """The words that this code prints, in a process of its own that is patched as a worker is."""
    done = subprocess.run(
        [sys.executable, "-c", "from gevent import monkey; monkey.patch_all()\n" + code],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "portal.settings"} | values,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
