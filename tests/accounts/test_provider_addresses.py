"""The address that a provider names, compared at each sign-in: whoever comes by a number that has changed hands."""

from collections.abc import Iterator

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.core import mail, signing
from django.core.cache import cache
from django.test import Client

from keys.models import Action, AuditEvent
from portal.accounts.sessions import device_cookie_name
from portal.models import User
from tests.helpers.odd_provider import OddProvider, running_odd_provider
from tests.helpers.oidc_provider import LOGIN, Provider
from tests.helpers.people import CONFIRM, PROVE, last_code, sign_in, signed_in_as
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db
START = f"{LOGIN}?process=connect"


def knows(provider: Provider, email: str, verified: object = True) -> None:
    """Number 42, which is Ann's at first."""
    cache.clear()
    provider.knows("42", **({"email": email, "email_verified": verified} if email else {}))


def sees_acme(client: Client) -> bool:
    return 'data-consumer="acme"' in client.get("/keys/", follow=True).text


@pytest.fixture
def ann_by_provider(provider, sandbox) -> Client:
    """A browser in which Ann has signed in by her company's provider, and sees the keys of Acme."""
    acme(sandbox)
    sandbox.add_consumer("noas", label="Noa's", managers=["noa@acme.test"])
    knows(provider, "ann@acme.test")
    browser = Client()
    provider.lets_in(browser, "42")
    assert sees_acme(browser)
    return browser


# Another address


def test_a_newcomer_with_a_colleagues_number_gets_an_account_of_his_own(provider, ann_by_provider, client):
    """A1: after proving his address; nothing of the colleague's is opened, before or after."""
    knows(provider, "noa@acme.test")
    answer = provider.lets_in(client, "42", next="/keys/")
    assert answer.headers["Location"] == PROVE
    assert "Acme account gave us a different address for you." in client.get(PROVE).text
    assert signed_in_as(client) is None
    assert not sees_acme(client)
    client.post(PROVE, {"code": last_code()})
    assert signed_in_as(client) == "noa@acme.test"
    page = client.get("/keys/").text
    assert 'data-consumer="noas"' in page
    assert 'data-consumer="acme"' not in page
    assert {account.user.email for account in SocialAccount.objects.all()} == {"noa@acme.test"}
    browser = Client()
    provider.lets_in(browser, "42")
    assert signed_in_as(browser) == "noa@acme.test"


def test_what_was_opened_by_the_number_before_is_closed_recorded_and_mailed(provider, ann_by_provider, client):
    """A8, B2"""
    mail.outbox.clear()
    knows(provider, "ben@acme.test")
    provider.lets_in(client, "42")
    assert signed_in_as(ann_by_provider) is None
    assert not EmailAddress.objects.get(email="ann@acme.test").verified
    event = AuditEvent.objects.get(action=Action.PROVIDER_ADDRESS)
    assert (event.email, event.facts, event.outcome) == (
        "ann@acme.test",
        {"provider": "acme", "withdrawn": True},
        "done",
    )
    (told,) = [one for one in mail.outbox if "gave a different address" in one.subject]
    assert told.to == ["ann@acme.test"]
    assert "signed you out everywhere" in told.body
    assert "ben@acme.test" not in told.body


def test_a_number_that_changed_hands_leads_into_an_account_that_is_there_by_its_own_code(
    provider, ann_by_provider, ben, client
):
    """A6"""
    knows(provider, "ben@acme.test")
    assert provider.lets_in(client, "42").headers["Location"].startswith(CONFIRM)
    assert signed_in_as(client) is None
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ben@acme.test"
    assert SocialAccount.objects.get().user == ben


@pytest.mark.parametrize("verified", [False, "true", None])
def test_another_address_that_nobody_vouches_for_opens_nothing_either(provider, ann_by_provider, client, verified):
    knows(provider, "mallory@evil.test", verified)
    assert provider.lets_in(client, "42").headers["Location"] == PROVE
    assert not sees_acme(client)
    assert mail.outbox[-1].to == ["mallory@evil.test"]


def test_the_owner_of_the_former_address_comes_back_by_a_code_and_keeps_what_she_has_set_up(
    provider, ann_by_provider, client
):
    ann = User.objects.get()
    TOTP.activate(ann, generate_totp_secret())
    knows(provider, "ben@acme.test")
    provider.lets_in(Client(), "42")
    cache.clear()
    answer = sign_in(client, "ann@acme.test")
    assert answer.headers["Location"] == "/accounts/2fa/authenticate/"
    assert ann.authenticator_set.count() == 1


def test_a_further_address_of_the_account_is_none_that_differs(provider, ann_by_provider, client):
    EmailAddress.objects.create(user=User.objects.get(), email="ann@home.test", verified=True)
    knows(provider, "ann@home.test")
    provider.lets_in(client, "42")
    assert signed_in_as(client) == "ann@acme.test"


# The same address, and the provider's word for it taken back


@pytest.mark.parametrize("verified", [False, "true", "false", None, 1])
def test_an_address_no_longer_vouched_for_opens_nothing_until_it_is_proved(provider, ann_by_provider, client, verified):
    knows(provider, "ann@acme.test", verified)
    assert provider.lets_in(client, "42").headers["Location"].startswith(CONFIRM)
    assert "Acme account no longer confirms that this address is yours." in client.get(CONFIRM).text
    assert signed_in_as(client) is None
    assert signed_in_as(ann_by_provider) is None
    assert not sees_acme(client)
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert AuditEvent.objects.filter(action=Action.PROVIDER_ADDRESS).count() == 1
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"
    assert sees_acme(client)
    assert SocialAccount.objects.get().user == User.objects.get()
    client.post("/accounts/logout/")
    provider.lets_in(client, "42")
    assert signed_in_as(client) == "ann@acme.test", "it rests on the code from now on"


def test_an_address_vouched_for_again_opens_again(provider, ann_by_provider, client):
    knows(provider, "ann@acme.test", False)
    provider.lets_in(Client(), "42")
    knows(provider, "ann@acme.test")
    provider.lets_in(client, "42")
    assert signed_in_as(client) == "ann@acme.test"
    assert sees_acme(client)


def test_other_addresses_of_the_account_are_not_opened_by_the_number_either(provider, ann_by_provider, client):
    ann = User.objects.get()
    EmailAddress.objects.create(user=ann, email="ann@home.test", verified=True)
    knows(provider, "ann@acme.test", False)
    assert provider.lets_in(client, "42").headers["Location"].startswith(CONFIRM)
    assert signed_in_as(client) is None
    assert mail.outbox[-1].to == ["ann@acme.test"]
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"
    assert EmailAddress.objects.filter(user=ann, verified=True).count() == 2


def test_a_provider_that_names_no_address_any_more_opens_nothing_until_it_is_proved(provider, ann_by_provider, client):
    knows(provider, "")
    assert provider.lets_in(client, "42").headers["Location"].startswith(CONFIRM)
    assert mail.outbox[-1].to == ["ann@acme.test"]
    client.post(CONFIRM, {"code": last_code()})
    assert sees_acme(client)
    client.post("/accounts/logout/")
    provider.lets_in(client, "42")
    assert signed_in_as(client) == "ann@acme.test"


def test_what_a_code_proved_outlasts_another_address_of_a_provider_that_never_vouched(provider, client):
    """As Entra, which names addresses and vouches for none."""
    knows(provider, "ann@acme.test", False)
    provider.lets_in(client, "42")
    client.post(PROVE, {"code": last_code()})
    knows(provider, "ben@acme.test", False)
    stranger = Client()
    assert provider.lets_in(stranger, "42").headers["Location"] == PROVE
    assert mail.outbox[-1].to == ["ben@acme.test"]
    assert EmailAddress.objects.get(email="ann@acme.test").verified, "her own code proved it"


# The same number and address, and nobody who vouches for it


@pytest.fixture
def odd(settings) -> Iterator[OddProvider]:
    """A provider that says nothing of whether addresses are verified, as Entra and canaille."""
    with running_odd_provider() as odd:
        odd.userinfo = {"email": "ann@acme.test"}
        settings.SOCIALACCOUNT_PROVIDERS = odd.settings()
        yield odd


@pytest.fixture
def ann_by_number(odd, sandbox) -> Client:
    """A browser in which Ann has proved her address once."""
    acme(sandbox)
    browser = Client()
    odd.lets_in(browser)
    browser.post(PROVE, {"code": last_code()})
    assert sees_acme(browser)
    forget()
    return browser


def forget() -> None:
    cache.clear()
    mail.outbox.clear()


def is_asked_for_a_code(odd: OddProvider, client: Client) -> bool:
    answer = odd.lets_in(client)
    if signed_in_as(client):
        return False
    assert answer.headers["Location"].startswith(CONFIRM)
    assert [one.to for one in mail.outbox] == [["ann@acme.test"]]
    assert not sees_acme(client)
    return True


@pytest.mark.parametrize("told", [{}, {"email_verified": False}, {"email_verified": "true"}])
def test_a_newcomer_who_writes_the_colleagues_address_gets_no_further_than_the_code(odd, ann_by_number, client, told):
    """A6: it goes to the colleague's mailbox; once entered, it leads on to the page that was wanted."""
    odd.userinfo |= told
    page = odd.lets_in(client, next="/keys/preview/").headers["Location"]
    assert page.startswith(CONFIRM)
    words = "Acme account doesn't confirm email addresses, so we ask for a code once in each browser."
    assert words in client.get(page).text
    assert signed_in_as(client) is None
    assert [one.to for one in mail.outbox] == [["ann@acme.test"]]
    event = AuditEvent.objects.get(action=Action.PROVIDER_CODE)
    assert (event.email, event.facts, event.outcome) == ("ann@acme.test", {"provider": "acme"}, "done")
    assert signed_in_as(ann_by_number) == "ann@acme.test", "what she has open is left alone"
    assert client.post(page, {"code": last_code()}).headers["Location"] == "/keys/preview/"
    assert signed_in_as(client) == "ann@acme.test"


def test_a_browser_in_which_the_code_was_entered_is_asked_for_none(odd, ann_by_number, client):
    assert is_asked_for_a_code(odd, client)
    client.post(CONFIRM, {"code": last_code()})
    forget()
    for browser in (ann_by_number, client):
        browser.post("/accounts/logout/")
        odd.lets_in(browser)
        assert signed_in_as(browser) == "ann@acme.test"
    assert mail.outbox == []
    assert AuditEvent.objects.filter(action=Action.PROVIDER_CODE).count() == 1


def test_a_browser_that_knows_another_account_is_asked(odd, ann_by_number, ben, client):
    sign_in(client, "ben@acme.test")
    forget()
    assert is_asked_for_a_code(odd, client)


@pytest.mark.parametrize("salt", ["another", ""])
def test_a_forged_cookie_makes_no_browser_known(odd, ann_by_number, client, salt):
    known = [User.objects.get().pk]
    client.cookies[device_cookie_name()] = signing.dumps(known, salt=salt) if salt else str(known)
    assert is_asked_for_a_code(odd, client)


def test_a_provider_that_names_no_address_is_believed_in_known_browsers_only(odd, client):
    """As canaille, for people without a mail."""
    odd.userinfo = None
    odd.lets_in(client)
    client.post("/accounts/3rdparty/signup/", {"email": "ann@acme.test"})
    client.post(PROVE, {"code": last_code()})
    forget()
    browser = Client()
    assert is_asked_for_a_code(odd, browser)
    browser.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(browser) == "ann@acme.test"
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


def test_a_provider_that_vouches_for_the_address_is_believed_in_new_browsers(odd, ann_by_number, client):
    odd.userinfo |= {"email_verified": True}
    assert not is_asked_for_a_code(odd, client)


def test_a_provider_that_gives_no_number_twice_is_believed_in_new_browsers(odd, ann_by_number, client, settings):
    settings.SOCIALACCOUNT_PROVIDERS = odd.settings(settings={"stable_sub": True})
    assert not is_asked_for_a_code(odd, client)
    odd.userinfo = {"email": "ben@acme.test"}
    forget()
    assert odd.lets_in(Client()).headers["Location"] == PROVE, "an address that differs is proved all the same"


def test_a_code_that_may_not_be_mailed_opens_nothing(odd, ann_by_number, client, settings):
    settings.CODE_MAILS_TO_ADDRESS_BY_CLIENT = (0, 0)
    assert odd.lets_in(client).status_code == 429
    assert signed_in_as(client) is None
    assert mail.outbox == []
    assert not AuditEvent.objects.filter(action=Action.PROVIDER_CODE).exists()


def test_a_disabled_account_is_sent_no_code(odd, ann_by_number, client):
    User.objects.update(is_active=False)
    assert odd.lets_in(client).headers["Location"] == "/accounts/inactive/"
    assert mail.outbox == []


def test_where_only_providers_sign_in_a_new_browser_is_still_proved_by_a_code(odd, ann_by_number, client, settings):
    settings.LOCAL_SIGN_IN = False
    assert is_asked_for_a_code(odd, client)
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"


# What was connected by hand


def test_a_connected_account_with_an_address_of_its_own_stays_connected_until_that_differs(
    provider, ann, client_of, client
):
    knows(provider, "ann@home.test")
    provider.lets_in(client_of(ann), "42", start=START)
    provider.lets_in(client, "42")
    assert signed_in_as(client) == "ann@acme.test"
    knows(provider, "mallory@evil.test")
    stranger = Client()
    assert provider.lets_in(stranger, "42").headers["Location"] == PROVE
    assert signed_in_as(stranger) is None
    assert EmailAddress.objects.get(user=ann).verified, "it never rested on this provider"


def test_a_link_from_before_addresses_were_kept_is_compared_with_the_account(provider, ann, client):
    SocialAccount.objects.create(user=ann, provider="acme", uid="42")
    knows(provider, "ann@acme.test")
    provider.lets_in(client, "42")
    assert signed_in_as(client) == "ann@acme.test"
    knows(provider, "mallory@evil.test")
    assert provider.lets_in(Client(), "42").headers["Location"] == PROVE
    assert SocialAccount.objects.get().user != ann


def test_where_only_providers_sign_in_a_code_still_proves_an_address_that_is_doubted(
    provider, ann_by_provider, client, settings
):
    settings.LOCAL_SIGN_IN = False
    settings.PROVIDER_DOMAINS = {"acme.test": "acme"}
    knows(provider, "ann@acme.test", False)
    provider.lets_in(client, "42")
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"


def test_doubts_about_an_address_that_nobody_ever_proved_leave_a_stranger_nothing(provider, client):
    """A2: as little as where there were none; whoever proves the address first takes the account from him."""
    knows(provider, "victim@acme.test", False)
    provider.lets_in(Client(), "42")
    knows(provider, "")
    provider.lets_in(Client(), "42")
    cache.clear()
    sign_in(client, "victim@acme.test")
    assert signed_in_as(client) == "victim@acme.test"
    assert not SocialAccount.objects.exists()
