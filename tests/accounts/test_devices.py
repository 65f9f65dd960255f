"""Sessions and devices as the owner of an account sees and ends them; and account deletion."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.core import mail
from django.core.cache import cache
from django.test import Client

from keys.models import AuditEvent, Outcome
from portal.accounts.user_agents import device_name
from portal.models import User
from tests.helpers.people import CONFIRM, SIGNUP, last_code, sign_in, signed_in_as
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"


@pytest.fixture
def two(ann) -> tuple[Client, Client]:
    """Ann is signed in at her desk and on her phone, by the real pages."""
    desk, phone = Client(HTTP_USER_AGENT=CHROME), Client(HTTP_USER_AGENT=PHONE, REMOTE_ADDR="192.0.2.7")
    for browser in (desk, phone):
        sign_in(browser, "ann@acme.test")
        cache.clear()
    return desk, phone


def test_the_owner_sees_where_she_is_signed_in_and_ends_one(two):
    desk, phone = two
    page = desk.get("/accounts/sessions/")
    for words in ("Chrome on Linux", "This device", "Safari on iPhone", "192.0.2.7"):
        assert words in page.text
    (end,) = re.findall(r'action="(/accounts/sessions/\d+/end/)"', page.text)
    assert desk.get(end).status_code == 405
    desk.post(end)
    assert signed_in_as(phone) is None
    assert signed_in_as(desk)
    assert "iPhone" not in desk.get("/accounts/sessions/").text


def test_others_are_signed_out_only_where_there_are_some(two):
    desk, _phone = two
    words = "Sign out all other devices"
    assert words in desk.get("/accounts/sessions/").text
    desk.post("/accounts/sessions/")
    assert words not in desk.get("/accounts/sessions/").text


def test_nobody_ends_a_session_of_somebody_else(two, mallory_client):
    row = UserSession.objects.get(user_agent=PHONE)
    assert mallory_client.post(f"/accounts/sessions/{row.pk}/end/").status_code == 404
    assert signed_in_as(two[1])


def test_all_others_are_signed_out_at_once_those_not_listed_too(ann, two, client_of):
    desk, phone = two
    unlisted = client_of(ann)
    desk.post("/accounts/sessions/")
    assert signed_in_as(desk)
    assert signed_in_as(phone) is None
    assert signed_in_as(unlisted) is None


def test_a_new_device_is_mailed_once(ann):
    desk = Client(HTTP_USER_AGENT=CHROME)
    for _ in range(2):
        sign_in(desk, "ann@acme.test")
        desk.post("/accounts/logout/")
        cache.clear()
    told = [message for message in mail.outbox if "New sign-in" in message.subject]
    assert len(told) == 1
    assert "If it wasn't you" in told[0].body
    assert "Browser: Chrome on Linux" in told[0].body
    sign_in(Client(HTTP_USER_AGENT=PHONE), "ann@acme.test")
    assert len([message for message in mail.outbox if "New sign-in" in message.subject]) == 2


def test_signing_up_is_no_news_of_a_new_device(client):
    client.post(SIGNUP, {"email": "new@startup.test"})
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "new@startup.test"
    assert len(mail.outbox) == 1


def test_a_forged_cookie_of_a_device_does_not_silence_the_mail(client, ann):
    client.cookies["device"] = "[1]"
    sign_in(client, "ann@acme.test")
    assert "New sign-in" in mail.outbox[-1].subject


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (CHROME, "Chrome on Linux"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) AppleWebKit/605 Version/18 Safari/605", "Safari on Mac"),
        ("curl/8.0", ""),
        ("<script>", ""),
    ],
)
def test_a_device_is_named_as_people_name_it(user_agent, name):
    assert device_name(user_agent) == name


# Leaving


def test_a_deleted_account_is_gone_and_keys_and_records_stay(ann, two, sandbox):
    keys = acme(sandbox)
    desk, phone = two
    desk.post(f"/keys/production/acme/{keys[0]['id']}/reveal/")
    assert desk.post("/accounts/delete/", {}).status_code == 422
    assert User.objects.filter(pk=ann.pk).exists()
    mail.outbox.clear()
    answer = desk.post("/accounts/delete/", {"sure": "yes"}, follow=True)
    assert "Account deleted." in answer.text
    assert not User.objects.exists()
    assert not EmailAddress.objects.exists()
    assert signed_in_as(desk) is None
    assert signed_in_as(phone) is None
    assert sandbox.keys("acme") == keys
    event = AuditEvent.objects.get()
    assert (event.user_id, event.email, event.outcome) == (None, "ann@acme.test", Outcome.DONE)
    assert [message.to for message in mail.outbox] == [["ann@acme.test"]]
    assert "The API keys weren't" in mail.outbox[0].body
    assert "Sign in" not in mail.outbox[0].body  # there is nothing left to sign in to


def test_whoever_takes_up_the_address_again_is_somebody_new(ann, ann_client, client):
    before = ann.pk
    ann_client.post("/accounts/delete/", {"sure": "yes"})
    client.post(SIGNUP, {"email": "ann@acme.test"})
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"
    assert User.objects.get().pk != before
