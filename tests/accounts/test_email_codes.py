"""Mailed codes have three tries, however many come at once, and are worth nothing once the account has changed."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from bs4 import BeautifulSoup
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.models import User
from tests.helpers.people import (
    CONFIRM,
    LOGIN,
    SIGNUP,
    STEP_UP_CODE,
    WRONG,
    code_of_app,
    last_code,
    passes,
    sign_in,
    signed_in_as,
)

pytestmark = pytest.mark.django_db

SECOND = "/accounts/2fa/authenticate/"
RESET, RESET_CONFIRM, RESET_COMPLETE = (f"/accounts/password/reset/{step}" for step in ("", "confirm/", "complete/"))
NEW = {"password1": "another-one-99", "password2": "another-one-99"}
ASKED = [
    (LOGIN, {"login": "ann@acme.test"}, CONFIRM),
    (LOGIN, {"login": "new@startup.test"}, CONFIRM),
    (RESET, {"email": "ann@acme.test"}, RESET_CONFIRM),
    (STEP_UP_CODE, {"action": "send"}, STEP_UP_CODE),
]
KINDS = ["login", "first", "reset", "step-up"]
every_kind = pytest.mark.parametrize(("start", "entry", "page"), ASKED, ids=KINDS)


def took(answer) -> bool:
    """True if the code was right."""
    return answer.status_code == 302 and answer.headers["Location"] in {"/keys/", RESET_COMPLETE}


@pytest.fixture
def browser(ann, client_of, start) -> Client:
    """Ann's, signed in where the code is a step-up's."""
    client = client_of(ann if start == STEP_UP_CODE else None)
    passes(client, proof=999)
    return client


@every_kind
def test_a_code_is_taken_at_the_third_try(browser, start, entry, page):
    """A3"""
    browser.post(start, entry)
    for _ in range(2):
        assert not took(browser.post(page, {"code": WRONG}))
    assert took(browser.post(page, {"code": last_code()}))


@every_kind
def test_tries_that_do_not_see_each_other_in_the_session_are_counted_together(browser, start, entry, page):
    """A3: each begins from the same session, as those do that arrive at the same moment."""
    browser.post(start, entry)
    before = Session.objects.get(pk=browser.session.session_key).session_data
    for _ in range(3):
        assert not took(browser.post(page, {"code": WRONG}))
        Session.objects.filter(pk=browser.session.session_key).update(session_data=before)
    assert not took(browser.post(page, {"code": last_code()}))


@pytest.mark.django_db(transaction=True)
@every_kind
def test_of_many_tries_at_once_three_are_judged(browser, start, entry, page):
    """A3: see tests/processes/test_guessing.py for several processes."""
    browser.post(start, entry)

    def guess(_number: int) -> str:
        one = Client()
        one.cookies = browser.cookies
        try:
            return one.post(page, {"code": WRONG}).text
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as windows:
        answers = list(windows.map(guess, range(16)))
    assert sum("isn&#x27;t right" in answer for answer in answers) <= 2
    assert not took(browser.post(page, {"code": last_code()}))


def later(browser: Client, seconds: int) -> None:
    """Let so much time pass for what this browser has asked for."""
    session = browser.session

    def age(value: object) -> None:
        if isinstance(value, dict):
            for name in {"at", "initiated_at"} & value.keys():
                value[name] -= seconds
            for inner in value.values():
                age(inner)

    for name, value in session.items():
        age(value)
        session[name] = value
    session.save()


@every_kind
@pytest.mark.parametrize(("seconds", "works"), [(590, True), (601, False)])
def test_a_code_lives_ten_minutes(browser, start, entry, page, seconds, works):
    """A3"""
    browser.post(start, entry)
    later(browser, seconds)
    assert took(browser.post(page, {"code": last_code()})) is works


def ask_again(browser: Client, page: str) -> None:
    """Press the button or link for a new code on this page."""
    shown = BeautifulSoup(browser.get(page).content, "html.parser")
    press(browser, shown, page)


def press(browser: Client, shown: BeautifulSoup, page: str) -> None:
    names = {"Send a new code", "Email me a code"}
    (form,) = [one for one in shown.main.select("form") if one.button.get_text(strip=True) in names]
    sent = {one["name"]: one.get("value", "") for one in form.select("[name]")}
    browser.post(form.get("action") or page, sent)


@every_kind
def test_a_code_that_is_sent_anew_has_its_own_ten_minutes(browser, start, entry, page):
    """A3: not only what is left of the first one's; nor more."""
    browser.post(start, entry)
    later(browser, 590)
    ask_again(browser, page)
    later(browser, 590)
    assert "a new code to" in browser.get(page).text
    later(browser, 11)
    assert not took(browser.post(page, {"code": last_code()}))


@every_kind
def test_a_code_that_is_sent_anew_has_its_own_tries(browser, start, entry, page):
    """A3: the page says how many, and that an older code counts for nothing."""
    browser.post(start, entry)
    old = last_code()
    assert "You have 2 tries left." in browser.post(page, {"code": WRONG}).text
    assert "You have 1 try left." in browser.post(page, {"code": WRONG}).text
    ask_again(browser, page)
    assert "Only the newest one works. You have 2 tries left." in browser.post(page, {"code": old}).text
    browser.post(page, {"code": WRONG})
    assert took(browser.post(page, {"code": last_code()}))


@every_kind
def test_after_the_last_wrong_one_a_new_code_is_a_press_away(browser, start, entry, page):
    """A3: told once, and the code before is over."""
    browser.post(start, entry)
    for _ in range(3):
        told = browser.post(page, {"code": WRONG}, follow=True)
    assert told.text.count("Too many wrong codes") >= 1
    assert "failed sign-ins" not in told.text
    assert not took(browser.post(page, {"code": last_code()}))
    before = len(mail.outbox)
    press(browser, BeautifulSoup(told.content, "html.parser"), page)
    assert len(mail.outbox) == before + 1
    assert took(browser.post(page, {"code": last_code()}))


@every_kind
def test_a_code_used_too_late_is_said_to_have_expired_and_a_new_one_is_a_press_away(browser, start, entry, page):
    browser.post(start, entry)
    later(browser, 601)
    told = browser.post(page, {"code": last_code()}, follow=True)
    assert "code has expired" in told.text
    press(browser, BeautifulSoup(told.content, "html.parser"), page)
    assert took(browser.post(page, {"code": last_code()}))


@every_kind
def test_the_page_says_until_when_the_code_works(browser, start, entry, page, settings):
    browser.post(start, entry)
    (said,) = re.findall(r"for 10 minutes \(until ([0-9:]+) UTC\)", browser.get(page).text)
    until = timezone.now() + timedelta(minutes=10)
    assert said in {f"{moment:%H:%M}" for moment in (until, until - timedelta(minutes=1))}
    browser.cookies[settings.KEYS_TIME_ZONE_COOKIE] = "Asia/Kolkata"
    assert "IST)" in browser.get(page).text


@every_kind
def test_the_page_says_once_where_the_code_went_and_says_it_with_the_field(browser, start, entry, page):
    html = BeautifulSoup(browser.post(start, entry, follow=True).text, "html.parser")
    told = html.find(id=html.select_one("input[name=code]")["aria-describedby"])
    address = entry.get("login") or entry.get("email") or "ann@acme.test"
    assert address in told.text
    assert html.main.get_text().count("emailed a code") == 1


@every_kind
def test_a_code_that_could_not_be_mailed_leaves_the_one_before_as_it_is(browser, start, entry, page, settings):
    """A3: too many were asked for; the page that says so speaks of the newest that there is."""
    browser.post(start, entry)
    settings.CODE_MAILS_TO_ADDRESS_BY_CLIENT = (0, 0)
    settings.CODE_MAILS_BY_CLIENT = (0, 0)
    ask_again(browser, page)
    assert len(mail.outbox) == 1
    assert took(browser.post(page, {"code": last_code()}))


@pytest.mark.parametrize(("seconds", "works"), [(590, True), (601, False)])
def test_what_a_code_has_opened_is_used_within_ten_minutes(client, ann, seconds, works):
    """A3: the form for a new password is not open for longer than the code was."""
    client.post(RESET, {"email": "ann@acme.test"})
    client.post(RESET_CONFIRM, {"code": last_code()})
    later(client, seconds)
    client.post(RESET_COMPLETE, NEW)
    ann.refresh_from_db()
    assert ann.has_usable_password() is works


def test_a_code_has_its_own_tries(client, ann):
    """A3: a new request begins anew, for known and unknown addresses alike."""
    for _ in range(2):
        cache.clear()
        client.post(LOGIN, {"login": "ann@acme.test"})
        for _ in range(3):
            client.post(CONFIRM, {"code": WRONG})
    client.post(LOGIN, {"login": "ann@acme.test"})
    assert took(client.post(CONFIRM, {"code": last_code()}))


# A reset that is under way


def reset_asked_by_a_stranger(email: str) -> tuple[Client, str]:
    stranger = Client()
    stranger.post(RESET, {"email": email})
    return stranger, last_code()


def test_a_reset_by_an_address_that_was_taken_off_opens_nothing(make_person, client_of):
    """A1, A8: whoever holds a former address has no way into the account."""
    owner = make_person("ann@acme.test", "old@acme.test")
    stranger, code = reset_asked_by_a_stranger("old@acme.test")
    client_of(owner).post("/accounts/email/", {"action_remove": "", "email": "old@acme.test"})
    assert "Start again" in stranger.post(RESET_CONFIRM, {"code": code}, follow=True).text
    stranger.post(RESET_COMPLETE, NEW)
    assert not User.objects.get().has_usable_password()


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_a_reset_begun_before_the_account_changed_is_over(ann, is_confirmed, client_of):
    """A8: a new password, or "Sign out all other devices", ends what somebody else has begun."""
    stranger, code = reset_asked_by_a_stranger("ann@acme.test")
    if is_confirmed:
        assert took(stranger.post(RESET_CONFIRM, {"code": code}))
    client_of(ann).post("/accounts/sessions/")
    stranger.post(RESET_CONFIRM, {"code": code})
    assert stranger.post(RESET_COMPLETE, NEW).headers["Location"] == RESET
    ann.refresh_from_db()
    assert not ann.has_usable_password()


def test_a_reset_of_an_address_taken_off_by_other_ways_is_over(make_person):
    """A1: even if nothing else of the account has changed."""
    make_person("ann@acme.test", "old@acme.test")
    stranger, code = reset_asked_by_a_stranger("old@acme.test")
    EmailAddress.objects.filter(email="old@acme.test").delete()
    assert not took(stranger.post(RESET_CONFIRM, {"code": code}))


def test_the_owner_of_an_address_that_a_stranger_took_first_gets_through_the_reset(client):
    """A2: his proof takes the stranger's password away, which does not end the reset that is the proof."""
    stranger = Client()
    stranger.post(SIGNUP, {"email": "victim@acme.test"})
    user = User.objects.get()
    user.set_password("strangers-own-1")
    user.save()
    cache.clear()
    client.post(RESET, {"email": "victim@acme.test"})
    assert took(client.post(RESET_CONFIRM, {"code": last_code()}))
    client.post(RESET_COMPLETE, NEW)
    client.post(LOGIN, {"login": "victim@acme.test", "password": NEW["password1"]})
    assert signed_in_as(client) == "victim@acme.test"


# A sign-in that is under way


@pytest.fixture
def half_done(ann) -> tuple[Client, str]:
    """Somebody with Ann's password, who is asked for the code of her app; and that code."""
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    ann.set_password("open-sesame")
    ann.save()
    stranger = Client()
    answer = stranger.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame"})
    assert answer.headers["Location"] == SECOND
    return stranger, code_of_app(secret)


def test_a_sign_in_that_nothing_disturbs_comes_to_its_end(half_done):
    stranger, code = half_done
    stranger.post(SECOND, {"code": code})
    assert signed_in_as(stranger) == "ann@acme.test"


def test_a_half_done_sign_in_ends_with_the_sessions(half_done, ann, client_of):
    """A8, B2: a password that was replaced meanwhile, or a sign-out everywhere, ends it."""
    stranger, code = half_done
    client_of(User.objects.get()).post("/accounts/sessions/")
    assert "Start again" in stranger.post(SECOND, {"code": code}, follow=True).text
    assert signed_in_as(stranger) is None


def test_a_half_done_sign_in_ends_after_ten_minutes(half_done):
    """A3"""
    stranger, code = half_done
    later(stranger, 601)
    stranger.post(SECOND, {"code": code})
    assert signed_in_as(stranger) is None


# The code of an app


def test_a_code_of_the_app_works_once_for_as_long_as_it_lives(ann, ben, settings):
    """A3: whoever has read it over a shoulder has half a minute's luck no more than once."""
    settings.MFA_TOTP_PERIOD = 6  # seconds, so that a test can wait for them
    secret = generate_totp_secret()
    owner, other, same_secret = Client(), Client(), Client()
    for person, browsers in ((ann, (owner, other)), (ben, (same_secret,))):
        TOTP.activate(person, secret)
        for browser in browsers:
            sign_in(browser, person.email)
    coming = format_hotp_value(hotp_value(secret, int(time.time()) // 6 + 1))  # is taken for two steps from now
    owner.post(SECOND, {"code": coming})
    assert signed_in_as(owner) == "ann@acme.test"
    time.sleep(6.1)
    other.post(SECOND, {"code": f"{coming[:3]} {coming[3:]}"})
    assert signed_in_as(other) is None
    same_secret.post(SECOND, {"code": coming})
    assert signed_in_as(same_secret) == "ben@acme.test", "the code lives"
