"""Consumers and their managers in Django admin: made, changed and deleted within limits that are said before."""

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.core.management import call_command
from django.db import connection

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.scenes import in_days
from tests.helpers.staff import ACME, LIST, NEW_FIELDS, OWN_VERBS, form_of, manager_id, permit, post
from tests.helpers.verbs import FULL_KEY, about, acme, ends, in_time

pytestmark = pytest.mark.django_db


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
    assert "No one can see this consumer" in page
    assert "No keys yet." in page


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
    assert "already a consumer named initech." in response.text
    assert sandbox.consumer("initech")["description"] == "Somebody else's"
    assert sandbox.keys("initech") == []


@pytest.mark.parametrize("ends", ["never", "none"])
@pytest.mark.parametrize(
    "theirs", [{"label": "Somebody else's"}, {"managers": ["mallory@evil.test"]}, {"managers": []}]
)
def test_a_name_taken_meanwhile_is_not_adopted_when_the_answer_is_lost(
    theirs: dict, ends: str, sandbox: Sandbox, sam_client
) -> None:
    """G10, G5: what bears the name, and even the label and the key's, need not be what was to be made."""
    wanted = {"label": NEW_FIELDS["label"], "managers": [NEW_FIELDS["managers"]]}
    sandbox.add_consumer("initech", **wanted | theirs, keys=[{"description": NEW_FIELDS["key_label"]}])
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
    assert "permission to see it" in response.text
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
    "a tag twice": ({"tags": "a=1\na=2"}, "appears twice"),
    "a tag without a value": ({"tags": "a="}, "as name=value"),
    "an invisible tag": ({"tags": "a=\u202egnp"}, "Remove control characters"),
    "too much": ({"metadata": json.dumps({"x": "é" * 500})}, "at most 1000 bytes; these are 1008"),
    "no JSON": ({"metadata": "{plan: pro}"}, "This isn't valid JSON: line 1, character 2"),
    "a list": ({"metadata": "[1]"}, "Write a JSON object"),
    "no number": ({"metadata": '{"x": NaN}'}, "This isn't valid JSON"),
    "no number in the end": ({"metadata": '{"x": 1e999}'}, "This isn't valid JSON"),
    "nothing as a sign": ({"metadata": '{"x": "\\\\\\u0000"}'}, "Remove control characters"),
    "a name twice": ({"metadata": '{"x": 1, "x": 2}'}, "a name appears twice"),
    "half a sign": ({"metadata": '{"x": "\\ud800"}'}, "This isn't valid JSON"),
    "bottomless": ({"metadata": '{"x":' * 5000 + "1" + "}" * 5000}, "This isn't valid JSON"),
    "a long label": ({"label": "x" * 101}, "at most 100 characters"),
    "no label": ({"label": ""}, "Enter a label."),
}
BAD_NEW = {
    "a name in capitals": ({"name": "Initech"}, "lowercase letters a to z"),
    "a path for a name": ({"name": "../keys"}, "lowercase letters a to z"),
    "no address": ({"managers": "peter"}, "“peter” isn't an email address"),
    "many managers": ({"managers": " ".join(f"p{n}@x.test" for n in range(21))}, "at most 20 managers"),
    "a key without a label": ({"key_label": ""}, "where the key is used"),
    "a day that has passed": ({"ends": "date", "ends_on": "2020-01-01"}, "is in the past"),
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
    assert AuditEvent.objects.get().facts == {"tags": {"org": "acme", "plan": "pro"}, "were": {"tags": {"org": "acme"}}}
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
    assert "Someone changed this consumer" in response.text
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
    """A4: ASCII letters only are made small. The message does not begin with a capital either."""
    acme(sandbox)
    done = post(sam_client, ACME + "managers/add/", email=" Zoe+Keys@ACME.test ")
    assert "zoe+keys@acme.test" in [one["email"] for one in sandbox.consumer("acme")["managers"]]
    assert "zoe+keys@acme.test is now a manager." in sam_client.get(done["Location"]).text


@pytest.mark.parametrize("email", ["", "zoe", "zoe@", "zoe@acme test", "a" * 300 + "@acme.test"])
def test_what_is_no_address_is_not_sent(email: str, sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    assert post(sam_client, ACME + "managers/add/", email=email).status_code == 422
    assert {call.method for call in sandbox.journal()} == {"GET"}


def test_who_manages_already_is_not_added_again(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    response = post(sam_client, ACME + "managers/add/", email="ANN@acme.test")
    assert response.status_code == 403
    assert "ann@acme.test already has access." in response.text
    assert f'href="{ACME}">Back to acme</a>' in response.text
    assert len(sandbox.consumer("acme")["managers"]) == 2


def test_of_a_manager_it_is_not_said_again_what_was_undone_since(sandbox: Sandbox, sam_client) -> None:
    """G6: Back, and Submit once more."""
    acme(sandbox)
    adding = {"token": str(uuid.uuid4()), "email": "zoe@acme.test"}
    removing = {"token": str(uuid.uuid4())}

    def add(form: dict[str, str]) -> str:
        return sam_client.post(f"{ACME}managers/add/", form, follow=True).text

    def remove(url: str, form: dict[str, str]) -> str:
        return sam_client.post(url, form, follow=True).text

    for _ in range(2):
        assert "zoe@acme.test is now a manager." in add(adding)
    url = f"{ACME}managers/{manager_id(sandbox, 'zoe@acme.test')}/remove/"
    for _ in range(2):
        assert "zoe@acme.test is no longer a manager." in remove(url, removing)
    page = add(adding)
    assert "is now a manager" not in page
    assert "It has been changed since." in page
    assert "zoe@acme.test is now a manager." in add(adding | {"token": str(uuid.uuid4())})
    page = remove(url, removing)
    assert "is no longer a manager" not in page
    assert "It has been changed since." in page
    assert len(sandbox.consumer("acme")["managers"]) == 3


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


@pytest.fixture
def fleet(sandbox: Sandbox) -> list[dict]:
    """Acme with more keys than a page holds, the newest first."""
    keys = [{"description": f"Robot {number:02}", "createdOn": in_days(-number)} for number in range(25)]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    return sorted(sandbox.keys("acme"), key=lambda key: key["description"])


def robots(page: str) -> list[str]:
    return re.findall(r">(Robot \d\d)</a></strong>", page)


def test_many_keys_have_pages_and_a_search(fleet, sam_client) -> None:
    page = sam_client.get(ACME).text
    assert robots(page) == [f"Robot {number:02}" for number in range(10)]
    assert "Page 1 of 3" in page
    assert robots(sam_client.get(ACME, {"page": "3"}).text) == [f"Robot {number}" for number in range(20, 25)]
    for words in ("robot 17", fleet[17]["key"][-4:]):
        assert "Robot 17" in robots(sam_client.get(ACME, {"find": words}).text)
    nothing = sam_client.get(ACME, {"find": "laptop"}).text
    assert robots(nothing) == []
    assert "No key matches “laptop”." in nothing


def test_a_search_is_offered_from_eleven_keys_on(sandbox: Sandbox, sam_client) -> None:
    for name, number in (("few", 10), ("many", 11)):
        sandbox.add_consumer(name, keys=[{"description": f"Robot {one}"} for one in range(number)])
        page = sam_client.get(f"/admin/keys/consumer/production/{name}/").text
        assert ('role="search"' in page) is (number > 10)


@pytest.mark.parametrize("place", ["?page=2", "?find=robot+17"])
def test_a_verb_leads_back_to_where_its_key_was_listed(place: str, fleet, sam_client) -> None:
    page = BeautifulSoup(sam_client.get(ACME + place).text, "html.parser")
    hidden = {one["name"]: one["value"] for one in page.select("#ask input")}
    at = f"{ACME}{fleet[17]['id']}/"
    form = BeautifulSoup(sam_client.get(at + "rename/", hidden).text, "html.parser").select_one("form.form")
    assert form.select_one(".form-actions a")["href"] == ACME + place
    response = post(sam_client, form["action"], label="Robot 17 B")
    assert response.headers["Location"] == ACME + place
    assert "Robot 17 B" in sam_client.get(response.headers["Location"]).text


@pytest.mark.parametrize("verb", ["rotate", "end", "delete", "leaked"])
def test_a_form_opened_on_a_keys_page_leads_back_to_its_page_of_the_list(verb: str, fleet, sam_client) -> None:
    page = BeautifulSoup(sam_client.get(f"{ACME}{fleet[17]['id']}/").text, "html.parser")
    way = page.select_one(f"#content :is(form[action$='/{verb}/'], a[href*='/{verb}/'])")
    asked = {one["name"]: one["value"] for one in way.select("input")}
    form = BeautifulSoup(sam_client.get(way.get("action") or way["href"], asked).text, "html.parser")
    assert form.select_one("form.form .form-actions a")["href"] == f"{ACME}?page=2"


def test_a_new_key_is_found_on_its_page_after_done(fleet, sam_client) -> None:
    """It is the newest, and takes the old one along."""
    made = post(sam_client, f"{ACME}{fleet[17]['id']}/rotate/?page=2", grace="24h")
    done = BeautifulSoup(made.text, "html.parser").select_one(".form-actions a")["href"]
    address, _sign, row = done.partition("#")
    rows = BeautifulSoup(sam_client.get(address).text, "html.parser").select("[data-key]")
    assert rows[0]["id"] == row
    assert [one.strong.text for one in rows[:2]] == ["Robot 17", "Robot 17"]
    assert rows[1].select_one(".key-successor a")["href"] == f"{ACME}{rows[0]['data-key']}/"


def test_the_colours_of_the_operator_come_last(sandbox: Sandbox, sam_client, settings) -> None:
    """Of two rules in one layer the later one wins, and the tokens have a colour of their own."""
    settings.PORTAL_ACCENT = "#e11d48"
    acme(sandbox)
    for path in (ACME, LIST, "/admin/"):
        sheets = [
            link["href"] for link in BeautifulSoup(sam_client.get(path).text, "html.parser")("link", rel="stylesheet")
        ]
        tokens = [place for place, sheet in enumerate(sheets) if "css/tokens" in sheet]
        (theme,) = [place for place, sheet in enumerate(sheets) if "/theme." in sheet]
        assert max(tokens) < theme, sheets


def test_a_replaced_key_is_ended_or_kept_not_rotated_again(sandbox: Sandbox, sam_client) -> None:
    old = acme(sandbox)[0]
    at = f"{ACME}{old['id']}/"
    assert f'formaction="{at}rotate/"' in sam_client.get(ACME).text
    post(sam_client, at + "rotate/", grace="24h")
    page = sam_client.get(ACME).text
    assert f'formaction="{at}rotate/"' not in page
    assert f'formaction="{at}keep/" name="grace" value="now"' in page
    response = post(sam_client, at + "keep/", grace="now")
    assert response.status_code == 303
    assert not sandbox.authorizes(old["key"])
