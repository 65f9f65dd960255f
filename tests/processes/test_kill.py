"""A worker that dies in the middle of a change: nothing is lost, nothing is guessed, the others serve."""

import os
import signal
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import requests

from bench.serving import Portal
from sandbox import Sandbox
from tests.helpers.processes import AtOnce, post, rows, until

MADE_FOR = "list(AuditEvent.objects.filter(consumer='{}').values('action', 'outcome', 'lock', 'facts'))"
# The event, which is made half a minute older: audit.ABANDONED
AND_LATER = "[{}, AuditEvent.objects.update(started_at=datetime.now(timezone.utc) - timedelta(seconds=31))][0]"


def writing(portal: Portal, upstream: Sandbox) -> list[int]:
    """The workers whose call has changed something; another may have a connection that it only keeps."""
    ports = {call.port for call in upstream.journal() if call.committed}
    ways = {f"0100007F:{port:04X} 0100007F:{urlsplit(upstream.url).port:04X}" for port in ports}
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in table if f"{line[1]} {line[2]}" in ways}
    return [pid for pid in portal.workers() if sockets & {_target(file) for file in Path(f"/proc/{pid}/fd").iterdir()}]


def _target(file: Path) -> str:
    try:
        return os.readlink(file)
    except OSError:  # closed meanwhile
        return ""


def test_a_worker_killed_between_a_write_and_its_answer(serve, stores, upstream):
    """H2, H6, G5: the intent is on record, and nobody is signed out.

    What became of it the next look finds out, or manage.py settle.
    """
    portal = serve(stores, WEB_CONCURRENCY="2")
    ann, ben = portal.sign_in(["ann@acme.test", "ben@acme.test"]).values()

    def look(key: str) -> None:
        assert f'data-key="{key}"' in ben.get(f"{portal.url}/keys/", timeout=20).text

    def settle(_key: str) -> None:
        assert "1 done" in portal.manage("settle").splitlines()  # the mail about it is written there too

    for consumer, find_out in (("acme", look), ("globex", settle)):
        upstream.add_consumer(consumer, managers=["ann@acme.test", "ben@acme.test"])
        upstream.fault("POST", f"*/{consumer}/keys", "delay", when="after", seconds=300)
        form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
        url = f"{portal.url}/keys/production/{consumer}/create/"
        upstream.clear_journal()

        creating = AtOnce.start([lambda url=url, form=form: post(ann, url, form)])
        until(lambda: any(call.committed for call in upstream.journal()))
        workers = portal.workers()
        (busy,) = writing(portal, upstream)
        os.kill(busy, signal.SIGKILL)
        (answer,) = creating.all()
        assert isinstance(answer, requests.ConnectionError)

        for page in ("/", "/accounts/login/", "/healthz"):
            assert requests.get(portal.url + page, timeout=20).status_code == 200
        assert ann.get(f"{portal.url}/keys/", timeout=20).url == f"{portal.url}/keys/"  # still signed in
        until(lambda busy=busy: len(portal.workers()) == 2 and busy not in portal.workers())
        assert set(workers) & set(portal.workers())

        (event,) = rows(portal, AND_LATER.format(MADE_FOR.format(consumer)))
        assert (event["action"], event["outcome"]) == ("key:create", "started")
        (key,) = upstream.keys(consumer)
        find_out(key["id"])
        (event,) = rows(portal, MADE_FOR.format(consumer))
        assert (event["outcome"], event["lock"], event["facts"]["new"]) == ("done", None, key["id"])

        again = post(ann, url, form)
        assert (again.status_code, key["key"] in again.text) == (200, True)
        assert [one["id"] for one in upstream.keys(consumer)] == [key["id"]]
