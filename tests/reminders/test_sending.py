"""manage.py send_reminders: every manager is told in time of keys that end, once, whatever happens meanwhile."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from keys.models import MutedReminders, Reminder, ReminderRun
from keys.reminders.sending import PAGE, step_of
from sandbox import Sandbox
from tests.helpers.faults import LOST, Trouble
from tests.helpers.verbs import FULL_KEY

ANN, BEN = "ann@acme.test", "ben@acme.test"
DAY = timedelta(days=1)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_once(settings) -> None:
    settings.KEYS_REMINDER_CALLS_PER_SECOND = 1000


def key(label: str, ends_in: timedelta | None) -> dict[str, str]:
    ends = {} if ends_in is None else {"expiresOn": (datetime.now(UTC) + ends_in).isoformat()}
    return {"description": label} | ends


def acme(sandbox: Sandbox, *keys: dict[str, str], name: str = "acme", label: str = "Acme Inc", **more: object) -> None:
    sandbox.add_consumer(name, label=label, **{"managers": [ANN, BEN], "keys": keys} | more)


def send() -> str:
    out = StringIO()
    call_command("send_reminders", stdout=out, stderr=out)
    return out.getvalue()


def told() -> list[tuple[str, str]]:
    """To whom which mails went since the last look."""
    found = sorted((message.to[0], message.subject) for message in mail.outbox)
    mail.outbox.clear()
    return found


# When


@pytest.mark.parametrize(
    ("left", "step"),
    [
        (31 * DAY, None),
        (30 * DAY, 30),
        (8 * DAY, 30),
        (7 * DAY, 7),
        (1.5 * DAY, 7),
        (1 * DAY, 1),
        (timedelta(seconds=1), 1),
        (timedelta(), 0),
        (-13 * DAY, 0),
        (-15 * DAY, None),
    ],
)
def test_the_last_step_that_has_come_is_the_one_that_counts(left, step):
    assert step_of(NOON + left, NOON) == step


@pytest.mark.parametrize("year", [1, 9999])
def test_an_end_at_the_edge_of_the_calendar_is_no_step(year):
    assert step_of(NOON.replace(year=year), NOON) is None


def test_each_step_is_told_once_to_every_manager(sandbox, settings):
    acme(sandbox, key("CI", 5.5 * DAY), key("Server", 400 * DAY), key("Forever", None))
    expected = [(ANN, "CI expires in 5 days (Acme Inc)"), (BEN, "CI expires in 5 days (Acme Inc)")]
    settings.KEYS_REMINDER_DAYS = ["30"]
    send()
    assert told() == expected
    send()
    assert told() == []
    settings.KEYS_REMINDER_DAYS = ["30", "7"]  # as if days had passed
    send()
    assert told() == expected
    send()
    assert told() == []


def test_days_that_were_missed_are_caught_up_with_one_mail(sandbox, settings):
    acme(sandbox, key("CI", timedelta(hours=5)))
    send()
    assert [to for to, _subject in told()] == [ANN, BEN]
    settings.KEYS_REMINDER_DAYS = ["30", "7"]
    send()
    assert len(told()) == 2  # only as a step that is later by days was the last one; the others never come back
    assert set(Reminder.objects.values_list("step", flat=True)) == {1, 7}


def test_whoever_ends_a_key_hears_that_it_has_ended_too(sandbox):
    acme(sandbox, key("CI", -2 * DAY), key("Long ago", -60 * DAY))
    send()
    assert told() == [(ANN, "CI has expired (Acme Inc)"), (BEN, "CI has expired (Acme Inc)")]
    send()
    assert told() == []


def test_an_end_that_is_moved_is_told_anew(sandbox, ann_client):
    acme(sandbox, key("CI", 20 * DAY))
    send()
    mail.outbox.clear()
    key_id = sandbox.keys("acme")[0]["id"]
    soon = datetime.now(UTC) + 3.5 * DAY
    form = {"ends_on": soon.strftime("%Y-%m-%dT%H:%M"), "token": str(uuid.uuid4())}
    ann_client.post(f"/keys/production/acme/{key_id}/end/", form)
    mail.outbox.clear()
    send()
    assert [subject for _to, subject in told()] == 2 * ["CI expires in 3 days (Acme Inc)"]


# What


def test_one_mail_names_all_keys_of_a_consumer_and_leads_to_their_rotation(sandbox):
    acme(sandbox, key("CI", 5.5 * DAY), key("", 20.5 * DAY), key("Old", -DAY))
    acme(sandbox, key("Else", 5.5 * DAY), name="globex", label="Globex", managers=[ANN])
    send()
    mails = {(message.to[0], message.subject): message for message in mail.outbox}
    assert set(mails) == {
        (ANN, "3 keys expire soon or have expired (Acme Inc)"),
        (BEN, "3 keys expire soon or have expired (Acme Inc)"),
        (ANN, "Else expires in 5 days (Globex)"),
    }
    message = mails[BEN, "3 keys expire soon or have expired (Acme Inc)"]
    ci, unnamed, old = sandbox.keys("acme")
    base = "http://127.0.0.1:8000/keys/production"
    for one in (ci, unnamed):
        assert f"\nRotate: {base}/acme/{one['id']}/rotate/\n" in message.body
    assert f"\nCreate a new key: {base}/acme/create/\n" in message.body
    for one, label in ((ci, "CI"), (unnamed, "Unnamed key"), (old, "Old")):
        assert f"\n{label} ••••••••{one['key'][-4:]}\n" in message.body
    ends = datetime.fromisoformat(ci["expiresOn"])
    assert f"\nExpires: {ends:%-d} {ends:%b} {ends:%Y}, {ends:%H:%M} UTC (in 5 days)\n" in message.body
    assert "production" in message.body
    stop = "http://127.0.0.1:8000/keys/reminders/production/"
    assert stop in message.body
    assert message.extra_headers["List-Unsubscribe"] == f"<{stop}>"
    assert message.body.rstrip().endswith("\n-- \nAPI Portal\nhttp://127.0.0.1:8000")
    assert not FULL_KEY.search(str(message.message()))


def test_the_links_of_the_mail_lead_to_what_they_promise(sandbox, ann_client, client):
    """And whoever is not signed in comes there by the sign-in."""
    acme(sandbox, key("CI", 5.5 * DAY), key("Old", -DAY))
    send()
    links = re.findall(r"http://127.0.0.1:8000(/keys/\S+)", mail.outbox[0].body)
    pages = [ann_client.get(link) for link in links]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert ["Create key" in pages[0].text, "Rotate" in pages[1].text, "Turn off" in pages[2].text] == [True] * 3
    for link in links:
        assert client.get(link)["Location"] == f"/accounts/login/?next={link}"


@pytest.mark.parametrize(
    ("language", "zone", "subject", "words"),
    [
        ("de", "Europe/Berlin", "CI läuft in 5 Tagen ab (Acme Inc)", "Läuft ab"),
        ("es", "America/Bogota", "CI caduca en 5 días (Acme Inc)", "Caduca"),
    ],
)
def test_each_reads_it_in_the_own_language_and_zone(sandbox, make_person, language, zone, subject, words):
    make_person(ANN, language=language, time_zone=zone)
    acme(sandbox, key("CI", 5.5 * DAY))
    send()
    mails = {message.to[0]: message for message in mail.outbox}
    assert (mails[ANN].subject, mails[BEN].subject) == (subject, "CI expires in 5 days (Acme Inc)")
    assert mails[ANN].extra_headers["Content-Language"] == language
    assert words in mails[ANN].body
    ends = datetime.fromisoformat(sandbox.keys("acme")[0]["expiresOn"]).astimezone(ZoneInfo(zone))
    assert f"{ends:%H:%M}" in mails[ANN].body


def test_a_mail_about_very_many_keys_stays_short(sandbox):
    acme(sandbox, *(key(f"Key {number}", 5.5 * DAY) for number in range(60)), managers=[ANN])
    send()
    (message,) = mail.outbox
    assert message.subject == "60 keys expire soon (Acme Inc)"
    assert message.body.count("Rotate:") == 50
    assert "And 10 more keys: http://127.0.0.1:8000/keys/production/" in message.body
    send()
    assert len(mail.outbox) == 1


def test_hostile_labels_and_addresses_do_no_harm(sandbox):
    managers = [ANN, "x@acme.test\nBcc: all@acme.test", "no address", "<script>@acme.test", "Ann@Acme.test"]
    acme(sandbox, key("{% now 'Y' %}<b>", 5.5 * DAY), label="Evil\r\nBcc: all@acme.test", managers=managers)
    send()
    (message,) = mail.outbox
    assert message.recipients() in ([ANN], ["Ann@Acme.test"])
    assert "\n" not in message.subject
    assert "{% now 'Y' %}<b>" in message.body


# Who is not told


def test_nobody_is_told_of_a_key_that_was_replaced(sandbox, ann_client):
    acme(sandbox, key("CI", 5.5 * DAY), key("Laptop", 5.5 * DAY))
    ci = sandbox.keys("acme")[0]["id"]
    ann_client.post(f"/keys/production/acme/{ci}/rotate/", {"grace": "24h", "token": str(uuid.uuid4())})
    mail.outbox.clear()
    send()
    body = mail.outbox[0].body
    assert "Laptop" in body
    assert ci not in body


def test_a_key_whose_replacement_was_deleted_is_told_of_again(sandbox, ann_client):
    acme(sandbox, key("CI", 5.5 * DAY), managers=[ANN])
    ci = sandbox.keys("acme")[0]["id"]
    ann_client.post(f"/keys/production/acme/{ci}/rotate/", {"grace": "24h", "token": str(uuid.uuid4())})
    new = sandbox.keys("acme")[1]["id"]
    send()
    ann_client.post(f"/keys/production/acme/{new}/delete/", {"token": str(uuid.uuid4())})
    mail.outbox.clear()
    send()
    assert [ci in message.body for message in mail.outbox] == [True]


@pytest.mark.parametrize("mails", [True, False])
def test_a_key_that_was_ended_by_hand_was_told_of_then(mails, sandbox, ann_client, settings):
    """Unless the operator has managers told of nothing that is done by hand."""
    settings.KEYS_MAIL_MANAGERS = mails
    acme(sandbox, key("CI", 100 * DAY), managers=[ANN])
    ci = sandbox.keys("acme")[0]["id"]
    now = datetime.now(UTC)
    form = {"ends_on": now.strftime("%Y-%m-%dT%H:%M"), "token": str(uuid.uuid4())}
    ann_client.post(f"/keys/production/acme/{ci}/end/", form)
    assert datetime.fromisoformat(sandbox.keys("acme")[0]["expiresOn"]) <= now
    mail.outbox.clear()
    send()
    assert len(told()) == (0 if mails else 1)


def test_a_consumer_without_managers_is_told_of_once_it_has_one(sandbox):
    acme(sandbox, key("CI", 5.5 * DAY), managers=[])
    send()
    assert told() == []
    sandbox.set_managers("acme", [ANN])
    send()
    assert [to for to, _subject in told()] == [ANN]


def test_who_turned_reminders_off_gets_none_while_somebody_else_does(sandbox, ann):
    acme(sandbox, key("CI", 5.5 * DAY))
    acme(sandbox, key("CI", 5.5 * DAY), name="globex", label="Globex")
    MutedReminders.objects.create(user=ann, environment="production", consumer="acme", email=ANN)
    send()
    assert sorted(to for to, subject in told() if "Acme Inc" in subject) == [BEN]


def test_somebody_is_told_even_if_all_who_are_left_turned_it_off(sandbox, ann):
    acme(sandbox, key("CI", 5.5 * DAY))
    MutedReminders.objects.create(user=ann, environment="production", consumer="acme", email=ANN)
    sandbox.set_managers("acme", [ANN])
    send()
    assert [to for to, _subject in told()] == [ANN]


# Every environment, of any size


def test_every_environment_is_looked_through(two_environments):
    acme(two_environments, key("CI", 5.5 * DAY), managers=[ANN])
    preview = two_environments.buckets[1]
    acme(two_environments, key("CI", 5.5 * DAY), managers=[ANN], bucket=preview)
    said = send()
    assert sorted("/keys/preview/" in message.body for message in mail.outbox) == [False, True]
    assert "production: consumers: 1, mails: 1\n" in said
    assert "preview: consumers: 1, mails: 1\n" in said


def test_a_large_account_is_read_page_by_page(sandbox, django_assert_max_num_queries):
    sandbox.seed_consumers(2 * PAGE + 1)
    with django_assert_max_num_queries(8):  # however many consumers there are
        said = send()
    assert f"production: consumers: {2 * PAGE + 1}," in said
    asked = [call.query for call in sandbox.journal()]
    assert [re.search(r"limit=(\d+)&offset=(\d+)", query).groups() for query in asked] == [
        (str(PAGE), str(offset)) for offset in (0, PAGE, 2 * PAGE)
    ]
    assert all("key-format=masked" in query for query in asked)


def test_no_more_calls_are_made_in_a_second_than_the_operator_allows(sandbox, settings):
    settings.KEYS_REMINDER_CALLS_PER_SECOND = 4
    sandbox.seed_consumers(2 * PAGE + 1)
    began = datetime.now(UTC)
    send()
    assert len(sandbox.journal()) == 3
    assert datetime.now(UTC) - began >= timedelta(seconds=0.5)  # slower is fine, sooner is not


# Trouble


@pytest.mark.parametrize("trouble", LOST, ids=str)
def test_an_outage_stops_it_and_the_next_run_goes_on(trouble: Trouble, sandbox, settings):
    """What was told before the outage is not told again."""
    sandbox.seed_consumers(PAGE)
    acme(sandbox, key("CI", 5.5 * DAY), managers=[ANN])
    sandbox.fault("GET", "*/consumers", trouble.kind, nth=2, times=0, **trouble.options)
    with pytest.raises(CommandError, match="Run it again later"):
        send()
    assert [to for to, _subject in told()] == [ANN]
    acme(sandbox, key("CI", 5.5 * DAY), managers=[BEN], name="globex", label="Globex")
    sandbox.clear_faults()
    send()
    assert [to for to, _subject in told()] == [BEN]


def test_one_environment_in_trouble_keeps_no_other_from_being_told(two_environments):
    acme(two_environments, key("CI", 5.5 * DAY), managers=[ANN], bucket=two_environments.buckets[1])
    two_environments.fault("GET", f"*/{two_environments.buckets[0]}/*", "status", status=401, times=0)
    with pytest.raises(CommandError):
        send()
    assert [to for to, _subject in told()] == [ANN]
    assert list(ReminderRun.objects.values_list("environment", flat=True)) == ["preview"]


@pytest.mark.parametrize(
    "odd",
    [
        {"object": "consumer", "field": "name", "value": "org.example"},
        {"object": "consumer", "field": "managers", "lacks": True},
        {"object": "key", "field": "expiresOn", "value": "soon"},
        {"object": "manager", "field": "email", "value": None},
    ],
    ids=lambda odd: f"{odd['object']} {odd['field']}",
)
def test_what_cannot_be_read_is_left_out_with_a_line_and_a_figure(odd, sandbox, settings, log):
    acme(sandbox, key("CI", 5.5 * DAY), managers=[ANN])
    acme(sandbox, key("CI", 5.5 * DAY), managers=[ANN], name="globex", label="Globex")  # the oldest is the odd one
    sandbox.fault("GET", "*", "odd_object", times=0, **odd)
    said = send()
    assert "production: consumers that could not be read, or not in full: 1\n" in said
    assert "could not be read" in log.text
    assert [subject for _to, subject in told()] == ["CI expires in 5 days (Globex)"]
    settings.METRICS_TOKEN = "a-token-for-figures-only"
    figures = Client().get("/metrics", headers={"authorization": f"Bearer {settings.METRICS_TOKEN}"}).text
    assert 'portal_reminders_unreadable{environment="production"} 1.0' in figures
    ended = re.search(r'portal_reminders_ended_seconds\{environment="production"\} (\S+)', figures)[1]
    assert abs(float(ended) - timezone.now().timestamp()) < 600


def speaks_nothing(addresses: list[str]) -> dict[str, str]:
    if BEN in addresses:
        raise LookupError("the table of languages is not there")
    return {}


def test_a_mail_that_cannot_be_written_keeps_no_other_back_and_is_tried_again(sandbox, settings, log):
    acme(sandbox, key("CI", 5.5 * DAY), managers=[ANN])
    acme(sandbox, key("CI", 5.5 * DAY), managers=[BEN], name="globex", label="Globex")
    languages, settings.KEYS_LANGUAGES = settings.KEYS_LANGUAGES, f"{__name__}.speaks_nothing"
    with pytest.raises(CommandError):
        send()
    assert [to for to, _subject in told()] == [ANN]
    assert "the managers of globex could not be reminded" in log.text
    settings.KEYS_LANGUAGES = languages
    send()
    assert [to for to, _subject in told()] == [BEN]


# Afterwards


def test_rows_are_pruned_once_they_are_of_no_use(sandbox):
    acme(sandbox, key("CI", 5.5 * DAY), key("Old", -2 * DAY))
    send()
    row = {"environment": "production", "consumer": "acme", "key_id": "key_1", "step": 1}
    Reminder.objects.create(ends_at=timezone.now() - 40 * DAY, **row)
    call_command("prune_audit", stdout=StringIO())
    assert sorted(Reminder.objects.values_list("step", flat=True)) == [0, 7]
    mail.outbox.clear()
    send()
    assert told() == []
