"""The page of reminders: who may turn what off, that somebody is always told, and who may not even know."""

import re
import threading
from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client

from keys.models import Action, AuditEvent, CalendarAddress, MutedReminders, Outcome
from keys.service.reconciliation import NOT_DONE_AFTER
from portal.models import User
from sandbox import Sandbox
from tests.helpers.faults import OF_A_READ, Trouble
from tests.helpers.people import csrf_token, passes
from tests.helpers.support_visits import grant, start
from tests.helpers.verbs import FULL_KEY, acme

ANN, BEN = "ann@acme.test", "ben@acme.test"
PAGE, TURN = "/keys/reminders/production/", "/keys/production/acme/reminders/"
MAKE, REVOKE = "/keys/reminders/calendar/", "/keys/reminders/calendar/revoke/"
OFF, ON = {"on": "0"}, {"on": "1"}
POSTS = [(TURN, OFF), (TURN, ON), (MAKE, {}), (REVOKE, {})]
every_post = pytest.mark.parametrize(("url", "form"), POSTS, ids=["turn off", "turn on", "make", "revoke"])
ClientOf = Callable[..., Client]

pytestmark = pytest.mark.django_db


def rows(client: Client, url: str = PAGE) -> dict[str, tuple[str, str]]:
    """For each consumer the state that the page tells, and the button that it offers."""
    page = BeautifulSoup(client.get(url).content, "html.parser")
    found = {}
    for row in page.select("[data-reminders]"):
        button = row.select_one("button")
        state = row.select_one(".badge").get_text(strip=True)
        found[row["data-reminders"]] = (state, next(button.stripped_strings) if button else "")
    return found


def muted() -> list[tuple[str, str]]:
    return sorted(MutedReminders.objects.values_list("consumer", "email"))


def events() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "outcome"))


def test_a_person_turns_reminders_off_and_on_again(sandbox, ann_client):
    acme(sandbox)
    assert rows(ann_client) == {"acme": ("On", "Turn off")}
    answer = ann_client.post(TURN, OFF, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "Reminders for Acme Inc turned off." in answer.text
    assert rows(ann_client) == {"acme": ("Off", "Turn on")}
    assert muted() == [("acme", ANN)]
    assert "Reminders for Acme Inc turned on." in ann_client.post(TURN, ON, follow=True).text
    assert rows(ann_client) == {"acme": ("On", "Turn off")}
    assert muted() == []
    assert events() == [(Action.REMINDERS_OFF, Outcome.DONE), (Action.REMINDERS_ON, Outcome.DONE)]


def test_with_a_script_only_the_row_is_drawn_anew(sandbox, ann_client):
    acme(sandbox)
    answer = ann_client.post(TURN, OFF | {"page": "2"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.text
    part = BeautifulSoup(answer.content, "html.parser")
    assert [row.select_one(".badge").get_text(strip=True) for row in part.select("[data-reminders=acme]")] == ["Off"]
    assert part.select_one("[name=page]")["value"] == "2"
    assert "Reminders for Acme Inc turned off." in part.select_one("[hx-swap-oob='innerHTML:#notices']").get_text()
    assert rows(ann_client) == {"acme": ("Off", "Turn on")}
    assert "turned off." not in ann_client.get(PAGE).text, "it was said once"


def test_it_is_done_once_however_often_it_is_sent(sandbox, ann_client):
    acme(sandbox)
    for _ in range(2):
        assert ann_client.post(TURN, OFF).status_code == 302
    assert muted() == [("acme", ANN)]


def test_the_last_one_on_cannot_turn_them_off_and_is_told_why(sandbox, ann_client, ben_client):
    """H3"""
    acme(sandbox)
    ben_client.post(TURN, OFF)
    assert rows(ann_client) == {"acme": ("On", "")}
    assert "No one else has them turned on" in ann_client.get(PAGE).text
    answer = ann_client.post(TURN, OFF)
    assert answer.status_code == 403
    for sentence in ("No one else gets reminders about the keys of Acme Inc", "Ask someone else with access"):
        assert sentence in answer.text
    assert muted() == [("acme", BEN)]
    assert AuditEvent.objects.latest("pk").outcome == Outcome.REFUSED


def test_who_alone_manages_a_consumer_is_its_last_one(sandbox, ann_client):
    sandbox.add_consumer("acme", managers=[ANN, "no address"])
    assert rows(ann_client) == {"acme": ("On", "")}
    assert ann_client.post(TURN, OFF).status_code == 403


def test_all_addresses_of_a_person_are_one_person(sandbox, make_person, client_of):
    """C4: a manager twice over is still the last one; and whoever else is there makes both go quiet."""
    ann = make_person(ANN, "ann@home.test")
    client = client_of(ann)
    sandbox.add_consumer("acme", managers=["Ann@ACME.test", "ann@home.test"])
    assert client.post(TURN, OFF).status_code == 403
    sandbox.set_managers("acme", ["Ann@ACME.test", "ann@home.test", BEN])
    assert client.post(TURN, OFF).status_code == 302
    assert muted() == [("acme", ANN), ("acme", "ann@home.test")]
    assert rows(client) == {"acme": ("Off", "Turn on")}


def test_whoever_is_left_alone_is_reminded_again(sandbox, ann_client):
    acme(sandbox)
    ann_client.post(TURN, OFF)
    sandbox.set_managers("acme", [ANN])
    assert rows(ann_client) == {"acme": ("On", "")}


def test_each_environment_has_its_own(two_environments, ann_client):
    for bucket in two_environments.buckets[:2]:
        two_environments.add_consumer("acme", managers=[ANN, BEN], bucket=bucket)
    ann_client.post("/keys/preview/acme/reminders/", OFF)
    assert rows(ann_client) == {"acme": ("On", "Turn off")}
    assert rows(ann_client, "/keys/reminders/preview/") == {"acme": ("Off", "Turn on")}
    assert ann_client.get("/keys/elsewhere/reminders/").status_code == 404


def test_many_consumers_come_page_by_page(sandbox, ann_client):
    """And a switch leads back to the page on which it stands."""
    for number in range(30):
        sandbox.add_consumer(f"team-{number}", managers=[ANN, BEN])
    assert len(rows(ann_client)) == 25
    assert len(rows(ann_client, f"{PAGE}?page=2")) == 5
    page = BeautifulSoup(ann_client.get(f"{PAGE}?page=2").content, "html.parser")
    form = page.select_one("[data-reminders=team-29] form")
    fields = {field["name"]: field["value"] for field in form.select("input")}
    assert ann_client.post(form["action"], fields)["Location"] == f"{PAGE}?page=2"
    assert ann_client.post(form["action"], fields | {"page": "//evil.test"})["Location"] == PAGE


def test_the_page_tells_the_days_and_is_one_link_away(sandbox, ann_client, settings):
    settings.KEYS_REMINDER_DAYS = ["7", "60", "7"]
    acme(sandbox)
    page = ann_client.get("/keys/reminders/")
    assert "60 and 7 days before a key expires" in page.text
    menu = BeautifulSoup(ann_client.get("/keys/").content, "html.parser").select_one("#account-menu")
    assert menu.select_one("a[href='/keys/reminders/']")
    assert not FULL_KEY.search(page.text)
    assert {"no-store", "private"} <= set(page["Cache-Control"].split(", "))


def test_managers_read_in_the_history_who_turned_reminders_off(sandbox, ann_client, ben_client):
    acme(sandbox)
    ann_client.post(TURN, OFF)
    history = ben_client.get("/keys/activity/production/?kind=reminders")
    assert "turned off their reminders" in history.text
    assert ANN in history.text
    ann_client.post(MAKE)
    assert "created a calendar address" in ann_client.get("/keys/activity/production/").text
    assert "created a calendar address" not in ben_client.get("/keys/activity/production/").text


def test_nobody_is_mailed_of_it(sandbox, ann_client):
    acme(sandbox)
    ann_client.post(TURN, OFF)
    assert mail.outbox == []


def test_an_address_that_is_removed_leaves_no_wish_behind(sandbox, make_person, client_of):
    """Its next holder has not turned anything off."""
    ann = make_person("ann@home.test", ANN)
    sandbox.add_consumer("acme", managers=[ANN, BEN])
    client = client_of(ann)
    client.post(TURN, OFF)
    client.post("/accounts/email/", {"action_remove": "", "email": ANN})
    assert not ann.emailaddress_set.filter(email=ANN).exists()
    assert muted() == []


def test_an_account_that_is_deleted_leaves_nothing_behind(sandbox, ann, ann_client):
    acme(sandbox)
    ann_client.post(TURN, OFF)
    ann_client.post(MAKE)
    ann_client.post("/accounts/delete/", {"sure": "yes"})
    assert not User.objects.filter(pk=ann.pk).exists()
    assert not MutedReminders.objects.exists()
    assert not CalendarAddress.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_turn_them_off_at_once_leave_one_on(sandbox, ann_client, ben_client):
    acme(sandbox)
    ready, statuses = threading.Barrier(2), []

    def turn_off(client: Client) -> None:
        ready.wait(30)
        try:
            statuses.append(client.post(TURN, OFF).status_code)
        finally:
            connection.close()

    runs = [threading.Thread(target=turn_off, args=[client]) for client in (ann_client, ben_client)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(statuses) == [302, 403]
    assert len(muted()) == 1


# Who may


@every_post
def test_a_stranger_may_not_even_know(url, form, sandbox, mallory_client, request):
    """C1, C5: of a calendar everybody has the own."""
    acme(sandbox)
    answer = mallory_client.post(url, form)
    if url == TURN:
        absent = mallory_client.post(TURN.replace("acme", "nobody"), form)
        assert (answer.status_code, absent.status_code) == (404, 404)
        bodies = [one.text.replace(one["X-Request-ID"], "") for one in (answer, absent)]
        assert bodies[0] == bodies[1]
        assert {outcome for _action, outcome in events()} == {Outcome.REFUSED}
    assert muted() == []
    assert set(CalendarAddress.objects.values_list("user__email", flat=True)) <= {"mallory@evil.test"}
    assert rows(mallory_client) == {}


def test_an_unproved_address_turns_nothing_off_and_sees_nothing(sandbox, unverified, client_of):
    acme(sandbox)
    client = client_of(unverified)
    assert rows(client) == {}
    assert client.post(TURN, OFF).status_code == 404
    assert sandbox.journal() == []


@every_post
def test_nobody_signed_in_is_asked_to_sign_in(url, form, sandbox, client):
    acme(sandbox)
    assert client.post(url, form)["Location"].startswith("/accounts/login/?next=/keys/")
    assert client.get(PAGE)["Location"] == f"/accounts/login/?next={PAGE}"
    assert sandbox.journal() == []


@every_post
def test_a_forged_request_is_refused(url, form, sandbox, ann, client_of):
    """F4"""
    acme(sandbox)
    client = client_of(ann, strict=True)
    assert client.post(url, form).status_code == 403
    token = csrf_token(client.get("/keys/"))
    form = form | {"csrfmiddlewaretoken": token}
    assert client.post(url, form, headers={"Origin": "https://evil.test"}).status_code == 403
    assert events() == []
    assert client.post(url, form).status_code in {200, 302}


@every_post
def test_looking_changes_nothing(url, form, sandbox, ann_client):
    acme(sandbox)
    for method in (ann_client.get, ann_client.head, ann_client.put):
        assert method(url, form).status_code in {302, 405}
    assert (events(), muted(), CalendarAddress.objects.count()) == ([], [], 0)


@every_post
@pytest.mark.parametrize("rights", [(), ("change_as_user",)], ids=["looking", "changing"])
def test_support_on_a_visit_changes_nothing(url, form, rights, sandbox, ann, make_person, client_of):
    """D2: not even with the right to change keys; it is on record, and the page offers nothing."""
    clerk = make_person("clerk@portal.test", is_staff=True)
    grant(clerk, "view_user", "support_user", *rights)
    acme(sandbox)
    browser = client_of(clerk)
    assert start(browser, ann)["Location"] == "/keys/"
    before = AuditEvent.objects.count()
    assert browser.post(url, form).status_code == 403
    assert AuditEvent.objects.count() == before + 1
    event = AuditEvent.objects.latest("pk")
    assert (event.outcome, event.staff_email) == (Outcome.REFUSED, "clerk@portal.test")
    assert muted() == []
    assert not CalendarAddress.objects.exists()
    page = BeautifulSoup(browser.get(PAGE).content, "html.parser")
    assert page.select("[data-reminders]")
    assert page.select("main form") == []


def test_a_calendar_address_needs_a_fresh_proof_and_a_switch_does_not(sandbox, ann_client):
    """B4, B5: and the proof leads back to where the address is made."""
    acme(sandbox)
    passes(ann_client, proof=121)
    assert ann_client.post(MAKE)["Location"] == "/accounts/step-up/?next=%2Fkeys%2Freminders%2Fcalendar%2F"
    assert ann_client.get(MAKE)["Location"] == "/keys/reminders/"
    assert not CalendarAddress.objects.exists()
    assert ann_client.post(TURN, OFF).status_code == 302


@every_post
def test_it_counts_among_the_changes_of_a_minute(url, form, sandbox, ann_client, settings):
    acme(sandbox)
    settings.KEYS_CHANGES_PER_MINUTE = 1
    answers = [ann_client.post(url, form) for _ in range(4)]  # a minute may begin in between
    assert [one["Retry-After"] for one in answers if one.status_code == 429]


# Trouble


@pytest.mark.parametrize("trouble", OF_A_READ, ids=str)
def test_whatever_strikes_nothing_is_guessed(trouble: Trouble, sandbox: Sandbox, ann_client: Client):
    """H1: the switch is turned, or it is not and the page says so; the page of switches is never empty by an outage."""
    acme(sandbox)
    sandbox.fault("GET", "*", trouble.kind, times=0, **trouble.options)
    page, answer = ann_client.get(PAGE), ann_client.post(TURN, OFF)
    said = events()[-1][1]
    assert (said == Outcome.DONE) is (muted() == [("acme", ANN)]) is (answer.status_code == 302)
    if answer.status_code != 302:
        assert answer.status_code in {404, 502, 503}
        assert "Traceback" not in answer.text
    if page.status_code == 200:
        assert "data-reminders" in page.text or "couldn't be read" in page.text
    else:
        assert page.status_code in {404, 502, 503}
        assert "You have no keys here" not in page.text


def test_after_a_crash_it_is_found_out_what_became_of_it(sandbox, ann, ann_client):
    """H2: the row and the note of it are stored together."""
    acme(sandbox)
    ann_client.post(TURN, OFF)
    ann_client.post(TURN, ON)
    done, lost = AuditEvent.objects.order_by("pk")
    early = done.started_at - 2 * NOT_DONE_AFTER
    AuditEvent.objects.update(outcome=Outcome.STARTED, started_at=early)
    AuditEvent.objects.filter(pk=lost.pk).update(facts={})
    call_command("settle")
    assert dict(events()) == {Action.REMINDERS_OFF: Outcome.DONE, Action.REMINDERS_ON: Outcome.FAILED}


def test_the_address_stands_in_one_answer_only(sandbox, ann_client, log):
    """E2"""
    acme(sandbox)
    answer = ann_client.post(MAKE)
    (address,) = re.findall(r"http://127.0.0.1:8000/keys/reminders/calendar_[\w-]{43}\.ics", answer.text)
    assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", "))
    again = ann_client.get("/keys/reminders/")
    token = address.rpartition("/")[2].removesuffix(".ics")
    assert token not in again.text
    assert token not in str(CalendarAddress.objects.values())
    assert token not in str(AuditEvent.objects.values())
    Client().get(f"/keys/reminders/{token}.ics")
    Client().get(f"/keys/reminders/{token}x.ics")
    assert "calendar_[removed]" in log.text
    assert token not in log.text
