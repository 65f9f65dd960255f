"""Passkeys: an answer counts once, in its own browser, for its own person, and with user verification."""

import json
import re
from base64 import urlsafe_b64encode

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client

from portal.models import User
from sandbox.values import mint_key
from tests.helpers.oidc_provider import Provider, settings_for
from tests.helpers.people import passes, sign_in, signed_in_as
from tests.helpers.software_passkey import ADD, LOGIN, REAUTHENTICATE, SECOND, Passkey, options_of, send

pytestmark = pytest.mark.django_db


def broken_off(rest: bytes) -> str:
    """An answer of the right shape, whose public key ends after these bytes."""
    said = b'{"type": "webauthn.get", "challenge": "AQ", "origin": "https://portal.test"}'
    data = bytes(32) + b"\x41" + bytes(20) + b"\x00\x01\x01" + rest
    attestation = b"\xa3cfmtdnonegattStmt\xa0hauthDataX" + bytes([len(data)]) + data
    parts = {"clientDataJSON": said, "authenticatorData": data, "signature": b"1", "attestationObject": attestation}
    response = {name: urlsafe_b64encode(part).decode() for name, part in parts.items()} | {"userHandle": "MQ"}
    return json.dumps({"id": "AQ", "rawId": "AQ", "type": "public-key", "response": response})


NONSENSE = [
    "[]",
    "null",
    "[" * 5000,
    "1" * 5000,
    '{"id": "x"}',
    '{"response": {}}',
    '{"response": 5}',
    '{"response": {"userHandle": "////"}}',
    '{"id": 1, "rawId": 2, "response": {}, "type": "public-key"}',
    '{"id": "AQ", "rawId": "AQ", "type": "public-key", "response":'
    ' {"clientDataJSON": "e30", "attestationObject": "AQ"}}',
    '{"id": "AQ", "rawId": "AQ", "type": "public-key", "response":'
    ' {"clientDataJSON": "e30", "authenticatorData": "AQ", "signature": "AQ", "userHandle": "MQ"}}',
    broken_off(b""),
    broken_off(b"\x1b\x01"),
]


@pytest.fixture
def passkey(ann_client) -> Passkey:
    """Ann's; her browser has just added it."""
    passkey = Passkey()
    answer = send(ann_client, ADD, passkey.made(options_of(ann_client, ADD)))
    assert answer.headers["Location"] == "/accounts/2fa/recovery-codes/"
    return passkey


def half_way(email: str) -> Client:
    """Somebody who can read this mail, and is asked for the second factor."""
    cache.clear()
    client = Client()
    assert sign_in(client, email).headers["Location"] == SECOND
    return client


def test_a_passkey_is_asked_to_stay_on_the_device_and_to_check_its_holder(ann_client):
    wanted = options_of(ann_client, ADD)["authenticatorSelection"]
    assert (wanted["residentKey"], wanted["userVerification"]) == ("required", "required")


def test_a_passkey_signs_in_by_itself(client, passkey):
    assert send(client, LOGIN, passkey.used(options_of(client, LOGIN))).headers["Location"] == "/keys/"
    assert signed_in_as(client) == "ann@acme.test"


def test_a_first_passkey_ends_the_sessions_that_were_opened_without_one_and_a_further_one_none(ann, client_of):
    """A8: also those of colleagues, for whom Django admin opens now."""
    here, elsewhere = client_of(ann), client_of(ann)
    send(here, ADD, Passkey().made(options_of(here, ADD)))
    assert signed_in_as(here) == "ann@acme.test"
    assert signed_in_as(elsewhere) is None
    with_the_factor = client_of(User.objects.get())
    send(here, ADD, Passkey(id=b"another-passkey!").made(options_of(here, ADD)))
    assert Authenticator.objects.filter(type="webauthn").count() == 2
    assert signed_in_as(with_the_factor) == "ann@acme.test"


def test_an_answer_works_once_and_in_its_own_browser(client, passkey):
    """A2, B2: read off the wire or out of a log, it signs nobody in."""
    answer = passkey.used(options_of(client, LOGIN))
    stranger = Client()
    send(stranger, LOGIN, answer)
    options_of(stranger, LOGIN)
    send(stranger, LOGIN, answer)
    assert signed_in_as(stranger) is None
    send(client, LOGIN, answer)
    client.post("/accounts/logout/")
    send(client, LOGIN, answer)
    options_of(client, LOGIN)
    send(client, LOGIN, answer)
    assert signed_in_as(client) is None


def test_a_passkey_of_somebody_else_opens_nothing_whoever_it_names(client, ann, passkey, mallory, client_of):
    """A6, B4"""
    mallorys, own = client_of(mallory), Passkey(id=b"another-passkey!")
    send(mallorys, ADD, own.made(options_of(mallorys, ADD)))
    send(client, LOGIN, own.used(options_of(client, LOGIN), holder=passkey.holder))
    assert signed_in_as(client) is None
    second = half_way("ann@acme.test")
    send(second, SECOND, own.used(options_of(second, SECOND)))
    assert signed_in_as(second) is None
    passes(mallorys, proof=999)
    answer = passkey.used(options_of(mallorys, REAUTHENTICATE))
    send(mallorys, REAUTHENTICATE, answer)
    assert mallorys.get(ADD).headers["Location"].startswith("/accounts/step-up/")


def test_a_passkey_that_does_not_check_its_holder_proves_nothing(client, ann_client, passkey):
    """B4: neither at sign-in, at the second step, for what matters, nor when it is added."""
    passkey.checks_the_holder = False
    send(client, LOGIN, passkey.used(options_of(client, LOGIN)))
    second = half_way("ann@acme.test")
    send(second, SECOND, passkey.used(options_of(second, SECOND)))
    assert signed_in_as(client) is signed_in_as(second) is None
    careless = Passkey(checks_the_holder=False, id=b"a-careless-chip!")
    send(ann_client, ADD, careless.made(options_of(ann_client, ADD)))
    assert Authenticator.objects.filter(type="webauthn").count() == 1
    passes(ann_client, proof=999)
    send(ann_client, REAUTHENTICATE, passkey.used(options_of(ann_client, REAUTHENTICATE)))
    assert ann_client.get(ADD).headers["Location"].startswith("/accounts/step-up/")


@pytest.mark.parametrize(
    ("name", "value"), [("LOCAL_SIGN_IN", False), ("PROVIDER_DOMAINS", {"acme.test": "acme"})], ids=["all", "acme"]
)
def test_where_people_come_by_a_provider_only_a_passkey_signs_nobody_in(client, passkey, settings, name, value):
    """A9: but it is asked for after the provider, and for what matters."""
    settings.SOCIALACCOUNT_PROVIDERS = settings_for(Provider("http://127.0.0.1:9"))
    answer = passkey.used(options_of(client, LOGIN))
    setattr(settings, name, value)
    assert send(client, LOGIN, answer).headers["Location"].startswith("/accounts/")
    assert signed_in_as(client) is None


@pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
def test_what_no_passkey_answers_is_refused_and_no_failure_of_the_portal(nonsense, client, ann_client, passkey):
    """H1: anybody may send it, without signing in."""
    for browser, path in ((client, LOGIN), (ann_client, ADD), (half_way("ann@acme.test"), SECOND)):
        options_of(browser, path)
        assert browser.post(path, {"credential": nonsense}).status_code in {200, 302}
    passes(ann_client, proof=999)
    options_of(ann_client, REAUTHENTICATE)
    assert ann_client.post(REAUTHENTICATE, {"credential": nonsense}).status_code in {200, 302}
    assert signed_in_as(client) is None
    assert Authenticator.objects.filter(type="webauthn").count() == 1


# Its name, which stands in the account and in Django admin


KEYS = [mint_key(), "acme-0123456789ab"]


@pytest.mark.parametrize("key", KEYS, ids=["of Zuplo", "of its own"])
def test_the_name_of_a_new_passkey_is_cleaned(key, ann_client, settings):
    """E2: a passkey that the device keeps by now is not refused for its name."""
    settings.KEYS_FORMAT = "acme-[0-9a-f]{12}"
    answer = json.dumps(Passkey().made(options_of(ann_client, ADD)))
    assert ann_client.post(ADD, {"credential": answer, "name": f"Laptop\u202e {key}" + "x" * 9000}).status_code == 302
    (name,) = (one.wrap().name for one in Authenticator.objects.filter(type="webauthn"))
    assert name.startswith("Laptop\ufffd ")
    assert "removed]" in name
    assert key not in name
    assert len(name) < 600


@pytest.mark.parametrize(
    "words",
    [*KEYS, f"Work, {KEYS[0]}", "Lap\u202etop", "x" * 101, "", " "],
    ids=["of Zuplo", "of its own", "among words", "turned", "too long", "none", "blank"],
)
def test_what_a_passkey_cannot_be_called_is_refused(words, passkey, ann_client, settings):
    """E1, E2: and a key is not shown again."""
    settings.KEYS_FORMAT = "acme-[0-9a-f]{12}"
    url = f"/accounts/2fa/webauthn/keys/{Authenticator.objects.get(type='webauthn').pk}/edit/"
    assert ann_client.post(url, {"name": "Work laptop"}).status_code == 302
    response = ann_client.post(url, {"name": words})
    assert response.status_code == 200
    assert not [key for key in KEYS if key in response.text]
    assert ("looks like it contains a key" in response.text) == any(key in words for key in KEYS)
    assert Authenticator.objects.get(type="webauthn").wrap().name == "Work laptop"


# Nobody is asked for what the account never had


def test_with_a_passkey_alone_nobody_is_asked_for_a_code_of_an_app(passkey, ann_client):
    page = half_way("ann@acme.test").get(SECOND).text
    assert "a passkey or a recovery code." in page
    assert "authenticator app" not in page
    assert page.index("Use a passkey") < page.index("Recovery code")
    assert re.findall(r"<(\w+)[^>]* autofocus", page) == ["button"]
    passes(ann_client, proof=999)
    page = ann_client.get(REAUTHENTICATE).text
    assert "Use a recovery code" in page
    assert "authenticator app" not in page
    page = ann_client.get("/accounts/2fa/reauthenticate/").text
    assert "Recovery code" in page
    assert "authenticator app" not in page


def test_with_an_app_alone_nobody_is_asked_for_a_passkey(app_secret):
    page = half_way("ann@acme.test").get(SECOND).text
    assert "a code from your authenticator app, or a recovery code." in page
    assert "passkey" not in page.partition("<main")[2]


def test_with_both_either_is_offered(passkey, app_secret):
    page = half_way("ann@acme.test").get(SECOND).text
    assert "a passkey, a code from your authenticator app, or a recovery code." in page
    assert "Use a passkey" in page
