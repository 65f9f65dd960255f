"""The first sign-in is like any other: an address, its code, and the page that one wanted."""

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client

from portal.models import User
from tests.helpers.people import CONFIRM, LOGIN, SIGNUP, WRONG, code_in, last_code, sign_in, signed_in_as
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db

WANTED = "/keys/activity/production/"
DOORS = [(LOGIN, "login"), (SIGNUP, "email")]


@pytest.mark.parametrize(("path", "field"), DOORS)
@pytest.mark.parametrize("has_account", [True, False])
def test_an_address_and_its_code_lead_to_the_page_that_one_wanted_by_one_mail(
    client, make_person, sandbox, path, field, has_account
):
    """A7"""
    acme(sandbox)
    if has_account:
        make_person("ann@acme.test")
    assert client.get(WANTED).headers["Location"] == f"{LOGIN}?next={WANTED}"
    asked = client.post(path, {field: "ann@acme.test", "next": WANTED}, follow=True)
    assert asked.redirect_chain[-1][0].startswith(CONFIRM)
    assert "ann@acme.test" in asked.text
    done = client.post(CONFIRM, {"code": last_code(), "next": WANTED}, follow=True)
    assert done.redirect_chain == [(WANTED, 302)]
    assert done.status_code == 200
    assert signed_in_as(client) == "ann@acme.test"
    codes = [message for message in mail.outbox if "sign-in code" in message.subject]
    assert len(codes) == 1
    assert len(mail.outbox) == (2 if has_account else 1)  # a known person is told of the new device
    assert EmailAddress.objects.get().verified


def test_the_account_is_made_with_the_address_and_proved_by_the_code_alone(client):
    client.post(LOGIN, {"login": "New@Startup.test"})
    assert User.objects.get().email == "new@startup.test"
    assert not EmailAddress.objects.get().verified
    client.post(CONFIRM, {"code": WRONG})
    assert not EmailAddress.objects.get().verified
    client.post(CONFIRM, {"code": last_code()})
    assert EmailAddress.objects.get().verified
    assert not User.objects.get().has_usable_password()


def test_a_second_request_from_another_browser_is_the_same_flow(client):
    """Asked on the phone, read on the desk: the account is there by now, and nobody is warned of a new device."""
    Client().post(LOGIN, {"login": "new@startup.test"})
    cache.clear()
    sign_in(client, "new@startup.test")
    assert signed_in_as(client) == "new@startup.test"
    assert User.objects.count() == 1
    assert [message.subject for message in mail.outbox] == ["Your sign-in code for API Portal"] * 2


def test_where_the_mail_is_one_too_many_no_account_is_left(client, settings):
    """A3"""
    settings.CODE_MAILS_BY_CLIENT = (1, 1)
    assert client.post(LOGIN, {"login": "one@startup.test"}).status_code == 302
    assert Client().post(LOGIN, {"login": "two@startup.test"}).status_code == 429
    assert list(User.objects.values_list("email", flat=True)) == ["one@startup.test"]


@pytest.mark.parametrize("limits", [{"LOCAL_SIGN_UP": False}, {"SIGN_UP_DOMAINS": ["acme.test"]}])
def test_where_the_address_may_have_no_account_the_pages_look_the_same_and_the_mail_says_it(ann, settings, limits):
    """A7"""
    for name, value in limits.items():
        setattr(settings, name, value)
    answers = [
        Client().post(LOGIN, {"login": address}, follow=True) for address in ("ann@acme.test", "new@startup.test")
    ]
    assert [answer.redirect_chain for answer in answers] == [[(CONFIRM, 302)]] * 2
    assert [message.to for message in mail.outbox] == [["ann@acme.test"], ["new@startup.test"]]
    assert "There's no account with this address." in mail.outbox[-1].body
    assert User.objects.count() == 1


def test_next_survives_a_new_code_wrong_tries_another_address_and_the_link_opened_again(client, ann):
    """F5"""
    page = f"{CONFIRM}?next={WANTED}"
    asked = client.post(LOGIN, {"login": "ann@acme.test", "next": WANTED})
    assert asked.headers["Location"].replace("%2F", "/") == page
    assert client.get(LOGIN, {"next": WANTED}).headers["Location"].replace("%2F", "/") == page
    assert WANTED in client.post(CONFIRM, {"action": "resend", "next": WANTED}).headers["Location"].replace("%2F", "/")
    other = client.get(page).text.partition("/accounts/logout/")[2]
    assert f'value="{LOGIN}?next={WANTED}"' in other
    tries = [client.post(CONFIRM, {"code": WRONG, "next": WANTED}) for _ in range(3)]
    assert f'name="next" value="{WANTED}"' in tries[-1].text
    late = client.get(page, follow=True)  # a page left open, after its code has ended
    assert f'name="next" value="{WANTED}"' in late.text


def test_another_browsers_code_opens_nothing(client):
    """A2"""
    other = Client()
    other.post(LOGIN, {"login": "new@startup.test"})
    client.post(LOGIN, {"login": "new@startup.test"})
    theirs, mine = map(code_in, mail.outbox)
    client.post(CONFIRM, {"code": theirs})
    assert signed_in_as(client) is None
    client.post(CONFIRM, {"code": mine})
    assert signed_in_as(client) == "new@startup.test"
    assert signed_in_as(other) is None


def test_the_code_of_an_account_that_was_deleted_meanwhile_is_wrong(client, ann):
    """A8"""
    client.post(LOGIN, {"login": "ann@acme.test"})
    ann.delete()
    assert "isn&#x27;t right" in client.post(CONFIRM, {"code": last_code()}).text
    assert signed_in_as(client) is None
