"""Every fault of the Developer API, at every call of what only colleagues do, and of trying a key."""

import re
import uuid
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.faults import NIGHTLY, OF_A_READ, OF_A_WRITE, Trouble, forget
from tests.helpers.gateway import listening
from tests.helpers.invariants import Said, explains, said, shown_keys, written
from tests.helpers.staff import ACME, INVITED_BEFORE, OWN_VERBS, OwnVerb, by_action
from tests.helpers.verbs import FULL_KEY, acme

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Form:
    """A form as it was opened before anything went wrong."""

    url: str
    fields: dict[str, str]

    def send(self, client: Client) -> HttpResponse:
        return client.post(self.url, self.fields)


def opened(verb: OwnVerb, sandbox: Sandbox, client: Client) -> Form:
    """Anew, in a portal that remembers nothing, on a consumer as in every test."""
    forget(sandbox)
    acme(sandbox, verb.invited)
    url = verb.url(sandbox)
    form = Form(url, verb.fields | verb.hidden(client, url) | {"token": str(uuid.uuid4())})
    sandbox.clear_journal()
    return form


def calls_of(form: Form, sandbox: Sandbox, client: Client) -> list[tuple[str, str, int]]:
    """The calls that it takes where all goes well: of each how many like it came before."""
    form.send(client)
    calls = [(call.method, re.sub(r"(key|eusr)_\w+", "*", call.path)) for call in sandbox.journal()]
    return [(*call, calls[: number + 1].count(call)) for number, call in enumerate(calls)]


@pytest.mark.parametrize("verb", [*OWN_VERBS, INVITED_BEFORE], ids=by_action)
def test_whatever_strikes_colleagues_are_told_truly(
    verb: OwnVerb, sandbox: Sandbox, sam_client: Client, log, subtests, count, settings
) -> None:
    """C4, G3, G4, G5, G6, H1, H2: by day a third of the faults."""
    settings.KEYS_CHANGES_PER_MINUTE = 10_000
    calls = calls_of(opened(verb, sandbox, sam_client), sandbox, sam_client)
    assert any(method != "GET" for method, _path, _nth in calls)
    for turn, (method, path, nth) in enumerate(calls):
        for number, trouble in enumerate(OF_A_READ if method == "GET" else OF_A_WRITE, turn):
            if (number % 3 and not NIGHTLY) or not is_tellable(verb, method, trouble):
                continue
            with subtests.test(call=f"{method} {path} {nth}", fault=str(trouble)):
                form = opened(verb, sandbox, sam_client)
                log.clear()
                hit = {"times": 2 if method == "GET" else 1, "nth": nth, "when": trouble.when} | trouble.options
                sandbox.fault(method, path, trouble.kind, **hit)
                hold(verb, form, trouble, sandbox, sam_client, log)
                count["faults x verbs"] += 1


def is_tellable(verb: OwnVerb, method: str, trouble: Trouble) -> bool:
    """Not another one's value for a new key: nothing tells it from its own."""
    return not (verb.action == Action.CREATE_CONSUMER and method == "POST" and trouble.kind == "other_object")


def hold(verb: OwnVerb, form: Form, trouble: Trouble, sandbox: Sandbox, client: Client, log) -> None:
    """One cell: what is said is true, and the same form sent again does nothing twice."""
    before = sandbox.consumers()
    first = form.send(client)
    after, calls = sandbox.consumers(), sandbox.journal()
    assert trouble.kind in {call.fault for call in calls}, "it did not strike"
    if first.status_code == 422:
        assert 'role="alert"' in first.text
    else:
        explains(first, log.text)
    old = {key["key"] for consumer in before for key in consumer["apiKeys"]}
    assert shown_keys(first) <= {key["key"] for consumer in after for key in consumer["apiKeys"]} - old
    claim = told(first)
    match claim:
        case Said.DONE:
            assert verb.is_done(sandbox)
        case Said.NOTHING:
            assert written(calls) == []
            assert after == before
        case _:
            assert claim == Said.UNKNOWN
            assert any(call.method != "GET" for call in calls)
    sandbox.clear_faults()
    sandbox.clear_journal()
    again = form.send(client)
    explains(again, log.text)
    if claim == Said.NOTHING:
        assert told(again) == Said.DONE, "what failed does not work afterwards"
        assert verb.is_done(sandbox)
    else:
        assert written(sandbox.journal()) == [], "the form was carried out twice"
    for event in AuditEvent.objects.filter(action=verb.action):
        assert event.outcome != Outcome.STARTED
        assert event.lock is None
        assert event.outcome != Outcome.DONE or verb.is_done(sandbox)
        assert not FULL_KEY.search(str(event.__dict__))


def told(response: HttpResponse) -> Said:
    """A form that comes back with errors was not carried out."""
    return Said.NOTHING if response.status_code == 422 else said(response)


@pytest.mark.parametrize("look", ["at once", "later"])
@pytest.mark.parametrize(
    "answer", [{"kind": "drop"}, {"kind": "status", "status": 500}, {"kind": "status", "status": 409}]
)
def test_an_invitation_makes_nobody_a_manager(look: str, answer: dict, sandbox: Sandbox, sam_client: Client) -> None:
    """G5: what stood before says nothing of what was added."""
    form = opened(INVITED_BEFORE, sandbox, sam_client)
    sandbox.fault("POST", "*", **answer)
    if look == "later":
        sandbox.fault("GET", "*", "drop", nth=2, times=0)
    response = form.send(sam_client)
    assert told(response) in {Said.NOTHING, Said.UNKNOWN}
    sandbox.clear_faults()
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    sam_client.get(ACME)
    assert AuditEvent.objects.get().outcome == Outcome.FAILED
    assert not INVITED_BEFORE.is_done(sandbox)
    assert told(form.send(sam_client)) == Said.DONE
    assert INVITED_BEFORE.is_done(sandbox)


def test_whatever_strikes_a_key_that_is_tried_is_told(
    sandbox: Sandbox, ann_client: Client, log, subtests, count, settings
) -> None:
    """G3, H1, E1: the gateway hears of a key only if it is surely the one that was meant."""
    settings.KEYS_REVEALS_PER_MINUTE = 10_000
    for number, call in enumerate(("*/consumers/acme", "*/consumers/acme/keys/*")):
        for turn, trouble in enumerate(OF_A_READ, number):
            for htmx in (False, True) if NIGHTLY else (turn % 2 == 0,):
                with subtests.test(call=call, fault=str(trouble), htmx=htmx), listening() as gateway:
                    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = gateway.url, "/v1/hello"
                    sandbox.reset()
                    cache.clear()
                    log.clear()
                    key = acme(sandbox)[0]
                    sandbox.fault("GET", call, trouble.kind, times=2, **trouble.options)
                    headers = {"HX-Request": "true"} if htmx else {}
                    response = ann_client.post(f"/keys/production/acme/{key['id']}/try/", headers=headers)
                    explains(response, log.text)
                    assert not shown_keys(response)
                    heard = [headers["Authorization"] for _method, _path, headers in gateway.heard]
                    assert heard == ([f"Bearer {key['key']}"] if response.status_code == 200 else [])
                    count["faults x verbs"] += 1
