"""Every fault of the Developer API at every call of every verb of plans, as a page and as a fragment."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import requests
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client

from keys.models import Action, AuditEvent, Outcome
from plans.models import PlanRecord
from sandbox import Sandbox
from sandbox.metering import samples
from tests.helpers.faults import NIGHTLY, OF_A_READ, OF_A_WRITE, Trouble, forget

pytestmark = pytest.mark.django_db
ACME = "/plans/production/consumer/acme/"
State = list[tuple[str, str]]


def state(sandbox: Sandbox) -> State:
    """The plan and the status of each subscription of acme, oldest first."""
    found = reversed(sandbox.metering.subscriptions("acme"))
    return [(one["plan"]["key"], "running" if one["status"] == "active" else one["status"]) for one in found]


@dataclass(frozen=True)
class Verb:
    """One verb on the consumer acme, with what is there before and after it, and the calls that may go wrong."""

    name: str
    path: str
    action: Action
    before: State
    after: State
    calls: tuple[str, ...]
    fields: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Sandbox], object] = lambda sandbox: None


def has(plan: str) -> Callable[[Sandbox], object]:
    return lambda sandbox: sandbox.metering.subscribe("acme", plan, email="ann@acme.test")


def canceled(plan: str) -> Callable[[Sandbox], object]:
    """With an end at the close of the period, as the sandbox itself is asked for it."""

    def prepare(sandbox: Sandbox) -> None:
        subscription = sandbox.metering.subscribe("acme", plan, email="ann@acme.test")
        path = f"/v3/metering/{sandbox.metering.bucket_id()}/subscriptions/{subscription}/cancel"
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        answer = requests.post(sandbox.url + path, json={"timing": "next_billing_cycle"}, headers=headers, timeout=10)
        answer.raise_for_status()

    return prepare


GATE, LOOK = "GET */consumers/acme", "GET */customers/*/subscriptions"
VERBS = [
    Verb(
        "subscribe",
        "change/free/",
        Action.START_PLAN,
        [],
        [("free", "running")],
        (GATE, "GET */customers", "POST */customers", "POST */subscriptions", "GET */plans"),
    ),
    Verb(
        "upgrade",
        "change/team/",
        Action.CHANGE_PLAN,
        [("free", "running")],
        [("free", "inactive"), ("team", "running")],
        (GATE, LOOK, "POST */change", "GET */monetization-configuration"),
        prepare=has("free"),
    ),
    Verb(
        "downgrade",
        "change/free/",
        Action.CHANGE_PLAN,
        [("business", "running")],
        [("business", "canceled"), ("free", "scheduled")],
        (LOOK, "POST */change"),
        prepare=has("business"),
    ),
    Verb(
        "cancel",
        "cancel/",
        Action.CANCEL_PLAN,
        [("business", "running")],
        [("business", "canceled")],
        (GATE, LOOK, "POST */cancel"),
        fields={"plan_name": "Business"},
        prepare=has("business"),
    ),
    Verb(
        "resume",
        "resume/",
        Action.RESUME_PLAN,
        [("business", "canceled")],
        [("business", "running")],
        (GATE, LOOK, "POST */unschedule-cancelation"),
        prepare=canceled("business"),
    ),
]
CELLS = [(verb, call) for verb in VERBS for call in verb.calls]


@pytest.fixture(autouse=True)
def zuplo(sandbox, settings) -> Sandbox:
    settings.PLANS, settings.KEYS_PANELS = "zuplo", "plans.web.panels.PlanPanels"
    settings.KEYS_REVEALS_PER_MINUTE = settings.KEYS_CHANGES_PER_MINUTE = 10_000
    return sandbox


def begin(sandbox: Sandbox, verb: Verb | None = None) -> None:
    forget(sandbox)
    PlanRecord.objects.all().delete()
    free, pro, business = samples.three_plans()
    sandbox.metering.add_plans(free, samples.plan("team", "Team", samples.metered(5000)), pro, business)
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    if verb:
        verb.prepare(sandbox)


def send(client: Client, verb: Verb, token: str, htmx: bool) -> HttpResponse:
    form = verb.fields | {"token": token}
    return client.post(ACME + verb.path, form, headers={"HX-Request": "true"} if htmx else {})


def is_done(response: HttpResponse) -> bool:
    return response.status_code == 303 or "HX-Redirect" in response.headers


def words(response: HttpResponse) -> str:
    return response.content.decode()


@pytest.mark.parametrize(("verb", "call"), CELLS, ids=[f"{verb.name}, {call}" for verb, call in CELLS])
def test_whatever_strikes_it_is_told_truly(verb: Verb, call: str, ann_client: Client, zuplo, subtests, count) -> None:
    troubles = OF_A_READ if call.startswith("GET") else OF_A_WRITE
    for number, trouble in enumerate(troubles, VERBS.index(verb)):
        if number % 3 and not NIGHTLY:
            continue
        for htmx in (False, True) if NIGHTLY else (number % 2 == 0,):
            with subtests.test(fault=str(trouble), htmx=htmx):
                begin(zuplo, verb)
                hold(verb, call, trouble, htmx, ann_client, zuplo)
                count["faults x verbs of plans"] += 1


def hold(verb: Verb, call: str, trouble: Trouble, htmx: bool, client: Client, sandbox: Sandbox) -> None:
    """One cell: the form is sent under the fault, and the same form again when the fault is over."""
    assert state(sandbox) == verb.before
    method, path = call.split()
    times = 2 if method == "GET" else 1
    sandbox.fault(method, path, trouble.kind, when=trouble.when, times=times, **trouble.options)
    token = str(uuid.uuid4())
    first = send(client, verb, token, htmx)
    assert trouble.kind in {call.fault for call in sandbox.journal()}, "it did not strike"
    told(first, verb, state(sandbox))
    sandbox.clear_faults()
    cache.clear()
    again = send(client, verb, token, htmx)
    told(again, verb, state(sandbox))
    client.get(ACME)
    made = [plan for plan, _status in state(sandbox)]
    assert made in ([plan for plan, _status in verb.before], [plan for plan, _status in verb.after]), "made twice"
    assert made.count("free") + made.count("team") + made.count("business") <= len(verb.after)
    for event in AuditEvent.objects.filter(action=verb.action):
        assert event.outcome != Outcome.STARTED
        if event.outcome == Outcome.DONE:
            assert state(sandbox) == verb.after


def told(response: HttpResponse, verb: Verb, now: State) -> None:
    """What the answer says is so."""
    assert response.status_code != 500
    if is_done(response):
        assert now == verb.after, "it says that it was done"
    elif "Nothing was changed." in words(response):
        assert now == verb.before or "already sent this form" in words(response), "it says that nothing was changed"
    elif response.status_code not in {404, 409, 422, 200}:
        assert re.search(r"It may or may not have been done|a second time", words(response))


PAGES = [
    ("/plans/", ("GET */plans", "GET */monetization-configuration", "GET */consumers", LOOK)),
    ("/keys/", ("GET */access", LOOK)),
    (ACME + "panel/", (GATE, LOOK, "GET */access", "GET */customers")),
    (ACME, (GATE, LOOK, "GET */access", "POST */query", "GET */plans")),
    (ACME + "change/team/", (LOOK, "POST */estimate-credit")),
]


@pytest.mark.parametrize(("path", "calls"), PAGES, ids=[path for path, _calls in PAGES])
def test_no_page_breaks_or_calls_usage_zero(path: str, calls, ann_client: Client, zuplo, subtests, count) -> None:
    for call in calls:
        for trouble in OF_A_READ:
            with subtests.test(call=call, fault=str(trouble)):
                begin(zuplo, VERBS[1])
                used = zuplo.metering.subscriptions("acme")[0]["id"]
                zuplo.metering.use(used, 640)
                if path == "/keys/":
                    ann_client.get(ACME)
                    cache.clear()
                method, pattern = call.split()
                zuplo.fault(method, pattern, trouble.kind, times=4, **trouble.options)
                response = ann_client.get(path)
                assert response.status_code != 500
                page = words(response)
                assert not re.search(r"\b0 of [\d,]+ used", page)
                assert "<script>alert" not in page
                if path == "/keys/":
                    assert 'data-key="' in page, "trouble with plans takes no key away"
                count["faults x pages of plans"] += 1
