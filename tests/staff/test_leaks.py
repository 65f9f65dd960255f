"""A leaked key is found by what was pasted, which is left nowhere; then it ends, and its managers are told."""

import re
import uuid
from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.http import HttpResponse
from django.test import Client

from keys.models import AuditEvent, Outcome
from keys.staff.search.fingerprint import Fingerprint
from sandbox import Sandbox
from sandbox.values import mint_key
from tests.helpers.staff import ACME, LIST, key_id, permit
from tests.helpers.verbs import FULL_KEY, about, acme, ends, in_time
from tests.rules.test_secrets import Sinks, sinks  # noqa: F401, the fixture

pytestmark = pytest.mark.django_db

FIND = LIST + "find/"
FOUND = "In a public repository, https://git.test/acme/app, on Monday."


def paste(client: Client, value: str) -> HttpResponse:
    return client.post(FIND, {"value": value})


def found(response: HttpResponse) -> dict[str, str]:
    """The labels of the keys that are shown, each with how much of it is the same."""
    rows = BeautifulSoup(response.text, "html.parser").select("tr[data-key]")
    return {row.th.contents[0].strip(): re.search(r"last (\d+) characters", row.th.text)[1] for row in rows}


def canary(value: str) -> Iterator[str]:
    """All pieces of the pasted key that nothing but the key itself holds."""
    return (value[start : start + 12] for start in range(5, 33))


MASKS = {"stars": "8", "long": "13", "short": "4"}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("wrapping", ["{}", "  {}\n", "Bearer {}", "'{}'"])
def test_a_pasted_key_is_found_by_what_its_mask_shows(mask: str, wrapping: str, sandbox: Sandbox, sam_client) -> None:
    key = acme(sandbox)[0]["key"]
    sandbox.seed_consumers(20)
    sandbox.set(mask=mask)
    response = paste(sam_client, wrapping.format(key))
    assert found(response) == {"CI": MASKS[mask]}
    assert "Acme Inc" in response.text
    assert f'href="{ACME}{key_id(sandbox)}/leaked/"' in response.text
    assert not any("visible" in call.query for call in sandbox.journal())


@pytest.mark.parametrize("length", [4, 6, 8, 12])
def test_its_last_characters_are_enough(length: int, sandbox: Sandbox, sam_client) -> None:
    key = acme(sandbox)[0]["key"]
    assert found(paste(sam_client, key[-length:])) == {"CI": str(min(length, 8))}


def test_another_key_is_not_found(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    response = paste(sam_client, mint_key())
    assert found(response) == {}
    assert "No key in this environment ends with these characters" in response.text


def test_a_key_that_is_shown_whole_by_mistake_is_compared_whole(sandbox: Sandbox) -> None:
    """And a mask of another key with the same end is told apart as far as it goes."""
    key = mint_key()
    sought = Fingerprint.of(key)
    assert sought.same(key) == len(key)
    assert sought.same("zpka_" + "0" * 32 + key[-9:]) == 0 or key[5:-9] == "0" * 32
    assert sought.same("****" + key[-8:]) == 8
    assert sought.same("zpka_abcd..." + key[-4:]) == 4
    assert [sought.same(text) for text in ("", "****", "****abc", "x" + key[1:-1])] == [0, 0, 0, 0]
    assert Fingerprint.from_token(sought.token) == sought
    assert not any(piece in sought.token for piece in canary(key))


@pytest.mark.parametrize("value", ["", "abc", "a b c d e", "schlüssel-1", "x" * 513])
def test_what_cannot_be_a_key_is_not_looked_for(value: str, sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    response = paste(sam_client, value)
    assert response.status_code == 422
    assert not value or value not in response.text
    assert sandbox.journal() == []


def test_a_long_search_goes_on_without_the_key(sandbox: Sandbox, sam_client, settings) -> None:
    """The form that goes on holds digests; the key is found where the search has come to."""
    sandbox.set(sort="oldest")
    sandbox.seed_consumers(1100)
    value = mint_key()
    sandbox.add_consumer("acme", label="Acme Inc", keys=[{"description": "CI", "key": value}])
    settings.KEYS_SCAN_SECONDS = 0
    response = paste(sam_client, value)
    assert "Searched consumers 1 to 500" in " ".join(response.text.split())
    form = BeautifulSoup(response.text, "html.parser").select_one("form.paging")
    fields = {field["name"]: field["value"] for field in form.find_all("input")}
    assert fields.keys() >= {"sought", "from"}
    assert not any(piece in response.text for piece in canary(value))
    settings.KEYS_SCAN_SECONDS = 600
    response = sam_client.post(form["action"], fields)
    assert found(response) == {"CI": "8"}


@pytest.mark.parametrize("sought", ["", "x", "e30:1:2", "\x00"])
def test_a_search_that_is_not_ours_does_not_go_on(sought: str, sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    response = sam_client.post(FIND, {"sought": sought, "from": "500"})
    assert "search has expired" in response.text
    assert sandbox.journal() == []


def test_what_was_pasted_is_left_nowhere(sinks: Sinks, sam, client_of) -> None:  # noqa: F811
    """E2, E8: neither log, database, session, cache, mail, header nor address; nor the page, when all goes wrong."""
    sandbox = sinks.sandbox
    client = client_of(sam)
    client.raise_request_exception = False
    acme(sandbox)
    value = sandbox.keys("acme")[0]["key"]
    sinks.learn()
    for kind, options in (("delay", {"seconds": 0}), ("drop", {}), ("hostile", {}), ("not_json", {"body": value})):
        sandbox.clear_faults()
        sandbox.fault("GET", "*/consumers", kind, times=2, **options)
        sinks.keep(paste(client, value))
    sandbox.clear_faults()
    sinks.keep(paste(client, value + " and more"))
    sinks.keep(paste(client, mint_key()))
    for search in (f"?value={value[-6:]}", "?value=", ""):
        sinks.keep(client.get(FIND + search))
    form = {"when": "now", "tell": "on", "token": str(uuid.uuid4())}
    for words in (f"The key is {value}", f"Bearer {value}.", f"see https://git.test/{value[5:]}"):
        response = client.post(f"{ACME}{key_id(sandbox)}/leaked/", form | {"found": words})
        assert response.status_code == 422
        assert "looks like it contains the key" in response.text
        assert "[key]" in response.text
        assert not any(piece in response.text for piece in canary(value))
        sinks.keep(response)
    sinks.keep(client.post(f"{ACME}{key_id(sandbox)}/leaked/", form | {"found": FOUND}))
    assert "keys.audit.log" in sinks.log.getvalue()
    assert sinks.leaks() == []
    assert len(mail.outbox) == 2


def test_the_key_comes_by_post_alone(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    answer = sam_client.get(FIND, {"value": sandbox.keys("acme")[0]["key"]}, follow=True)
    page = BeautifulSoup(answer.text, "html.parser")
    field = page.select_one("[name=value]")
    assert (field["type"], field.get("value"), field["autocomplete"]) == ("password", None, "off")
    assert field.find_parent("form")["method"] == "post"
    assert sandbox.journal() == []


# Its end


def report(client: Client, sandbox: Sandbox, **fields: str) -> HttpResponse:
    form = {"when": "now", "tell": "on", "found": FOUND, "token": str(uuid.uuid4())} | fields
    return client.post(f"{ACME}{key_id(sandbox)}/leaked/", form)


def test_a_leaked_key_ends_now_and_all_managers_are_told(sandbox: Sandbox, sam_client) -> None:
    """H3: what happened, how it was found, what was done, what to do; once, and without the key."""
    acme(sandbox)
    key = sandbox.keys("acme")[0]
    assert report(sam_client, sandbox)["Location"] == ACME
    assert not sandbox.authorizes(key["key"])
    assert sorted(message.to[0] for message in mail.outbox) == ["ann@acme.test", "ben@acme.test"]
    message = mail.outbox[0]
    assert message.subject == "The key CI has leaked (Acme Inc)"
    for words in (f"CI ••••{key['key'][-4:]}", FOUND, "Support (sam@portal.test)", "What to do:", "production"):
        assert words in message.body
    assert not FULL_KEY.search(message.body)
    event = AuditEvent.objects.get()
    assert (event.outcome, event.facts["found"], event.key_label) == (Outcome.DONE, FOUND, "CI")


def test_it_may_end_later_and_without_a_word(sandbox: Sandbox, sam_client) -> None:
    """Then the managers hear of the change alone, as of any other."""
    acme(sandbox)
    later = in_time(hours=6)
    response = report(sam_client, sandbox, when="later", ends_on=later.strftime("%Y-%m-%dT%H:%M"), tell="")
    assert response.status_code == 303
    assert about(ends(sandbox.keys("acme")[0]), later)
    subject = "Support (sam@portal.test) changed the expiry of the key CI (Acme Inc)"
    assert [message.subject for message in mail.outbox] == [subject] * 2
    assert FOUND not in mail.outbox[0].body


def test_it_is_said_if_nobody_can_be_told(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    sandbox.add_consumer("nobodys", managers=["y"], keys=[{"description": "CI"}])
    key = sandbox.keys("nobodys")[0]
    form = {"when": "now", "tell": "on", "found": FOUND, "token": str(uuid.uuid4())}
    url = f"{ACME.replace('acme', 'nobodys')}{key['id']}/leaked/"
    assert "No one was emailed" in sam_client.post(url, form, follow=True).text
    assert not sandbox.authorizes(key["key"])


def test_a_leak_is_mailed_where_other_changes_are_not(sandbox: Sandbox, sam_client, settings) -> None:
    """The mails of every day may be switched off; this one was asked for."""
    settings.KEYS_MAIL_MANAGERS = False
    acme(sandbox)
    assert report(sam_client, sandbox).status_code == 303
    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"found": ""}, "Say where it was found"),
        ({"found": "x" * 501}, "at most 500 characters"),
        ({"when": "later"}, "required"),
        ({"when": "later", "ends_on": "2020-01-01T00:00"}, "in the past"),
        ({"when": "never"}, "valid choice"),
    ],
)
def test_a_report_says_what_it_lacks(fields: dict, sentence: str, sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    response = report(sam_client, sandbox, **fields)
    assert response.status_code == 422
    assert sentence in response.text
    assert mail.outbox == []
    assert {call.method for call in sandbox.journal()} == {"GET"}


def test_a_key_that_has_ended_needs_no_end(sandbox: Sandbox, sam_client) -> None:
    sandbox.add_consumer("acme", keys=[{"description": "CI", "expiresOn": "2026-01-01T00:00:00.000Z"}])
    assert "It has expired" in paste(sam_client, sandbox.keys("acme")[0]["key"]).text
    assert sam_client.get(f"{ACME}{key_id(sandbox)}/leaked/").status_code == 403
    sandbox.clear_journal()
    assert report(sam_client, sandbox).status_code == 303  # by whoever had opened it before: it is as wanted
    assert {call.method for call in sandbox.journal()} == {"GET"}


def test_who_may_not_change_keys_finds_whose_it_is(sandbox: Sandbox, make_person, client_of) -> None:
    acme(sandbox)
    client = client_of(permit(make_person("sue@portal.test"), "view"))
    response = paste(client, sandbox.keys("acme")[0]["key"])
    assert found(response) == {"CI": "8"}
    assert "You don't have permission to expire it" in response.text
    assert report(client, sandbox).status_code == 403
    assert mail.outbox == []
