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

MADE_SINCE = "list(AuditEvent.objects.order_by('pk').values('action', 'outcome', 'lock', 'facts'))"
HALF_A_MINUTE_LATER = (
    "AuditEvent.objects.update(started_at=datetime.now(timezone.utc) - timedelta(seconds=31))"  # audit.ABANDONED
)


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


@pytest.mark.parametrize("by", ["the next look", "manage.py settle"])
def test_a_worker_killed_between_a_write_and_its_answer(by, serve, stores, upstream):
    """H2, H6, G5: the intent is on record, the next look finds out what became of it, and nobody is signed out."""
    upstream.add_consumer("acme", managers=["ann@acme.test", "ben@acme.test"])
    portal = serve(stores, WEB_CONCURRENCY="2")
    people = portal.sign_in(["ann@acme.test", "ben@acme.test"])
    ann, ben = people.values()
    upstream.fault("POST", "*/keys", "delay", when="after", seconds=300)
    form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}

    creating = AtOnce.start([lambda: post(ann, f"{portal.url}/keys/production/acme/create/", form)])
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

    (event,) = rows(portal, MADE_SINCE)
    assert (event["action"], event["outcome"]) == ("key:create", "started")
    (key,) = upstream.keys("acme")
    rows(portal, HALF_A_MINUTE_LATER)
    if by == "the next look":
        assert f'data-key="{key["id"]}"' in ben.get(f"{portal.url}/keys/", timeout=20).text
    else:
        assert "1 done" in portal.manage("settle").splitlines()  # the mail about it is written there too
    (event,) = rows(portal, MADE_SINCE)
    assert (event["outcome"], event["lock"], event["facts"]["new"]) == ("done", None, key["id"])

    again = post(ann, f"{portal.url}/keys/production/acme/create/", form)
    assert (again.status_code, key["key"] in again.text) == (200, True)
    assert [one["id"] for one in upstream.keys("acme")] == [key["id"]]
