"""A worker that dies in the middle of a change: nothing is lost, nothing is guessed, the others serve."""

import os
import signal
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from bench.serving import Portal
from sandbox import Sandbox
from tests.helpers.processes import AtOnce, post, rows, until

EVENTS = "list(AuditEvent.objects.values('action', 'outcome', 'lock', 'facts'))"
# The event, which is made half a minute older: audit.ABANDONED
AND_LATER = f"[{EVENTS}, AuditEvent.objects.update(started_at=datetime.now(timezone.utc) - timedelta(seconds=31))][0]"


def calling(portal: Portal, upstream: Sandbox) -> list[int]:
    """The workers that have a connection to the Developer API."""
    port = f":{urlsplit(upstream.url).port:04X}"
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in table if line[2].endswith(port) and line[3] == "01"}
    return [pid for pid in portal.workers() if sockets & {_target(file) for file in Path(f"/proc/{pid}/fd").iterdir()}]


def _target(file: Path) -> str:
    try:
        return os.readlink(file)
    except OSError:  # closed meanwhile
        return ""


def by_a_look(portal: Portal, ben: requests.Session, key: str) -> None:
    assert f'data-key="{key}"' in ben.get(f"{portal.url}/keys/", timeout=20).text


def by_settle(portal: Portal, _ben: requests.Session, _key: str) -> None:
    assert "1 done" in portal.manage("settle").splitlines()  # the mail about it is written there too


@pytest.mark.parametrize("find_out", [by_a_look, by_settle], ids=lambda find_out: find_out.__name__)
def test_a_worker_killed_between_a_write_and_its_answer(serve, stores, upstream, find_out):
    """H2, H6, G5: the intent is on record, and nobody is signed out.

    What became of it the next look finds out, or manage.py settle.
    """
    portal = serve(stores, WEB_CONCURRENCY="2")
    ann, ben = portal.sign_in(["ann@acme.test", "ben@acme.test"]).values()
    upstream.add_consumer("acme", managers=["ann@acme.test", "ben@acme.test"])
    upstream.fault("POST", "*/acme/keys", "delay", when="after", seconds=300)
    form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
    url = f"{portal.url}/keys/production/acme/create/"

    creating = AtOnce.start([lambda: post(ann, url, form)])
    until(lambda: any(call.committed for call in upstream.journal()))
    workers = portal.workers()
    (busy,) = calling(portal, upstream)
    os.kill(busy, signal.SIGKILL)
    (answer,) = creating.all()
    assert isinstance(answer, requests.ConnectionError)

    for page in ("/", "/accounts/login/", "/healthz"):
        assert requests.get(portal.url + page, timeout=20).status_code == 200
    assert ann.get(f"{portal.url}/keys/", timeout=20).url == f"{portal.url}/keys/"  # still signed in
    until(lambda: len(portal.workers()) == 2 and busy not in portal.workers())
    assert set(workers) & set(portal.workers())

    (event,) = rows(portal, AND_LATER)
    assert (event["action"], event["outcome"]) == ("key:create", "started")
    (key,) = upstream.keys("acme")
    find_out(portal, ben, key["id"])
    (event,) = rows(portal, EVENTS)
    assert (event["outcome"], event["lock"], event["facts"]["new"]) == ("done", None, key["id"])

    again = post(ann, url, form)
    assert (again.status_code, key["key"] in again.text) == (200, True)
    assert [one["id"] for one in upstream.keys("acme")] == [key["id"]]
