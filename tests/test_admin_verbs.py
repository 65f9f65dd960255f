"""What colleagues do to consumers and keys in Django admin: done once, recorded, told, and told truly when it fails."""

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from sandbox.switches import COUNT, SWITCHES
from tests.staff import ACME, CHANGES, EVERY_VERB, LIST, NEW_FIELDS, OWN_VERBS, OwnVerb, by_action, permit
from tests.verbs import FULL_KEY, about, acme, ends, in_time, named, new_keys

pytestmark = pytest.mark.django_db
every_verb = pytest.mark.parametrize("verb", EVERY_VERB, ids=by_action)
every_change = pytest.mark.parametrize("verb", CHANGES, ids=by_action)
every_own_verb = pytest.mark.parametrize("verb", OWN_VERBS, ids=by_action)
READINGS = [
    (switch.name, value)
    for switch in SWITCHES.values()
    for value in switch.allowed
    if value not in {switch.default, COUNT}
]


def is_done(verb, sandbox: Sandbox, before) -> bool:
    return verb.is_done(sandbox) if isinstance(verb, OwnVerb) else verb.done(before, sandbox.keys("acme"))


def post(client: Client, url: str, **fields: str):
    return client.post(url, {"token": str(uuid.uuid4())} | fields)


@every_change
def test_a_form_sent_twice_is_done_once(verb, sandbox: Sandbox, sam_client) -> None:
    """G6: the second answer is the first one's result; managers are told once."""
    before = acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    first = verb.send(sam_client, url, token)
    assert first.status_code in {200, 303}
    assert is_done(verb, sandbox, before)
    after, mails = sandbox.consumers(), len(mail.outbox)
    sandbox.clear_journal()
    second = verb.send(sam_client, url, token)
    assert second.status_code == first.status_code
    assert sandbox.consumers() == after
    assert all(call.method == "GET" for call in sandbox.journal())
    assert len(mail.outbox) == mails
    assert FULL_KEY.findall(second.text) == FULL_KEY.findall(first.text)


@every_verb
def test_an_outage_is_explained(verb, sandbox: Sandbox, sam_client) -> None:
    """H1: in the clothes of Django admin."""
    acme(sandbox)
    url, before = verb.url(sandbox), sandbox.consumers()
    sandbox.fault("*", "*", "drop", times=0)
    response = verb.send(sam_client, url)
    assert response.status_code == 503
    for sentence in ("did not answer", "Nothing was changed", "try again", response["X-Request-ID"], "Log out"):
        assert sentence in response.text
    assert sandbox.consumers() == before


@every_own_verb
@pytest.mark.parametrize("kind", ["drop", "not_json", "truncated"])
def test_a_lost_answer_is_looked_into(verb: OwnVerb, kind: str, sandbox: Sandbox, sam_client) -> None:
    """G5: the write was done, its answer was lost; a look finds it done."""
    acme(sandbox)
    for method in ("POST", "PATCH", "DELETE"):
        sandbox.fault(method, "*", kind, when="after")
    response = verb.send(sam_client, verb.url(sandbox))
    assert response.status_code in {200, 303}
    assert verb.is_done(sandbox)
    assert AuditEvent.objects.get().outcome == Outcome.DONE


@every_own_verb
@pytest.mark.parametrize("done", [True, False])
def test_what_nobody_could_confirm_is_settled_later(verb: OwnVerb, done: bool, sandbox: Sandbox, sam_client) -> None:
    """G5, H2: neither the answer nor the look came; `settle` finds out."""
    acme(sandbox)
    url = verb.url(sandbox)
    fields = verb.hidden(sam_client, url)
    for method in ("POST", "PATCH", "DELETE"):
        sandbox.fault(method, "*", "drop", when="after" if done else "before")
    before = 1 + url.endswith(("change/", "leaked/"))  # these look at the consumer to check the form
    sandbox.fault("GET", "*", "drop", nth=before + 1, times=0)
    response = post(sam_client, url, **verb.fields, **fields)
    assert response.status_code == 503
    assert "may or may not have been done" in response.text
    sandbox.clear_faults()
    event = AuditEvent.objects.get()
    assert event.outcome == Outcome.UNCONFIRMED
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    call_command("settle", stdout=StringIO(), stderr=StringIO())
    event.refresh_from_db()
    assert event.outcome == (Outcome.DONE if done else Outcome.FAILED)


@every_own_verb
@pytest.mark.parametrize(("switch", "reading"), READINGS, ids=lambda value: value)
def test_it_holds_under_every_reading(verb: OwnVerb, switch: str, reading: str, sandbox: Sandbox, sam_client) -> None:
    """However the open questions about the Developer API are answered, the verb does the same."""
    acme(sandbox)
    sandbox.set(**{switch: reading})
    fields = {"metadata": '{"seats": "5"}'} if reading == "strings" else {}
    response = post(sam_client, verb.url(sandbox), **verb.fields | verb.hidden(sam_client, verb.url(sandbox)) | fields)
    if (verb.action, reading) == (Action.CREATE_CONSUMER, "text"):
        # Where "not found" looks like an outage nobody can tell that the name is free, so nothing is made.
        assert response.status_code == 503
        assert "POST" not in {call.method for call in sandbox.journal()}
        return
    assert response.status_code in {200, 303}
    assert verb.is_done(sandbox) or fields
    assert AuditEvent.objects.latest("pk").outcome == Outcome.DONE


@every_own_verb
def test_it_shows_at_once_although_lists_lag(verb: OwnVerb, sandbox: Sandbox, sam_client) -> None:
    """G11"""
    acme(sandbox)
    url = verb.url(sandbox)
    fields = verb.hidden(sam_client, url)
    for path in ("*/consumers", "*/consumers/*"):
        sandbox.fault("GET", path, "stale", times=0)
    post(sam_client, url, **verb.fields, **fields)
    assert verb.is_done(sandbox)
    page = sam_client.get(ACME.replace("acme", "initech") if verb.action == Action.CREATE_CONSUMER else ACME)
    match verb.action:
        case Action.CREATE_CONSUMER:
            for words in ("Initech", "peter@initech.test", "plan=pro", "&quot;seats&quot;: 5", "First"):
                assert words in page.text
        case Action.CHANGE_CONSUMER:
            assert "Acme Ltd" in page.text
            assert "plan=pro" in page.text
        case Action.DELETE_CONSUMER:
            assert page.status_code == 404
            assert "Acme" not in sam_client.get(LIST).text
        case Action.ADD_MANAGER:
            assert "zoe@acme.test" in page.text
        case Action.REMOVE_MANAGER:
            assert "ben@acme.test" not in page.text
        case Action.CHANGE_END:
            assert "Ended" in page.text


TOLD = [verb for verb in OWN_VERBS if verb.action != Action.CHANGE_CONSUMER]


@pytest.mark.parametrize("verb", TOLD, ids=by_action)
def test_managers_are_told(verb: OwnVerb, sandbox: Sandbox, sam_client) -> None:
    """H3: those of before, and those of now; who did it is named, and no secret."""
    acme(sandbox)
    key = sandbox.keys("acme")[0]["key"]
    verb.send(sam_client, verb.url(sandbox))
    told = sorted(message.to[0] for message in mail.outbox)
    match verb.action:
        case Action.CREATE_CONSUMER:
            assert told == ["peter@initech.test"]
        case Action.ADD_MANAGER:
            assert told == ["ann@acme.test", "ben@acme.test", "zoe@acme.test"]
            assert "Manager: zoe@acme.test" in mail.outbox[0].body
            assert "can sign in with it" in mail.outbox[0].body
        case _:
            assert told == ["ann@acme.test", "ben@acme.test"]
    for message in mail.outbox:
        assert "Support (sam@portal.test)" in message.body
        assert "127.0.0.1" not in message.body.replace("://127.0.0.1", "")  # where colleagues sit is not told
        assert "/keys/production/" in message.body
        assert not FULL_KEY.search(str(message.message()))
        assert key not in message.body


def test_a_change_of_details_mails_nobody(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    verb = next(verb for verb in OWN_VERBS if verb.action == Action.CHANGE_CONSUMER)
    verb.send(sam_client, verb.url(sandbox))
    assert mail.outbox == []


# Creating


def test_a_consumer_is_made_with_managers_and_a_first_key(sandbox: Sandbox, sam_client) -> None:
    response = post(sam_client, LIST + "create/", **NEW_FIELDS)
    made = sandbox.consumer("initech")
    assert (made["description"], made["tags"], made["metadata"]) == ("Initech", {"plan": "pro"}, {"seats": 5})
    assert [one["email"] for one in made["managers"]] == ["peter@initech.test"]
    (key,) = made["apiKeys"]
    assert FULL_KEY.findall(response.text) == [key["key"]]
    assert key["description"] == "First"
    assert about(ends(key), in_time(days=30))
    event = AuditEvent.objects.get()
    assert (event.consumer, event.outcome, event.facts["new"]) == ("initech", Outcome.DONE, key["id"])


def test_a_consumer_may_begin_with_nothing_but_a_label(sandbox: Sandbox, sam_client) -> None:
    response = post(sam_client, LIST + "create/", label="Grüße & Söhne", ends="none")
    (made,) = sandbox.consumers()
    assert response["Location"] == f"/admin/keys/consumer/production/{made['name']}/"
    assert re.fullmatch(r"gr-e-s-hne-[0-9a-f]{8}", made["name"])
    assert made["apiKeys"] == made["managers"] == []
    page = sam_client.get(response["Location"]).text
    assert "Nobody can see this consumer" in page
    assert "This consumer has no key." in page


def test_managers_may_be_invited_instead(sandbox: Sandbox, sam_client) -> None:
    post(sam_client, LIST + "create/", **NEW_FIELDS | {"invite": "on", "managers": "a@x.test, B@x.test\na@x.test"})
    made = sandbox.consumer("initech")
    assert made["managers"] == []
    assert sorted(one["email"] for one in made["managerInvites"]) == ["a@x.test", "b@x.test"]
    assert sam_client.get("/admin/keys/consumer/production/initech/").text.count("Invited") == 2


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_taken_name_is_nobodys_to_adopt(when: str, sandbox: Sandbox, sam_client) -> None:
    """G10"""
    sandbox.add_consumer("initech", label="Somebody else's")
    if when == "meanwhile":
        sandbox.fault("GET", "*/consumers/initech", "status", status=404)
    response = post(sam_client, LIST + "create/", **NEW_FIELDS)
    assert response.status_code == 403
    assert "There is a consumer called initech already." in response.text
    assert sandbox.consumer("initech")["description"] == "Somebody else's"
    assert sandbox.keys("initech") == []


@pytest.mark.parametrize("ends", ["30", "none"])
def test_a_name_taken_meanwhile_is_not_adopted_when_the_answer_is_lost(ends: str, sandbox: Sandbox, sam_client) -> None:
    """G10, G5: what bears the name need not be what was to be made."""
    sandbox.add_consumer("initech", label="Somebody else's", keys=[{"description": "Theirs"}])
    sandbox.fault("GET", "*/consumers/initech", "status", status=404)
    sandbox.fault("POST", "*/consumers", "drop")
    response = post(sam_client, LIST + "create/", **NEW_FIELDS | {"ends": ends})
    assert response.status_code == 503
    assert "may or may not have been done" in response.text
    assert not FULL_KEY.search(response.text)
    assert AuditEvent.objects.get().outcome == Outcome.UNCONFIRMED
    call_command("settle", stdout=StringIO(), stderr=StringIO())
    assert AuditEvent.objects.get().outcome == Outcome.UNCONFIRMED


def test_staff_who_may_not_see_keys_make_one_that_its_managers_reveal(sandbox: Sandbox, make_person, client_of) -> None:
    """C8: and none where nobody could see it any more."""
    client = client_of(permit(make_person("sue@portal.test"), "view", "change"))
    response = post(client, LIST + "create/", **NEW_FIELDS)
    assert response.status_code == 200
    assert "You may not see it" in response.text
    assert not FULL_KEY.search(response.text)
    sandbox.set(retrievable="masked")
    response = post(client, LIST + "create/", **NEW_FIELDS | {"name": "other"})
    assert response.status_code == 403
    assert sandbox.consumer("other") is None
    assert post(client, LIST + "create/", **NEW_FIELDS | {"name": "other", "ends": "none"}).status_code == 303


# Limits, said before anything is sent


BAD = {
    "six tags": ({"tags": "\n".join(f"t{n}=1" for n in range(6))}, "at most 5 tags; these are 6"),
    "no tag": ({"tags": "pro"}, "as name=value"),
    "a tag twice": ({"tags": "a=1\na=2"}, "there twice"),
    "a tag without a value": ({"tags": "a="}, "as name=value"),
    "an invisible tag": ({"tags": "a=\u202egnp"}, "leave out control characters"),
    "too much": ({"metadata": json.dumps({"x": "é" * 500})}, "at most 1000 bytes; these are 1008"),
    "no JSON": ({"metadata": "{plan: pro}"}, "This is no JSON: line 1, character 2"),
    "a list": ({"metadata": "[1]"}, "Write a JSON object"),
    "no number": ({"metadata": '{"x": NaN}'}, "This is no JSON"),
    "no number in the end": ({"metadata": '{"x": 1e999}'}, "This is no JSON"),
    "nothing as a sign": ({"metadata": '{"x": "\\\\\\u0000"}'}, "leave out control characters"),
    "a name twice": ({"metadata": '{"x": 1, "x": 2}'}, "a name is there twice"),
    "half a sign": ({"metadata": '{"x": "\\ud800"}'}, "This is no JSON"),
    "bottomless": ({"metadata": '{"x":' * 5000 + "1" + "}" * 5000}, "This is no JSON"),
    "a long label": ({"label": "x" * 101}, "at most 100 characters"),
    "no label": ({"label": ""}, "required"),
}
BAD_NEW = {
    "a name in capitals": ({"name": "Initech"}, "small letters a to z"),
    "a path for a name": ({"name": "../keys"}, "small letters a to z"),
    "no address": ({"managers": "peter"}, "“peter” is not an e-mail address"),
    "many managers": ({"managers": " ".join(f"p{n}@x.test" for n in range(21))}, "at most 20 managers"),
    "a key without a label": ({"key_label": ""}, "where the key is to be used"),
    "a day that has passed": ({"ends": "date", "ends_on": "2020-01-01"}, "passed"),
}


@pytest.mark.parametrize("name", [*BAD, *BAD_NEW])
def test_limits_are_said_before_a_consumer_is_made(name: str, sandbox: Sandbox, sam_client) -> None:
    """And what was typed is still there."""
    fields, sentence = (BAD | BAD_NEW)[name]
    response = post(sam_client, LIST + "create/", **NEW_FIELDS | fields)
    assert response.status_code == 422
    assert sentence in BeautifulSoup(response.text, "html.parser").get_text()
    assert 'value="peter@initech.test"' in response.text or ">\npeter" in response.text or "managers" in fields
    assert sandbox.journal() == []
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("name", BAD)
def test_limits_are_said_before_a_consumer_is_changed(name: str, sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    verb = next(verb for verb in OWN_VERBS if verb.action == Action.CHANGE_CONSUMER)
    fields, sentence = BAD[name]
    url = verb.url(sandbox)
    response = post(sam_client, url, **verb.fields | verb.hidden(sam_client, url) | fields)
    assert response.status_code == 422
    assert sentence in BeautifulSoup(response.text, "html.parser").get_text()
    assert {call.method for call in sandbox.journal()} == {"GET"}


# Changing


def form_of(client: Client, url: str) -> dict[str, str]:
    page = BeautifulSoup(client.get(url).text, "html.parser")
    form = next(form for form in page.find_all("form") if form.get("action") == url)
    fields = {one["name"]: one.get("value", "") for one in form.find_all("input") if one.get("type") != "checkbox"}
    return fields | {one["name"]: one.text.removeprefix("\n") for one in form.find_all("textarea")}


def test_only_what_is_changed_is_sent(sandbox: Sandbox, sam_client) -> None:
    """C7: metadata that somebody else wrote is not written again."""
    metadata = {"plan": "pro", "nested": {"a": [1, None, True]}, "text": "ä\u202e\n"}
    sandbox.add_consumer("acme", label="Acme Inc", tags={"org": "acme"}, metadata=metadata)
    form = form_of(sam_client, ACME + "change/")
    assert json.loads(form["metadata"]) == metadata
    assert "\u202e" not in form["metadata"]
    sandbox.clear_journal()
    assert sam_client.post(ACME + "change/", form | {"tags": "org=acme\nplan=pro"}).status_code == 303
    assert [call.method for call in sandbox.journal() if call.method != "GET"] == ["PATCH"]
    assert sandbox.consumer("acme")["metadata"] == metadata
    assert AuditEvent.objects.get().facts == {"tags": {"org": "acme", "plan": "pro"}}
    sandbox.clear_journal()
    assert sam_client.post(ACME + "change/", form_of(sam_client, ACME + "change/")).status_code == 303
    assert {call.method for call in sandbox.journal()} == {"GET"}


def test_nobodys_change_is_written_over_unseen(sandbox: Sandbox, sam_client, make_person, client_of) -> None:
    """What was typed is still there."""
    acme(sandbox)
    form = form_of(sam_client, ACME + "change/")
    sue = client_of(permit(make_person("sue@portal.test"), "view", "change"))
    sue.post(ACME + "change/", form_of(sue, ACME + "change/") | {"tags": "plan=free"})
    response = sam_client.post(ACME + "change/", form | {"tags": "plan=pro"})
    assert response.status_code == 422
    assert "Somebody has changed this consumer" in response.text
    assert "plan=pro" in response.text
    assert sandbox.consumer("acme")["tags"] == {"plan": "free"}


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_the_second_is_told(sandbox: Sandbox, sam, make_person, client_of) -> None:
    """G6: it had waited for the first one, and would have written over it."""
    acme(sandbox)
    sue = permit(make_person("sue@portal.test"), "view", "change")
    form = form_of(client_of(sam), ACME + "change/")
    sandbox.fault("PATCH", "*", "delay", seconds=0.5)

    def change(person) -> int:
        try:
            wish = form | {"tags": f"by={person.pk}", "token": str(uuid.uuid4())}
            return client_of(person).post(ACME + "change/", wish).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        statuses = dict(zip([sam.pk, sue.pk], pool.map(change, [sam, sue]), strict=True))
    assert sorted(statuses.values()) in ([303, 409], [303, 422])
    (first,) = [pk for pk, status in statuses.items() if status == 303]
    assert sandbox.consumer("acme")["tags"] == {"by": str(first)}


@pytest.mark.parametrize("reading", ["replace", "merge"])
def test_a_tag_can_be_taken_off_however_patch_is_read(reading: str, sandbox: Sandbox, sam_client) -> None:
    sandbox.add_consumer("acme", label="Acme", tags={"a": "1", "b": "2"}, metadata={"x": 1, "y": 2})
    sandbox.set(patch_maps=reading)
    form = form_of(sam_client, ACME + "change/")
    assert sam_client.post(ACME + "change/", form | {"tags": "b=2", "metadata": '{"y": 2}'}).status_code == 303
    page = sam_client.get(ACME).text
    assert "b=2" in page
    assert "a=1" not in page
    assert "&quot;x&quot;: 1" not in page
    assert form_of(sam_client, ACME + "change/")["tags"] == "b=2"


def test_a_consumer_is_deleted_by_its_typed_name_only(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    for typed in ("", "Acme Inc", "ACME"):
        response = post(sam_client, ACME + "delete/", typed=typed)
        assert response.status_code == 422
        assert "Nothing was deleted" in response.text
    assert sandbox.consumer("acme")
    assert post(sam_client, ACME + "delete/", typed="acme")["Location"] == LIST
    assert sandbox.consumer("acme") is None


# Managers


def test_an_address_is_added_as_people_sign_in_with_it(sandbox: Sandbox, sam_client) -> None:
    """A4: ASCII letters only are made small."""
    acme(sandbox)
    post(sam_client, ACME + "managers/add/", email=" Zoe+Keys@ACME.test ")
    assert "zoe+keys@acme.test" in [one["email"] for one in sandbox.consumer("acme")["managers"]]


@pytest.mark.parametrize("email", ["", "zoe", "zoe@", "zoe@acme test", "a" * 300 + "@acme.test"])
def test_what_is_no_address_is_not_sent(email: str, sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    assert post(sam_client, ACME + "managers/add/", email=email).status_code == 422
    assert {call.method for call in sandbox.journal()} == {"GET"}


def test_who_manages_already_is_not_added_again(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    response = post(sam_client, ACME + "managers/add/", email="ANN@acme.test")
    assert response.status_code == 403
    assert "ann@acme.test manages this consumer already." in response.text
    assert f'href="{ACME}">Back to acme</a>' in response.text
    assert len(sandbox.consumer("acme")["managers"]) == 2


def test_a_manager_counts_within_the_own_consumer_only(sandbox: Sandbox, sam_client) -> None:
    """C3"""
    acme(sandbox)
    other = sandbox.add_consumer("globex", managers=["ann@acme.test"])["managers"][0]["id"]
    assert post(sam_client, f"{ACME}managers/{other}/remove/").status_code == 404
    assert len(sandbox.consumer("globex")["managers"]) == 1
    assert {call.method for call in sandbox.journal()} == {"GET"}


def test_the_last_manager_goes_after_a_warning(sandbox: Sandbox, sam_client) -> None:
    manager = sandbox.add_consumer("acme", managers=["ann@acme.test"])["managers"][0]["id"]
    url = f"{ACME}managers/{manager}/remove/"
    assert "This is the last manager" in sam_client.get(url).text
    assert post(sam_client, url)["Location"] == ACME
    assert sandbox.consumer("acme")["managers"] == []
    assert [message.to for message in mail.outbox] == [["ann@acme.test"]]


# Keys, by the verbs of the portal


def test_the_rules_for_customers_do_not_hold_up_colleagues(sandbox: Sandbox, sam_client, settings) -> None:
    """A leaked key must be rotated, however many there are."""
    before, settings.KEYS_PER_CONSUMER = acme(sandbox), 1
    url = f"{ACME}{named(before, 'CI')[0]['id']}/rotate/"
    assert sam_client.get(url).status_code == 200
    assert post(sam_client, url, grace="now").status_code == 200
    assert post(sam_client, ACME + "create/", label="New", ends="30").status_code == 200
    assert len(new_keys(before, sandbox.keys("acme"))) == 2


def test_a_revealed_key_leads_back_to_its_consumer(sandbox: Sandbox, sam_client) -> None:
    """E4: after a minute, without a script."""
    (key, _) = acme(sandbox)
    response = sam_client.post(f"{ACME}{key['id']}/reveal/")
    assert set(FULL_KEY.findall(response.text)) == {key["key"]}
    assert response["Refresh"] == f"60; url={ACME}"
    assert "no-store" in response["Cache-Control"]
    assert f'href="{ACME}"' in response.text


def test_a_key_that_the_service_hides_is_not_offered(sandbox: Sandbox, sam_client) -> None:
    """E3"""
    (key, _) = acme(sandbox)
    sandbox.set(retrievable="masked")
    response = sam_client.post(f"{ACME}{key['id']}/reveal/")
    assert response.status_code == 409
    assert "cannot be shown" in response.text
    assert ">Reveal<" not in sam_client.get(ACME).text


@every_change
def test_the_form_itself_passes(verb, sandbox: Sandbox, sam, client_of) -> None:
    """As it stands in the page, with CSRF checks on."""
    before = acme(sandbox)
    client, url = client_of(sam, strict=True), verb.url(sandbox)
    assert client.post(url, form_of(client, url) | verb.fields).status_code in {200, 303}
    assert is_done(verb, sandbox, before)


def test_hostile_text_is_shown_as_text(sandbox: Sandbox, sam_client) -> None:
    """F2: on every screen."""
    hostile = "<script>alert(1)</script>\u202e{{ 7 }}"
    sandbox.add_consumer(
        "acme",
        label=hostile,
        managers=["<b>@acme.test"],
        tags={hostile: hostile},
        metadata={hostile: hostile},
        keys=[{"description": hostile}],
    )
    addresses = [
        LIST,
        ACME,
        ACME + "change/",
        ACME + "delete/",
        LIST + "look/never/?from=0",
        LIST + "look/unseen/?from=0",
    ]
    for url in addresses:
        page = sam_client.get(url).text
        assert "<script>alert" not in page
        assert "<b>@" not in page
        assert "\u202e" not in page


def test_mails_are_promised_only_where_they_are_sent(sandbox: Sandbox, sam_client, settings) -> None:
    acme(sandbox)
    urls = [f"{ACME}delete/", f"{ACME}managers/add/"]
    assert all("told by mail" in sam_client.get(url).text for url in urls)
    settings.KEYS_MAIL_MANAGERS = False
    assert not any("told by mail" in sam_client.get(url).text for url in urls)
