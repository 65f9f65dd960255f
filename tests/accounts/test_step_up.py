"""Step-up: what matters needs a recent proof; then it is offered again, and done once."""

import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from allauth.mfa.models import Authenticator
from bs4 import BeautifulSoup
from django.contrib.auth import login
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import include, re_path, resolve

from keys.access import PROVED_AT, Actor, is_fresh
from keys.models import WISHES, Action, AuditEvent
from keys.web.actor import prove_by_signing_in
from keys.web.hand_over import FORMS
from portal.accounts import step_up
from tests.helpers.people import STEP_UP, STEP_UP_CODE, WRONG, code_of_app, last_code, passes, sign_in, signed_in_as
from tests.helpers.verbs import FULL_KEY, PEOPLE, VERBS, Verb, acme, by_action

pytestmark = pytest.mark.django_db

NEEDING = [verb for verb in [*VERBS, *PEOPLE] if verb.action in WISHES]
every_verb = pytest.mark.parametrize("verb", NEEDING, ids=by_action)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def prove_by_code(client: Client, back: str) -> object:
    client.post(STEP_UP_CODE, {"action": "send", "next": back})
    return client.post(STEP_UP_CODE, {"code": last_code(), "next": back})


# The rule


@pytest.mark.parametrize(
    ("proved_at", "fresh"),
    [(None, False), (NOON, True), (NOON - timedelta(minutes=119), True), (NOON - timedelta(minutes=120), False)],
)
def test_a_proof_is_fresh_for_so_many_minutes(proved_at, fresh):
    """B4: and nobody knows when means no."""
    actor = Actor(user_id=1, emails=("ann@acme.test",), proved_at=proved_at)
    assert is_fresh(actor, NOON, 120) is fresh


def test_every_verb_needs_it_but_new_labels_and_what_no_person_does():
    free = {Action.RENAME, Action.RENAME_CONSUMER, Action.SUPPORT_ENDED, Action.PROVIDER_ADDRESS, Action.PROVIDER_CODE}
    free |= {Action.REMINDERS_OFF, Action.REMINDERS_ON, Action.CALENDAR_REVOKED, Action.ASK_FOR_ACCESS, Action.INVITE}
    assert set(Action) - WISHES.keys() == free


@pytest.mark.parametrize(("name", "is_proof"), [("hijack/acquire/", False), ("hijack/release/", False), ("in/", True)])
def test_neither_the_beginning_nor_the_end_of_a_hijack_is_a_proof(name, is_proof, ann, rf):
    """Its end signs the colleague in again: whoever has a session of theirs would renew the proof by it."""
    request = rf.post(f"/{name}")
    request.session = SessionStore()
    request.resolver_match = resolve(request.path, (re_path("hijack/", include("hijack.urls")), re_path("in/", login)))
    prove_by_signing_in(request=request, user=ann)
    assert (PROVED_AT in request.session) is is_proof


@every_verb
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_with_an_old_sign_in_a_verb_leads_the_whole_page_to_the_proof(verb: Verb, htmx, sandbox, ann_client):
    """B4: nothing is asked upstream, nothing done, and no page ends up inside a dialog."""
    before = acme(sandbox)
    passes(ann_client, proof=121)
    answer = verb.send(ann_client, verb.url(sandbox), htmx=htmx)
    target = answer["HX-Redirect"] if htmx else answer["Location"]
    assert answer.status_code == (200 if htmx else 303)
    assert target.startswith("/accounts/step-up/?next=%2Fkeys%2Fproduction%2F")
    assert not FULL_KEY.search(answer.content.decode())
    assert sandbox.journal() == []
    assert sandbox.keys("acme") == before
    assert not AuditEvent.objects.exists()


@every_verb
def test_within_the_window_nothing_is_asked(verb: Verb, sandbox, ann_client, settings):
    """B4: signing in counts, and the window is the operator's."""
    before = acme(sandbox)
    settings.STEP_UP_MINUTES = 10
    passes(ann_client, proof=9)
    assert verb.send(ann_client, verb.url(sandbox)).status_code in {200, 303}
    assert verb.done(before, sandbox.keys("acme"))


@pytest.mark.parametrize("path", ["create/", "rotate-all/", "KEY/rotate/", "KEY/end/", "KEY/delete/"])
def test_the_proof_comes_before_the_form_is_filled_in(path, sandbox, ann_client):
    (key, _) = acme(sandbox)
    url = f"/keys/production/acme/{path.replace('KEY', key['id'])}"
    passes(ann_client, proof=121)
    answer = ann_client.get(url, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"].startswith("/accounts/step-up/?next=")
    back = prove_by_code(ann_client, url).headers["Location"]
    assert back == url
    page = ann_client.get(back)
    assert page.status_code == 200
    assert "Confirmed. You can now" in page.text


@pytest.mark.parametrize("path", ["rename/", "KEY/rename/"])
def test_a_new_label_needs_no_proof(path, sandbox, ann_client):
    (key, _) = acme(sandbox)
    passes(ann_client, proof=121)
    assert ann_client.get(f"/keys/production/acme/{path.replace('KEY', key['id'])}").status_code == 200


@every_verb
def test_a_stranger_with_an_old_sign_in_learns_nothing(verb: Verb, sandbox, mallory_client):
    acme(sandbox)
    passes(mallory_client, proof=121)
    url = verb.url(sandbox)
    there, absent = (verb.send(mallory_client, one) for one in (url, url.replace("/acme/", "/nobody/")))
    assert there.status_code == absent.status_code == 303
    assert there["Location"].replace("acme", "nobody") == absent["Location"]


# Afterwards


def test_after_the_proof_the_action_is_offered_again_and_done_once(sandbox, ann_client):
    """B5: the interrupted form did nothing; sent again, in any number, it makes one key."""
    before = acme(sandbox)
    url, form = "/keys/production/acme/create/", {"label": "New", "ends": "30", "token": str(uuid.uuid4())}
    passes(ann_client, proof=121)
    ann_client.post(url, form)
    assert prove_by_code(ann_client, url).headers["Location"] == url
    assert sandbox.keys("acme") == before, "the proof itself does nothing"
    assert "Confirmed. You can now create a key." in ann_client.get(url).text
    for _ in range(3):
        ann_client.post(url, form)
    assert len(sandbox.keys("acme")) == len(before) + 1


def test_after_the_proof_a_reveal_is_offered_on_its_page_by_name(sandbox, ann_client):
    """B5"""
    (key, _) = acme(sandbox)
    passes(ann_client, proof=121)
    answer = ann_client.post(f"/keys/production/acme/{key['id']}/reveal/", headers={"HX-Request": "true"})
    row = f"/keys/production/#key-{key['id']}"
    assert answer["HX-Redirect"] == f"/accounts/step-up/?{urlencode({'next': row})}"
    page = ann_client.get(answer["HX-Redirect"], follow=True)
    assert "Before you can reveal the key" in page.text
    assert prove_by_code(ann_client, row).headers["Location"] == row
    page = ann_client.get("/keys/production/")
    assert "You can now reveal the key" in page.text
    assert not FULL_KEY.search(page.text)
    assert ann_client.post(f"/keys/production/acme/{key['id']}/reveal/").status_code == 200


def test_a_proof_for_the_account_speaks_of_no_key(sandbox, ann_client):
    """B5: a wish that was given up is not brought back by another proof."""
    (key, _) = acme(sandbox)
    passes(ann_client, proof=121)
    ann_client.get(f"/keys/production/acme/{key['id']}/delete/")
    ann_client.post("/accounts/email/", {"action_add": "", "email": "ann@home.test"})
    page = ann_client.get(prove_by_code(ann_client, "/accounts/email/").headers["Location"])
    assert "Confirmed. You can carry on." in page.text
    assert "delete the key" not in page.text


def test_the_id_of_the_session_changes_and_the_device_stays_listed(ann):
    """B1"""
    client = Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0")
    sign_in(client, "ann@acme.test")
    cache.clear()
    passes(client, proof=121)
    before = client.cookies["sessionid"].value
    prove_by_code(client, "/keys/")
    assert client.cookies["sessionid"].value != before
    thief = Client()
    thief.cookies["sessionid"] = before
    assert signed_in_as(thief) is None
    assert "Firefox on Linux" in client.get("/accounts/sessions/").text


def test_the_way_back_stays_on_the_site(ann_client):
    passes(ann_client, proof=121)
    for target in ("https://evil.test/", "//evil.test/", "javascript:alert(1)", "/\\evil.test"):
        assert "evil" not in ann_client.get(f"{STEP_UP}?next={target}").headers["Location"]
        assert prove_by_code(ann_client, target).headers["Location"] == "/keys/"
        cache.clear()


# What is asked for


def way(client: Client) -> str:
    return client.get(f"{STEP_UP}?next=/keys/").headers["Location"].partition("?")[0]


def test_people_without_a_password_are_asked_for_a_mailed_code(ann_client):
    """B4: never for nothing, as allauth would by itself."""
    assert way(ann_client) == STEP_UP_CODE
    page = ann_client.get(STEP_UP_CODE)
    assert "Email me a code" in page.text
    assert mail.outbox == []  # looking sends nothing


def test_people_with_a_password_are_asked_for_it_or_for_a_code(ann, ann_client, client_of):
    ann.set_password("open-sesame")
    ann.save()
    client = client_of(ann)
    passes(client, proof=121)
    assert way(client) == "/accounts/reauthenticate/"
    assert STEP_UP_CODE in client.get("/accounts/reauthenticate/?next=/keys/").text
    assert client.post("/accounts/reauthenticate/", {"password": "guess", "next": "/keys/"}).status_code == 200
    assert not fresh(client)
    answer = client.post("/accounts/reauthenticate/", {"password": "open-sesame", "next": "/keys/"})
    assert answer.headers["Location"] == "/keys/"
    assert fresh(client)


def fresh(client: Client) -> bool:
    session = client.session
    return bool(datetime.now(UTC).timestamp() - session["proved_at"] < 60)


def test_people_with_an_app_are_asked_for_nothing_weaker(ann, app_secret, client_of):
    ann.set_password("open-sesame")
    ann.save()
    client = client_of(ann)
    passes(client, proof=121)
    assert way(client) == "/accounts/2fa/reauthenticate/"
    assert client.get(STEP_UP_CODE).headers["Location"].startswith(STEP_UP)
    assert client.post(STEP_UP_CODE, {"action": "send"}).headers["Location"].startswith(STEP_UP)
    client.post("/accounts/reauthenticate/", {"password": "open-sesame"})
    assert not fresh(client)
    assert mail.outbox == []
    page = client.post("/accounts/2fa/reauthenticate/", {"code": "000000", "next": "/keys/"})
    assert page.status_code == 200
    assert not fresh(client)
    client.post("/accounts/2fa/reauthenticate/", {"code": code_of_app(app_secret), "next": "/keys/"})
    assert fresh(client)


def test_a_recovery_code_stands_in_once(ann, app_secret, ann_client):
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    passes(ann_client, proof=121)
    ann_client.post("/accounts/2fa/reauthenticate/", {"code": codes[0], "next": "/keys/"})
    assert fresh(ann_client)
    passes(ann_client, proof=121)
    ann_client.post("/accounts/2fa/reauthenticate/", {"code": codes[0], "next": "/keys/"})
    assert not fresh(ann_client)


def test_recovery_codes_say_whose_they_are_and_when_none_are_left(app_secret, ann_client):
    kept = Authenticator.objects.get(type="recovery_codes")
    codes = kept.wrap().get_unused_codes()
    page = ann_client.get("/accounts/2fa/recovery-codes/").text
    assert "Recovery codes for ann@acme.test" in page
    assert all(code in page for code in codes)
    kept.data["used_mask"] = 2 ** len(codes) - 1
    kept.save()
    assert "No codes left" in ann_client.get("/accounts/2fa/").text
    assert "used all your codes" in ann_client.get("/accounts/2fa/recovery-codes/").text


def test_nobody_signed_in_is_sent_to_sign_in(client):
    for path in (STEP_UP, STEP_UP_CODE):
        assert client.get(path).headers["Location"].startswith("/accounts/login/?next=")
    assert client.post(STEP_UP_CODE, {"action": "send"}).headers["Location"].startswith("/accounts/login/")


# The mailed code


def test_a_step_up_code_ends_after_three_wrong_tries(ann_client):
    """A3"""
    passes(ann_client, proof=121)
    ann_client.post(STEP_UP_CODE, {"action": "send"})
    answers = [ann_client.post(STEP_UP_CODE, {"code": WRONG}).status_code for _ in range(3)]
    assert answers == [422, 422, 302]
    ann_client.post(STEP_UP_CODE, {"code": last_code()})
    assert not fresh(ann_client)


def test_a_step_up_code_lives_ten_minutes_and_works_once(ann_client):
    """A3"""
    passes(ann_client, proof=121)
    ann_client.post(STEP_UP_CODE, {"action": "send"})
    session = ann_client.session
    session[step_up.STATE] |= {"at": session[step_up.STATE]["at"] - 601}
    session.save()
    ann_client.post(STEP_UP_CODE, {"code": last_code()})
    assert not fresh(ann_client)
    ann_client.post(STEP_UP_CODE, {"action": "send"})
    ann_client.post(STEP_UP_CODE, {"code": last_code().lower().replace("-", " ")})
    assert fresh(ann_client)
    passes(ann_client, proof=121)
    ann_client.post(STEP_UP_CODE, {"code": last_code()})
    assert not fresh(ann_client)


def test_a_step_up_code_works_only_in_the_browser_that_asked(ann, ann_client, client_of):
    other = client_of(ann)
    passes(other, proof=121)
    ann_client.post(STEP_UP_CODE, {"action": "send"})
    other.post(STEP_UP_CODE, {"code": last_code()})
    assert not fresh(other)


def test_only_so_many_step_up_codes_are_mailed(ann_client):
    """A3"""
    answers = [ann_client.post(STEP_UP_CODE, {"action": "send"}).status_code for _ in range(5)]
    assert answers == [302, 302, 302, 429, 429]
    assert len(mail.outbox) == 3
    assert mail.outbox[0].to == ["ann@acme.test"]
    assert "If you didn't ask for it" in mail.outbox[0].body


def test_without_a_proved_address_there_is_no_code(unverified, client_of):
    client = client_of(unverified)
    passes(client, proof=121)
    assert client.post(STEP_UP_CODE, {"action": "send"}).headers["Location"] == "/accounts/email/"
    assert mail.outbox == []


def test_the_forms_pass_with_csrf_checks_on(ann, client_of):
    client = client_of(ann, strict=True)
    assert client.post(STEP_UP_CODE, {"action": "send"}).status_code == 403


@pytest.mark.parametrize("sent", [{"from": "key"}, {}], ids=["page", "row"])
@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_copy_is_finished_on_the_keys_page_after_the_proof(htmx, sent, sandbox, ann_client):
    """Once, and on no other page: the flag stands in the session, which no link can set."""
    key, other = acme(sandbox)
    page, elsewhere = (f"/keys/production/acme/{one['id']}/" for one in (key, other))
    passes(ann_client, proof=121)
    headers = {"HX-Request": "true"} if htmx else {}
    answer = ann_client.post(f"{page}copy/", sent, headers=headers)
    target = answer["HX-Redirect"] if htmx else answer["Location"]
    assert target == f"/accounts/step-up/?next={page.replace('/', '%2F')}"
    assert prove_by_code(ann_client, page)["Location"] == page
    shown = ann_client.get(page).text
    assert "data-finish autofocus" in shown
    assert "data-finish" not in ann_client.get(page).text
    passes(ann_client, proof=121)
    ann_client.post(f"{page}copy/", sent)
    prove_by_code(ann_client, page)
    assert "data-finish" not in ann_client.get(elsewhere).text
    assert "data-finish" not in ann_client.get(page).text


REQUEST = 'button[data-copy^="#key-requests"]'


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize(
    ("path", "sent", "button"),
    [("copy/request/", {}, REQUEST)]
    + [("copy/", {"form": form}, f'[name=form][value="{form}"] + button') for form in FORMS],
    ids=["request", *FORMS],
)
def test_what_is_finished_after_the_proof_is_the_copy_that_was_asked_for(
    path, sent, button, htmx, sandbox, ann_client, settings
):
    """A ready request, or a text to hand over, and not the bare key."""
    settings.GATEWAY_URL = "https://api.example.com"
    (key, _) = acme(sandbox)
    page = f"/keys/production/acme/{key['id']}/"
    passes(ann_client, proof=121)
    ann_client.post(f"{page}{path}", sent, headers={"HX-Request": "true"} if htmx else {})
    prove_by_code(ann_client, page)
    (finished,) = BeautifulSoup(ann_client.get(page).content, "html.parser").select("[data-finish]")
    assert finished == finished.find_parent("section").select_one(button)
    assert finished.has_attr("autofocus")
    if sent:
        (shown,) = finished.find_parent("fieldset").select("[type=radio][checked]")
        assert shown["value"] == sent["form"]
    assert "data-finish" not in ann_client.get(page).text
    passes(ann_client, proof=121)
    ann_client.post(f"{page}copy/", {"form": "nonsense"})
    prove_by_code(ann_client, page)
    assert "data-finish" not in ann_client.get(page).text


def test_the_copy_of_a_ready_request_is_told_from_that_of_the_key(sandbox, ann_client, settings):
    """By its address, also when the script puts another key into it; the answer is the key alone."""
    settings.GATEWAY_URL = "https://api.example.com"
    values = {f"/keys/production/acme/{key['id']}/": key["key"] for key in acme(sandbox)}
    button = BeautifulSoup(ann_client.get("/keys/production/").content, "html.parser").select_one("[data-of-key]")
    value = values[button["formaction"].removesuffix(f"{button['data-of-key']}/")]
    assert ann_client.post(button["formaction"], headers={"HX-Request": "true"}).text == value
