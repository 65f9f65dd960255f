"""Throttles: how often somebody may try, counted for the account and for the client, over all processes."""

import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client
from django.utils.module_loading import import_string

from tests.helpers.people import LOGIN, SIGNUP, code_of_app, last_code, sign_in, signed_in_as

pytestmark = pytest.mark.django_db


def test_five_wrong_passwords_close_the_account_to_guesses_from_everywhere(ann):
    """A10: see tests/processes/test_guessing.py for several processes."""
    ann.set_password("open-sesame")
    ann.save()
    for number in range(5):
        # another address, another port in the Host header, another claim of a proxy: nothing gives more tries
        Client(
            REMOTE_ADDR=f"192.0.2.{number}", HTTP_HOST=f"127.0.0.1:{number + 1}", HTTP_X_FORWARDED_FOR="198.51.100.1"
        ).post(LOGIN, {"login": "ann@acme.test", "password": "guess"})
    late = Client(REMOTE_ADDR="192.0.2.99", HTTP_HOST="127.0.0.1:99")
    late.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame"})
    assert signed_in_as(late) is None


RESET = "/accounts/password/reset/"
ASKING = [(LOGIN, "login"), (SIGNUP, "email"), (RESET, "email")]


@pytest.fixture
def by_the_hour(settings) -> None:
    """The limits as shipped, each for an hour: the requests of a test may take longer than a minute, or ten seconds."""
    limits = settings.ACCOUNT_RATE_LIMITS.items()
    settings.ACCOUNT_RATE_LIMITS = {name: re.sub(r"/\d*[sm]/", "/h/", limit) for name, limit in limits}


@pytest.mark.parametrize(("path", "field"), ASKING)
def test_only_so_many_codes_are_mailed_to_one_address(ann, by_the_hour, path, field):
    """A3: whoever asks, and however the address is written."""
    for number in range(16):
        address = "ann@acme.test" if number % 2 else "ANN@Acme.test"
        Client(REMOTE_ADDR=f"192.0.2.{number}").post(path, {field: address})
    assert [message.to for message in mail.outbox] == [["ann@acme.test"]] * 12


def test_a_stranger_who_asks_on_and_on_keeps_the_owner_out_nowhere(ann, client, by_the_hour):
    """A3: neither in a browser that is hers nor in a new one: an address has a share for each client."""
    sign_in(client, "ann@acme.test")
    client.post("/accounts/logout/")
    mail.outbox.clear()
    for path, field in ASKING * 6:
        Client(REMOTE_ADDR="192.0.2.66").post(path, {field: "ann@acme.test"})
    assert len(mail.outbox) == 8
    for browser in (client, Client(REMOTE_ADDR="198.51.100.1")):
        sign_in(browser, "ann@acme.test")
        assert signed_in_as(browser) == "ann@acme.test"


@pytest.mark.parametrize(("path", "field"), ASKING)
def test_only_so_many_codes_are_asked_for_by_one_client(by_the_hour, path, field):
    """A3"""
    answers = [Client().post(path, {field: f"person-{number}@acme.test"}) for number in range(25)]
    assert len(mail.outbox) == 20
    assert answers[-1].status_code in {200, 429}


def test_without_a_trusted_proxy_nobody_says_who_he_is(settings, by_the_hour):
    """A10: with no proxy of the operator's, the header is the client's own word."""
    settings.TRUSTED_PROXY_COUNT = 0
    for number in range(25):
        Client(HTTP_X_FORWARDED_FOR=f"192.0.2.{number}").post(LOGIN, {"login": f"person-{number}@acme.test"})
    assert len(mail.outbox) == 20


def test_a_client_is_told_apart_by_what_the_trusted_proxies_say(settings, by_the_hour):
    """A10"""
    settings.TRUSTED_PROXY_COUNT = 1
    for number in range(25):
        heard = f"203.0.113.{number}, 192.0.2.{number}"
        Client(HTTP_X_FORWARDED_FOR=heard).post(LOGIN, {"login": f"person-{number}@acme.test"})
    assert len(mail.outbox) == 25
    for number in range(25):
        Client(HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 198.51.100.9").post(
            LOGIN, {"login": f"other-{number}@acme.test"}
        )
    assert len(mail.outbox) == 45


def test_guesses_at_any_address_of_an_account_count_together(make_person):
    """A10: and those at its proof count with them."""
    ann = make_person("ann@acme.test", "ann@home.test", "ann@work.test")
    ann.set_password("open-sesame")
    ann.save()
    for address in ("ann@acme.test", "ann@home.test", "ann@work.test", "ANN@home.test", "ann@acme.test"):
        Client().post(LOGIN, {"login": address, "password": "guess"})
    for address in ("ann@acme.test", "ann@home.test", "ann@work.test"):
        late = Client()
        late.post(LOGIN, {"login": address, "password": "open-sesame"})
        assert signed_in_as(late) is None


def test_a_closed_account_does_not_tell_which_addresses_are_its_own(make_person):
    """A7, A10: "too many" is said at the address that was guessed at, and at no other."""
    ann = make_person("ann@acme.test", "ann@home.test")
    ann.set_password("open-sesame")
    ann.save()
    make_person("ben@acme.test")
    others = ["ann@home.test", "ben@acme.test", "nobody@acme.test"]
    for number in range(5):
        Client(REMOTE_ADDR=f"192.0.2.{number}").post(LOGIN, {"login": "ann@acme.test", "password": "guess"})
    assert "Too many failed" in Client().post(LOGIN, {"login": "ann@acme.test", "password": "guess"}).text
    for number, address in enumerate(others):
        told = [
            Client(REMOTE_ADDR=f"192.0.2.1{number}").post(LOGIN, {"login": address, "password": "guess"}).text
            for _ in range(6)
        ]
        assert ["isn&#x27;t right" in text for text in told] == [True] * 5 + [False]
        assert ["Too many failed" in text for text in told] == [False] * 5 + [True]


class CountedHasher(MD5PasswordHasher):
    looks = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).looks += 1
        return super().encode(password, salt)


@pytest.mark.parametrize("already", [0, 5], ids=["open", "closed"])
def test_a_look_at_a_password_takes_the_same_whoever_has_the_address(make_person, settings, already):
    """A7: one hash, which is what takes the time; also at another address of an account that is closed."""
    settings.PASSWORD_HASHERS = ["tests.accounts.test_throttles.CountedHasher"]
    counted = import_string("tests.accounts.test_throttles.CountedHasher")
    for person in (make_person("ann@acme.test", "ann@home.test"), make_person("closed@acme.test", is_active=False)):
        person.set_password("open-sesame")
        person.save()
    make_person("ben@acme.test")
    for number in range(already):
        Client(REMOTE_ADDR=f"192.0.2.{number}").post(LOGIN, {"login": "ann@acme.test", "password": "guess"})
    looks = {}
    for address in ("ann@home.test", "ben@acme.test", "closed@acme.test", "nobody@acme.test"):
        counted.looks = 0
        Client(REMOTE_ADDR="192.0.2.99").post(LOGIN, {"login": address, "password": "guess"})
        looks[address] = counted.looks
    assert set(looks.values()) == {1}, looks


def test_a_new_password_opens_a_closed_account_again(client, ann):
    """A10: whoever has proved to own the address need not wait for the guesser."""
    for _ in range(6):
        Client().post(LOGIN, {"login": "ann@acme.test", "password": "guess"})
    new = {"password1": "another-one-99", "password2": "another-one-99"}
    client.post("/accounts/password/reset/", {"email": "ann@acme.test"})
    client.post("/accounts/password/reset/confirm/", {"code": last_code()})
    client.post("/accounts/password/reset/complete/", new)
    client.post(LOGIN, {"login": "ann@acme.test", "password": "another-one-99"})
    assert signed_in_as(client) == "ann@acme.test"


def test_right_passwords_are_not_counted(ann):
    """A10"""
    ann.set_password("open-sesame")
    ann.save()
    for _ in range(7):
        browser = Client()
        browser.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame"})
        assert signed_in_as(browser) == "ann@acme.test"


def test_a_closed_account_still_opens_by_a_code(ann):
    """A10: whoever guesses at somebody's password does not lock the owner out."""
    for _ in range(6):
        Client().post(LOGIN, {"login": "ann@acme.test", "password": "guess"})
    owner = Client()
    sign_in(owner, "ann@acme.test")
    assert signed_in_as(owner) == "ann@acme.test"


def test_guesses_at_a_second_factor_are_counted_for_the_account(ann):
    """A10: however often the guesser begins anew."""
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    right = code_of_app(secret)
    guesses = [f"{number:06}" for number in range(6) if f"{number:06}" != right][:5]
    browser = Client()
    sign_in(browser, "ann@acme.test")
    for guess in guesses:
        browser.post("/accounts/2fa/authenticate/", {"code": guess})
    browser.post("/accounts/2fa/authenticate/", {"code": right})
    assert signed_in_as(browser) is None
