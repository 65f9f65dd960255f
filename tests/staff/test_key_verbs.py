"""Verbs of colleagues in Django admin: done once, recorded, told, and told truly when they fail."""

import uuid
from datetime import timedelta
from io import StringIO

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.faults import forget
from tests.helpers.staff import ACME, CHANGES, EVERY_VERB, LIST, OWN_VERBS, OwnVerb, by_action, form_of, permit, post
from tests.helpers.verbs import FULL_KEY, READINGS, acme, named, new_keys

pytestmark = pytest.mark.django_db
every_verb = pytest.mark.parametrize("verb", EVERY_VERB, ids=by_action)
every_change = pytest.mark.parametrize("verb", CHANGES, ids=by_action)
every_own_verb = pytest.mark.parametrize("verb", OWN_VERBS, ids=by_action)


@pytest.fixture(autouse=True)
def test_route(sandbox: Sandbox, settings) -> None:
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = sandbox.url, "/_sandbox/hello"


def is_done(verb, sandbox: Sandbox, before) -> bool:
    return verb.is_done(sandbox) if isinstance(verb, OwnVerb) else verb.done(before, sandbox.keys("acme"))


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


def test_new_keys_for_all_old_ones_are_told_to_staff(sandbox: Sandbox, sam_client) -> None:
    """The page speaks of the customer, not to one."""
    before = acme(sandbox)
    form = {"grace": "1h", "new": "each", "ends": "30", "token": str(uuid.uuid4())}
    response = sam_client.post(f"{ACME}rotate-all/", form)
    assert set(FULL_KEY.findall(response.text)) == {key["key"] for key in new_keys(before, sandbox.keys("acme"))}
    page = BeautifulSoup(response.text, "html.parser")
    assert page.find(id="dialog-title").text == "2 new keys for Acme Inc"
    assert "Send them to the customer over a secure channel" in page.text
    assert "2 new keys for Acme Inc" in sam_client.post(f"{ACME}rotate-all/", form).text


@every_verb
def test_an_outage_is_explained(verb, sandbox: Sandbox, sam_client) -> None:
    """H1: in the clothes of Django admin."""
    acme(sandbox)
    url, before = verb.url(sandbox), sandbox.consumers()
    sandbox.fault("*", "*", "drop", times=0)
    response = verb.send(sam_client, url)
    assert response.status_code == 503
    for sentence in ("respond as expected", "Nothing was changed", "Try again", response["X-Request-ID"], "Sign out"):
        assert sentence in response.text
    assert sandbox.consumers() == before


@pytest.mark.parametrize(
    ("name", "words"),
    [("copy", "copied the key CI"), ("try", "test request with the key CI"), ("reveal", "revealed the key CI")],
)
def test_managers_read_who_of_support_had_a_key(name, words, sandbox: Sandbox, sam_client, ann_client) -> None:
    """H2: under the colleague's own name, in the history as in the audit log."""
    (ci, _laptop) = acme(sandbox)
    assert sam_client.post(f"{ACME}{ci['id']}/{name}/").status_code == 200
    event = AuditEvent.objects.get()
    assert (event.staff_email, event.email, event.key_label) == ("sam@portal.test", "", "CI")
    history = " ".join(
        BeautifulSoup(ann_client.get("/keys/activity/production/").text, "html.parser").get_text(" ").split()
    )
    assert "Support (sam@portal.test)" in history
    assert words in history


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
def test_it_holds_under_every_reading(verb: OwnVerb, sandbox: Sandbox, sam_client, subtests) -> None:
    """However the open questions about the Developer API are answered, the verb does the same."""
    for switch, reading in READINGS:
        with subtests.test(switch=switch, reading=reading):
            forget(sandbox)
            acme(sandbox)
            sandbox.set(**{switch: reading})
            url = verb.url(sandbox)
            fields = {"metadata": '{"seats": "5"}'} if reading == "strings" else {}
            response = post(sam_client, url, **verb.fields | verb.hidden(sam_client, url) | fields)
            if (verb.action, reading) == (Action.CREATE_CONSUMER, "text"):
                # Where "not found" looks like an outage nobody can tell that the name is free, so nothing is made.
                assert response.status_code == 503
                assert "POST" not in {call.method for call in sandbox.journal()}
                continue
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
    url = ACME.replace("acme", "initech") if verb.action == Action.CREATE_CONSUMER else ACME
    sam_client.get(url)  # where a message says what was done
    page = sam_client.get(url)
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
            assert "Expired" in page.text


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
            of = {message.to[0]: message.body for message in mail.outbox}
            assert "gave you access to the API keys of Acme Inc" in of["zoe@acme.test"]
            assert "Anyone who signs in with zoe@acme.test can now see" in of["ben@acme.test"]
        case _:
            assert told == ["ann@acme.test", "ben@acme.test"]
    for message in mail.outbox:
        assert "Support (sam@portal.test)" in message.body
        assert "127.0.0.1" not in message.body.replace("://127.0.0.1", "")  # where colleagues sit is not told
        is_gone = message.subject.startswith("You no longer have access")
        assert ("/keys/production/" in message.body) is not is_gone
        assert not FULL_KEY.search(str(message.message()))
        assert key not in message.body


def test_a_change_of_details_mails_nobody(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    verb = next(verb for verb in OWN_VERBS if verb.action == Action.CHANGE_CONSUMER)
    verb.send(sam_client, verb.url(sandbox))
    assert mail.outbox == []


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
    assert "be shown" in response.text
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
    assert all("get an email" in sam_client.get(url).text for url in urls)
    settings.KEYS_MAIL_MANAGERS = False
    assert not any("get an email" in sam_client.get(url).text for url in urls)


def test_a_key_has_a_page_for_colleagues(sandbox: Sandbox, sam_client, ann_client) -> None:
    """State, pair, whole history and verbs, and no way out of Django admin."""
    ci, _laptop = acme(sandbox)
    post(ann_client, f"/keys/production/acme/{ci['id']}/rotate/", grace="24h")
    (new,) = new_keys([ci, _laptop], sandbox.keys("acme"))
    pages = {
        key["id"]: BeautifulSoup(sam_client.get(f"{ACME}{key['id']}/").content, "html.parser") for key in (ci, new)
    }
    old_page, new_page = (page.select_one("#content") for page in pages.values())
    assert "Replaced by" in old_page.text
    assert old_page.select_one(f'a[href="{ACME}{new["id"]}/"]')
    assert "Replaces" in new_page.text
    assert new_page.select_one(f'a[href="{ACME}{ci["id"]}/"]')
    assert [row["data-event"] for row in new_page.select(".event")] == [Action.ROTATE]
    verbs = {form["action"].removeprefix(f"{ACME}{ci['id']}/") for form in old_page.select("form[action]")}
    assert verbs >= {"copy/", "reveal/", "rotate/", "end/", "rename/", "delete/"}
    assert old_page.select_one(f'a[href="{ACME}{ci["id"]}/leaked/"]')
    assert all(
        one.get("href", one.get("action", "")).startswith(("/admin/", "#"))
        for one in old_page.select("a, form[action]")
    )
    consumer = BeautifulSoup(sam_client.get(ACME).content, "html.parser")
    assert consumer.select_one(f'[data-key="{ci["id"]}"] a[href="{ACME}{ci["id"]}/"]')
    assert "Replaced by" in consumer.select_one(f'[data-key="{ci["id"]}"]').text


def test_of_a_key_that_is_gone_its_history_stays(sandbox: Sandbox, sam_client) -> None:
    ci, _laptop = acme(sandbox)
    post(sam_client, f"{ACME}{ci['id']}/delete/")
    page = BeautifulSoup(sam_client.get(f"{ACME}{ci['id']}/").content, "html.parser")
    assert [row["data-event"] for row in page.select(".event")] == [Action.DELETE]
    assert not page.select("#key-card")
    assert sam_client.get(f"{ACME}never-there/").status_code == 404


def test_a_colleague_hands_a_key_over_in_the_own_name(sandbox: Sandbox, sam, sam_client) -> None:
    """The text is filled in by the server, and on record with its form; what is made or revealed offers it too."""
    ci, _laptop = acme(sandbox)
    page = sam_client.get(f"{ACME}{ci['id']}/").text
    assert page.count('name="form"') == 4
    assert not FULL_KEY.search(page)
    answer = post(sam_client, f"{ACME}{ci['id']}/copy/", form="kubernetes")
    assert BeautifulSoup(answer.content, "html.parser").textarea.text.count(ci["key"]) == 1
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.staff_email, event.facts["form"]) == (Action.COPY, sam.email, "Kubernetes")
    for made in (
        post(sam_client, f"{ACME}{ci['id']}/reveal/"),
        post(sam_client, f"{ACME}create/", label="B", ends="30"),
    ):
        assert made.text.count('name="form"') == 4


def test_without_the_right_to_reveal_nothing_is_handed_over(sandbox: Sandbox, make_person, client_of) -> None:
    ci, _laptop = acme(sandbox)
    viewer = client_of(permit(make_person("vic@portal.test"), "view"))
    page = BeautifulSoup(viewer.get(f"{ACME}{ci['id']}/").content, "html.parser").select_one("#content")
    assert ci["description"] in page.text
    assert not page.select("form[action], a[href$='/leaked/']")
