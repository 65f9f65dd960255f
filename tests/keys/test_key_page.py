"""The page of one key: how it stands, what can be done with it, and who did what with it; also after it is gone."""

import re
import uuid
from datetime import timedelta

import pytest
import requests
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.core import mail
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome
from keys.web.history import ON_A_PAGE
from sandbox import Sandbox
from tests.helpers.faults import OF_A_READ, Trouble
from tests.helpers.invariants import explains, words
from tests.helpers.verbs import FULL_KEY, VERBS, acme, in_time, new_keys

pytestmark = pytest.mark.django_db
FOUND = "In a public repository, https://git.test/acme/app."
both_ways = pytest.mark.parametrize("htmx", [False, True], ids=["page", "panel"])


def address(key: dict, consumer: str = "acme") -> str:
    return f"/keys/production/{consumer}/{key['id']}/"


def look(client: Client, url: str, *, htmx: bool = False) -> HttpResponse:
    return client.get(url, headers={"HX-Request": "true"} if htmx else {})


def events(response: HttpResponse) -> list[str]:
    rows = BeautifulSoup(response.content, "html.parser").select("[data-event]")
    return [" ".join(row.get_text(" ").split()) for row in rows]


def does(client: Client, key: dict, verb: str, **fields: str) -> None:
    response = client.post(f"{address(key)}{verb}/", fields | {"token": str(uuid.uuid4())})
    assert response.status_code in {200, 303}


def leaks(sandbox: Sandbox, sam_client: Client, **fields: str) -> dict:
    """A colleague ends the key "CI" as leaked."""
    key = acme(sandbox)[0]
    form = {"when": "now", "tell": "on", "found": FOUND, "token": str(uuid.uuid4())} | fields
    assert sam_client.post(f"/admin/keys/consumer/production/acme/{key['id']}/leaked/", form).status_code == 303
    return sandbox.keys("acme")[0]


# What stands on it


@both_ways
def test_it_tells_who_did_what_with_the_key_by_one_call(
    htmx: bool, sandbox: Sandbox, ann_client: Client, ben_client: Client
) -> None:
    """Who copied this key: one press on its label in the list."""
    key, other = acme(sandbox)
    does(ben_client, key, "copy")
    does(ann_client, key, "rename", label="Build")
    does(ann_client, other, "reveal")
    (link,) = BeautifulSoup(ann_client.get("/keys/").content, "html.parser").select(f"[data-key={key['id']}] strong a")
    assert (link.get_text(), link["href"]) == ("Build", address(key))
    sandbox.clear_journal()
    page = look(ann_client, link["href"], htmx=htmx)
    assert [call.method for call in sandbox.journal()] == ["GET"]
    renamed, copied = events(page)
    assert "copied the key" in copied
    assert "ben@acme.test" in copied
    assert "renamed the key" in renamed
    assert "(you)" in renamed
    assert f"••••{key['key'][-4:]}" in words(page)
    assert "No expiry" in words(page)
    assert not FULL_KEY.search(page.text)
    assert "no-store" in page["Cache-Control"]
    assert ("<html" in page.text) is not htmx
    assert 'id="dialog-title"' in page.text or not htmx


def test_it_has_every_verb_on_the_key(sandbox: Sandbox, ann_client: Client) -> None:
    key = acme(sandbox)[0]
    page = BeautifulSoup(ann_client.get(address(key)).content, "html.parser")
    offered = {form["action"] for form in page.select("main form") if form["action"].startswith(address(key))}
    assert offered == {verb.url(sandbox) for verb in VERBS if verb.on_key and verb.name != "keep"}


def test_an_ended_key_can_be_deleted_and_nothing_else(sandbox: Sandbox, ann_client: Client) -> None:
    over = {"description": "Over", "expiresOn": in_time(days=-2).isoformat()}
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[over])
    url = address(sandbox.keys("acme")[0])
    page = BeautifulSoup(ann_client.get(url).content, "html.parser")
    assert [form["action"] for form in page.select("main form")] == [f"{url}delete/"]


@both_ways
def test_both_ends_of_a_rotation_lead_to_each_other(htmx: bool, sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    does(ann_client, before[0], "rotate", grace="24h")
    old, (new,) = before[0], new_keys(before, sandbox.keys("acme"))
    for here, there, sentence in ((old, new, "Replaced by CI"), (new, old, "Replaces CI")):
        page = look(ann_client, address(here), htmx=htmx)
        assert f"{sentence} ••••••••{there['key'][-4:]}" in words(page)
        assert f'href="{address(there)}"' in page.text
        (row,) = events(page)
        assert "rotated the key" in row
    assert "· Works until" in words(look(ann_client, address(new), htmx=htmx))
    assert "· No expiry" in words(look(ann_client, address(old), htmx=htmx))


def test_rotating_all_stands_in_the_history_of_each(sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    ann_client.post("/keys/production/acme/rotate-all/", {"grace": "1h", "token": str(uuid.uuid4())})
    (new,) = new_keys(before, sandbox.keys("acme"))
    for key in (*before, new):
        assert "rotated all keys" in events(ann_client.get(address(key)))[0]
    assert words(ann_client.get(address(new))).count("Replaces ") == len(before)


def test_its_quickstart_is_about_this_key(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = "https://api.acme.test", "/v1/hello"
    key = acme(sandbox)[0]
    section = BeautifulSoup(ann_client.get(address(key)).content, "html.parser").select_one("[data-quickstart]")
    assert section.select("[data-key-choice]") == []
    assert {button["formaction"] for button in section.select("[form=act]")} == {
        f"{address(key)}copy/request/",
        f"{address(key)}try/",
    }
    assert {mark.get_text()[-4:] for mark in section.select("[data-place]")} == {key["key"][-4:]}


def test_a_revealed_key_takes_the_place_of_its_mask(sandbox: Sandbox, ann_client: Client) -> None:
    key = acme(sandbox)[0]
    headers = {"HX-Request": "true", "HX-Target": "key-card"}
    response = ann_client.post(f"{address(key)}reveal/", headers=headers)
    assert set(FULL_KEY.findall(response.text)) == {key["key"]}
    assert BeautifulSoup(response.content, "html.parser").select_one("[data-revealed]")["id"] == "key-card"


def test_a_long_history_comes_in_pages(sandbox: Sandbox, ann, ann_client: Client) -> None:
    key = acme(sandbox)[0]
    common = {"user": ann, "email": ann.email, "environment": "production", "consumer": "acme", "key_id": key["id"]}
    for number in range(ON_A_PAGE + 1):
        AuditEvent.objects.create(
            action=Action.COPY, outcome=Outcome.DONE, key_ending="1a2b", key_label=f"L{number}", **common
        )
    first = ann_client.get(address(key))
    older = BeautifulSoup(first.content, "html.parser").select_one("a[rel=next]")["href"]
    assert len(events(first)) == ON_A_PAGE
    (last,) = events(ann_client.get(older))
    assert "L0" in last


# A key that is gone


@both_ways
def test_a_deleted_key_keeps_its_history(htmx: bool, sandbox: Sandbox, ann_client: Client, ben_client: Client) -> None:
    key = acme(sandbox)[0]
    does(ben_client, key, "copy")
    does(ann_client, key, "delete")
    page = look(ben_client, address(key), htmx=htmx)
    assert page.status_code == 200
    assert "was deleted" in words(page)
    assert "CI" in words(page)
    deleted, copied = events(page)
    assert "deleted the key" in deleted
    assert "copied the key" in copied
    assert "key-card" not in page.text


def test_a_key_that_was_made_and_deleted_is_known_by_its_rotation(sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    does(ann_client, before[0], "rotate", grace="24h")
    (new,) = new_keys(before, sandbox.keys("acme"))
    does(ann_client, new, "delete")
    AuditEvent.objects.filter(action=Action.DELETE).delete()
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=5))
    page = words(ann_client.get(address(new)))
    assert f"••••{new['key'][-4:]}) was deleted" in page


@pytest.mark.parametrize("new", ["one", "each"])
def test_a_key_that_was_rotated_with_all_others_and_is_gone_keeps_its_name(
    new: str, sandbox: Sandbox, ann_client: Client
) -> None:
    key = acme(sandbox)[0]
    form = {"grace": "1h", "new": new, "ends": "30", "token": str(uuid.uuid4())}
    assert ann_client.post("/keys/production/acme/rotate-all/", form).status_code == 200
    AuditEvent.objects.filter(action=Action.ROTATE).delete()
    delete_elsewhere(sandbox, key)
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=5))
    page = ann_client.get(address(key))
    assert f"This key (••••{key['key'][-4:]}) was deleted" in words(page)
    assert BeautifulSoup(page.content, "html.parser").select_one("h1").get_text() == "CI"


def delete_elsewhere(sandbox: Sandbox, key: dict) -> None:
    url = f"{sandbox.url}/v1/accounts/{sandbox.account}/key-buckets/{sandbox.bucket}/consumers/acme/keys/{key['id']}"
    assert requests.delete(url, headers={"Authorization": f"Bearer {sandbox.token}"}, timeout=10).ok


def test_what_was_only_tried_makes_no_key(sandbox: Sandbox, ann_client: Client) -> None:
    """An address that somebody made up is no key's, though the try stands in the log."""
    acme(sandbox)
    made_up = {"id": "key_made_up"}
    assert ann_client.post(f"{address(made_up)}copy/").status_code == 404
    assert AuditEvent.objects.get().key_id == "key_made_up"
    assert ann_client.get(address(made_up)).status_code == 404


def test_the_history_ends_where_the_log_does(sandbox: Sandbox, ann_client: Client) -> None:
    key = acme(sandbox)[0]
    does(ann_client, key, "delete")
    AuditEvent.objects.all().delete()
    assert ann_client.get(address(key)).status_code == 404


# Leaks


def test_a_leak_is_told_in_red_on_the_list_and_on_the_page(
    sandbox: Sandbox, sam_client: Client, ann_client: Client
) -> None:
    key = leaks(sandbox, sam_client)
    for url in ("/keys/", address(key)):
        page = BeautifulSoup(ann_client.get(url).content, "html.parser")
        (callout,) = page.select(f'.callout[data-tone=danger][data-leaked="{key["id"]}"]')
        text = " ".join(callout.get_text(" ").split())
        assert FOUND in text
        assert "Create a new key" in text
        assert "otate" not in text
        assert page.select(".state[data-tone=danger]")
    assert f'href="{address(key)}"' in ann_client.get("/keys/").text
    assert FOUND in events(ann_client.get(address(key)))[0]


def test_a_leaked_key_that_still_works_is_to_be_rotated(
    sandbox: Sandbox, sam_client: Client, ann_client: Client
) -> None:
    later = in_time(hours=6).strftime("%Y-%m-%dT%H:%M")
    key = leaks(sandbox, sam_client, when="later", ends_on=later)
    assert "Rotate it now" in words(ann_client.get(address(key)))
    does(ann_client, key, "rotate", grace="1h")
    page = words(ann_client.get(address(key)))
    assert "Rotate it now" not in page
    assert "It has been replaced" in page


@pytest.mark.parametrize("target", ["", "key-card"], ids=["row", "card"])
@pytest.mark.parametrize("is_replaced", [False, True], ids=["leaked", "replaced"])
def test_a_key_that_is_shown_says_of_itself_what_it_said_before(
    is_replaced: bool, target: str, sandbox: Sandbox, sam_client: Client, ann_client: Client
) -> None:
    """That it has leaked, what it was replaced by, and what can be done with it."""
    later = in_time(hours=6).strftime("%Y-%m-%dT%H:%M")
    key = leaks(sandbox, sam_client, when="later", ends_on=later)
    if is_replaced:
        does(ann_client, key, "rotate", grace="1h")

    def told(response) -> tuple[list[str], set[str], bool]:
        shown = BeautifulSoup(response.content, "html.parser")
        row = shown.select_one("#key-card" if target else f"[data-key='{key['id']}']")
        said = [one.get_text(" ", strip=True) for one in row.select(".key-successor, .state")]
        verbs = {button.get_text(strip=True) for button in row.select("button")}
        return said, verbs - {"Reveal", "Hide"}, len(row.select("[data-copy]")) <= 1

    headers = {"HX-Request": "true", "HX-Target": target} if target else {"HX-Request": "true"}
    before = told(ann_client.get(address(key) if target else "/keys/"))
    assert told(ann_client.post(address(key) + "reveal/", headers=headers)) == (*before[:2], True)
    assert any("replaced" in one.lower() for one in before[0]) or not is_replaced or target


def test_what_was_ended_without_a_word_is_no_leak(sandbox: Sandbox, sam_client: Client, ann_client: Client) -> None:
    key = leaks(sandbox, sam_client, tell="")
    for url in ("/keys/", address(key)):
        assert "data-leaked" not in ann_client.get(url).text


@pytest.mark.parametrize(
    ("fields", "sentence", "never"),
    [
        ({}, "Create a new key: this one no longer works.", "otate"),
        ({"when": "later", "ends_on": in_time(hours=6).strftime("%Y-%m-%dT%H:%M")}, "Rotate this key now", "no longer"),
    ],
    ids=["ended", "ends"],
)
def test_the_mail_about_a_leak_advises_what_is_possible(
    fields: dict[str, str], sentence: str, never: str, sandbox: Sandbox, sam_client: Client, settings
) -> None:
    settings.PORTAL_URL = "https://portal.test"
    key = leaks(sandbox, sam_client, **fields)
    for message in mail.outbox:
        assert sentence in message.body
        assert never not in message.body
        assert f"https://portal.test{address(key)}" in message.body


# Who may


@both_ways
@pytest.mark.parametrize("who", ["mallory", "unverified"])
def test_a_stranger_may_not_even_know(
    htmx: bool, who: str, sandbox: Sandbox, ben_client: Client, client_of, request: pytest.FixtureRequest
) -> None:
    """C1, C5: there, gone, of nobody and never there look the same."""
    kept, deleted = acme(sandbox)
    does(ben_client, deleted, "delete")
    client = client_of(request.getfixturevalue(who))
    urls = [address(kept), address(deleted), address(kept, "nobody"), address({"id": "key_made_up"})]
    answers = [look(client, url, htmx=htmx) for url in urls]
    assert {answer.status_code for answer in answers} == {404}
    assert len({_bare(answer) for answer in answers}) == 1
    if not htmx:
        malformed = client.get("/keys/production/acme/%2e%2e/x/")
        assert _bare(malformed) == _bare(answers[0])


def _bare(response: HttpResponse) -> str:
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.text)
    return page.replace(response["X-Request-ID"], "")


def test_a_key_of_another_consumer_is_not_there(sandbox: Sandbox, ann_client: Client, mallory_client: Client) -> None:
    """C3: also by what its own consumer's history tells of it."""
    key = acme(sandbox)[0]
    does(ann_client, key, "copy")
    sandbox.add_consumer("mall", managers=["mallory@evil.test"])
    assert mallory_client.get(address(key, "mall")).status_code == 404


def test_who_is_no_longer_manager_sees_nothing_of_it(sandbox: Sandbox, ben_client: Client, sam_client: Client) -> None:
    """C6"""
    key = acme(sandbox)[0]
    does(ben_client, key, "copy")
    manager = next(one for one in sandbox.consumer("acme")["managers"] if one["email"] == "ben@acme.test")
    url = f"/admin/keys/consumer/production/acme/managers/{manager['id']}/remove/"
    assert sam_client.post(url, {"token": str(uuid.uuid4())}).status_code == 303
    assert ben_client.get(address(key)).status_code == 404


def test_a_consumer_by_the_name_of_a_deleted_one_does_not_have_its_keys_histories(
    sandbox: Sandbox, ann, ann_client: Client, sam
) -> None:
    common = {"environment": "production", "consumer": "acme", "outcome": Outcome.DONE}
    then = timezone.now() - timedelta(minutes=9)
    old = {"key_id": "key_of_others", "key_label": "Theirs", "key_ending": "1a2b", "started_at": then}
    AuditEvent.objects.create(user=sam, email="old@acme.test", action=Action.COPY, **common, **old)
    acme(sandbox)
    url = address({"id": "key_of_others"})
    assert ann_client.get(url).status_code == 200
    deletion = {"action": Action.DELETE_CONSUMER, "started_at": then + timedelta(minutes=1)}
    AuditEvent.objects.create(user=sam, email=sam.email, staff_email=sam.email, **common, **deletion)
    assert ann_client.get(url).status_code == 404


def test_nobody_signed_in_is_asked_to_sign_in_and_comes_back(sandbox: Sandbox, client: Client) -> None:
    key = acme(sandbox)[0]
    response = client.get(address(key))
    assert response["Location"] == f"/accounts/login/?next={address(key)}"
    assert sandbox.journal() == []


@both_ways
def test_support_sees_it_and_changes_nothing(htmx: bool, sandbox: Sandbox, ann, make_person, client_of) -> None:
    """D2: the history tells that support tried."""
    key = acme(sandbox)[0]
    clerk = make_person("clerk@portal.test", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "support_user"]))
    browser = client_of(clerk)
    browser.post(f"/admin/portal/user/{ann.pk}/support/", {"reason": "Ticket 7"})
    assert browser.post(f"{address(key)}reveal/").status_code == 403
    page = look(browser, address(key), htmx=htmx)
    assert page.status_code == 200
    assert f"{address(key)}reveal/" not in page.text
    assert f"{address(key)}rotate/" not in page.text
    assert "tried to reveal the key" in events(page)[0]


def test_it_is_only_looked_at(sandbox: Sandbox, ann_client: Client) -> None:
    """F4"""
    key = acme(sandbox)[0]
    assert ann_client.post(address(key)).status_code == 405
    assert ann_client.head(address(key)).status_code == 200
    assert not AuditEvent.objects.exists()


def test_two_environments_are_apart(two_environments: Sandbox, ann_client: Client) -> None:
    key = acme(two_environments)[0]
    assert ann_client.get(address(key)).status_code == 200
    assert ann_client.get(address(key).replace("production", "preview")).status_code == 404
    assert ann_client.get(address(key).replace("production", "nowhere")).status_code == 404


# What can go wrong


@pytest.mark.parametrize("trouble", OF_A_READ, ids=str)
def test_whatever_strikes_it_is_told_truly(trouble: Trouble, sandbox: Sandbox, ann_client: Client, log) -> None:
    """H1: the page of the key, or why there is none; never that it was deleted."""
    key = acme(sandbox)[0]
    does(ann_client, key, "rename", label="CI")
    sandbox.fault("GET", "*/consumers/acme", trouble.kind, when=trouble.when, times=2, **trouble.options)
    for htmx in (False, True):
        response = look(ann_client, address(key), htmx=htmx)
        assert "was deleted" not in words(response)
        if response.status_code == 200:
            assert key["id"] in response.text
        elif response.status_code != 404:
            explains(response, log.text)
