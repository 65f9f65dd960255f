"""Verbs, faults, readings, resubmits and changes of managers in any order: nothing lost, doubled or longer-lived.

HYPOTHESIS_PROFILE=nightly runs ten thousand sequences, new ones each time; otherwise the same few are run.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from keys.models import READS, Action, AuditEvent, Outcome
from keys.web.forms import GRACES
from sandbox import Sandbox
from sandbox.switches import COUNT, SWITCHES
from sandbox.values import kept_label
from tests.helpers.faults import NIGHTLY, ODD, Trouble
from tests.helpers.invariants import LEFT, Said, World, said, shown_keys, shows, words, works, world, written
from tests.helpers.verbs import FULL_KEY, State, about, in_time, new_keys

pytestmark = pytest.mark.django_db

PARTS = range(100 if NIGHTLY else 1)
"""Each is a test by itself, so that several processes share them, and none keeps all in memory."""
SETTINGS = settings(
    max_examples=100 if NIGHTLY else 30,
    stateful_step_count=15 if NIGHTLY else 10,
    derandomize=not NIGHTLY,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
FIRST, EACH, KEEP = "first", "each", "keep"
ON_KEYS = {Action.ROTATE, Action.RENAME, Action.CHANGE_END, KEEP, Action.DELETE, *READS}
MAKES = [Action.CREATE, Action.ROTATE, Action.ROTATE_ALL, EACH, FIRST]
CHANGES = [Action.RENAME, Action.CHANGE_END, KEEP, Action.DELETE, Action.RENAME_CONSUMER]
PATHS = {
    Action.ROTATE_ALL: "rotate-all",
    EACH: "rotate-all",
    Action.CHANGE_END: "end",
    Action.RENAME_CONSUMER: "rename",
}
READINGS = [
    (switch.name, value)
    for switch in SWITCHES.values()
    for value in switch.allowed
    # By these nobody is told what was refused, or who manages what: the sandbox plays another service then.
    if value != COUNT
    and switch.name not in {"error_type", "rate", "rate_retry_after", "retrievable"}
    # Rounded so far, the chosen ends cannot be told from each other; that has a test of its own.
    and (switch.name, value) != ("kept_ends", "days")
]
METHODS = ["GET", "POST", "PATCH", "DELETE"]
TROUBLES: list[tuple[str, dict[str, Any]]] = [
    *(
        (kind, {"when": when})
        for kind in ("drop", "truncated", "not_json", "wrong_type")
        for when in ("before", "after")
    ),
    *(("status", {"status": status, "when": when}) for status in (408, 500) for when in ("before", "after")),
    *(("status", {"status": status, "retry_after": "30"}) for status in (400, 401, 404, 409, 429)),
    *((kind, {}) for kind in ("hostile", "doubled", "other_object", "filter_ignored", "stale")),
    *((one.kind, one.options) for one in ODD),
]
TROUBLE = st.tuples(st.sampled_from(METHODS), st.sampled_from(TROUBLES), st.integers(1, 3), st.integers(1, 2))
FILLED_IN = {
    "which": st.integers(0, 9),
    "label": st.sampled_from(["CI", "Build", "New", "Bu\u0308ro am Rhein"]),
    "grace": st.sampled_from(list(GRACES)),
    "days": st.integers(1, 9),
    "troubles": st.lists(TROUBLE, max_size=2),
    "htmx": st.booleans(),
    "again": st.sampled_from([0, 0, 1, 2]),
}


@dataclass
class Form:
    """A form that somebody opened, and what became of it so far."""

    verb: str
    url: str
    fields: dict[str, str]
    key: str = ""
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    claims: list[Said] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    makes_at_most: int = 1


def facts(keys: State) -> dict[str, tuple[str | None, str | None]]:
    return {key["id"]: (key["description"] or None, key["expiresOn"]) for key in keys}


def moment(end: str | None) -> datetime | None:
    return datetime.fromisoformat(end) if end else None


def rotated_end(key: dict[str, Any], grace: str) -> datetime:
    """The min rule: its own end or the one chosen, whichever comes first."""
    chosen = in_time(seconds=GRACES[grace][0].total_seconds())
    return min(moment(key["expiresOn"]) or chosen, chosen)


def is_as_asked(form: Form, before: World, after: World, reading: str) -> bool:
    """True if exactly what the form asked for was done, as labels are kept by this reading."""
    old, new = before.keys_of["acme"], after.keys_of["acme"]
    was, now, made = facts(old), facts(new), new_keys(old, new)
    label, grace = kept_label(form.fields.get("label"), reading), form.fields.get("grace", "")
    others = {key_id: fact for key_id, fact in now.items() if key_id in was and key_id != form.key}
    untouched = others == {key_id: fact for key_id, fact in was.items() if key_id != form.key}
    key = next((key for key in old if key["id"] == form.key), None)
    match form.verb:
        case Action.REVEAL | Action.COPY:
            return now == was
        case Action.CREATE:
            return untouched and [one["description"] for one in made] == [label]
        case Action.ROTATE:
            same_label = [one["description"] or None for one in made] == [
                kept_label(key["description"], reading) or None
            ]
            return untouched and same_label and about(moment(now[form.key][1]), rotated_end(key, grace))
        case Action.ROTATE_ALL | "each":
            ends = all(
                about(moment(now[one["id"]][1]), rotated_end(one, grace))
                if works(one)
                else now[one["id"]] == was[one["id"]]
                for one in old
            )
            chosen = in_time(days=30) if form.fields["ends"] == "30" else None
            end_as_chosen = all(
                about(moment(one["expiresOn"]), chosen) if chosen else not one["expiresOn"] for one in made
            )
            if form.verb == Action.ROTATE_ALL:
                return ends and end_as_chosen and len(made) == 1
            labels = {kept_label(one["description"], reading) or None for one in old if works(one)}
            return ends and end_as_chosen and bool(made) and {one["description"] or None for one in made} <= labels
        case Action.RENAME:
            return untouched and not made and now[form.key] == (label, was[form.key][1])
        case Action.CHANGE_END:
            chosen = datetime.fromisoformat(form.fields["ends_on"] + "+00:00")
            return untouched and not made and moment(now[form.key][1]) == chosen
        case "keep":
            chosen, before_it, end = (
                in_time(seconds=GRACES[grace][0].total_seconds()),
                *(moment(facts_of[form.key][1]) for facts_of in (was, now)),
            )
            is_own = before_it and before_it < end < chosen
            return untouched and not made and (end == before_it or about(end, chosen) or is_own)
        case Action.DELETE:
            return untouched and not made and form.key not in now
        case Action.RENAME_CONSUMER:
            return now == was and after.labels["acme"] == label
    fresh = [keys for name, keys in after.keys_of.items() if name not in before.keys_of]
    return now == was and [[one["description"] for one in keys] for keys in fresh] == [[label]]


class Portal(RuleBasedStateMachine):
    """Ann and Ben manage acme, Mallory is a newcomer; the sandbox knows the truth."""

    sandbox: Sandbox
    ann: Client
    mallory: Client
    played = 0
    sent = 0
    resent = 0

    @initialize()
    def begin(self) -> None:
        type(self).played += 1
        cache.clear()
        AuditEvent.objects.all().delete()
        self.sandbox.reset()
        ends = {"CI": None, "Laptop": in_time(days=5, hours=6).isoformat(), "Old": in_time(days=-5).isoformat()}
        keys = [{"description": label, "expiresOn": end} for label, end in ends.items()]
        self.sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test", "ben@acme.test"], keys=keys)
        self.forms: list[Form] = []
        self.own_ends: dict[str, str | None] = {}
        self.ann_manages = True
        self.odd_ones = 0

    @rule(verb=st.sampled_from(MAKES), **FILLED_IN)
    def make_a_key(self, **filled_in: Any) -> None:
        self.fill_in_and_send(**filled_in)

    @rule(verb=st.sampled_from(CHANGES), **FILLED_IN)
    def change_something(self, **filled_in: Any) -> None:
        self.fill_in_and_send(**filled_in)

    @rule(verb=st.sampled_from(sorted(READS)), **FILLED_IN)
    def see_a_key(self, **filled_in: Any) -> None:
        self.fill_in_and_send(**filled_in)

    @rule(which=st.integers(0, 3), troubles=st.lists(TROUBLE, max_size=1), htmx=st.booleans())
    def send_an_old_form_again(self, which: int, troubles: list, htmx: bool) -> None:
        """From a page that the Back button led to."""
        for form in self.forms[::-1][which : which + 1]:
            self.send(form, troubles, htmx)

    @rule(reading=st.sampled_from(READINGS))
    def read_the_documentation_otherwise(self, reading: tuple[str, str]) -> None:
        self.sandbox.set(**dict([reading]))

    @rule(ann_manages=st.sampled_from([True, True, False]))
    def change_the_managers(self, ann_manages: bool) -> None:
        self.ann_manages = ann_manages
        self.sandbox.set_managers("acme", ["ann@acme.test"] * ann_manages + ["ben@acme.test"])

    @rule(number=st.integers(1, 3))
    def make_an_odd_consumer(self, number: int) -> None:
        """Ann manages it by another tool, and under a name that nobody may ask for."""
        if not self.sandbox.consumer(f"org.example-{number}"):
            self.sandbox.add_consumer(f"org.example-{number}", managers=["ann@acme.test"])
            self.odd_ones += 1

    @rule(odd=st.sampled_from([None, *ODD]))
    def look(self, odd: Trouble | None) -> None:
        """The page shows all there is but what is odd, says so, and nothing to somebody who was removed."""
        cache.clear()
        if odd:
            self.sandbox.fault("GET", "*/consumers", odd.kind, times=0, **odd.options)
        response = self.ann.get("/keys/")
        self.sandbox.clear_faults()
        assert response.status_code == 200
        assert not shown_keys(response)
        page = response.content.decode()
        if self.odd_ones or (self.sandbox.switches["listed_managers"] == "absent" and self.ann_manages):
            assert "couldn't be read" in page
            assert "Create your first key" not in page
        if odd is None and self.sandbox.switches["listed_managers"] == "present":
            assert ('data-consumer="acme"' in page) == self.ann_manages
            shows(response, world(self.sandbox))
        assert self.ann_manages or 'data-consumer="acme"' not in page

    def fill_in_and_send(
        self, verb: str, which: int, label: str, grace: str, days: int, troubles: list, htmx: bool, again: int
    ) -> None:
        """Send a new form, and perhaps the same again: by an impatient click, or a reload."""
        keys = self.sandbox.keys("acme")
        if verb in ON_KEYS and not keys:
            return
        key = keys[which % len(keys)]["id"] if verb in ON_KEYS else ""
        word = PATHS.get(verb, str(verb).rpartition(":")[2])
        url = f"/keys/production/acme/{key + '/' if key else ''}{word}/"
        fields = {"label": label, "ends": "never" if which % 2 else "30", "grace": grace}
        if verb == EACH:
            fields["new"] = "each"
        if verb == Action.CHANGE_END:
            fields = {"ends_on": in_time(days=days).strftime("%Y-%m-%dT%H:%M")}
        form = Form(verb, "/keys/create/production/" if verb == FIRST else url, fields, key)
        self.forms.append(form)
        self.send(form, troubles, htmx)
        for _ in range(again):
            self.send(form, [], htmx)

    def send(self, form: Form, troubles: list, htmx: bool) -> None:
        """Send it under these faults, and compare what is said with what is true."""
        type(self).sent += 1
        type(self).resent += bool(form.claims)
        before, first_time = world(self.sandbox), not form.claims or form.claims[-1] == Said.NOTHING
        for method, (kind, options), nth, times in troubles:
            if self.is_playable(method, kind):
                self.sandbox.fault(method, "*", kind, nth=nth, times=times, **options)
        self.sandbox.clear_journal()
        cache.clear()
        client = self.mallory if form.verb == FIRST else self.ann
        headers = {"HX-Request": "true"} if htmx else {}
        response = client.post(form.url, form.fields | {"token": form.token}, headers=headers)
        self.sandbox.clear_faults()
        calls = self.sandbox.journal()
        kinds = {call.fault for call in calls}
        after = (
            self.without_doubles(before, world(self.sandbox), response) if "doubled" in kinds else world(self.sandbox)
        )

        if first_time and form.verb == EACH:
            form.makes_at_most = max(form.makes_at_most, len([key for key in before.keys_of["acme"] if works(key)]))
        self.check_harmlessness(form, before, after)
        form.made |= {key["id"] for key in new_keys(before.keys, after.keys)}
        assert len(form.made) <= form.makes_at_most, "one form made two keys"
        assert shown_keys(response) <= {key["key"] for key in after.keys if not form.made or key["id"] in form.made}
        if form.verb != FIRST and not self.ann_manages and "stale" not in kinds:
            assert all(call.method == "GET" for call in calls), "somebody who was removed wrote"
        if not first_time and form.verb not in READS:
            assert written(calls) == [], "a form was carried out twice"
        claim = said(response)
        if first_time or form.verb in READS:
            self.check_statement(form, claim, response, before, after, calls)
        elif claim == Said.NOTHING:
            # Said of a form that had been carried out, this would be a lie; a page not found says nothing.
            assert response.status_code == 404
            claim = form.claims[-1]
        form.claims.append(claim)
        assert not AuditEvent.objects.filter(outcome=Outcome.STARTED).exists()
        assert not AuditEvent.objects.exclude(lock=None).exists()
        claimed = list(AuditEvent.objects.filter(facts__has_key="new").values_list("facts__new", flat=True))
        assert len(claimed) == len(set(claimed)), "two changes are said to have made the same key"

    def is_playable(self, method: str, kind: str) -> bool:
        """Not what nobody could tell: another one's value for a new key; an old state while a change is in doubt."""
        in_doubt = any(form.claims[-1:] == [Said.UNKNOWN] for form in self.forms)
        return not (kind == "other_object" and method == "POST") and not (kind == "stale" and in_doubt)

    def without_doubles(self, before: World, after: World, response: HttpResponse) -> World:
        """Discount what the sandbox made a second time by itself: it is no doing of the portal's."""
        fresh, shown = new_keys(before.keys, after.keys), shown_keys(response)
        ours = [key for key in fresh if key["key"] in shown] or fresh[:1]
        return after.with_keys(lambda keys: [key for key in keys if key not in fresh or key in ours])

    def check_harmlessness(self, form: Form, before: World, after: World) -> None:
        """Whatever was said: no key is gone, renamed or ended that the form is not about; none lives longer."""
        now = {key["id"]: key for key in after.keys}
        for key in before.keys:
            about_it = form.verb in {Action.ROTATE_ALL, EACH} or key["id"] == form.key
            own = self.own_ends.setdefault(key["id"], key["expiresOn"])
            if key["id"] not in now:
                assert form.verb == Action.DELETE
                assert about_it, "a key was lost"
                continue
            label, end = now[key["id"]]["description"], now[key["id"]]["expiresOn"]
            assert label == key["description"] or (about_it and form.verb == Action.RENAME)
            assert end == key["expiresOn"] or about_it
            if form.verb == Action.CHANGE_END and end != key["expiresOn"]:
                self.own_ends[key["id"]] = end
            latest = own if form.verb == KEEP and about_it and works(key) else key["expiresOn"]
            assert end or not key["expiresOn"], "an end was taken away"
            if latest:
                rounded = timedelta(seconds=61 if self.sandbox.switches["kept_ends"] == "minutes" else 1)
                assert moment(end) < moment(latest) + rounded, "a key was made to live longer"

    def check_statement(
        self, form: Form, claim: Said, response: HttpResponse, before: World, after: World, calls: list
    ) -> None:
        if claim == Said.DONE:
            cut = after.with_keys(lambda keys: [key | {"description": _before_hostile(key)} for key in keys])
            assert is_as_asked(form, before, cut, self.sandbox.switches["kept_labels"]), f"said done: {words(response)}"
            if form.verb in READS:
                assert shown_keys(response) == {key["key"] for key in after.keys if key["id"] == form.key}
        elif claim == Said.NOTHING:
            assert written(calls) == []
            assert after == before
            assert not FULL_KEY.search(response.content.decode())
        elif claim == Said.HALF:
            assert form.made
            warnings = BeautifulSoup(response.content, "html.parser").select('[data-tone="warn"]')
            left = [text for warning in warnings if any(one in (text := warning.get_text()) for one in LEFT)]
            assert left
            assert all("••••" in text for text in left)
        else:
            assert claim == Said.UNKNOWN
            assert any(call.method != "GET" for call in calls)
            assert not shown_keys(response)


def _before_hostile(key: dict[str, Any]) -> str | None:
    return key["description"] and key["description"].partition("<")[0]


@pytest.mark.parametrize("part", PARTS)
def test_any_sequence_keeps_every_promise(
    part: int, sandbox: Sandbox, ann_client: Client, mallory_client: Client, settings, count
) -> None:
    """C6, G5, G6, G7 and rule 5 of the design, in any order of events."""
    settings.KEYS_REVEALS_PER_MINUTE = settings.KEYS_CHANGES_PER_MINUTE = settings.KEYS_PER_CONSUMER = 100_000
    Portal.sandbox, Portal.ann, Portal.mallory = sandbox, ann_client, mallory_client
    Portal.played = Portal.sent = Portal.resent = 0
    run_state_machine_as_test(Portal, settings=SETTINGS)
    count["random sequences"] += Portal.played
    count["forms sent in them"] += Portal.sent
    count["of these again"] += Portal.resent
