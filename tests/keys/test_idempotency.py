"""Idempotency: lost answers, forms sent at the same time, and workers that died; nothing twice, nothing guessed."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.access import Actor
from keys.errors import Busy
from keys.models import Action, AuditEvent, Outcome
from keys.service.keyring import KeyRing
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline
from sandbox import Sandbox
from tests.helpers.verbs import CHANGES, FULL_KEY, MAKING, PEOPLE, Verb, acme, by_action, named, new_keys

pytestmark = pytest.mark.django_db
every_change = pytest.mark.parametrize("verb", [*CHANGES, *PEOPLE], ids=by_action)
LOSSES = [("drop", {}), ("status", {"status": 502}), ("status", {"status": 500}), ("not_json", {}), ("truncated", {})]


@every_change
@pytest.mark.parametrize(("kind", "options"), LOSSES, ids=str)
def test_a_lost_answer_is_looked_into(
    verb: Verb, kind: str, options: dict, sandbox: Sandbox, ann_client: Client
) -> None:
    """G5: the work was done, only the answer was lost; the look shows it, and the page says so."""
    before = acme(sandbox)
    for method in ("POST", "PATCH", "DELETE"):
        sandbox.fault(method, "*", kind, when="after", **options)
    response = verb.send(ann_client, verb.url(sandbox))
    after = sandbox.keys("acme")
    assert response.status_code == (200 if verb in MAKING else 303)
    assert verb.done(before, after)
    assert AuditEvent.objects.get().outcome == Outcome.DONE
    if verb in MAKING:
        assert set(FULL_KEY.findall(response.content.decode())) == {key["key"] for key in new_keys(before, after)}


@every_change
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_lost_request_is_not_guessed_about(verb: Verb, htmx: bool, sandbox: Sandbox, ann_client: Client) -> None:
    """G5, G6: not confirmed is said, and the same form never makes it happen later."""
    before = acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    sandbox.fault("POST", "*", "drop")
    sandbox.fault("PATCH", "*", "drop")
    sandbox.fault("DELETE", "*", "drop")
    first = verb.send(ann_client, url, token, htmx)
    assert first.status_code == 503
    page = first.content.decode()
    assert "confirm this change" in page
    assert first["X-Request-ID"] in page
    assert ('<a href="">Reload the page</a>' if htmx else "Back to API Keys") in page
    event = AuditEvent.objects.get()
    assert (event.outcome, event.lock) == (Outcome.UNCONFIRMED, None)
    second = verb.send(ann_client, url, token, htmx)
    assert second.status_code == 503
    assert sandbox.keys("acme") == before
    sandbox.clear_faults()
    assert verb.send(ann_client, url).status_code in {200, 303}
    assert verb.done(before, sandbox.keys("acme"))


@every_change
def test_a_form_whose_change_surely_failed_may_be_sent_again(verb: Verb, sandbox: Sandbox, ann_client: Client) -> None:
    """Nothing typed is lost: the same form does it when the Developer API is back."""
    before = acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    sandbox.fault("GET", "*", "drop", times=2)
    assert verb.send(ann_client, url, token).status_code == 503
    assert verb.send(ann_client, url, token).status_code in {200, 303}
    assert verb.done(before, sandbox.keys("acme"))
    assert sorted(AuditEvent.objects.values_list("outcome", flat=True)) == [Outcome.DONE, Outcome.FAILED]


def test_a_newcomers_lost_answer_is_looked_into(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.fault("POST", "*", "drop", when="after")
    form = {"label": "My app", "ends": "30", "token": str(uuid.uuid4())}
    response = ann_client.post("/keys/create/production/", form)
    (consumer,) = sandbox.consumers()
    assert FULL_KEY.findall(response.content.decode())[0] == consumer["apiKeys"][0]["key"]


def test_a_taken_name_is_nobodys_to_adopt(sandbox: Sandbox, ann_client: Client) -> None:
    """G10: a 409 means that somebody else made that consumer."""
    sandbox.fault("POST", "*/consumers", "status", status=409)
    form = {"label": "My app", "ends": "30", "token": str(uuid.uuid4())}
    response = ann_client.post("/keys/create/production/", form)
    assert response.status_code == 502
    assert "Nothing was changed" in response.content.decode()
    assert [call.method for call in sandbox.journal()] == ["GET", "POST"]


@pytest.mark.django_db(transaction=True)
@every_change
def test_identical_forms_at_once_do_it_once(verb: Verb, sandbox: Sandbox, ann, client_of) -> None:
    """G6: whichever comes first does it, and the others show what it did."""
    before = acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    sandbox.fault("POST", "*", "delay", seconds=0.2)
    clients = [client_of(ann) for _ in range(6)]

    def send(client: Client) -> int:
        try:
            return verb.send(client, url, token).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        statuses = set(pool.map(send, clients))
    assert statuses == {200 if verb in MAKING else 303}
    assert verb.done(before, sandbox.keys("acme"))


@pytest.mark.django_db(transaction=True)
def test_two_people_change_one_after_the_other(sandbox: Sandbox, ann, ben, client_of, settings) -> None:
    """The limit of keys holds although both looked at the same time."""
    settings.KEYS_PER_CONSUMER = 3
    acme(sandbox)
    sandbox.fault("POST", "*", "delay", seconds=0.3)

    def create(person) -> int:
        try:
            form = {"label": f"By {person}", "ends": "never", "token": str(uuid.uuid4())}
            return client_of(person).post("/keys/production/acme/create/", form).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(create, [ann, ben])) == [200, 403]
    assert len(sandbox.keys("acme")) == 3


@pytest.mark.parametrize(
    ("who", "place"),
    [("ann_client", "/keys/production/acme/"), ("sam_client", "/admin/keys/consumer/production/acme/")],
)
def test_what_fails_is_on_record_though_each_request_is_a_transaction(
    who: str, place: str, sandbox: Sandbox, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in host projects with ATOMIC_REQUESTS: a record that is rolled back would let the form make a second key."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    acme(sandbox)
    client, form = request.getfixturevalue(who), {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
    sandbox.fault("POST", "*/keys", "drop", when="after")
    sandbox.fault("GET", "*", "drop", nth=2, times=0)
    assert client.post(f"{place}create/", form).status_code == 503
    assert AuditEvent.objects.get().outcome == Outcome.UNCONFIRMED
    sandbox.clear_faults()
    client.post(f"{place}create/", form)
    assert len(named(sandbox.keys("acme"), "New")) == 1


def started(ann, seconds_ago: int) -> AuditEvent:
    return AuditEvent.objects.create(
        user=ann,
        email="ann@acme.test",
        action=Action.CREATE,
        environment="production",
        consumer="acme",
        lock="production/acme",
        token=uuid.uuid4(),
        started_at=timezone.now() - timedelta(seconds=seconds_ago),
    )


def test_a_change_under_way_makes_others_wait(sandbox: Sandbox, ann, ann_client: Client) -> None:
    before = acme(sandbox)
    started(ann, seconds_ago=1)
    (verb,) = [verb for verb in CHANGES if verb.action == Action.DELETE]
    response = verb.send(ann_client, verb.url(sandbox))
    assert response.status_code == 409
    assert "Another change is in progress" in response.content.decode()
    assert sandbox.keys("acme") == before


def test_a_stranger_learns_nothing_of_locks(sandbox: Sandbox, ann, mallory_client: Client) -> None:
    """C5: while a change is under way too, what is not one's own looks absent; and nobody is held up by strangers."""
    acme(sandbox)
    started(ann, seconds_ago=1)
    for verb in CHANGES:
        assert verb.send(mallory_client, verb.url(sandbox)).status_code == 404
    assert not AuditEvent.objects.filter(lock__isnull=False).exclude(user=ann).exists()


def test_the_same_form_with_other_words_is_another_one(sandbox: Sandbox, ann_client: Client) -> None:
    """As after Back: nobody is told that something was done which was not."""
    acme(sandbox)
    token = str(uuid.uuid4())
    for label in ("One", "Two"):
        ann_client.post("/keys/production/acme/rename/", {"label": label, "token": token})
        assert sandbox.consumer("acme")["description"] == label
    (verb,) = [verb for verb in CHANGES if verb.action == Action.DELETE]
    assert verb.send(ann_client, verb.url(sandbox), token).status_code == 303
    assert named(sandbox.keys("acme"), "CI") == []


@every_change
def test_a_form_whose_worker_died_is_not_waited_for(verb: Verb, sandbox: Sandbox, ann_client: Client) -> None:
    """H6, G5: by reload nobody is told for ever that it is still being done."""
    acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    verb.send(ann_client, url, token)
    after = sandbox.keys("acme")
    begun = timezone.now() - timedelta(seconds=60)
    AuditEvent.objects.update(outcome=Outcome.STARTED, ended_at=None, lock="production/acme", started_at=begun)
    again = verb.send(ann_client, url, token)
    assert again.status_code == 503
    assert "may or may not have been done" in again.text
    assert sandbox.keys("acme") == after


def test_waiting_for_others_ends_with_the_page(sandbox: Sandbox, ann) -> None:
    """G1: what the gate took is not left for the lock."""
    acme(sandbox)
    started(ann, seconds_ago=1)
    deadline = Deadline(0.8)
    ring = KeyRing(
        Actor(ann.pk, ("ann@acme.test",), proved_at=timezone.now()),
        "production",
        DeveloperAPI(sandbox.bucket, deadline),
    )
    with pytest.raises(Busy):
        ring.rename_consumer("acme", label="Acme Ltd", token=uuid.uuid4())
    assert deadline.left() > -1


def test_a_worker_that_died_blocks_nobody(sandbox: Sandbox, ann, ann_client: Client) -> None:
    """H6: what it began is said to be unconfirmed."""
    acme(sandbox)
    event = started(ann, seconds_ago=60)
    (verb,) = [verb for verb in CHANGES if verb.action == Action.DELETE]
    assert verb.send(ann_client, verb.url(sandbox)).status_code == 303
    event.refresh_from_db()
    assert (event.outcome, event.lock) == (Outcome.UNCONFIRMED, None)
    assert named(sandbox.keys("acme"), "CI") == []
