"""The calendar feed: valid by RFC 5545, true at each moment, and open to nobody but whoever has its address."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from icalendar import Calendar

from keys.models import CalendarAddress, MutedReminders
from keys.service.rate_limits import CALENDARS_PER_HOUR
from sandbox import Sandbox
from tests.helpers.faults import LOST, REFUSALS, Trouble
from tests.helpers.verbs import FULL_KEY

ANN, BEN = "ann@acme.test", "ben@acme.test"
MAKE, REVOKE = "/keys/reminders/calendar/", "/keys/reminders/calendar/revoke/"
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


def acme(sandbox: Sandbox, *ends: str | None, name: str = "acme", label: str = "Acme Inc", **more: object) -> None:
    keys = [{"description": f"Key {number}", "expiresOn": end} for number, end in enumerate(ends)]
    sandbox.add_consumer(name, label=label, **{"managers": [ANN, BEN], "keys": keys} | more)


def in_days(days: float) -> str:
    return (datetime.now(UTC) + days * DAY).replace(microsecond=0).isoformat()


def make_address(client: Client) -> str:
    return re.search(r"/keys/reminders/calendar_[\w-]{43}\.ics", client.post(MAKE).text)[0]


@pytest.fixture
def address(sandbox, ann_client) -> str:
    return make_address(ann_client)


def events(address: str) -> dict[str, datetime]:
    """The ends that a calendar program without any cookie reads there, by their summaries."""
    answer = Client().get(address)
    assert answer.status_code == 200
    return {str(event["SUMMARY"]): event.start for event in Calendar.from_ical(answer.content).events}


def test_it_tells_the_ends_of_all_keys_of_a_person(two_environments, ann_client):
    """Of every consumer and environment; a key without an end has no event."""
    soon, late, past = in_days(3), in_days(300), in_days(-3)
    preview = two_environments.buckets[1]
    acme(two_environments, soon, past, None)
    acme(two_environments, late, name="globex", label="Globex", bucket=preview)
    acme(two_environments, soon, name="theirs", label="Theirs", managers=[BEN])
    assert events(make_address(ann_client)) == {
        "Key 0 expires (Acme Inc)": datetime.fromisoformat(soon),
        "Key 1 expires (Acme Inc)": datetime.fromisoformat(past),
        "Key 0 expires (Globex)": datetime.fromisoformat(late),
    }


def test_it_is_valid(sandbox, address):
    """RFC 5545: CRLF, no line longer than 75 octets, what is required of each component, and UIDs that stay."""
    acme(sandbox, in_days(3), in_days(4), label="Ä" * 200)
    answer = Client().get(address)
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    lines = answer.content.split(b"\r\n")
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert lines[-2:] == [b"END:VCALENDAR", b""]
    assert b"\n" not in b"".join(lines)
    assert max(map(len, lines)) <= 75
    calendar = Calendar.from_ical(answer.content)
    assert (calendar["VERSION"], bool(calendar["PRODID"])) == ("2.0", True)
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT6H" in lines, "RFC 7986: it has no type of its own"
    assert [event.errors for event in calendar.events] == [[], []]
    uids = [str(event["UID"]) for event in calendar.events]
    assert len(set(uids)) == 2
    for event in calendar.events:
        assert {"UID", "DTSTAMP", "DTSTART"} <= set(event)
        assert event.start.tzinfo is not None
        assert event["TRANSP"] == "TRANSPARENT"
        assert event["URL"] == "http://127.0.0.1:8000/keys/production/#consumer-acme"
    again = Calendar.from_ical(Client().get(address).content)
    assert [str(event["UID"]) for event in again.events] == uids


def test_no_value_and_no_mask_stands_in_it(sandbox, address):
    acme(sandbox, in_days(3))
    (key,) = sandbox.keys("acme")
    text = Client().get(address).text
    assert not FULL_KEY.search(text)
    assert "•" not in text
    for part in (key["id"], ANN, BEN):
        assert part not in text
    (event,) = Calendar.from_ical(text).events  # in an UID its four characters may stand by chance
    assert key["key"][-4:] not in f"{event['SUMMARY']}{event['DESCRIPTION']}"


def test_it_is_stored_nowhere_and_reads_no_cookie(sandbox, address, ben_client):
    """Whoever is signed in in the same browser, it is the calendar of its owner."""
    acme(sandbox, in_days(3), managers=[ANN])
    answer = ben_client.get(address)
    assert answer["Cache-Control"] == "private, no-store"
    assert not answer.cookies
    assert "Key 0 expires" in answer.text
    assert ben_client.head(address).status_code == 200
    assert ben_client.post(address).status_code == 405


def test_hostile_labels_make_no_other_event(sandbox, address):
    label = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:forged"
    keys = [{"description": label, "expiresOn": in_days(3)}]
    sandbox.add_consumer("acme", label="a,b;c\\n:d", managers=[ANN], keys=keys)
    (summary,) = events(address)
    assert "forged" in summary
    assert "(a,b;c\\n:d)" in summary


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z"])
def test_an_end_at_the_edge_of_the_calendar_breaks_nothing(moment, sandbox, address):
    acme(sandbox, moment)
    assert events(address) == {"Key 0 expires (Acme Inc)": datetime.fromisoformat(moment)}


def test_it_speaks_the_language_of_its_owner(sandbox, ann, address):
    acme(sandbox, in_days(3))
    ann.language = "de"
    ann.save()
    (summary,) = events(address)
    assert summary == "Key 0 läuft ab (Acme Inc)"


def test_who_has_turned_mails_off_may_have_a_calendar(sandbox, ann, address):
    acme(sandbox, in_days(3))
    MutedReminders.objects.create(user=ann, environment="production", consumer="acme", email=ANN)
    assert len(events(address)) == 1


# Whose it is


def test_a_manager_who_is_removed_reads_nothing_at_once(sandbox, address):
    """C6"""
    acme(sandbox, in_days(3))
    assert len(events(address)) == 1
    sandbox.set_managers("acme", [BEN])
    assert events(address) == {}


def test_an_unproved_address_has_an_empty_calendar(sandbox, unverified, client_of):
    acme(sandbox, in_days(3))
    assert events(make_address(client_of(unverified))) == {}
    assert sandbox.journal() == []


def test_the_filter_is_not_trusted(sandbox, address):
    """C2"""
    acme(sandbox, in_days(3), managers=[BEN])
    sandbox.fault("GET", "*", "filter_ignored", times=0)
    assert events(address) == {}


def gone(address: str) -> bool:
    answer, unknown = Client().get(address), Client().get("/keys/reminders/calendar_nobody.ics")
    return (answer.status_code, answer.content) == (unknown.status_code, unknown.content) == (404, unknown.content)


def test_a_new_address_takes_the_place_of_the_old_one(sandbox, ann_client, address):
    new = make_address(ann_client)
    assert new != address
    assert gone(address)
    assert events(new) == {}
    assert CalendarAddress.objects.count() == 1


def test_a_revoked_address_is_not_found(sandbox, ann_client, address):
    answer = ann_client.post(REVOKE, follow=True)
    assert "Calendar address revoked." in answer.text
    assert "Create an address" in answer.text
    assert gone(address)


def test_a_closed_account_has_no_calendar(sandbox, ann, address):
    ann.is_active = False
    ann.save()
    assert gone(address)


def test_nothing_is_asked_upstream_for_an_address_that_is_unknown(sandbox):
    for token in ("calendar_" + "x" * 43, "calendar_", "-", "x" * 300):
        assert Client().get(f"/keys/reminders/{token}.ics").status_code == 404
    assert sandbox.journal() == []


# Trouble


def test_an_address_is_made_and_revoked_during_an_outage_too(sandbox, ann_client):
    """Nothing is asked upstream for it, so none is made that nobody is shown."""
    sandbox.fault("GET", "*", "drop", times=0)
    address = make_address(ann_client)
    assert sandbox.journal() == []
    ann_client.post(REVOKE)
    assert gone(address)


@pytest.mark.parametrize("trouble", LOST + [one for one in REFUSALS if one.options["status"] != 404], ids=str)
def test_an_outage_never_looks_like_an_empty_calendar(trouble: Trouble, sandbox, address):
    """A program that read an empty one would delete what it knows."""
    acme(sandbox, in_days(3))
    sandbox.fault("GET", "*", trouble.kind, times=0, **trouble.options)
    answer = Client().get(address)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert "VCALENDAR" not in answer.text


def test_one_environment_that_is_down_is_an_outage(two_environments, ann_client):
    acme(two_environments, in_days(3))
    address = make_address(ann_client)
    two_environments.fault("GET", f"*/{two_environments.buckets[1]}/*", "drop", times=0)
    assert Client().get(address).status_code == 503


def test_what_cannot_be_read_hides_nothing_else_and_is_told(sandbox, address):
    acme(sandbox, in_days(3), name="odd")
    acme(sandbox, in_days(3))
    sandbox.fault("GET", "*", "odd_object", object="consumer", field="name", value="org.example", times=0)
    text = Client().get(address).text
    assert "Key 0 expires (Acme Inc)" in text
    assert "Not complete: 1 consumer couldn't be read." in text


def test_so_often_may_it_be_asked_for(sandbox, address):
    """The owner's own pages do not suffer from it."""
    answers = [Client().get(address) for _ in range(2 * CALENDARS_PER_HOUR + 1)]  # an hour may begin in between
    refused = [one for one in answers if one.status_code != 200]
    assert {one.status_code for one in refused} == {429}
    assert {int(one["Retry-After"]) > 0 for one in refused} == {True}
    assert len(sandbox.journal()) <= 2 * CALENDARS_PER_HOUR
