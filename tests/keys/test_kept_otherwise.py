"""A service that keeps another label or time than it was sent: what was done is recognised, shown, and done once."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome
from keys.times import written as in_words
from keys.tolerance import composed
from sandbox import Sandbox
from tests.helpers.invariants import (
    EVERY_VERB,
    ROTATING,
    FirstKey,
    Said,
    said,
    shown_keys,
    titled,
    words,
    world,
    written,
)
from tests.helpers.staff import ACME
from tests.helpers.verbs import Verb, acme, in_time, new_keys

pytestmark = pytest.mark.django_db

LABEL = "Bu\u0308ro am Rhein"  # a letter in two parts, and more than ten characters
READINGS = [
    {"kept_labels": "composed"},
    {"kept_labels": "trimmed"},
    {"kept_ends": "minutes"},
    {"kept_ends": "days"},
    {"kept_labels": "trimmed", "kept_ends": "days"},
]
LOST = [None, ("drop", {"when": "after"}), ("status", {"status": 408, "when": "after"})]
CHANGES = [
    replace(verb, fields={name: LABEL if name == "label" else value for name, value in verb.fields.items()})
    for verb in EVERY_VERB
    if not verb.reads
]
every_change = pytest.mark.parametrize("verb", CHANGES, ids=titled)
every_reading = pytest.mark.parametrize("reading", READINGS, ids=lambda one: " ".join(one.values()))


@every_change
@every_reading
@pytest.mark.parametrize("lost", LOST, ids=str)
def test_what_is_kept_otherwise_is_done_once(
    verb: Verb, reading: dict, lost: tuple | None, sandbox: Sandbox, ann_client: Client, mallory_client: Client, count
) -> None:
    """G5, G6, G7: whether the answer comes or not, the new key is shown, and the same form makes no second one."""
    acme(sandbox)
    sandbox.set(**reading)
    before, token, url = world(sandbox), str(uuid.uuid4()), verb.url(sandbox)
    if lost:
        kind, options = lost
        for method in ("POST", "PATCH", "DELETE"):
            sandbox.fault(method, "*", kind, **options)
    client = mallory_client if isinstance(verb, FirstKey) else ann_client
    response = verb.send(client, url, token)
    after = world(sandbox)
    assert said(response) == Said.DONE
    made = new_keys(before.keys, after.keys)
    assert shown_keys(response) == {key["key"] for key in made}
    assert len(made) == (verb.name in {"create", "rotate", "rotate-all"})
    assert AuditEvent.objects.get().outcome == Outcome.DONE
    sandbox.clear_faults()
    sandbox.clear_journal()
    assert said(verb.send(client, url, token)) == Said.DONE
    assert written(sandbox.journal()) == []
    count["kept otherwise"] += 1


@every_change
@every_reading
def test_what_is_kept_otherwise_is_settled_as_done(
    verb: Verb, reading: dict, sandbox: Sandbox, ann_client: Client, mallory_client: Client
) -> None:
    """G5, H2: by a later look, when neither the answer nor the look at once was to be had."""
    acme(sandbox)
    sandbox.set(**reading)
    sandbox.fault("GET", "*", "drop", nth=2, times=0)
    for method in ("POST", "PATCH", "DELETE"):
        sandbox.fault(method, "*", "drop", when="after")
    client = mallory_client if isinstance(verb, FirstKey) else ann_client
    assert said(verb.send(client, verb.url(sandbox))) == Said.UNKNOWN
    sandbox.clear_faults()
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    client.get("/keys/")
    # Of a rotation only its first write was done.
    expected = Outcome.PARTLY if verb.name.startswith("rotate") else Outcome.DONE
    assert AuditEvent.objects.get().outcome == expected


@pytest.mark.parametrize("label", ["ci", "CI and more"])
def test_a_label_that_is_nearly_the_old_one_is_not_taken_for_changed(
    label: str, sandbox: Sandbox, ann_client: Client
) -> None:
    """G5: the label that was there before says nothing of a change."""
    long = "CI and more of it"
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}, {"description": long}])
    for key, wanted in zip(sandbox.keys("acme"), (label, long + " all"), strict=True):
        sandbox.fault("PATCH", "*", "drop")
        form = {"label": wanted, "token": str(uuid.uuid4())}
        response = ann_client.post(f"/keys/production/acme/{key['id']}/rename/", form)
        assert said(response) == Said.UNKNOWN


def test_an_end_that_was_near_already_is_not_taken_for_changed(sandbox: Sandbox, ann_client: Client) -> None:
    """G5, G7: the old key goes on until its own end, which is not the one that was wanted."""
    ends = in_time(hours=20).isoformat()
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI", "expiresOn": ends}])
    url = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/"
    sandbox.fault("PATCH", "*", "drop", times=0)
    response = ann_client.post(url + "rotate/", {"grace": "1h", "token": str(uuid.uuid4())})
    assert said(response) == Said.HALF
    form = {"ends_on": in_time(hours=1).strftime("%Y-%m-%dT%H:%M"), "token": str(uuid.uuid4())}
    assert said(ann_client.post(url + "end/", form)) == Said.UNKNOWN


NOW = [verb for verb in EVERY_VERB if verb.action in ROTATING] + [
    replace(verb, fields={"ends_on": f"{in_time(minutes=-1):%Y-%m-%dT%H:%M}", "grace": "now"})
    for verb in EVERY_VERB
    if verb.action == Action.CHANGE_END
]


@pytest.mark.parametrize("verb", NOW, ids=titled)
@pytest.mark.parametrize("lost", [None, "answer", "look"])
def test_a_key_that_goes_on_until_midnight_is_not_said_to_have_ended(
    verb: Verb, lost: str | None, sandbox: Sandbox, ann_client: Client
) -> None:
    """G5, H2: in the answer, on the page, in the history, its file and the mails stands the end that was kept."""
    acme(sandbox)
    sandbox.set(kept_ends="days")
    if lost:
        sandbox.fault("PATCH", "*", "drop", when="after", times=0)
    if lost == "look":
        sandbox.fault("GET", "*/consumers/acme", "drop", nth=2, times=0)
    response = verb.send(ann_client, verb.url(sandbox))
    assert said(response) == (
        Said.DONE if lost != "look" else Said.UNKNOWN if verb.action == Action.CHANGE_END else Said.HALF
    )
    sandbox.clear_faults()
    cache.clear()
    midnight = datetime.fromisoformat(sandbox.keys("acme")[0]["expiresOn"])
    assert midnight > in_time()
    event = AuditEvent.objects.get()
    for text in (words(response), words(ann_client.get("/keys/"))):
        assert "has expired" not in text
    if lost == "look" and verb.action in ROTATING:
        return  # what is left to be finished is told by the next test
    mails = " ".join(message.body for message in mail.outbox)
    assert mails
    assert "The gateway refuses" not in mails
    event.refresh_from_db()
    kept = event.facts["ends"] if verb.action == Action.CHANGE_END else max(event.facts["old"].values())
    assert datetime.fromisoformat(kept) == midnight
    assert in_words(midnight) in words(ann_client.get("/keys/activity/production/"))
    if verb.action != Action.ROTATE_ALL:
        assert in_words(midnight) in mails


@pytest.mark.parametrize("verb", [verb for verb in NOW if verb.action in ROTATING], ids=titled)
def test_a_rotation_of_which_ends_were_kept_otherwise_can_be_finished(
    verb: Verb, sandbox: Sandbox, ann_client: Client
) -> None:
    """G7: what was rounded is rounded to the same end again, and that is done."""
    acme(sandbox)
    sandbox.set(kept_ends="days")
    sandbox.fault("PATCH", "*", "drop", when="after", times=0)
    sandbox.fault("GET", "*/consumers/acme", "drop", nth=2, times=0)
    half = verb.send(ann_client, verb.url(sandbox))
    assert said(half) == Said.HALF
    sandbox.clear_faults()
    for offer in BeautifulSoup(half.text, "html.parser").select('form[data-tone="warn"]'):
        fields = {field["name"]: field["value"] for field in offer.select("input[name]")}
        for _ in range(2):
            assert said(ann_client.post(offer["action"], fields)) == Said.DONE


def test_a_key_that_ends_tonight_is_rotated_wholly(sandbox: Sandbox, ann_client: Client) -> None:
    """G7: its end stays, as the service keeps no earlier one."""
    ends = in_time(days=1).replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI", "expiresOn": ends}])
    sandbox.set(kept_ends="days")
    url, token = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/rotate/", str(uuid.uuid4())
    for _ in range(2):
        assert said(ann_client.post(url, {"grace": "now", "token": token})) == Said.DONE
    assert AuditEvent.objects.get(action=Action.ROTATE).outcome == Outcome.DONE
    assert len(sandbox.keys("acme")) == 2


def test_details_that_are_kept_otherwise_are_changed(sandbox: Sandbox, sam_client: Client) -> None:
    """For colleagues: label, tags and metadata, and the same form sent again."""
    acme(sandbox)
    sandbox.set(kept_labels="composed")
    seen = sam_client.get(ACME + "change/").text.partition('name="seen" value="')[2].partition('"')[0]
    fields = {"label": LABEL, "tags": "org=acme", "metadata": "{}", "seen": seen, "token": str(uuid.uuid4())}
    for _ in range(2):
        assert sam_client.post(ACME + "change/", fields).status_code == 303
    assert sandbox.consumer("acme")["description"] == composed(LABEL)
    assert AuditEvent.objects.get().outcome == Outcome.DONE
