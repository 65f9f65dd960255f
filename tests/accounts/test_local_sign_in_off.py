"""Ways in that the operator has closed: sign-up, strangers' domains, or everything but the provider."""

import pytest
from django.core import mail
from django.test import Client

from portal.models import User
from tests.accounts.test_sso import claims
from tests.helpers.people import CONFIRM, SIGNUP, last_code, signed_in_as
from tests.helpers.people import LOGIN as SIGN_IN

pytestmark = pytest.mark.django_db


def test_sign_up_by_an_address_alone_can_be_closed(provider, client, settings):
    settings.LOCAL_SIGN_UP = False
    assert "Accounts are by invitation only" in client.get(SIGNUP).text
    client.post(SIGNUP, {"email": "new@startup.test"})
    assert not User.objects.exists()
    assert "Create an account" not in client.get(SIGN_IN).text
    client.post(SIGN_IN, {"login": "new@startup.test"})
    assert "There's no account with this address." in mail.outbox[-1].body
    assert not User.objects.exists()
    provider.knows("42", **claims("ann@acme.test"))
    provider.lets_in(client, "42")
    assert signed_in_as(client) == "ann@acme.test"


def test_accounts_can_be_for_some_domains_only(provider, client, settings):
    settings.SIGN_UP_DOMAINS = ["acme.test"]
    for address in ("mallory@evil.test", "mallory@sub.acme.test", "mallory@evilacme.test", "acme.test@evil.test"):
        assert "certain companies" in client.post(SIGNUP, {"email": address}).text
        provider.knows("66", **claims(address))
        assert "by invitation" in provider.lets_in(Client(), "66").text
    assert not User.objects.exists()
    assert client.post(SIGNUP, {"email": "ann@ACME.test"}).headers["Location"] == CONFIRM
    provider.knows("42", **claims("ben@acme.test"))
    browser = Client()
    provider.lets_in(browser, "42")
    assert signed_in_as(browser) == "ben@acme.test"


def test_the_provider_can_be_the_only_door(provider, client, ann, settings):
    """A9: then every other door is closed on the server too, not only out of sight."""
    settings.LOCAL_SIGN_IN = False
    page = client.get(SIGN_IN)
    assert "Continue with Acme account" in page.text
    for words in ("Email me a code", "password", "passkey", "Create an account"):
        assert words not in page.text
    ann.set_password("open-sesame")
    ann.save()
    for path, entry in (
        (SIGN_IN, {"login": "ann@acme.test"}),
        (SIGN_IN, {"login": "ann@acme.test", "password": "open-sesame"}),
        (SIGNUP, {"email": "new@startup.test"}),
        ("/accounts/password/reset/", {"email": "ann@acme.test"}),
        ("/accounts/2fa/webauthn/login/", {"credential": "{}"}),
    ):
        assert client.post(path, entry).headers["Location"] == SIGN_IN
    assert mail.outbox == []
    provider.knows("42", **claims("ann@acme.test"))
    provider.lets_in(client, "42")
    client.post(CONFIRM, {"code": last_code()})  # the account's own proof, once
    assert signed_in_as(client) == "ann@acme.test"
    assert "You still sign in with your provider" in client.get("/accounts/2fa/webauthn/add/").text
