"""Rate limits on what one person may do in a minute, and the circuit breaker while the Developer API is down."""

import uuid

import pytest
from django.core.cache import cache
from django.test import Client

from keys.models import AuditEvent, Outcome
from keys.zuplo import circuit_breaker
from sandbox import Sandbox
from tests.helpers.verbs import VERBS, Verb, acme, by_action

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("verb", VERBS, ids=by_action)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_more_than_the_limit_has_to_wait(
    verb: Verb, htmx: bool, sandbox: Sandbox, ann_client: Client, ben_client: Client, settings
) -> None:
    """Said in words with the time to wait; nothing is asked upstream; others are not held up."""
    settings.KEYS_REVEALS_PER_MINUTE = settings.KEYS_CHANGES_PER_MINUTE = 2
    acme(sandbox)
    url = verb.url(sandbox)
    for _ in range(2):
        verb.send(ann_client, url)
    sandbox.clear_journal()
    response = verb.send(ann_client, url, htmx=htmx)
    if response.status_code != 429:  # a new minute had begun
        verb.send(ann_client, url)
        sandbox.clear_journal()
        response = verb.send(ann_client, url, htmx=htmx)
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    page = response.content.decode()
    assert "Too many requests" in page
    assert f"Try again in {response['Retry-After']} second" in page
    assert sandbox.journal() == []
    assert AuditEvent.objects.first().outcome == Outcome.REFUSED
    assert verb.send(ben_client, url).status_code != 429


def test_looking_is_not_limited(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_REVEALS_PER_MINUTE = settings.KEYS_CHANGES_PER_MINUTE = 1
    acme(sandbox)
    assert {ann_client.get("/keys/").status_code for _ in range(5)} == {200}


def test_a_form_sent_again_is_not_counted(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_CHANGES_PER_MINUTE = 1
    acme(sandbox)
    form = {"label": "New", "ends": "never", "token": str(uuid.uuid4())}
    statuses = {ann_client.post("/keys/production/acme/create/", form).status_code for _ in range(3)}
    assert statuses == {200}


def down(sandbox: Sandbox, client: Client) -> None:
    """Let the breaker see as many failures as it takes."""
    sandbox.fault("*", "*", "drop", times=0)
    while not cache.get("keys:breaker:open"):
        client.get("/keys/")
    sandbox.clear_journal()


def test_what_is_down_is_not_asked(sandbox: Sandbox, ann_client: Client) -> None:
    """G13: but for one call now and then that looks whether it is up again."""
    acme(sandbox)
    down(sandbox, ann_client)
    responses = [ann_client.get("/keys/") for _ in range(5)]
    assert {response.status_code for response in responses} == {503}
    assert len(sandbox.journal()) <= 2
    assert responses[-1]["Retry-After"] == str(circuit_breaker.PROBE_EVERY)
    assert "respond as expected" in responses[-1].content.decode()


def test_no_write_is_sent_while_it_is_down(sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    down(sandbox, ann_client)
    for verb in VERBS:
        response = verb.send(ann_client, verb.url(sandbox))
        assert "Nothing was changed" in response.content.decode()
    assert sandbox.keys("acme") == before
    assert set(AuditEvent.objects.values_list("outcome", flat=True)) == {Outcome.FAILED}


def test_it_is_asked_again_as_soon_as_it_is_up(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    down(sandbox, ann_client)
    sandbox.clear_faults()
    cache.delete("keys:breaker:probe")  # as after PROBE_EVERY seconds
    assert ann_client.get("/keys/").status_code == 200
    assert ann_client.get("/keys/").status_code == 200
    assert not cache.get("keys:breaker:open")


def test_a_customers_own_trouble_opens_nothing(sandbox: Sandbox, ann_client: Client) -> None:
    """Refusals and odd answers are about one call, not about the whole service."""
    acme(sandbox)
    sandbox.fault("GET", "*", "not_json", times=0)
    for _ in range(10):
        assert ann_client.get("/keys/").status_code == 502
    sandbox.clear_faults()
    sandbox.fault("*", "*", "status", status=404, times=0)
    for _ in range(10):
        ann_client.get("/keys/production/acme/create/")
    sandbox.clear_faults()
    assert ann_client.get("/keys/").status_code == 200
