"""Session lifetimes: idle and absolute time-outs, what ends a session, and what its owner sees of it."""

import time
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.usersessions.models import UserSession
from bs4 import BeautifulSoup
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.sessions import SEEN_AT
from portal.models import User
from tests.helpers.people import LOGIN, PROVE, last_code, passes, sign_in, signed_in_as
from tests.portal.test_settings import PRODUCTION, settings_of

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


# How long


@pytest.mark.parametrize(("who", "minutes"), [("ann", 720), ("sam", 60)])
def test_an_idle_session_ends_sooner_for_staff(request, client_of, who, minutes):
    """B3: idle for longer than the setting says, the session is gone on the server, not only in the browser."""
    client = client_of(request.getfixturevalue(who))
    passes(client, use=minutes - 2)
    assert signed_in_as(client)
    passes(client, use=minutes + 1)
    key = client.session.session_key
    assert signed_in_as(client) is None
    assert not Session.objects.filter(session_key=key).exists()


@pytest.mark.parametrize(("who", "hours"), [("ann", 168), ("sam", 12)])
def test_a_busy_session_ends_at_a_fixed_time_sooner_for_staff(request, client_of, who, hours):
    """B3"""
    client = client_of(request.getfixturevalue(who))
    passes(client, life=hours * 60 - 2)
    assert signed_in_as(client)
    passes(client, life=4)
    assert signed_in_as(client) is None


def test_whoever_becomes_staff_has_a_staff_session_from_then_on(ann, ann_client):
    """B3"""
    passes(ann_client, use=90)
    assert signed_in_as(ann_client)
    passes(ann_client, use=90)
    User.objects.filter(pk=ann.pk).update(is_staff=True)
    assert signed_in_as(ann_client) is None


def test_a_session_without_its_times_is_none(ann, ann_client):
    session = ann_client.session
    del session[SEEN_AT]
    session.save()
    assert signed_in_as(ann_client) is None


def test_being_seen_is_written_at_most_once_a_minute(two):
    desk, _phone = two
    passes(desk, use=5)
    before = UserSession.objects.get(user_agent=CHROME)
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    assert writes(desk) == 2  # the session and the list of devices
    assert UserSession.objects.get(pk=before.pk).last_seen_at > timezone.now() - timedelta(minutes=1)
    assert writes(desk) == 0


def writes(client: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/")
    return sum(query["sql"].startswith(("UPDATE", "INSERT", "DELETE")) for query in queries)


@pytest.mark.parametrize(("person", "hours"), [("ann", 168), ("sam", 12)])
@pytest.mark.parametrize("password", ["", "open-sesame"])
def test_the_cookie_lives_no_longer_than_the_session(client, request, person, hours, password):
    """B3"""
    user = request.getfixturevalue(person)
    user.set_password("open-sesame")
    user.save()
    sign_in(client, user.email, password)
    assert signed_in_as(client) == user.email
    ends = client.session.get_expiry_date()
    assert abs(ends - timezone.now() - timedelta(hours=hours)) < timedelta(minutes=1)
    session = client.session
    session["something"] = "else"
    session.save()
    assert client.session.get_expiry_date() == ends


def test_cookies_in_production():
    """B6: Secure, __Host- names, HttpOnly, Lax; and no message text in any cookie."""
    made = settings_of(**PRODUCTION)
    assert made["SESSION_COOKIE_NAME"] == "__Host-session"
    assert made["CSRF_COOKIE_NAME"] == "__Host-csrf"
    assert made["SESSION_COOKIE_SECURE"] is made["CSRF_COOKIE_SECURE"] is made["CSRF_COOKIE_HTTPONLY"] is True
    assert made["MESSAGE_STORAGE"].endswith("SessionStorage")
    assert "SESSION_COOKIE_HTTPONLY" not in made  # Django's defaults: True and Lax
    assert "SESSION_COOKIE_SAMESITE" not in made


def test_the_cookie_of_a_known_device_is_as_safe(client, ann, settings):
    """B6"""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    cookies = sign_in(client, "ann@acme.test").cookies
    cookie = cookies["__Host-device"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert "ann" not in cookie.value


# Its id


def test_an_id_from_before_signing_in_is_worthless(client, ann):
    """B1: whoever planted the id, or read it, has nothing."""
    client.get(LOGIN)
    client.post(LOGIN, {"login": "ann@acme.test"})
    planted, row = client.cookies["sessionid"].value, client.session.session_key
    sign_in(client, "ann@acme.test")
    assert client.cookies["sessionid"].value != planted
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert signed_in_as(thief) is None
    assert not Session.objects.filter(session_key=row).exists()


def test_the_database_holds_no_id_that_opens_a_session(client, ann):
    """B1: for whoever reads the file, a replica or a backup; neither the table nor the list of devices has one."""
    sign_in(client, "ann@acme.test")
    cookie = client.cookies["sessionid"].value
    assert signed_in_as(client)
    rows = [*Session.objects.values_list("session_key", flat=True), *UserSession.objects.values_list(flat=True)]
    rows += UserSession.objects.values_list("session_key", flat=True)
    assert cookie not in map(str, rows)
    assert client.session.session_key in rows
    for row in rows:
        thief = Client()
        thief.cookies["sessionid"] = str(row)
        assert signed_in_as(thief) is None
    assert signed_in_as(client)


# What ends it


def replay(client: Client) -> Client:
    """Somebody else with a copy of the cookie."""
    thief = Client()
    thief.cookies["sessionid"] = client.cookies["sessionid"].value
    return thief


def test_signing_out_ends_the_session_for_a_copied_cookie_too(two):
    """B2"""
    desk, phone = two
    thief = replay(desk)
    assert signed_in_as(thief)
    desk.post("/accounts/logout/")
    assert signed_in_as(thief) is None
    assert signed_in_as(phone)


def test_disabling_ends_sessions_for_good(ann, two):
    """B2: enabling the account again brings none of them back."""
    desk, phone = two
    ann.is_active = False
    ann.save()
    ann.is_active = True
    ann.save()
    assert signed_in_as(desk) is None
    assert signed_in_as(phone) is None


def test_disabling_by_the_database_ends_a_session_with_its_next_request(ann, two):
    """B2"""
    desk, _phone = two
    User.objects.update(is_active=False)
    assert signed_in_as(desk) is None
    User.objects.update(is_active=True)
    assert signed_in_as(desk) is None


def test_signing_out_needs_a_post_and_ends_the_session_on_the_server(ann, ann_client):
    """B2, F4"""
    key = ann_client.session.session_key
    ann_client.get("/accounts/logout/")
    assert signed_in_as(ann_client) == ann.email
    assert ann_client.post("/accounts/logout/").headers["Location"] == "/"
    assert not ann_client.session.exists(key)


def test_a_disabled_person_is_out_with_the_next_request(ann, ann_client):
    """B2"""
    ann.is_active = False
    ann.save()
    assert signed_in_as(ann_client) is None
    client = Client()
    client.post(LOGIN, {"login": "ann@acme.test"})
    assert "There's no account" in mail.outbox[-1].body


NEW = {"password1": "open-sesame-9", "password2": "open-sesame-9"}


def set_password(desk, ann):
    desk.post("/accounts/password/set/", NEW)


def change_password(desk, ann):
    ann.set_password("old-sesame")
    ann.save()
    cache.clear()
    for browser in (desk,):
        sign_in(browser, "ann@acme.test", "old-sesame")
    desk.post("/accounts/password/change/", {"oldpassword": "old-sesame"} | NEW)


def reset_password(_desk, ann):
    ann.set_password("old-sesame")
    ann.save()
    stranger = Client()
    stranger.post("/accounts/password/reset/", {"email": "ann@acme.test"})
    stranger.post("/accounts/password/reset/confirm/", {"code": last_code()})
    stranger.post("/accounts/password/reset/complete/", NEW)


@pytest.mark.parametrize(("change", "here"), [(set_password, True), (change_password, True), (reset_password, False)])
def test_another_password_ends_all_other_sessions(ann, two, change, here):
    """B2, A8"""
    desk, phone = two
    change(desk, ann)
    ann.refresh_from_db()
    assert ann.check_password("open-sesame-9")
    assert (signed_in_as(desk) is not None) is here
    assert signed_in_as(phone) is None


def add(desk, _ann):
    desk.post("/accounts/email/", {"action_add": "", "email": "ann@new.test"})
    desk.post(PROVE, {"code": last_code()})


def remove(desk, ann):
    EmailAddress.objects.create(user=ann, email="ann@old.test", verified=True)
    desk.post("/accounts/email/", {"action_remove": "", "email": "ann@old.test"})


def make_primary(desk, ann):
    EmailAddress.objects.create(user=ann, email="ann@old.test", verified=True)
    desk.post("/accounts/email/", {"action_primary": "", "email": "ann@old.test"})


def take_app_off(desk, ann):
    TOTP.activate(ann, generate_totp_secret())
    desk.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize(
    ("change", "told", "words"),
    [
        (take_app_off, "ann@acme.test", "You no longer need its codes to sign in"),
        (add, "ann@acme.test", "ann@new.test was confirmed and added"),
        (remove, "ann@acme.test", "ann@old.test was removed"),
        (remove, "ann@old.test", "ann@old.test was removed"),
        (make_primary, "ann@acme.test", "from ann@acme.test to ann@old.test"),
        (set_password, "ann@acme.test", "A password was set"),
    ],
)
def test_a_change_of_what_opens_the_account_is_mailed_and_ends_other_sessions(ann, two, change, told, words):
    """A8: to the old address; and the device that made the change stays signed in, under a new id."""
    desk, phone = two
    before = desk.session.session_key
    mail.outbox.clear()
    change(desk, ann)
    (message,) = [one for one in mail.outbox if one.to == [told] and words in one.body]
    assert "If it wasn't you" in message.body
    assert signed_in_as(desk)
    assert desk.session.session_key != before
    assert signed_in_as(phone) is None


@pytest.mark.django_db(transaction=True)
def test_an_app_that_is_set_up_is_mailed_and_ends_the_sessions_that_were_opened_without_it(ann, two):
    """A8: see tests/accounts/test_passkeys.py for passkeys."""
    desk, phone = two
    page = BeautifulSoup(desk.get("/accounts/2fa/totp/activate/").text, "html.parser")
    code = format_hotp_value(hotp_value(page.find(id="totp-secret")["value"], int(time.time()) // 30))
    desk.post("/accounts/2fa/totp/activate/", {"code": code})
    assert "You now need its codes to sign in" in mail.outbox[-2].body + mail.outbox[-1].body
    assert signed_in_as(desk)
    assert signed_in_as(phone) is None


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/accounts/email/", {"action_add": "", "email": "ann@new.test"}),
        ("/accounts/email/", {"action_remove": "", "email": "ann@old.test"}),
        ("/accounts/email/", {"action_primary": "", "email": "ann@old.test"}),
        (PROVE, {"code": "ABCD-EFGH"}),
        ("/accounts/password/set/", NEW),
        ("/accounts/delete/", {"sure": "yes"}),
    ],
)
def test_a_change_of_what_opens_the_account_needs_a_fresh_proof(ann, ann_client, path, entry):
    """A8: without a password too, where allauth by itself asks for nothing."""
    EmailAddress.objects.create(user=ann, email="ann@old.test", verified=True)
    passes(ann_client, proof=16)
    answer = ann_client.post(path, entry)
    assert answer.headers["Location"].startswith("/accounts/step-up/?next=")
    assert set(EmailAddress.objects.values_list("email", "primary")) == {
        ("ann@acme.test", True),
        ("ann@old.test", False),
    }
    ann.refresh_from_db()
    assert not ann.has_usable_password()
    assert mail.outbox == []
