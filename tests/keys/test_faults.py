"""Every fault of the Developer API, at every call of every verb, as a page and as a fragment."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client

from keys.errors import OutcomeUnknown
from keys.models import Action, AuditEvent
from keys.service import confirmed_writes
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline
from sandbox import Sandbox
from sandbox.faults import KINDS
from tests.helpers.faults import NIGHTLY, OF_A_READ, OF_A_WRITE, Trouble, forget
from tests.helpers.invariants import (
    EVERY_VERB,
    FIRST_KEY,
    ROTATING,
    Said,
    World,
    a_key_works_throughout,
    agrees,
    audit_agrees,
    explains,
    nothing_is_lost,
    part,
    said,
    shown_keys,
    shows,
    titled,
    words,
    works,
    world,
    written,
)
from tests.helpers.verbs import State, Verb, about, acme, in_time, new_keys

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Strike:
    """Where a fault strikes: the nth call of this kind, each time after the answer to the write `lost` was lost."""

    where: str
    call: str
    nth: int = 1
    lost: str = ""

    @property
    def troubles(self) -> list[Trouble]:
        troubles = OF_A_READ if self.call.startswith("GET") else OF_A_WRITE
        # The value of a new key stands in no other answer: if it is another one's, nothing tells.
        return [one for one in troubles if (one.kind, self.call) != ("other_object", "POST consumers/acme/keys")]


def strikes_of(verb: Verb) -> list[Strike]:
    """Each call that the verb makes, and the look after each of its writes, when that got no answer."""
    calls = [Strike(f"call {number}, {call}", call) for number, call in enumerate(verb.calls, 1)]
    writes = [call for call in verb.calls if not call.startswith("GET") and "roll-key" not in call]
    if verb is FIRST_KEY:
        return [*calls, Strike("the look", "GET consumers/*", lost=writes[0])]
    return calls + [Strike(f"the look after {call}", verb.calls[0], nth=2, lost=call) for call in writes]


CELLS = [(verb, strike) for verb in EVERY_VERB for strike in strikes_of(verb)]


def test_every_kind_of_fault_is_in_the_table() -> None:
    assert {trouble.kind for trouble in OF_A_WRITE} == set(KINDS)


@pytest.fixture(autouse=True)
def unlimited(settings) -> None:
    settings.KEYS_REVEALS_PER_MINUTE = settings.KEYS_CHANGES_PER_MINUTE = 10_000


@pytest.mark.parametrize(("verb", "strike"), CELLS, ids=[f"{titled(verb)}, {strike.where}" for verb, strike in CELLS])
def test_whatever_strikes_it_is_told_truly(
    verb: Verb, strike: Strike, sandbox: Sandbox, ann_client: Client, mallory_client: Client, log, subtests, count
) -> None:
    """C1, C4, G3 to G7, H1, H2: by day page and fragment take turns, and so do the faults of the look."""
    client = mallory_client if verb is FIRST_KEY else ann_client
    turn = EVERY_VERB.index(verb)
    for number, trouble in enumerate(strike.troubles, turn):
        if strike.lost and number % 3 and not NIGHTLY:
            continue
        for htmx in (False, True) if NIGHTLY else (number % 2 == 0,):
            with subtests.test(fault=str(trouble), htmx=htmx):
                forget(sandbox)
                log.clear()
                hold(verb, strike, trouble, htmx, sandbox, client, log)
                count["faults x verbs"] += 1


def hold(verb: Verb, strike: Strike, trouble: Trouble, htmx: bool, sandbox: Sandbox, client: Client, log) -> None:
    """One cell: the form is sent under the fault, and the same form again when the fault is over."""
    acme(sandbox)
    before, url, token = world(sandbox), verb.url(sandbox), str(uuid.uuid4())
    arm(sandbox, strike, trouble)
    first = verb.send(client, url, token, htmx)
    after = seen(sandbox, before, trouble, first)
    assert trouble.kind in {call.fault for call in sandbox.journal()}, "it did not strike"
    explains(first, log.text)
    agrees(first, verb, before, after, sandbox.journal())
    nothing_is_lost(verb, before, after)
    if verb.action in ROTATING:
        a_key_works_throughout(before, sandbox.journal())
    shown = shown_keys(first)
    assert shown <= {key["key"] for key in after.keys}
    assert len(shown) == (
        said(first) in {Said.DONE, Said.HALF} and (verb.reads or bool(new_keys(before.keys, after.keys)))
    )

    sandbox.clear_faults()
    sandbox.clear_journal()
    again = verb.send(client, url, token, htmx)
    after = seen(sandbox, before, trouble, first)
    explains(again, log.text)
    match said(first):
        case Said.NOTHING:
            assert said(again) == Said.DONE, "what failed does not work afterwards"
        case Said.UNKNOWN:
            assert said(again) == Said.UNKNOWN
            shows(client.get("/keys/"), after)
        case claim:
            assert said(again) in {claim, Said.DONE}
    if said(first) != Said.NOTHING:
        assert written(sandbox.journal()) == [], "the form was carried out twice"
    if said(again) != Said.UNKNOWN:
        agrees(again, verb, before, after, sandbox.journal())
        if trouble.kind not in {"doubled", "stale"}:
            shows(again, after)
    audit_agrees(verb, before, after)


def arm(sandbox: Sandbox, strike: Strike, trouble: Trouble) -> None:
    """Twice where a call is a read, as reads are tried again."""
    if strike.lost:
        method, path = strike.lost.split()
        sandbox.fault(method, f"*/{path}", "drop", when="after")
    method, path = strike.call.split()
    times = 2 if method == "GET" else 1
    sandbox.fault(method, f"*/{path}", trouble.kind, when=trouble.when, nth=strike.nth, times=times, **trouble.options)


def seen(sandbox: Sandbox, before: World, trouble: Trouble, response: HttpResponse) -> World:
    """The world without what the sandbox doubled by itself, and without hostile words in labels."""
    known, shown = {key["id"] for key in before.keys}, shown_keys(response)

    def ours(keys: State) -> State:
        if trouble.kind == "doubled":
            keys = [key for key in keys if key["id"] in known or key["key"] in shown]
        return [key | {"description": key["description"] and key["description"].partition("<")[0]} for key in keys]

    return world(sandbox).with_keys(ours)


@pytest.mark.parametrize("verb", [verb for verb in EVERY_VERB if not verb.reads], ids=titled)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_what_was_done_is_not_denied_in_an_outage(
    verb: Verb, htmx: bool, sandbox: Sandbox, ann_client: Client, mallory_client: Client, log
) -> None:
    """G5, G6: a form sent again, when what it did cannot be looked up, does not say that nothing was changed."""
    client = mallory_client if verb is FIRST_KEY else ann_client
    acme(sandbox)
    before, url, token = world(sandbox), verb.url(sandbox), str(uuid.uuid4())
    assert said(verb.send(client, url, token, htmx)) == Said.DONE
    sandbox.fault("GET", "*", "drop", times=0)
    again = verb.send(client, url, token, htmx)
    explains(again, log.text)
    assert said(again) == Said.BEFORE
    agrees(again, verb, before, world(sandbox), [])


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_half_done_rotation_sent_again_still_offers_to_finish(
    htmx: bool, sandbox: Sandbox, ann_client: Client
) -> None:
    """G7: by reload, too; and not any more when it was finished."""
    verb = next(verb for verb in EVERY_VERB if verb.action in ROTATING)
    acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    sandbox.fault("PATCH", "*", "status", status=400)
    assert said(verb.send(ann_client, url, token, htmx)) == Said.HALF
    again = verb.send(ann_client, url, token, htmx)
    assert said(again) == Said.HALF
    offer = part(again, 'data-tone="warn"')
    fields = {field["name"]: field["value"] for field in offer.select("input[name]")}
    assert ann_client.post(offer["action"], fields).status_code == 303
    assert said(verb.send(ann_client, url, token, htmx)) == Said.DONE


@pytest.mark.parametrize("verb", [verb for verb in EVERY_VERB if verb.action in ROTATING], ids=titled)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize("later", [False, True], ids=["at once", "hours later"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_half_done_rotation_can_be_finished(
    verb: Verb, htmx: bool, later: bool, when: str, sandbox: Sandbox, ann_client: Client
) -> None:
    """G7: the answer and the look were lost. What is as wanted already is done, and finishing says so."""
    acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    sandbox.fault("PATCH", "*", "drop", when=when, times=0)
    if verb.action == Action.ROTATE_ALL:
        sandbox.fault("POST", "*/roll-key", "status", status=404)
    sandbox.fault("GET", "*/consumers/acme", "drop", nth=2, times=0)
    half = verb.send(ann_client, url, token, htmx)
    assert said(half) == Said.HALF
    sandbox.clear_faults()
    cache.clear()
    if later:
        facts = AuditEvent.objects.get().facts
        old = {key: (datetime.fromisoformat(at) - timedelta(hours=3)).isoformat() for key, at in facts["old"].items()}
        AuditEvent.objects.update(facts=facts | {"old": old})
        half = verb.send(ann_client, url, token, htmx)
        assert said(half) == (Said.DONE if when == "after" else Said.HALF)
    for offer in BeautifulSoup(half.text, "html.parser").select('form[data-tone="warn"]'):
        fields = {field["name"]: field["value"] for field in offer.select("input[name]")}
        response = ann_client.post(offer["action"], fields, headers={"HX-Request": "true"} if htmx else {})
        assert said(response) == Said.DONE
    assert len([key for key in sandbox.keys("acme") if works(key)]) == (1 if verb.action == Action.ROTATE_ALL else 2)
    end = next(verb for verb in EVERY_VERB if verb.action == Action.CHANGE_END)  # of the old key, in two days
    assert end.send(ann_client, end.url(sandbox), htmx=htmx).status_code == 403, "an ended key was to live again"


@pytest.mark.parametrize("verb", [verb for verb in EVERY_VERB if not verb.reads and verb.name != "delete"], ids=titled)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_what_was_deleted_since_is_said_to_be(
    verb: Verb, htmx: bool, sandbox: Sandbox, ann_client: Client, mallory_client: Client
) -> None:
    """G6: Back, and Submit once more."""
    client = mallory_client if verb is FIRST_KEY else ann_client
    before, url, token = acme(sandbox), verb.url(sandbox), str(uuid.uuid4())
    assert said(verb.send(client, url, token, htmx)) == Said.DONE
    consumer = sandbox.consumers()[-1]["name"]
    made = new_keys(before, world(sandbox).keys)
    key = made[0]["id"] if made else before[0]["id"]
    gone = client.post(f"/keys/production/{consumer}/{key}/delete/", {"token": str(uuid.uuid4())})
    assert gone.status_code == 303
    sandbox.clear_journal()
    again = verb.send(client, url, token, htmx)
    assert said(again) == Said.DONE
    assert written(sandbox.journal()) == []
    text = words(again) if htmx or made else words(client.get("/keys/"))
    if verb.on_key or made:
        assert "has since been deleted" in text
    assert "Try Reveal on its row" not in text
    assert "The new key has no expiry" not in text
    assert not shown_keys(again)


@pytest.mark.parametrize(("method", "path"), [("POST", "*/consumers/acme/keys"), ("PATCH", "*/consumers/acme/keys/*")])
@pytest.mark.parametrize("nth", [1, 2])
def test_whatever_strikes_while_keys_are_rotated_one_by_one(
    method: str, path: str, nth: int, sandbox: Sandbox, ann_client: Client, log, subtests
) -> None:
    """G5 to G7: each key goes on working, or another does in its place; the form sent again does nothing more."""
    form = {"grace": "now", "new": "each", "ends": "never", "token": str(uuid.uuid4())}
    for trouble in (one for one in OF_A_WRITE if one.kind not in {"doubled", "stale", "other_object", "hostile"}):
        with subtests.test(fault=str(trouble)):
            forget(sandbox)
            log.clear()
            acme(sandbox)
            before = world(sandbox)
            sandbox.fault(method, path, trouble.kind, when=trouble.when, nth=nth, **trouble.options)
            first = ann_client.post("/keys/production/acme/rotate-all/", form)
            after = world(sandbox)
            explains(first, log.text)
            nothing_is_lost(EVERY_VERB[0], before, after)
            a_key_works_throughout(before, sandbox.journal())
            labels = [{key["description"] for key in one.keys if works(key)} for one in (before, after)]
            assert labels[0] == labels[1], "of a key neither the old nor the new one works"
            made = new_keys(before.keys, after.keys)
            assert first.status_code == 200 or len(made) <= 1
            assert shown_keys(first) == ({key["key"] for key in made} if first.status_code == 200 else set())
            told = said(first)
            sandbox.clear_faults()
            sandbox.clear_journal()
            again = ann_client.post("/keys/production/acme/rotate-all/", form)
            explains(again, log.text)
            if told == Said.NOTHING:
                assert made == []
                assert said(again) == Said.DONE
            else:
                assert written(sandbox.journal()) == [], "the form was carried out twice"
            assert set(AuditEvent.objects.values_list("lock", flat=True)) == {None}


@pytest.mark.parametrize("scope", ["none_ending", "unexpired", "all"])
def test_no_key_lives_longer_for_a_rotation_that_breaks_off(scope: str, sandbox: Sandbox, ann_client: Client) -> None:
    """Rule 5 of the design: roll-key may be read as moving an early end to a later time, and then all may fail."""
    ends = {"CI": None, "Soon": in_time(days=3), "Over": in_time(days=-3)}
    keys = [{"description": label, "expiresOn": end and end.isoformat()} for label, end in ends.items()]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    sandbox.set(roll_scope=scope)
    sandbox.fault("GET", "*", "drop", nth=2, times=0)
    sandbox.fault("PATCH", "*", "drop", times=0)
    form = {"grace": "14d", "token": str(uuid.uuid4())}
    ann_client.post("/keys/production/acme/rotate-all/", form)
    for key in sandbox.keys("acme")[1:3]:
        assert about(datetime.fromisoformat(key["expiresOn"]), ends[key["description"]])


# Too slow an answer: at the level below the pages, where less time can be given


LATE = [("delay", "before"), ("delay", "after"), ("drip", "before")]


@pytest.mark.parametrize(("kind", "when"), LATE)
def test_a_new_key_whose_answer_is_late_is_looked_for(kind: str, when: str, sandbox: Sandbox) -> None:
    """G1, G5: time is kept back for the look, which tells what is true at that moment."""
    acme(sandbox)
    options = {"delay": {"seconds": 30}, "drip": {"interval": 5, "headers": True}}[kind]
    sandbox.fault("POST", "*", kind, when=when, **options)
    api = DeveloperAPI(sandbox.bucket, Deadline(2))
    facts = confirmed_writes.facts_of_new_key(api.consumer("acme").key_ids, "New", None)
    if (kind, when) == ("delay", "before"):
        with pytest.raises(OutcomeUnknown):
            confirmed_writes.make_key(api, "acme", facts)
        assert len(sandbox.keys("acme")) == 2
    else:
        full = confirmed_writes.make_key(api, "acme", facts)
        assert [key["key"] for key in sandbox.keys("acme")[2:]] == [full.value]
