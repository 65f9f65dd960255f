"""Objects that cannot be read: they hide no other, grant nothing, and are never taken for "no keys"."""

import csv
import io
import uuid
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from keys.models import AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.invariants import written
from tests.helpers.staff import ACME, LIST, TOPICS
from tests.helpers.verbs import CHANGES, FULL_KEY, Verb, acme, by_action, in_time

pytestmark = pytest.mark.django_db

ODD_CONSUMERS: list[dict[str, Any]] = [
    {"field": "name", "value": "org.example"},
    {"field": "name", "lacks": True},
    {"field": "description", "value": 5},
    {"field": "managers", "lacks": True},
    {"field": "managers", "value": None},
    {"field": "managers", "value": "ann@acme.test"},
    {"field": "apiKeys", "lacks": True},
    {"field": "apiKeys", "value": {}},
]
ODD_KEYS: list[dict[str, Any]] = [
    {"field": "description", "value": 5},
    {"field": "expiresOn", "value": "soon"},
    {"field": "createdOn", "lacks": True},
    {"field": "id", "value": "../keys"},
    {"field": "key", "value": ["x"]},
]
odd_consumers = pytest.mark.parametrize("odd", ODD_CONSUMERS, ids=lambda odd: " ".join(map(str, odd.values())))
odd_keys = pytest.mark.parametrize("odd", ODD_KEYS, ids=lambda odd: " ".join(map(str, odd.values())))
NO_KEYS = (
    "Create your first key",
    "No active keys",
    "Nothing has happened yet",
)


def oddly(sandbox: Sandbox, kind: str, **odd: Any) -> None:
    sandbox.fault("GET", "*", "odd_object", object=kind, times=0, **odd)


def two_consumers(sandbox: Sandbox) -> None:
    """The older one comes last in lists, and so is the odd one."""
    sandbox.add_consumer("zeta", label="Zeta", managers=["ann@acme.test"], created="2020-01-01T00:00:00.000Z")
    acme(sandbox)


def told(response: HttpResponse, log: pytest.LogCaptureFixture, words: str = "1 consumer couldn't be read") -> None:
    """One line, with a reference that is in the log."""
    assert response.status_code == 200
    page = BeautifulSoup(response.content, "html.parser")
    assert words in " ".join(page.get_text(" ").split())
    assert not [text for text in NO_KEYS if text in page.get_text()]
    (reference,) = {one.get_text() for one in page.select(".reference code")}
    assert f"[{reference}] a " in log.text
    assert "could not be read" in log.text
    assert reference == response["X-Request-ID"]


@odd_consumers
def test_a_consumer_that_cannot_be_read_hides_no_other(odd: dict, sandbox: Sandbox, ann_client: Client, log) -> None:
    """G3, C1: on the page, in the history and in its file; and it is shut."""
    two_consumers(sandbox)
    oddly(sandbox, "consumer", **odd)
    for url in ("/keys/", "/keys/activity/production/", "/keys/?find=CI", "/keys/?find=nothing"):
        log.clear()
        response = ann_client.get(url)
        told(response, log)
        assert "zeta" not in response.text
    page = BeautifulSoup(ann_client.get("/keys/").text, "html.parser")
    assert [one["data-consumer"] for one in page.select("[data-consumer]")] == ["acme"]
    rows = list(csv.reader(io.StringIO(ann_client.get("/keys/activity/production.csv").getvalue().decode())))
    assert "NOT COMPLETE: 1 consumer couldn't be read." in rows[-1][0]
    sandbox.clear_journal()
    for path in ("create", "rename"):
        form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
        assert ann_client.post(f"/keys/production/zeta/{path}/", form).status_code in {404, 502}
    assert written(sandbox.journal()) == []


@odd_consumers
def test_whose_only_consumer_cannot_be_read_is_no_newcomer(
    odd: dict, sandbox: Sandbox, ann_client: Client, log
) -> None:
    """G5, G6: a second consumer would be made else."""
    acme(sandbox)
    oddly(sandbox, "consumer", **odd)
    told(ann_client.get("/keys/"), log)
    told(ann_client.get("/keys/activity/production/"), log)
    assert ann_client.get("/keys/create/production/").status_code == 502
    form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
    response = ann_client.post("/keys/create/production/", form)
    assert response.status_code == 502
    assert "Nothing was changed." in response.text
    assert len(sandbox.consumers()) == 1


def test_a_list_without_managers_makes_nobody_a_newcomer(sandbox: Sandbox, ann_client: Client, log) -> None:
    acme(sandbox)
    sandbox.set(listed_managers="absent")
    told(ann_client.get("/keys/"), log)
    form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
    assert ann_client.post("/keys/create/production/", form).status_code == 502
    assert len(sandbox.consumers()) == 1
    # One consumer by itself brings them, so its own verbs work.
    assert ann_client.post("/keys/production/acme/create/", form).status_code == 200


@odd_consumers
def test_an_odd_consumer_of_others_is_nothing_to_a_stranger(
    odd: dict, sandbox: Sandbox, mallory_client: Client
) -> None:
    """C5: neither where the filter has no effect, unless it cannot be judged, nor by its name."""
    acme(sandbox)
    sandbox.fault("GET", "*/consumers", "filter_ignored", times=0)
    body = sandbox.consumer("acme")
    body[odd["field"]] = odd.get("value")
    if odd.get("lacks"):
        del body[odd["field"]]
    sandbox.fault("GET", "*/consumers/acme", "wrong_type", body=body | {"name": "acme"}, times=0)
    for url in ("/keys/production/acme/create/", "/keys/production/absent/create/"):
        assert mallory_client.get(url).status_code == 404
    sandbox.clear_faults()
    sandbox.fault("GET", "*/consumers", "wrong_type", body={"data": [body]}, times=0)
    page = mallory_client.get("/keys/").text
    assert ("couldn't be read" in page) == (odd["field"] == "managers")
    assert "acme" not in page


@odd_keys
def test_a_key_that_cannot_be_read_hides_no_other(
    odd: dict, sandbox: Sandbox, ann_client: Client, sam_client: Client, log
) -> None:
    """G3, C3: on the page and in Django admin; and it is shut, while the other one can be worked with."""
    first, last = acme(sandbox)[::-1]
    oddly(sandbox, "key", **odd)
    for client, url in ((ann_client, "/keys/"), (sam_client, ACME)):
        log.clear()
        response = client.get(url)
        told(response, log, "1 key couldn't be read")
        shown = {row["data-key"] for row in BeautifulSoup(response.text, "html.parser").select("[data-key]")}
        assert len(shown) == 1
        assert shown <= {first["id"], last["id"]}
    hidden = ({first["id"], last["id"]} - shown).pop()
    for word in ("reveal", "copy", "rename", "rotate", "end", "delete"):
        fields = {"label": "Mine", "grace": "1h", "ends_on": in_time(days=1).strftime("%Y-%m-%dT%H:%M")}
        form = fields | {"token": str(uuid.uuid4())}
        assert ann_client.post(f"/keys/production/acme/{hidden}/{word}/", form).status_code in {404, 502}
    assert written(sandbox.journal()) == []
    response = ann_client.post(
        f"/keys/production/acme/{shown.pop()}/rename/", {"label": "Build", "token": uuid.uuid4()}
    )
    assert response.status_code == 303


@odd_keys
def test_a_key_that_cannot_be_read_on_another_page_is_told_there(
    odd: dict, sandbox: Sandbox, ann_client: Client, log
) -> None:
    """Of a long list only what is shown is read in full; what is said of all keys counts no odd one."""
    for number in range(30):  # the oldest comes last in lists, and so is the odd one
        made = f"{2020 + number}-01-01T00:00:00.000Z"
        sandbox.add_consumer(f"team-{50 - number}", managers=["ann@acme.test"], created=made, keys=[{}])
    oddly(sandbox, "key", **odd)
    first = ann_client.get("/keys/")
    assert "29 keys never expire" in first.text
    assert "could not be read" not in log.text
    told(ann_client.get("/keys/?page=2"), log, "1 key couldn't be read")


@odd_keys
def test_not_all_keys_are_rotated_where_one_cannot_be_read(odd: dict, sandbox: Sandbox, ann_client: Client) -> None:
    """Rule 5 of the design: its own end is not known, and by one reading roll-key would move it to a later time."""
    before = acme(sandbox)
    oddly(sandbox, "key", **odd)
    response = ann_client.post("/keys/production/acme/rotate-all/", {"grace": "14d", "token": uuid.uuid4()})
    assert response.status_code == 403
    assert "Nothing was changed." in response.text
    assert sandbox.keys("acme") == before


@odd_keys
def test_a_key_that_cannot_be_read_counts(odd: dict, sandbox: Sandbox, ann_client: Client, settings) -> None:
    """An operator's limit holds."""
    settings.KEYS_PER_CONSUMER = 2
    before = acme(sandbox)
    oddly(sandbox, "key", **odd)
    form = {"label": "New", "ends": "never", "token": uuid.uuid4()}
    assert ann_client.post("/keys/production/acme/create/", form).status_code == 403
    assert sandbox.keys("acme") == before


@pytest.mark.parametrize("verb", CHANGES, ids=by_action)
@odd_keys
def test_a_key_that_can_be_read_no_more_after_a_change_hides_no_other(
    verb: Verb, odd: dict, sandbox: Sandbox, ann_client: Client, log
) -> None:
    """G3: our own change is put onto what the list shows, and the key that it was about is not there."""
    keys = acme(sandbox)
    assert verb.send(ann_client, verb.url(sandbox)).status_code in {200, 303}
    page = BeautifulSoup(ann_client.get("/keys/").text, "html.parser")
    before = {row["data-key"] for row in page.select("[data-key]")}
    for nth in range(1, 4):
        sandbox.clear_faults()
        listed = sandbox.consumer("acme")
        if len(listed["apiKeys"]) < nth:
            break
        entry = listed["apiKeys"][nth - 1]
        listed["apiKeys"][nth - 1] = {**entry, odd["field"]: odd.get("value")}
        sandbox.fault("GET", "*/consumers", "wrong_type", body={"data": [listed]}, times=0)
        log.clear()
        response = ann_client.get("/keys/")
        told(response, log, "1 key couldn't be read")
        shown = {row["data-key"] for row in BeautifulSoup(response.text, "html.parser").select("[data-key]")}
        assert before - shown <= {entry["id"]}
        assert shown <= before
    assert keys


@pytest.mark.parametrize("verb", [verb for verb in CHANGES if verb.name != "rotate-all"], ids=by_action)
@odd_keys
def test_what_cannot_be_read_settles_nothing(verb: Verb, odd: dict, sandbox: Sandbox, ann_client: Client) -> None:
    """G5: after a lost answer, a key that cannot be read any more is neither gone nor made."""
    acme(sandbox)
    url = verb.url(sandbox)
    sandbox.fault(verb.calls[1].partition(" ")[0], "*", "drop")
    sandbox.fault("GET", "*", "odd_object", object="key", nth=2, times=0, **odd)
    response = verb.send(ann_client, url)
    assert response.status_code == 503
    assert "It may or may not have been done." in response.text
    assert not FULL_KEY.search(response.text)


@pytest.mark.parametrize("verb", CHANGES, ids=by_action)
def test_what_cannot_be_read_is_not_said_to_be_undone(verb: Verb, sandbox: Sandbox, ann_client: Client) -> None:
    """G5, H2: neither after two minutes; and it is looked at once, as no later look may tell more."""
    acme(sandbox)
    for method in ("POST", "PATCH", "DELETE"):
        sandbox.fault(method, "*", "drop", times=0)
    verb.send(ann_client, verb.url(sandbox))
    sandbox.clear_faults()
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    oddly(sandbox, "key", field="createdOn", value=5)
    ann_client.get("/keys/")
    assert AuditEvent.objects.get().outcome == Outcome.UNCONFIRMED


def test_a_manager_that_cannot_be_read_grants_nothing(
    sandbox: Sandbox, ann_client: Client, ben_client: Client, sam_client: Client, log
) -> None:
    """C1, C2: whoever can be read gets in, and the other is told that it could not be judged."""
    acme(sandbox)
    sandbox.set_managers("acme", ["ben@acme.test", "ann@acme.test"])  # newest first, so Ben is the last
    oddly(sandbox, "manager", field="email", value=["ben@acme.test"])
    page = ann_client.get("/keys/")
    assert 'data-consumer="acme"' in page.text
    assert "Some people with access couldn't be read." in page.text
    told(ben_client.get("/keys/"), log)
    assert 'data-consumer="acme"' not in ben_client.get("/keys/").text
    key = sandbox.keys("acme")[0]["id"]
    assert ben_client.post(f"/keys/production/acme/{key}/reveal/").status_code == 404
    assert "Some people with access couldn't be read." in sam_client.get(ACME).text


def test_unknown_fields_grant_nothing_and_harm_nothing(
    sandbox: Sandbox, ann_client: Client, make_person, client_of
) -> None:
    """C2: an invitation that was declined, and a number of invitations."""
    acme(sandbox)
    sandbox.set(unknown_fields="present")
    assert 'data-consumer="acme"' in ann_client.get("/keys/").text
    sandbox.fault("GET", "*/consumers", "filter_ignored", times=0)
    stranger = client_of(make_person("declined@acme.test"))
    page = stranger.get("/keys/").text
    assert "Create your first key" in page
    assert "acme" not in page.replace("declined@acme.test", "")
    assert stranger.get("/keys/production/acme/create/").status_code == 404


def test_invitations_that_cannot_be_read_grant_nothing(sandbox: Sandbox, ann_client: Client, ben_client, log) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"], invites=["ben@acme.test"], keys=[{}])
    sandbox.set(invite_field="strings", manager_email="with_invites")
    assert 'data-consumer="acme"' in ann_client.get("/keys/").text
    told(ben_client.get("/keys/"), log)
    assert ben_client.get("/keys/production/acme/create/").status_code == 404


def test_one_object_in_place_of_the_invitations_grants_nothing(
    sandbox: Sandbox, ann_client: Client, ben_client: Client
) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"], invites=["ben@acme.test"], keys=[{}])
    oddly(sandbox, "consumer", field="managerInvites", value={"email": "ben@acme.test"})
    assert 'data-consumer="acme"' in ann_client.get("/keys/").text
    assert 'data-consumer="acme"' not in ben_client.get("/keys/").text
    assert ben_client.get("/keys/production/acme/create/").status_code == 404


# Django admin


@odd_consumers
def test_a_consumer_that_cannot_be_read_hides_no_other_from_colleagues(
    odd: dict, sandbox: Sandbox, sam_client: Client, log
) -> None:
    """G3: in the list, its filters, what is looked through, and the files of it."""
    two_consumers(sandbox)
    oddly(sandbox, "consumer", **odd)
    for url in (LIST, LIST + "?manager=ann@acme.test"):
        log.clear()
        response = sam_client.get(url)
        told(response, log)
        assert "acme" in response.text
    assert "couldn't be read" in sam_client.get(LIST + "?name=zeta").text or odd["field"] == "name"
    for topic, query in TOPICS.items():
        log.clear()
        told(sam_client.get(f"{LIST}look/{topic}/{query or '?'}&from=0"), log)
        rows = sam_client.get(f"{LIST}look/{topic}.csv{query}").getvalue().decode()
        assert "NOT COMPLETE: 1 consumers couldn't be read." in rows
    told(sam_client.post(LIST + "find/", {"value": sandbox.keys("acme")[0]["key"]}), log)


@odd_keys
def test_a_key_that_cannot_be_read_is_missed_in_every_list(
    odd: dict, sandbox: Sandbox, sam_client: Client, log
) -> None:
    """A leaked key that cannot be read is not said to be nobody's."""
    acme(sandbox)
    oddly(sandbox, "key", **odd)
    assert "1 couldn't be read" in sam_client.get(LIST).text
    last = min(sandbox.keys("acme"), key=lambda key: key["createdOn"])
    for topic, query in TOPICS.items():
        log.clear()
        told(sam_client.get(f"{LIST}look/{topic}/{query or '?'}&from=0"), log, "of 1 consumer couldn't be read")
        rows = sam_client.get(f"{LIST}look/{topic}.csv{query}").getvalue().decode()
        assert "NOT COMPLETE: 1 consumers couldn't be read in full." in rows
    found = sam_client.post(LIST + "find/", {"value": last["key"]})
    told(found, log, "of 1 consumer couldn't be read")
    assert "No key in this environment ends with" not in found.text


def test_what_could_not_be_read_is_counted(sandbox: Sandbox, ann_client: Client, client: Client, settings) -> None:
    """For operators: of each kind."""
    settings.METRICS_TOKEN = "figures"

    def counted(kind: str) -> float:
        text = client.get("/metrics", headers={"Authorization": "Bearer figures"}).text
        lines = [
            line for line in text.splitlines() if line.startswith(f'portal_upstream_unreadable_total{{kind="{kind}"')
        ]
        return float(lines[0].rpartition(" ")[2]) if lines else 0

    two_consumers(sandbox)
    for kind, odd in {"consumer": "name", "key": "createdOn", "manager": "email"}.items():
        before = counted(kind)
        oddly(sandbox, kind, field=odd, value=5)
        ann_client.get("/keys/")
        assert counted(kind) == before + 1
        sandbox.clear_faults()
    assert not AuditEvent.objects.exists()
