"""Times mean the visitor's zone, and say which: on pages, in forms and in mails."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.test import Client
from django.utils import timezone

from keys.models import AuditEvent
from tests.helpers.people import sign_in
from tests.helpers.staff import ACME, LIST

BERLIN, HONOLULU = "Europe/Berlin", "Pacific/Honolulu"
MINUTES = "%Y-%m-%dT%H:%M"

pytestmark = pytest.mark.django_db


def token() -> dict[str, str]:
    return {"token": str(uuid.uuid4())}


def in_zone(client: Client, name: str) -> Client:
    client.cookies["timezone"] = name
    return client


def field(page, name: str) -> str:
    return BeautifulSoup(page.text, "html.parser").select_one(f"form [name={name}]").get("value", "")


@pytest.fixture
def key(sandbox) -> str:
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    return f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/"


def end_of(sandbox, label: str) -> datetime:
    (found,) = [one for one in sandbox.keys("acme") if one["description"] == label]
    return datetime.fromisoformat(found["expiresOn"])


@pytest.mark.parametrize("name", [BERLIN, HONOLULU, "Pacific/Kiritimati", "UTC"])
def test_today_may_be_chosen_wherever_somebody_is_and_ends_there(sandbox, ann_client, key, name):
    here = ZoneInfo(name)
    today = datetime.now(here).date()
    page = in_zone(ann_client, name).get("/keys/production/acme/create/")
    assert f"until the end of this day ({name})" in page.text
    assert field(page, "zone") == name
    entry = {"label": name, "ends": "date", "ends_on": today.isoformat(), "zone": name} | token()
    assert ann_client.post("/keys/production/acme/create/", entry).status_code == 200
    assert end_of(sandbox, name).astimezone(here) == datetime(
        today.year, today.month, today.day, 23, 59, 59, tzinfo=here
    )


def test_a_day_that_has_passed_there_is_refused_by_the_name_of_the_zone(ann_client, key):
    yesterday = datetime.now(ZoneInfo(HONOLULU)).date() - timedelta(days=1)
    entry = {"label": "x", "ends": "date", "ends_on": yesterday.isoformat(), "zone": HONOLULU} | token()
    answer = in_zone(ann_client, HONOLULU).post("/keys/production/acme/create/", entry)
    assert answer.status_code == 422
    assert f"This day is in the past ({HONOLULU})." in answer.text


def test_a_form_means_the_zone_in_which_it_was_opened(sandbox, ann_client, key):
    """The script tells the zone while the first page stands open in UTC."""
    page = ann_client.get(f"{key}end/")
    assert "Expires (UTC)" in page.text
    soon = (datetime.now(UTC) + timedelta(days=2)).replace(second=0, microsecond=0)
    entry = {"ends_on": soon.strftime(MINUTES), "zone": field(page, "zone")} | token()
    assert in_zone(ann_client, BERLIN).post(f"{key}end/", entry).status_code == 303
    assert end_of(sandbox, "CI") == soon


def test_page_history_form_and_mail_show_one_clock(sandbox, ann, client):
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    key = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/"
    sign_in(in_zone(client, HONOLULU), "ann@acme.test")
    mail.outbox.clear()
    here = ZoneInfo(HONOLULU)
    ends = (datetime.now(here) + timedelta(days=2)).replace(second=0, microsecond=0)
    client.post(f"{key}end/", {"ends_on": ends.strftime(MINUTES), "zone": HONOLULU} | token())
    words = f"{ends:%-d} {ends:%b} {ends:%Y}, {ends:%H:%M} HST"
    assert words in client.get("/keys/").text
    assert f"Expires: {words}" in mail.outbox[0].body
    history = client.get("/keys/activity/").text
    assert words in history
    assert f"Times are in {HONOLULU}." in history
    event = AuditEvent.objects.latest("pk")
    assert f">{event.started_at.astimezone(here):%H:%M}</time>" in history
    page = client.get(f"{key}end/")
    assert field(page, "ends_on") == ends.strftime(MINUTES)
    assert f"Expires ({HONOLULU})" in page.text


def test_the_history_groups_by_the_days_of_the_visitor(ann_client, key):
    ann_client.post(f"{key}reveal/")
    AuditEvent.objects.update(started_at=datetime(2026, 11, 24, 3, 30, tzinfo=UTC))
    assert "23 Nov 2026" in in_zone(ann_client, HONOLULU).get("/keys/activity/").text
    assert "24 Nov 2026" in in_zone(ann_client, BERLIN).get("/keys/activity/").text


def test_the_csv_file_stays_in_utc(ann_client, key):
    ann_client.post(f"{key}end/", {"ends_on": "2030-01-02T03:04", "zone": "UTC"} | token())
    answer = in_zone(ann_client, HONOLULU).get("/keys/activity/production.csv")
    text = b"".join(answer.streaming_content).decode()
    assert "2 Jan 2030, 03:04 UTC" in text
    assert "HST" not in text


@pytest.mark.parametrize(
    "said", ["", "Nowhere/Land", "../../etc/passwd", "Europe", "/etc/localtime", "x" * 5000, "a\u00e9"]
)
def test_a_cookie_that_names_no_zone_means_utc(ann_client, key, said):
    page = in_zone(ann_client, said).get("/keys/activity/")
    assert page.status_code == 200
    assert "Times are in UTC." in page.text


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59.000Z", "0001-01-01T00:00:00.000Z"])
@pytest.mark.parametrize("name", ["Pacific/Kiritimati", HONOLULU])
def test_an_end_at_the_edge_of_the_calendar_breaks_no_page(sandbox, ann_client, moment, name):
    keys = [{"description": "CI", "expiresOn": moment}]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    assert in_zone(ann_client, name).get("/keys/").status_code == 200
    path = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/end/"
    assert ann_client.get(path).status_code == (200 if moment > "2" else 403)


@pytest.mark.parametrize(
    "path",
    [
        "keys/auditevent/",
        "portal/outgoingmail/",
        "portal/user/",
        "portal/user/{}/change/",
        "keys/consumers/production/",
    ],
)
def test_django_admin_says_that_it_is_in_utc(sandbox, sam, sam_client, path):
    page = in_zone(sam_client, HONOLULU).get(f"/admin/{path.format(sam.pk)}", follow=True)
    assert page.status_code == 200
    assert "Times in UTC" in page.text
    assert "HST" not in page.text


@pytest.mark.parametrize("verb", ["create/", "rotate-all/", "{}/end/", "{}/rotate/"])
def test_without_the_cookie_each_form_says_that_it_is_in_utc(sandbox, ann_client, key, verb):
    path = f"/keys/production/acme/{verb.format(sandbox.keys('acme')[0]['id'])}"
    assert "UTC" in ann_client.get(path).text


# The lowest and the highest


@pytest.mark.parametrize("far", ["2201-11-24", "9999-12-31"])
def test_no_slip_makes_a_key_for_175_years(sandbox, ann_client, key, settings, far):
    settings.KEYS_LONGEST_DAYS = 365
    last = timezone.localdate() + timedelta(days=365)
    answer = ann_client.post("/keys/production/acme/create/", {"label": "x", "ends": "date", "ends_on": far} | token())
    assert answer.status_code == 422
    assert f"The latest possible expiry is {last:%-d %b %Y}." in answer.text
    assert ann_client.post(f"{key}end/", {"ends_on": f"{far}T10:00"} | token()).status_code == 422
    assert len(sandbox.keys("acme")) == 1
    fine = {"label": "y", "ends": "date", "ends_on": last.isoformat()} | token()
    assert ann_client.post("/keys/production/acme/create/", fine).status_code == 200


def test_an_end_beyond_the_calendar_is_refused_whatever_the_form_says_it_held(sandbox, ann_client, key):
    last = "9999-12-31T23:59"
    answer = ann_client.post(f"{key}end/", {"ends_on": last, "shown": last, "zone": "Etc/GMT+12"} | token())
    assert answer.status_code == 422
    assert "The latest possible expiry is" in answer.text
    assert sandbox.keys("acme")[0].get("expiresOn") is None


@pytest.mark.parametrize("expires", [None, "2300-01-01T00:00:00.000Z"])
def test_no_form_that_says_it_held_a_far_end_gives_a_key_one(sandbox, ann_client, sam_client, settings, expires):
    """A forged `shown`, on the keys page and in Django admin."""
    settings.KEYS_LONGEST_DAYS = 365
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI", "expiresOn": expires}])
    name = sandbox.keys("acme")[0]["id"]
    end = f"/keys/production/acme/{name}/end/"
    in_admin = f"{ACME}{name}"
    before = sandbox.keys("acme")
    far = (timezone.now() + timedelta(days=367)).strftime(MINUTES)
    for ends in (far, "2201-11-24T10:00"):
        forged = {"ends_on": ends, "shown": ends, "zone": "UTC"}
        for client, path in ((ann_client, end), (sam_client, f"{in_admin}/end/"), (sam_client, f"{in_admin}/leaked/")):
            answer = client.post(path, forged | {"when": "later"} | token())
            assert answer.status_code == 403
            assert "The latest possible expiry is" in answer.text
    assert sandbox.keys("acme") == before
    last = (timezone.now() + timedelta(days=365)).strftime(MINUTES)
    assert ann_client.post(end, {"ends_on": last, "shown": last} | token()).status_code == 303


def test_a_far_end_saved_unchanged_stays(sandbox, ann_client):
    keys = [{"description": "CI", "expiresOn": "2300-01-01T00:00:30.000Z"}]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    path = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/end/"
    page = ann_client.get(path)
    entry = {name: field(page, name) for name in ("ends_on", "shown", "zone")}
    assert ann_client.post(path, entry | token()).status_code == 303
    assert sandbox.keys("acme")[0]["expiresOn"].startswith("2300-01-01T00:00:30")


def test_fields_say_their_limits_to_the_browser(ann_client, key):
    form = BeautifulSoup(ann_client.get("/keys/production/acme/create/").text, "html.parser")
    today = timezone.localdate()
    on = form.select_one("[name=ends_on]")
    assert (on["min"], on["max"]) == (today.isoformat(), (today + timedelta(days=3650)).isoformat())


# HTML


def test_times_for_machines_carry_no_fractions(sandbox, ann_client, sam_client):
    """HTML allows three digits; six were sent."""
    expires = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI", "expiresOn": expires}])
    key = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/"
    ann_client.post(f"{key}reveal/")
    pages = [ann_client.get(path) for path in ("/keys/", "/keys/activity/", f"{key}rotate/", f"{key}end/")]
    pages += [sam_client.get(path) for path in (LIST, ACME, "/admin/keys/auditevent/")]
    assert {page.status_code for page in pages} == {200}
    told = [
        time["datetime"] for page in pages for time in BeautifulSoup(page.text, "html.parser").select("time[datetime]")
    ]
    assert len(told) >= 6
    assert [one for one in told if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d[+-]\d\d:\d\d)?", one)] == []
