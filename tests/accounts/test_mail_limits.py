"""Nobody's mailbox is filled by typing an address: limits over all doors, for the address and for the client."""

import itertools
import re

import pytest
from django.core import mail, signing
from django.core.cache import cache
from django.test import Client

from portal.accounts import mail_limits
from tests.helpers.people import LOGIN, SIGNUP, STEP_UP_CODE, last_code, passes, sign_in, signed_in_as

pytestmark = pytest.mark.django_db
RESET = "/accounts/password/reset/"
DOORS = [(SIGNUP, "email"), (LOGIN, "login"), (RESET, "email")]


@pytest.fixture(autouse=True)
def patient(settings) -> None:
    """Somebody who waits until each throttle of single doors, of a minute or less, is over."""
    settings.ACCOUNT_RATE_LIMITS = False


def asks(address: str, times: int, **client: str) -> list[int]:
    """The statuses of so many requests, each in a new browser and by another door."""
    doors = itertools.cycle(DOORS)
    return [Client(**client).post(path, {field: address}).status_code for path, field in itertools.islice(doors, times)]


@pytest.mark.parametrize("address", ["ann@acme.test", "nobody@acme.test"])
def test_one_client_sends_one_address_only_so_many_mails_over_all_doors(ann, address):
    """A3, A7: and is told so, whether there is an account or not."""
    statuses = asks(address, 37)
    assert len(mail.outbox) == 8
    assert statuses[8:] == [429] * 29
    answer = Client().post(LOGIN, {"login": address})
    assert "We&#x27;ve sent too many emails. Use the newest code you have, or try again in an hour." in answer.text
    assert "You can still sign in with a passkey or password." in answer.text
    assert "Nothing was changed." in answer.text
    assert '<a class="button button-primary" href="/accounts/login/">' in answer.text


def test_tags_are_one_address_and_capital_letters_too():
    for number in range(12):
        Client().post(LOGIN, {"login": f"Victim+{number}@Acme.test"})
    assert len(mail.outbox) == 8


def test_many_clients_send_one_address_only_so_many_mails():
    for number in range(10):
        asks("victim@acme.test", 4, REMOTE_ADDR=f"192.0.2.{number}")
    assert len(mail.outbox) == 12


def test_a_stranger_alone_does_not_keep_the_owner_out(ann, client):
    asks("ann@acme.test", 37, REMOTE_ADDR="192.0.2.66")
    sign_in(client, "ann@acme.test")
    assert signed_in_as(client) == "ann@acme.test"


def test_several_strangers_do_not_keep_the_owner_out_where_she_has_signed_in_before(ann, client):
    sign_in(client, "ann@acme.test")
    client.post("/accounts/logout/")
    for number in range(10):
        asks("ann@acme.test", 4, REMOTE_ADDR=f"192.0.2.{number}")
    elsewhere = {"REMOTE_ADDR": "198.51.100.1"}
    assert Client(**elsewhere).post(LOGIN, {"login": "ann@acme.test"}).status_code == 429
    client.defaults |= elsewhere
    sign_in(client, "ann@acme.test")
    assert signed_in_as(client) == "ann@acme.test"


@pytest.mark.parametrize(("signed_in", "anew"), [("192.0.2.99",) * 2, ("2001:db8::7", "2001:db8::8")])
def test_nor_in_a_new_browser_where_she_is_signed_in(ann, signed_in, anew):
    """The network has a share of its own, which strangers elsewhere do not use up."""
    sign_in(Client(REMOTE_ADDR=signed_in), "ann@acme.test")
    for number in range(10):
        asks("ann@acme.test", 4, REMOTE_ADDR=f"192.0.2.{number}")
    assert Client(REMOTE_ADDR="198.51.100.1").post(LOGIN, {"login": "ann@acme.test"}).status_code == 429
    browser = Client(REMOTE_ADDR=anew)
    sign_in(browser, "ann@acme.test")
    assert signed_in_as(browser) == "ann@acme.test"


def test_all_networks_where_somebody_is_signed_in_have_one_share(ann):
    for number in range(5):
        sign_in(Client(REMOTE_ADDR=f"203.0.113.{number}"), "ann@acme.test")
    mail.outbox.clear()
    cache.clear()
    for number in range(5):
        asks("ann@acme.test", 4, REMOTE_ADDR=f"203.0.113.{number}")
    assert len(mail.outbox) == 8
    for number in range(10):
        asks("ann@acme.test", 4, REMOTE_ADDR=f"192.0.2.{number}")
    assert len(mail.outbox) == 8 + 12


def test_a_network_known_for_one_person_counts_as_any_for_others(ann, ben):
    sign_in(Client(REMOTE_ADDR="192.0.2.99"), "ben@acme.test")
    for number in range(10):
        asks("ann@acme.test", 4, REMOTE_ADDR=f"192.0.2.{number}")
    assert Client(REMOTE_ADDR="192.0.2.99").post(LOGIN, {"login": "ann@acme.test"}).status_code == 429


def test_a_browser_known_for_one_person_counts_as_any_for_others(ann, ben, client):
    sign_in(client, "ben@acme.test")
    client.post("/accounts/logout/")
    for number in range(10):
        asks("ann@acme.test", 4, REMOTE_ADDR=f"192.0.2.{number}")
    assert client.post(LOGIN, {"login": "ann@acme.test"}).status_code == 429


def test_a_known_browser_has_a_limit_of_its_own(ann, client, settings):
    sign_in(client, "ann@acme.test")
    mail.outbox.clear()
    for _time in range(12):
        client.cookies.pop(settings.SESSION_COOKIE_NAME, None)
        last = client.post(LOGIN, {"login": "ann@acme.test"})
    assert len(mail.outbox) == 8
    assert last.status_code == 429


def test_a_day_has_its_own_limit(settings):
    settings.CODE_MAILS_TO_ADDRESS_BY_CLIENT = (99, 24)
    settings.CODE_MAILS_TO_ADDRESS = (99, 40)
    asks("victim@acme.test", 30)
    assert len(mail.outbox) == 24
    answer = Client().post(LOGIN, {"login": "victim@acme.test"})
    assert "sent too many emails today." in answer.text
    for number in range(10):
        asks("victim@acme.test", 4, REMOTE_ADDR=f"192.0.2.{number}")
    assert len(mail.outbox) == 40


@pytest.mark.parametrize(
    ("clients", "mails"),
    [(["192.0.2.1"], 5), (["2001:db8::1", "2001:db8::2"], 5), (["2001:db8::1", "2001:db8:0:1::1"], 10)],
)
def test_what_one_client_causes_is_limited_over_all_addresses(settings, clients, mails):
    """A network of IPv6 is one client."""
    settings.CODE_MAILS_BY_CLIENT = (5, 20)
    for number in range(10):
        for client in clients:
            Client(REMOTE_ADDR=client).post(LOGIN, {"login": f"somebody{number}-{len(client)}@acme.test"})
    assert len(mail.outbox) == mails


def test_what_tells_of_a_change_is_mailed_all_the_same(ann, ann_client):
    asks("ann@acme.test", 37)
    mail.outbox.clear()
    ann_client.post("/accounts/password/set/", {"password1": "a-long-open-sesame", "password2": "a-long-open-sesame"})
    assert [message.to for message in mail.outbox] == [["ann@acme.test"]]


def test_the_proof_of_who_is_there_counts_and_says_so_too(ann, ann_client):
    asks("ann@acme.test", 8)
    passes(ann_client, proof=999)
    answer = ann_client.post(STEP_UP_CODE, {"action": "send"})
    assert answer.status_code == 429
    assert "sent too many emails." in answer.text
    assert last_code()


# Whoever reads the mailbox is told from strangers by a link in the last mail


def link_in(body: str) -> str:
    found = re.search(r"^http://127\.0\.0\.1:8000(/accounts/mails/\S+/)$", body, re.MULTILINE)
    return found[1] if found else ""


@pytest.mark.parametrize("address", ["ann@acme.test", "newcomer@acme.test"])
def test_several_strangers_keep_nobody_out_who_reads_the_mailbox(ann, address):
    """In a new browser at a new place, at the first sign-in too."""
    for number in range(10):
        asks(address, 4, REMOTE_ADDR=f"192.0.2.{number}")
    links = [link_in(message.body) for message in mail.outbox]
    assert [bool(link) for link in links] == [False] * 11 + [True]
    owner = Client(REMOTE_ADDR="198.51.100.1")
    refusal = owner.post(LOGIN, {"login": address})
    assert refusal.status_code == 429
    assert "The newest of these emails has a link to get another one right away." in refusal.text
    assert "You can ask for a new code now." in owner.get(links[-1], follow=True).text
    assert signed_in_as(owner) is None
    sign_in(owner, address)
    assert signed_in_as(owner) == address


def test_the_link_is_worth_nothing_for_other_mailboxes_and_has_a_limit_of_its_own(ann, ben):
    for address in ("ann@acme.test", "ben@acme.test"):
        for number in range(10):
            asks(address, 4, REMOTE_ADDR=f"192.0.2.{number}")
    mail.outbox.reverse()
    link = next(link_in(message.body) for message in mail.outbox if message.to == ["ben@acme.test"])
    mail.outbox.clear()
    readers = [Client(REMOTE_ADDR=f"198.51.100.{number}") for number in range(10)]
    for reader in readers:
        reader.get(link)
    assert readers[0].post(LOGIN, {"login": "ann@acme.test"}).status_code == 429
    statuses = [reader.post(LOGIN, {"login": "ben+tag@acme.test"}).status_code for reader in readers]
    assert statuses == [302] * 8 + [429] * 2
    assert [link_in(message.body) for message in mail.outbox] == [""] * 8


def test_a_link_of_somebody_elses_making_opens_nothing(client):
    for token in ("mine", signing.dumps("a" * 64), "a:b:c"):
        assert "This link no longer works." in client.get(f"/accounts/mails/{token}/", follow=True).text
        assert mail_limits.READER not in client.session
