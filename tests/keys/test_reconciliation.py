"""Reconciliation and read-your-writes: unconfirmed changes are settled later, and lists that lag hide nothing."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.audit.notifications import TOLD
from keys.models import READS, Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.staff import ACME, manager_id
from tests.helpers.verbs import CHANGES, FULL_KEY, MAKING, Verb, acme, by_action, done_words, new_keys

pytestmark = pytest.mark.django_db
every_change = pytest.mark.parametrize("verb", CHANGES, ids=by_action)


def died(sandbox: Sandbox, client: Client, verb: Verb, *, done: bool, age: int = 300) -> AuditEvent:
    """A change whose worker died while the Developer API was at work on it."""
    sandbox.fault("GET", "*", "drop", nth=2, times=0)
    for method in ("POST", "PATCH", "DELETE"):
        sandbox.fault(method, "*", "drop", when="after" if done else "before", times=1)
    verb.send(client, verb.url(sandbox))
    sandbox.clear_faults()
    event = AuditEvent.objects.get()
    assert event.outcome == Outcome.UNCONFIRMED
    started = timezone.now() - timedelta(seconds=age)
    AuditEvent.objects.update(outcome=Outcome.STARTED, lock="production/acme", started_at=started, ended_at=None)
    return event


def settle() -> str:
    out = StringIO()
    call_command("settle", stdout=out, stderr=out)
    return out.getvalue()


@every_change
@pytest.mark.parametrize("look", ["page", "command"])
def test_what_was_done_is_found_done(verb: Verb, look: str, sandbox: Sandbox, ann_client: Client) -> None:
    """H2, H6: the intent was stored before the call, so that a crash leaves nothing unexplained."""
    acme(sandbox)
    event = died(sandbox, ann_client, verb, done=True)
    if look == "page":
        assert ann_client.get("/keys/").status_code == 200
    else:
        settle()
    event.refresh_from_db()
    # Of a rotation only its first write was done.
    expected = Outcome.PARTLY if verb.action in {Action.ROTATE, Action.ROTATE_ALL} else Outcome.DONE
    assert (event.outcome, event.lock) == (expected, None)
    assert event.ended_at is not None
    if verb in MAKING:
        assert event.facts["new"] in {key["id"] for key in sandbox.keys("acme")}


@pytest.mark.parametrize("verb", [verb for verb in CHANGES if verb.action in TOLD], ids=by_action)
@pytest.mark.parametrize("look", ["page", "command"])
def test_managers_are_told_of_what_is_found_done(verb: Verb, look: str, sandbox: Sandbox, ann_client: Client) -> None:
    """H3: once, though later than usual."""
    acme(sandbox)
    died(sandbox, ann_client, verb, done=True)
    assert mail.outbox == []
    for _ in range(2):
        assert ann_client.get("/keys/").status_code == 200 if look == "page" else settle()
    assert sorted(message.to for message in mail.outbox) == [["ann@acme.test"], ["ben@acme.test"]]
    assert done_words(verb.action) in mail.outbox[0].subject
    assert "ann@acme.test" in mail.outbox[0].body
    assert not FULL_KEY.search(mail.outbox[0].body)


@every_change
def test_what_was_not_done_is_found_not_done_in_time(verb: Verb, sandbox: Sandbox, ann_client: Client) -> None:
    """G5: not before it is sure, as the write might still come."""
    acme(sandbox)
    event = died(sandbox, ann_client, verb, done=False, age=60)
    ann_client.get("/keys/")
    event.refresh_from_db()
    assert event.outcome == Outcome.UNCONFIRMED
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    assert settle().strip() == "1 not done"
    event.refresh_from_db()
    assert event.outcome == Outcome.FAILED
    assert settle().strip() == "Nothing to settle."


def test_a_newcomers_consumer_is_found(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.fault("GET", "*/consumers/*", "drop", times=0)
    sandbox.fault("POST", "*", "drop", when="after")
    form = {"label": "My app", "ends": "30", "token": str(uuid.uuid4())}
    assert ann_client.post("/keys/create/production/", form).status_code == 503
    sandbox.clear_faults()
    assert settle().strip() == "1 done"
    event = AuditEvent.objects.get()
    assert event.key_id == sandbox.consumers()[0]["apiKeys"][0]["id"]


def test_a_look_at_one_consumer_settles_nothing_of_another(sandbox: Sandbox, ann_client: Client) -> None:
    """G5: that the newcomer's own consumer was not looked at does not mean that nothing was done there."""
    form = {"label": "My app", "ends": "30", "token": str(uuid.uuid4())}
    ann_client.post("/keys/create/production/", form)
    (own,) = sandbox.consumers()
    acme(sandbox)
    sandbox.fault("GET", "*", "drop", nth=2, times=0)
    sandbox.fault("POST", "*", "drop", when="after")
    again = form | {"label": "Second", "token": str(uuid.uuid4())}
    assert ann_client.post(f"/keys/production/{own['name']}/create/", again).status_code == 503
    sandbox.clear_faults()
    lost = AuditEvent.objects.filter(outcome=Outcome.UNCONFIRMED)
    lost.update(started_at=timezone.now() - timedelta(minutes=3))
    event = lost.get()
    assert ann_client.get("/keys/production/acme/create/").status_code == 200
    event.refresh_from_db()
    assert event.outcome == Outcome.UNCONFIRMED
    ann_client.get("/keys/")
    event.refresh_from_db()
    assert event.outcome == Outcome.DONE


def test_what_no_look_can_settle_is_looked_at_once(sandbox: Sandbox, sam, ann_client: Client) -> None:
    """H2: the log keeps when it was closed, and the figure of what is unsettled goes back to nothing."""
    acme(sandbox)
    AuditEvent.objects.create(
        action=Action.CREATE_CONSUMER,
        environment="production",
        consumer="acme",
        user=sam,
        email="sam@portal.test",
        facts={"title": "Another label", "managers": ["ann@acme.test"]},
        started_at=timezone.now() - timedelta(minutes=5),
    )
    closed = set()
    for _ in range(2):
        ann_client.get("/keys/")
        event = AuditEvent.objects.get()
        assert event.outcome == Outcome.UNCONFIRMED
        closed.add(event.ended_at)
    assert len(closed) == 1
    assert None not in closed
    assert settle().strip() == "Nothing to settle."


def test_a_list_of_ones_own_settles_nothing_of_what_is_not_ones_own_any_more(
    sandbox: Sandbox, ann_client: Client
) -> None:
    """G5: it may have been done before a colleague took the consumer away."""
    sandbox.fault("POST", "*", "drop", when="after")
    sandbox.fault("GET", "*/consumers/*", "drop", times=0)
    form = {"label": "My app", "ends": "30", "token": str(uuid.uuid4())}
    assert ann_client.post("/keys/create/production/", form).status_code == 503
    sandbox.clear_faults()
    (own,) = sandbox.consumers()
    sandbox.set_managers(own["name"], ["ben@acme.test"])
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    ann_client.get("/keys/")
    assert AuditEvent.objects.get().outcome == Outcome.UNCONFIRMED
    assert settle().strip() == "1 done"


@pytest.mark.parametrize("action", [action for action in Action if action not in READS])
def test_a_worker_that_died_before_it_noted_anything_breaks_no_page(
    action: Action, sandbox: Sandbox, ann, ann_client: Client
) -> None:
    """H6: killed while it asked who may: nothing was done."""
    acme(sandbox)
    minutes = timedelta(minutes=5)
    AuditEvent.objects.create(
        action=action,
        environment="production",
        consumer="acme",
        key_id=sandbox.keys("acme")[0]["id"],
        user=ann,
        email="ann@acme.test",
        started_at=timezone.now() - minutes,
    )
    assert ann_client.get("/keys/").status_code == 200
    assert AuditEvent.objects.get().outcome == Outcome.FAILED


def test_a_key_that_others_deleted_settles_no_deletion_that_never_began(
    sandbox: Sandbox, ann, ann_client: Client
) -> None:
    """H2: killed while it asked who may; the key went another way."""
    acme(sandbox)
    AuditEvent.objects.create(
        action=Action.DELETE,
        environment="production",
        consumer="acme",
        key_id="key_gone",
        user=ann,
        email="ann@acme.test",
        started_at=timezone.now() - timedelta(minutes=5),
    )
    assert settle().strip() == "1 not done"
    assert mail.outbox == []


def test_a_reveal_that_died_stays_unconfirmed(sandbox: Sandbox, ann_client: Client) -> None:
    """It is on record that the key may have been seen."""
    acme(sandbox)
    for action in READS:
        AuditEvent.objects.create(
            action=action,
            environment="production",
            consumer="acme",
            email="ann@acme.test",
            started_at=timezone.now() - timedelta(minutes=5),
        )
    assert settle().strip() == f"{len(READS)} not confirmed"
    assert settle().strip() == "Nothing to settle."


@pytest.mark.parametrize("verb", MAKING, ids=by_action)
@pytest.mark.parametrize("look", ["page", "command"])
def test_a_key_that_another_form_made_settles_nothing(
    verb: Verb, look: str, sandbox: Sandbox, ann_client: Client
) -> None:
    """G5, H2: whoever tries again with a new form wants the same; one key does not make two changes done."""
    acme(sandbox)
    url, lost = verb.url(sandbox), replace(verb, fields=verb.fields | {"ends": "never"})
    sandbox.fault("POST", "*", "drop", times=1)
    assert lost.send(ann_client, url).status_code == 503
    assert lost.send(ann_client, url).status_code == 200
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    assert ann_client.get("/keys/").status_code == 200 if look == "page" else settle()
    first, second = AuditEvent.objects.order_by("pk")
    assert (first.outcome, "new" in first.facts) == (Outcome.FAILED, False)
    assert second.outcome == Outcome.DONE


def test_nothing_is_settled_while_somebody_is_making_a_key(sandbox: Sandbox, ann, ann_client: Client) -> None:
    """G5: the key that shows may be theirs, who have not noted it yet."""
    acme(sandbox)
    create = next(verb for verb in MAKING if verb.action == Action.CREATE)
    event = died(sandbox, ann_client, create, done=True)
    AuditEvent.objects.update(lock=None)
    other = {"action": Action.CREATE, "environment": "production", "consumer": "acme", "email": "ann@acme.test"}
    under_way = AuditEvent.objects.create(user=ann, lock="production/acme", **other)
    ann_client.get("/keys/")
    assert settle().strip() == "1 not looked at"
    event.refresh_from_db()
    assert event.outcome == Outcome.STARTED
    under_way.delete()
    assert settle().strip() == "1 done"


def test_settling_waits_for_an_answer(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    (verb,) = [verb for verb in CHANGES if verb.action == Action.DELETE]
    event = died(sandbox, ann_client, verb, done=True)
    sandbox.fault("GET", "*", "drop", times=0)
    assert "1 not looked at" in settle()
    event.refresh_from_db()
    assert event.outcome == Outcome.STARTED


@every_change
def test_a_change_shows_at_once_although_lists_lag(verb: Verb, sandbox: Sandbox, ann_client: Client) -> None:
    """G11: the page after a change is right, and the key just made can be worked with."""
    before = acme(sandbox)
    sandbox.fault("GET", "*/consumers", "stale", times=0)
    sandbox.fault("GET", "*/consumers/acme", "stale", times=0)
    verb.send(ann_client, verb.url(sandbox))
    after = sandbox.keys("acme")
    assert verb.done(before, after)
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    rows = {row["data-key"]: " ".join(row.get_text(" ").split()) for row in page.select("[data-key]")}
    assert set(rows) == {key["id"] for key in after}
    for key in after:
        assert (key["description"] or "Unnamed key") in rows[key["id"]]
        assert key["key"][-4:] in rows[key["id"]]
        ends = f"{datetime.fromisoformat(key['expiresOn']):%d %b %Y}" if key["expiresOn"] else "No expiry"
        assert ends.lstrip("0") in rows[key["id"]]
    if verb.action == Action.RENAME_CONSUMER:
        assert page.select_one("[data-consumer=acme] h2").get_text() == "Acme Ltd"
    for key in new_keys(before, after):
        response = ann_client.post(f"/keys/production/acme/{key['id']}/reveal/")
        assert FULL_KEY.findall(response.content.decode())[0] == key["key"]


def test_a_newcomers_consumer_shows_at_once_although_lists_lag(sandbox: Sandbox, ann_client: Client) -> None:
    """Else a second consumer would be made."""
    sandbox.fault("GET", "*", "stale", times=0)
    form = {"label": "My app", "ends": "30", "token": str(uuid.uuid4())}
    ann_client.post("/keys/create/production/", form)
    (consumer,) = sandbox.consumers()
    page = ann_client.get("/keys/").content.decode()
    assert f'data-consumer="{consumer["name"]}"' in page
    assert f'data-key="{consumer["apiKeys"][0]["id"]}"' in page
    again = ann_client.post("/keys/create/production/", form | {"token": str(uuid.uuid4())})
    assert again.status_code == 403
    assert len(sandbox.consumers()) == 1


@pytest.mark.parametrize("how", ["deleted", "removed"])
def test_a_newcomers_consumer_shows_although_lists_still_have_another(
    how: str, sandbox: Sandbox, sam_client, ben, client_of
) -> None:
    """G11, G6: what a colleague has just taken away keeps nobody's own from sight."""
    acme(sandbox)
    client, made_before = client_of(ben), len(sandbox.consumers())
    sandbox.fault("GET", "*/consumers", "stale", times=0, seconds=60)
    take_away(how, ACME, sam_client, manager_id(sandbox))
    form = {"label": "My app", "ends": "30", "token": str(uuid.uuid4())}
    assert client.post("/keys/create/production/", form).status_code == 200
    assert "My app" in client.get("/keys/").text
    assert client.post("/keys/create/production/", form | {"token": str(uuid.uuid4())}).status_code == 403
    assert len(sandbox.consumers()) == made_before + (how == "removed")


@pytest.mark.parametrize("how", ["deleted", "removed"])
def test_a_newcomers_consumer_that_a_colleague_takes_away_is_gone_at_once(
    how: str, sandbox: Sandbox, sam_client, ben, client_of
) -> None:
    """C6"""
    client = client_of(ben)
    client.post("/keys/create/production/", {"label": "My app", "ends": "30", "token": str(uuid.uuid4())})
    (made,) = sandbox.consumers()
    take_away(how, f"/admin/keys/consumer/production/{made['name']}/", sam_client, made["managers"][0]["id"])
    assert "My app" not in client.get("/keys/").text
    again = {"label": "Another", "ends": "30", "token": str(uuid.uuid4())}
    assert client.post("/keys/create/production/", again).status_code == 200


def take_away(how: str, url: str, client: Client, manager: str) -> None:
    name = url.rstrip("/").rpartition("/")[2]
    path, fields = ("delete/", {"typed": name}) if how == "deleted" else (f"managers/{manager}/remove/", {})
    assert client.post(url + path, fields | {"token": str(uuid.uuid4())}).status_code == 303


def test_a_change_of_others_is_not_covered_up_for_long(sandbox: Sandbox, ann_client: Client) -> None:
    """After a minute the Developer API alone is believed."""
    acme(sandbox)
    (verb,) = [verb for verb in CHANGES if verb.action == Action.RENAME]
    verb.send(ann_client, verb.url(sandbox))
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=2))
    sandbox.remove_consumer("acme")
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "Made elsewhere"}])
    page = ann_client.get("/keys/").content.decode()
    assert "Made elsewhere" in page
    assert "Build" not in page


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by what the tables hold; these are empty")
def test_a_look_passes_no_reveals_and_no_old_changes(sandbox: Sandbox, ann_client: Client) -> None:
    """However many there are: one question, answered by the indexes of what is recent."""
    acme(sandbox)
    with CaptureQueriesContext(connection) as queries:
        ann_client.get("/keys/")
    (question,) = (query["sql"] for query in queries if '"recency" >=' in query["sql"])
    with connection.cursor() as cursor:
        plan = cursor.execute(f"EXPLAIN QUERY PLAN {question}").fetchall()
    searches = [step for *_, step in plan if step.startswith(("SEARCH", "SCAN"))]
    assert searches == [
        "SEARCH keys_auditevent USING INDEX audit_recent_of_consumer (environment=? AND consumer=? AND recency>?)",
        "SEARCH keys_auditevent USING INDEX audit_recent_of_user (user_id=? AND recency>?)",
    ]


def test_who_was_just_added_is_a_manager_only_while_upstream_says_so(
    sandbox: Sandbox, sam_client, make_person, client_of
) -> None:
    """C1, C6: that a colleague added somebody a moment ago lets nobody in who was removed elsewhere since."""
    acme(sandbox)
    zoe = client_of(make_person("zoe@acme.test"))
    sam_client.post(ACME + "managers/add/", {"email": "zoe@acme.test", "token": uuid.uuid4()})
    url = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/reveal/"
    assert zoe.post(url).status_code == 200
    sandbox.set_managers("acme", ["ann@acme.test"])
    assert zoe.post(url).status_code == 404
    assert "acme" not in zoe.get("/keys/").text.replace("zoe@acme.test", "")


def test_who_was_just_removed_sees_nothing_although_lists_lag(sandbox: Sandbox, sam_client, ben, client_of) -> None:
    """C6, G11: neither on the page nor by a verb, nor in the history."""
    acme(sandbox)
    client, key = client_of(ben), sandbox.keys("acme")[0]["id"]
    for path in ("*/consumers", "*/consumers/acme"):
        sandbox.fault("GET", path, "stale", times=0)
    sam_client.post(f"{ACME}managers/{manager_id(sandbox)}/remove/", {"token": uuid.uuid4()})
    assert 'data-consumer="acme"' not in client.get("/keys/").text
    assert client.post(f"/keys/production/acme/{key}/reveal/").status_code == 404
    assert client.get("/keys/activity/production/?consumer=acme").status_code == 404
