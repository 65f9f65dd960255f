"""Signing up, signing in and out, by the real pages: an address is proved by a code, in the browser that asked."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from bs4 import BeautifulSoup
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client

from keys.access import Actor, may_manage
from keys.types import Consumer, Manager
from tests.helpers.people import CONFIRM, LOGIN, PROVE, SIGNUP, WRONG, code_in, last_code, sign_in, signed_in_as
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db
User = get_user_model()


def later(client: Client, seconds: int) -> None:
    """Make what this browser asked for so much older."""
    session = client.session
    for state in _states(dict(session.items())):
        state["at"] -= seconds
    session["account_login"] = session.get("account_login")
    session.save()


def _states(value):
    if isinstance(value, dict):
        if isinstance(value.get("at"), float):
            yield value
        for inner in value.values():
            yield from _states(inner)


def seen(response) -> tuple[int, str]:
    """Fingerprint of an answer, but for the address and what differs in every answer."""
    page = re.sub(r'value="[A-Za-z0-9]{64}"|[\w.-]+@[\w.-]+|<code>[0-9a-f]{12}</code>', "", response.text)
    return response.status_code, page


# In by a code


def test_a_new_person_signs_up_with_an_address_and_its_code(client):
    form = BeautifulSoup(client.get(SIGNUP).text, "html.parser").select_one("main form")
    assert [field["name"] for field in form.select("input:not([type=hidden])")] == ["email"]
    assert client.post(SIGNUP, {"email": "New@Startup.test"}).headers["Location"] == CONFIRM
    assert signed_in_as(client) is None
    assert not EmailAddress.objects.get(email="new@startup.test").verified
    done = client.post(CONFIRM, {"code": last_code()})
    assert done.headers["Location"] == "/keys/"
    assert signed_in_as(client) == "new@startup.test"
    assert EmailAddress.objects.get(email="new@startup.test").verified
    assert not User.objects.get().has_usable_password()


@pytest.mark.django_db(transaction=True)
def test_signing_up_from_many_windows_at_once_makes_one_account():
    def sign_up(_number: int) -> int:
        try:
            return Client().post(SIGNUP, {"email": "new@startup.test"}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as windows:
        answers = list(windows.map(sign_up, range(8)))
    assert set(answers) <= {302, 429}
    assert User.objects.count() == 1


def test_signing_up_takes_no_password_even_if_one_is_sent(client):
    client.post(SIGNUP, {"email": "new@startup.test", "password1": "slipped-in-9", "password": "slipped-in-9"})
    assert not User.objects.get().has_usable_password()


def test_a_known_person_signs_in_by_code(client, ann):
    assert client.post(LOGIN, {"login": "Ann@acme.test"}).headers["Location"] == CONFIRM
    assert mail.outbox[-1].to == ["ann@acme.test"]
    done = client.post(CONFIRM, {"code": last_code().lower().replace("-", " ")})
    assert done.headers["Location"] == "/keys/"
    assert signed_in_as(client) == "ann@acme.test"


def test_any_proved_address_of_a_person_leads_in(client, make_person):
    make_person("ann@acme.test", "ann@home.test")
    client.post(LOGIN, {"login": "ann@home.test"})
    assert mail.outbox[-1].to == ["ann@home.test"]
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"


def test_a_code_works_once(client, ann):
    """A3"""
    client.post(LOGIN, {"login": "ann@acme.test"})
    code = last_code()
    client.post(CONFIRM, {"code": code})
    client.post("/accounts/logout/")
    assert signed_in_as(client) is None
    assert client.post(CONFIRM, {"code": code}).headers["Location"].startswith("/accounts/login/")
    assert signed_in_as(client) is None


def test_a_code_works_only_in_the_browser_that_asked(client, ann):
    """A2: read off the mail by somebody else, or typed in elsewhere, it lets nobody in."""
    client.post(LOGIN, {"login": "ann@acme.test"})
    other = Client()
    other.post(LOGIN, {"login": "ann@acme.test"})
    first, second = (code_in(message) for message in mail.outbox[-2:])
    assert client.post(CONFIRM, {"code": second}).status_code == 200
    assert signed_in_as(client) is None
    client.post(CONFIRM, {"code": first})
    assert signed_in_as(client) == "ann@acme.test"
    assert signed_in_as(other) is None


LEFT = ["You have 2 tries left.", "You have 1 try left.", "Too many wrong codes"]


@pytest.mark.parametrize(
    ("start", "entry", "page"),
    [
        (LOGIN, {"login": "ann@acme.test"}, CONFIRM),
        (LOGIN, {"login": "x@new.test"}, CONFIRM),
        (SIGNUP, {"email": "x@new.test"}, CONFIRM),
    ],
)
class TestEveryCode:
    def test_ends_after_three_wrong_tries(self, client, ann, start, entry, page):
        """A3"""
        client.post(start, entry)
        code = last_code()
        told = [client.post(page, {"code": WRONG}).text for _ in range(3)]
        assert [said in text for said, text in zip(LEFT, told, strict=True)] == [True] * 3
        assert "Too many failed" not in client.get("/").text, "said once, on the page that offers a new code"
        assert client.post(page, {"code": code}).status_code == 302
        assert signed_in_as(client) is None

    def test_has_its_own_tries_when_it_is_sent_anew(self, client, ann, start, entry, page):
        """A3: as one has that is asked for from the beginning; an older one no longer counts."""
        client.post(start, entry)
        old = last_code()
        client.post(page, {"code": WRONG})
        client.post(page, {"code": WRONG})
        client.post(page, {"action": "resend"})
        shown = client.get(page).text
        assert "a new code to" in shown
        assert "Earlier codes no longer work." in shown
        assert "Only the newest one works. You have 2 tries left." in client.post(page, {"code": old}).text
        client.post(page, {"code": WRONG})
        client.post(page, {"code": last_code()})
        assert signed_in_as(client) == next(iter(entry.values()))

    def test_ends_after_ten_minutes(self, client, ann, start, entry, page):
        """A3"""
        client.post(start, entry)
        later(client, 9 * 60)
        assert client.get(page).status_code == 200
        later(client, 61)
        assert "This code has expired" in client.post(page, {"code": last_code()}).text
        assert signed_in_as(client) is None


def test_a_new_code_replaces_the_old_one(client, ann):
    """A3"""
    client.post(LOGIN, {"login": "ann@acme.test"})
    client.post(CONFIRM, {"action": "resend"})
    old, new = (code_in(message) for message in mail.outbox)
    client.post(CONFIRM, {"code": old})
    assert signed_in_as(client) is None
    client.post(CONFIRM, {"code": new})
    assert signed_in_as(client) == "ann@acme.test"


# Nobody learns who has an account


def test_signing_in_looks_the_same_with_a_known_and_an_unknown_address(ann):
    """A7"""
    known, unknown = Client(), Client()
    answers = [
        (
            seen(browser.post(LOGIN, {"login": address})),
            seen(browser.get(CONFIRM)),
            seen(browser.post(CONFIRM, {"code": WRONG})),
            seen(browser.post(CONFIRM, {"action": "resend"}, follow=True)),
            seen(browser.post(CONFIRM, {"code": WRONG})),
            seen(browser.post(CONFIRM, {"code": WRONG}, follow=True)),
        )
        for browser, address in ((known, "ann@acme.test"), (unknown, "nobody@acme.test"))
    ]
    assert answers[0] == answers[1]
    mails = [(message.subject, message.body.replace(code_in(message), "")) for message in mail.outbox]
    assert len(mails) == 4  # to each the first code and the one that was asked for again
    assert len(set(mails)) == 1


def test_signing_up_looks_the_same_with_a_known_and_an_unknown_address(ann):
    """A7"""
    known, unknown = Client(), Client()
    answers = [
        (
            seen(browser.post(SIGNUP, {"email": address})),
            seen(browser.get(CONFIRM)),
            seen(browser.post(CONFIRM, {"code": WRONG})),
            seen(browser.post(CONFIRM, {"code": WRONG})),
            seen(browser.post(CONFIRM, {"code": WRONG}, follow=True)),
        )
        for browser, address in ((known, "ann@acme.test"), (unknown, "nobody@acme.test"))
    ]
    assert answers[0] == answers[1]
    assert len({message.body.replace(code_in(message), "") for message in mail.outbox}) == 1
    assert User.objects.filter(email="ann@acme.test").count() == 1


def test_a_wrong_password_looks_the_same_with_a_known_and_an_unknown_address(client, ann):
    """A7"""
    ann.set_password("open-sesame")
    ann.save()
    answers = [
        seen(client.post(LOGIN, {"login": address, "password": "guess"}))
        for address in ("ann@acme.test", "nobody@acme.test")
    ]
    assert answers[0] == answers[1]
    assert mail.outbox == []


# Whose an address is


def test_an_unproved_address_leads_to_its_proof_first(client, unverified):
    """A1"""
    unverified.set_password("open-sesame")
    unverified.save()
    client.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame"})
    assert signed_in_as(client) is None
    assert client.get("/keys/").status_code == 302
    client.post(PROVE, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"


def test_whoever_owns_an_address_that_a_stranger_signed_up_with_gets_the_account_alone(client):
    """A2: the stranger who typed it in first keeps no way in."""
    stranger = Client()
    stranger.post(SIGNUP, {"email": "victim@acme.test"})
    cache.clear()
    client.post(LOGIN, {"login": "victim@acme.test"})
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "victim@acme.test"
    for data in ({"action": "resend"}, {"action": "change", "email": "evil@evil.test"}, {"code": WRONG}, {}):
        cache.clear()
        stranger.post(CONFIRM, data)
        assert signed_in_as(stranger) is None
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("victim@acme.test", True)]


def test_nothing_that_a_stranger_has_set_up_before_opens_the_account_of_whoever_proves_its_address(
    client, unverified, client_of
):
    """A2: no password, no second factor, no provider and no session, however they came to be."""
    unverified.set_password("strangers-own-1")
    unverified.save()
    TOTP.activate(unverified, generate_totp_secret())
    SocialAccount.objects.create(user=unverified, provider="acme", uid="66")
    stranger = client_of(unverified)
    sign_in(client, "ann@acme.test")
    assert signed_in_as(client) == "ann@acme.test"
    assert signed_in_as(stranger) is None
    stranger.post(LOGIN, {"login": "ann@acme.test", "password": "strangers-own-1"})
    assert signed_in_as(stranger) is None
    assert not User.objects.get().has_usable_password()
    assert not Authenticator.objects.exists()
    assert not SocialAccount.objects.exists()


def test_an_address_that_a_stranger_has_on_his_account_does_not_lead_its_owner_there(client, mallory):
    """A2"""
    EmailAddress.objects.create(user=mallory, email="victim@acme.test", verified=False)
    client.post(LOGIN, {"login": "victim@acme.test"})
    done = client.post(CONFIRM, {"code": last_code()}, follow=True)
    assert signed_in_as(client) is None
    assert done.redirect_chain[-1][0] == SIGNUP
    assert "There&#x27;s no account with this address yet." in done.text
    assert not EmailAddress.objects.filter(email="victim@acme.test").exists()
    client.post(SIGNUP, {"email": "victim@acme.test"})
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "victim@acme.test"


def test_a_further_address_is_added_in_the_own_session_and_counts_once_proved(ann, ann_client):
    ann_client.post("/accounts/email/", {"action_add": "", "email": "ann@home.test"})
    assert not EmailAddress.objects.filter(email="ann@home.test").exists()
    ann_client.post(PROVE, {"code": last_code()})
    assert EmailAddress.objects.get(email="ann@home.test").user == ann
    assert EmailAddress.objects.get(email="ann@home.test").verified


@pytest.mark.parametrize("sign", ["\u202e", "\u200b", "\xad"])
def test_an_address_with_a_sign_that_nobody_sees_is_none(ann_client, sign):
    """F2, A4: it would look like another one, and no mail reaches it."""
    address = f"ann@ac{sign}me.test"
    asked = (
        Client().post(SIGNUP, {"email": address}),
        ann_client.post("/accounts/email/", {"email": address, "action_add": ""}),
    )
    for page in asked:
        (error,) = BeautifulSoup(page.text, "html.parser").select(".errorlist > li, [role=alert]:not(template *)")
        assert error.get_text() == "Enter a valid email address."
    assert not EmailAddress.objects.filter(email=address).exists()
    assert mail.outbox == []


def test_an_address_of_somebody_else_cannot_be_added(ben, ann_client):
    """A1, A7: and the page looks as for any other address."""
    ann_client.post("/accounts/email/", {"action_add": "", "email": "ben@acme.test"})
    ann_client.post(PROVE, {"code": last_code()})
    assert list(EmailAddress.objects.filter(email="ben@acme.test").values_list("user__email", flat=True)) == [ben.email]


@pytest.mark.parametrize("path", ["/accounts/confirm-email/abc/", "/accounts/password/reset/key/1-abc/"])
def test_there_are_no_links_that_prove_an_address(client, path):
    """A2"""
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("page", ["/keys/", "/keys/production/"])
def test_an_unproved_address_gives_nothing_on_any_page(client_of, unverified, sandbox, page):
    """A1: not even to a session that is signed in, however it came to be."""
    acme(sandbox)
    answer = client_of(unverified).get(page)
    assert "acme" not in answer.text.replace("ann@acme.test", "")
    assert sandbox.journal() == []


KELVIN = "\N{KELVIN SIGN}"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ann@ACME.test", "ann@acme.test"),
        ("ann+keys@acme.test", "ann+keys@acme.test"),
        ("a.n.n@acme.test", "a.n.n@acme.test"),
        (f"ann@{KELVIN}iosk.test", "ann@kiosk.test"),  # the code goes where it is kept, so to the owner of that
        ("ann@\u0430cme.test", "ann@\u0430cme.test"),
    ],
)
def test_an_address_is_proved_where_it_is_kept_and_nothing_but_case_is_folded(client, typed, kept):
    """A4: what is stored is what the code was mailed to, to the letter."""
    client.post(SIGNUP, {"email": typed})
    assert mail.outbox[-1].to == [kept]
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == kept


@pytest.mark.parametrize(
    ("proved", "manager", "may"),
    [
        ("ann@acme.test", "ANN@Acme.Test", True),
        ("ann@acme.test", "ann+keys@acme.test", False),
        ("ann+keys@acme.test", "ann@acme.test", False),
        ("ann@kiosk.test", f"ann@{KELVIN}iosk.test", False),
        (f"ann@{KELVIN}iosk.test", "ann@kiosk.test", False),
        ("ann@acme.test", "\u0430nn@acme.test", False),
        ("\u0430nn@acme.test", "ann@acme.test", False),
        ("stra\u00dfe@acme.test", "strasse@acme.test", False),
        ("ann@acme.test", "ann@acme.test ", False),
        ("ann@acme.test", "\uff41nn@acme.test", False),
        ("i@acme.test", "\u0130@acme.test", False),
    ],
)
def test_look_alikes_are_different_people_in_both_directions(proved, manager, may):
    """A4"""
    consumer = Consumer(name="acme", label="", managers=(Manager(email=manager),), keys=())
    assert may_manage(Actor(user_id=1, emails=(proved,)), consumer) is may


def test_an_address_goes_upstream_to_the_letter(client, sandbox):
    """A5"""
    address = "a+b&c%2f#d=e@acme.test"
    sandbox.add_consumer("mine", managers=[address])
    client.post(SIGNUP, {"email": address})
    client.post(CONFIRM, {"code": last_code()})
    assert 'data-consumer="mine"' in client.get("/keys/").text
    (call,) = sandbox.journal()
    assert parse_qs(call.query)["manager-email"] == [address]


def test_next_stays_on_the_site(client, ann):
    """F5: on every form that takes one."""
    for target, reached in (("https://evil.test/", "/keys/"), ("//evil.test", "/keys/"), ("/admin/", "/admin/")):
        cache.clear()
        client.post(LOGIN, {"login": "ann@acme.test", "next": target}, follow=True)
        done = client.post(CONFIRM, {"code": last_code(), "next": target})
        assert done.headers["Location"] == reached
        client.post("/accounts/logout/")


# Passwords are for those who want one


def test_a_password_that_was_added_later_leads_in(client, ann, client_of):
    client_of(ann).post("/accounts/password/set/", {"password1": "open-sesame-9", "password2": "open-sesame-9"})
    assert "password" in mail.outbox[-1].subject.lower()
    client.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame-9"})
    assert signed_in_as(client) == "ann@acme.test"


def test_a_forgotten_password_is_replaced_by_a_code(client, ann):
    client.post("/accounts/password/reset/", {"email": "ann@acme.test"})
    client.post("/accounts/password/reset/confirm/", {"code": last_code()})
    client.post("/accounts/password/reset/complete/", {"password1": "open-sesame-9", "password2": "open-sesame-9"})
    client.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame-9"})
    assert signed_in_as(client) == "ann@acme.test"
