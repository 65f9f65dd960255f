"""The gateway remembers whom it let in: all that ends a key says for how long, on the page and in the mail."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.test import Client

from sandbox import Sandbox
from tests.helpers.staff import ACME
from tests.helpers.verbs import acme, in_time

pytestmark = pytest.mark.django_db

VERBS = ("rotate", "end", "rotate-all", "leaked", "delete", "delete consumer")
WITHIN = {0: "at once", 1: "within a second", 60: "within a minute", 90: "within 90 seconds", 300: "within 5 minutes"}


def words_of(response) -> str:
    return " ".join(BeautifulSoup(response.content, "html.parser").get_text(" ").split())


def asked(verb: str, key: dict, portal: Client, admin: Client):
    """The form of the verb, which says what "now" means."""
    return {
        "rotate": lambda: portal.get(f"/keys/production/acme/{key['id']}/rotate/"),
        "rotate-all": lambda: portal.get("/keys/production/acme/rotate-all/"),
        "leaked": lambda: admin.get(f"{ACME}{key['id']}/leaked/"),
        "delete": lambda: portal.get(f"/keys/production/acme/{key['id']}/delete/"),
        "delete consumer": lambda: admin.get(f"{ACME}delete/"),
    }[verb]()


def done(verb: str, key: dict, portal: Client, admin: Client, *, later: bool = False):
    """Do it now, or later; the page that says so."""
    grace, token = "1h" if later else "now", {"token": str(uuid.uuid4())}
    ends_on = (in_time(hours=1) if later else datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M")
    leak = {"when": "later" if later else "now", "ends_on": ends_on, "tell": "on", "found": "In a public place"}
    url = f"/keys/production/acme/{key['id']}"
    return {
        "rotate": lambda: portal.post(f"{url}/rotate/", token | {"grace": grace}),
        "end": lambda: portal.post(f"{url}/end/", token | {"ends_on": ends_on}, follow=True),
        "rotate-all": lambda: portal.post("/keys/production/acme/rotate-all/", token | {"grace": grace}),
        "leaked": lambda: admin.post(f"{ACME}{key['id']}/leaked/", token | leak, follow=True),
        "delete": lambda: portal.post(f"{url}/delete/", token, follow=True),
        "delete consumer": lambda: admin.post(f"{ACME}delete/", token | {"typed": "acme"}, follow=True),
    }[verb]()


@pytest.mark.parametrize("seconds", WITHIN)
@pytest.mark.parametrize("verb", VERBS)
def test_page_and_mail_say_when_the_gateway_refuses_what_has_ended(
    verb: str, seconds: int, sandbox: Sandbox, ann_client: Client, sam_client: Client, settings
) -> None:
    settings.GATEWAY_CACHE_SECONDS = seconds
    key = acme(sandbox)[0]
    page = words_of(done(verb, key, ann_client, sam_client))
    which = "them" if verb == "delete consumer" else "it"
    assert f"The gateway refuses {which} {WITHIN[seconds]}." in page
    which = "them" if verb in {"rotate-all", "delete consumer"} else "it"
    assert f"The gateway refuses {which} {WITHIN[seconds]}." in mail.outbox[-1].body


@pytest.mark.parametrize("verb", ["rotate", "end", "rotate-all", "leaked"])
def test_what_ends_later_says_nothing_of_it(
    verb: str, sandbox: Sandbox, ann_client: Client, sam_client: Client
) -> None:
    key = acme(sandbox)[0]
    page = words_of(done(verb, key, ann_client, sam_client, later=True))
    assert "The gateway refuses" not in page
    assert mail.outbox
    assert "The gateway refuses" not in mail.outbox[-1].body


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "end"])
def test_the_form_says_what_now_means(verb: str, sandbox: Sandbox, ann_client: Client, sam_client: Client) -> None:
    key = acme(sandbox)[0]
    assert "within a minute" in words_of(asked(verb, key, ann_client, sam_client))


def test_a_key_that_had_ended_is_deleted_without_a_word_of_waiting(sandbox: Sandbox, ann_client: Client) -> None:
    ended = {"description": "Old", "expiresOn": "2020-01-01T00:00:00.000Z"}
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[ended])
    url = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/delete/"
    page = words_of(ann_client.post(url, {"token": str(uuid.uuid4())}, follow=True))
    assert "Key deleted." in page
    assert "The gateway refuses" not in page


def test_a_found_key_that_ended_long_ago_is_not_waited_for(sandbox: Sandbox, sam_client: Client) -> None:
    for days, words in ((1, "It has expired. The gateway refuses it."), (0, "refuses it within a minute.")):
        end = (datetime.now(UTC) - timedelta(days=days, seconds=5)).isoformat(timespec="milliseconds")
        sandbox.add_consumer(
            f"acme-{days}", managers=["ann@acme.test"], keys=[{"expiresOn": end.replace("+00:00", "Z")}]
        )
        value = sandbox.keys(f"acme-{days}")[0]["key"]
        assert words in words_of(sam_client.post("/admin/keys/consumers/production/find/", {"value": value}))
