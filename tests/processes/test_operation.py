"""Operation: operators watch the portal and replace its secrets while people are at work."""

import json
import os
import re
import secrets
import signal
import time
from pathlib import Path

import requests
from django.conf import settings

from bench.serving import Portal
from sandbox import Sandbox
from tests.helpers.processes import until

TOKEN = "a-token-for-figures-only"
LOOKS = 40


def figures(portal: Portal) -> dict[str, float]:
    answer = requests.get(f"{portal.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
    assert answer.status_code == 200, answer.text
    pairs = re.findall(r"^([^#\s][^ ]*(?:\{.*?\})?) ([0-9.e+-]+)$", answer.text, re.MULTILINE)
    return {name: float(value) for name, value in pairs}


def test_figures_are_those_of_all_workers_the_dead_ones_too(serve, sqlite_stores):
    portal = serve(sqlite_stores, WEB_CONCURRENCY="2", METRICS_TOKEN=TOKEN)
    memory = Path("/dev/shm")  # noqa: S108
    (folder,) = memory.glob(f"portal-metrics-{portal.process.pid}-*")
    looks = 'portal_requests_total{method="GET",status="200",view="home"}'

    def look() -> None:
        for _ in range(LOOKS):
            requests.get(portal.url, timeout=20)

    look()
    assert [figures(portal)[looks] for _ in range(6)] == [LOOKS] * 6  # whichever worker is asked
    first, *_ = before = portal.workers()
    os.kill(first, signal.SIGKILL)
    until(lambda: first not in portal.workers() and len(portal.workers()) == 2)
    look()
    assert figures(portal)[looks] == 2 * LOOKS
    portal.process.send_signal(signal.SIGHUP)
    until(lambda: len(portal.workers()) == 2 and not set(before) & set(portal.workers()))
    until(lambda: not [pid for pid in before if (folder / f"counter_{pid}.db").exists()])
    look()
    assert figures(portal)[looks] == 3 * LOOKS
    portal.process.send_signal(signal.SIGTERM)
    portal.process.wait(timeout=30)
    assert not folder.exists()


def test_the_log_of_production_is_json_with_a_line_for_each_request(production):
    answer = requests.get(production.url, headers={"X-Forwarded-Proto": "https"}, timeout=20)
    lines = [json.loads(line) for line in production.log.splitlines() if line.startswith("{")]
    (told,) = [line for line in lines if line["request_id"] == answer.headers["X-Request-ID"]]
    assert (told["method"], told["path"], told["status"]) == ("GET", "/", 200)


def test_a_new_management_token_is_taken_without_an_interruption(serve, sqlite_stores, ann, upstream, tmp_path):
    """E6: the file is replaced, gunicorn is told to reload, and nobody sees an error.

    While the file is empty, as when it is just being written, nothing is reloaded: gunicorn by itself would stop
    serving altogether.
    """
    upstream.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    with Sandbox(account=upstream.account, bucket=upstream.bucket) as other:
        other.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "Seen with the new token"}])
        file = tmp_path / "token"
        file.write_text(upstream.token)
        address = tmp_path / "address"
        address.write_text(upstream.url)
        told = {"ZUPLO_API_KEY_FILE": str(file), "ZUPLO_API_URL_FILE": str(address)}
        portal = serve(sqlite_stores, WEB_CONCURRENCY="2", ZUPLO_API_KEY="", ZUPLO_API_URL="", **told)
        before = set(portal.workers())
        file.write_text("")
        portal.process.send_signal(signal.SIGHUP)
        until(lambda: "nothing is reloaded" in portal.log)
        assert f"ZUPLO_API_KEY_FILE names {file}, which is empty." in portal.log
        assert set(portal.workers()) == before
        assert requests.get(f"{portal.url}/healthz", timeout=20).status_code == 200

        file.write_text(other.token)
        address.write_text(other.url)  # which knows the new token only, so it is that one that was sent
        portal.process.send_signal(signal.SIGHUP)
        statuses = set()
        end = time.monotonic() + 60
        while before & set(portal.workers()) or len(portal.workers()) < 2:
            assert time.monotonic() < end
            statuses.add(ann.get(f"{portal.url}/keys/", timeout=20).status_code)
        page = ann.get(f"{portal.url}/keys/", timeout=20)
        assert statuses | {page.status_code} == {200}
        assert "Seen with the new token" in page.text


def is_in(person: requests.Session, portal: Portal) -> bool:
    person.get(f"{portal.url}/", timeout=20)
    return "/accounts/login/" not in person.get(f"{portal.url}/accounts/email/", timeout=20).url


def test_a_new_secret_key_signs_nobody_out_while_the_old_one_is_kept(serve, sqlite_stores, ann, ben):
    """One machine, and several that all know it before the first of them signs with it, as docs/deployment.md says."""
    old, new = settings.SECRET_KEY, secrets.token_urlsafe(50)
    ahead = serve(sqlite_stores, SECRET_KEY=new, SECRET_KEY_FALLBACKS=old)
    behind = serve(sqlite_stores, SECRET_KEY=old, SECRET_KEY_FALLBACKS=new)
    unaware = serve(sqlite_stores, SECRET_KEY=old)
    finished = serve(sqlite_stores, SECRET_KEY=new)
    assert is_in(ann, unaware)
    assert is_in(ann, ahead)
    assert is_in(ann, finished)  # was there meanwhile, so the session is signed anew
    assert not is_in(ben, finished)

    for portal in (ahead, behind, ahead):
        assert is_in(ann, portal)
    assert not is_in(ann, unaware)  # which is why all have to know it
