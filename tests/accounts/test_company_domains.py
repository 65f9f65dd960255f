"""Companies whose people sign in by their own provider only, beside people who sign in by a code."""

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.core.cache import cache
from django.test import Client

from portal.models import User
from tests.accounts.test_sign_in import seen
from tests.helpers.oidc_provider import LOGIN, Provider, settings_for
from tests.helpers.people import CONFIRM, PROVE, SIGNUP, last_code, passes, sign_in, signed_in_as
from tests.helpers.people import LOGIN as SIGN_IN

pytestmark = pytest.mark.django_db

FORMS = [
    (SIGN_IN, {"login": "{}"}),
    (SIGN_IN, {"login": "{}", "password": "open-sesame"}),
    (SIGNUP, {"email": "{}"}),
    ("/accounts/password/reset/", {"email": "{}"}),
]
PARTNER = "/accounts/oidc/partner/login/"


@pytest.fixture
def provider(running_provider, settings) -> Provider:
    """Acme's people sign in by Acme; everybody else chooses."""
    settings.SOCIALACCOUNT_PROVIDERS = settings_for(running_provider, two=True)
    settings.PROVIDER_DOMAINS = {"acme.test": "acme"}
    return running_provider


def knows(provider: Provider, sub: str, email: str) -> None:
    provider.knows(sub, email=email, email_verified=True)


@pytest.mark.parametrize(("path", "entry"), FORMS)
def test_every_form_leads_to_the_provider_and_tells_nothing(provider, ann, path, entry):
    """A7, A9: the domain alone decides; nothing is mailed, and no account looked for."""
    ann.set_password("open-sesame")
    ann.save()
    answers = []
    for email in ("ann@acme.test", "nobody@acme.test", " Nobody@ACME.test "):
        browser = Client()
        answer = browser.post(path, {name: value.format(email) for name, value in entry.items()})
        assert answer.headers["Location"].partition("?")[0] == LOGIN
        page = browser.get(answer.headers["Location"])
        assert "This address signs in with Acme account." in page.text
        answers.append(seen(page))
    assert answers[0] == answers[1] == answers[2]
    assert mail.outbox == []
    assert User.objects.count() == 1


@pytest.mark.parametrize("email", ["ben@home.test", "ben@sub.acme.test", "ben@evilacme.test"])
def test_everybody_else_signs_in_by_a_code(provider, client, make_person, email):
    make_person(email)
    sign_in(client, email)
    assert signed_in_as(client) == email


def test_the_way_back_is_kept(provider, client):
    answer = client.post(SIGN_IN, {"login": "ann@acme.test", "next": "/keys/preview/"})
    assert answer.headers["Location"] == f"{LOGIN}?process=login&next=%2Fkeys%2Fpreview%2F"
    answer = client.post(SIGN_IN, {"login": "ann@acme.test", "next": "https://evil.test/"})
    assert "evil" not in answer.headers["Location"]


def test_the_provider_lets_in_and_an_account_that_was_there_is_joined_by_its_code(provider, client, ann):
    """A6"""
    knows(provider, "42", "ann@acme.test")
    assert provider.lets_in(client, "42").headers["Location"].startswith(CONFIRM)
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"
    browser = Client()
    provider.lets_in(browser, "42")
    assert signed_in_as(browser) == "ann@acme.test"


def test_a_further_address_elsewhere_is_no_way_around(provider, client, make_person):
    """A9: by a code, a password or another address of the same account."""
    ann = make_person("ann@home.test", "ann@acme.test")
    ann.set_password("open-sesame")
    ann.save()
    client.post(SIGN_IN, {"login": "ann@home.test"})
    assert client.post(CONFIRM, {"code": last_code()}).headers["Location"].startswith(LOGIN)
    assert signed_in_as(client) is None
    entry = {"login": "ann@home.test", "password": "open-sesame"}
    assert client.post(SIGN_IN, entry).headers["Location"].startswith(LOGIN)
    assert signed_in_as(client) is None


def test_another_provider_is_no_way_around(provider, client, ann):
    """A6, A9: neither for an account that is there, nor for a new one."""
    believed = {"email": "ann@home.test", "vouched": True}
    SocialAccount.objects.create(user=ann, provider="partner", uid="66", extra_data=believed)
    knows(provider, "66", "ann@home.test")
    assert provider.lets_in(client, "66", start=PARTNER).headers["Location"].startswith(LOGIN)
    knows(provider, "67", "new@acme.test")
    assert provider.lets_in(client, "67", start=PARTNER).headers["Location"].startswith(LOGIN)
    assert signed_in_as(client) is None
    assert list(User.objects.all()) == [ann]


@pytest.mark.parametrize("email", ["eve@home.test", "eve@sub.partner.test", "eve@partner.test.evil.test"])
def test_a_companys_provider_vouches_for_its_own_domains_only(provider, client, settings, email):
    """A6: its administrator can have it say anything, of the addresses of other companies too."""
    settings.PROVIDER_DOMAINS = {"acme.test": "acme", "partner.test": "partner"}
    knows(provider, "66", email)
    assert provider.lets_in(client, "66", start=PARTNER).headers["Location"] == PROVE
    assert signed_in_as(client) is None
    assert not EmailAddress.objects.filter(verified=True).exists()
    client.post(PROVE, {"code": last_code()})
    assert signed_in_as(client) == email
    knows(provider, "67", "pat@Partner.test")
    browser = Client()
    provider.lets_in(browser, "67", start=PARTNER)
    assert signed_in_as(browser) == "pat@partner.test"


def test_what_waits_for_another_provider_is_no_way_around(provider, client, make_person):
    """A6, A9: a join with Partner does not stand in for signing in by Acme."""
    make_person("ann@home.test", "ann@acme.test")
    knows(provider, "66", "ann@home.test")
    provider.lets_in(client, "66", start=PARTNER)
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) is None
    assert not SocialAccount.objects.exists()


def test_whoever_adds_an_address_of_the_company_comes_by_its_provider_from_then_on(provider, make_person, client):
    """A9"""
    ann = make_person("ann@home.test")
    sign_in(client, "ann@home.test")
    EmailAddress.objects.create(user=ann, email="ann@acme.test", verified=True)
    assert signed_in_as(client) == "ann@home.test"
    client.post("/accounts/logout/")
    cache.clear()
    sign_in(client, "ann@home.test")
    assert signed_in_as(client) is None


def test_the_proof_of_who_is_there_goes_on_as_before(provider, ann_client):
    """B4"""
    passes(ann_client, proof=999)
    ann_client.post("/accounts/step-up/code/", {"action": "send"})
    assert ann_client.post("/accounts/step-up/code/", {"code": last_code()}).headers["Location"] == "/keys/"
