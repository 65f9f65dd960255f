"""Every verb in a host project, over HTTP, with htmx and without."""

import re
from datetime import UTC, datetime

import pytest
from bs4 import BeautifulSoup

from bench.serving import browser
from sandbox import Sandbox
from tests.embedded.conftest import PASSWORD, Host

FULL_KEY = re.compile(r"zpka_[0-9a-f]{32}_[0-9a-f]{8}")
KEYS = "/account/keys/"
ACME = f"{KEYS}production/acme/"
FORGET_PROOFS = """
from django.contrib.sessions.models import Session
from django.contrib.sessions.backends.db import SessionStore
for one in Session.objects.all():
    session = SessionStore(one.session_key)
    session["proved_at"] = 0
    session.save()
"""
NAMES_AND_IDS = """
import django
django.setup()
from django.contrib.auth import get_user_model
for person in get_user_model().objects.all():
    print(person.username, person.pk)
"""
with_and_without_htmx = pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])


def first_key(sandbox: Sandbox) -> tuple[str, str]:
    key = sandbox.keys("acme")[0]
    return f"{ACME}{key['id']}/", key["key"]


@with_and_without_htmx
def test_the_list_is_in_the_hosts_own_page(host: Host, acme: Sandbox, htmx: bool):
    answer = host.get("ann", KEYS, htmx=htmx)
    page = BeautifulSoup(answer.text, "html.parser")
    assert page.title.text == "API Keys · production | Tidewater"
    assert page.select_one("header nav.actions")
    assert page.select_one("#main > .api-keys [data-consumer=acme] [data-key]")
    assert not FULL_KEY.search(answer.text)
    assert "no-store" in answer.headers["Cache-Control"]
    assert "{%" not in answer.text
    assert [link["href"] for link in page.select(".api-keys > footer a")] == [f"{KEYS}reminders/"]
    assert len([link for link in page.select("a") if link.get_text(strip=True) == "History"]) == 1


def test_history_and_reminders_lead_to_each_other(host: Host, acme: Sandbox):
    for path, links in (("activity/", ["reminders/"]), ("reminders/", ["activity/", "reminders/"])):
        page = BeautifulSoup(host.get("ann", KEYS + path).text, "html.parser")
        assert [link["href"] for link in page.select(".api-keys > footer a")] == [KEYS + link for link in links]


def test_all_files_of_the_page_are_there(host: Host, acme: Sandbox):
    page = BeautifulSoup(host.get("ann", KEYS).text, "html.parser")
    files = [one.get("src") or one.get("href") for one in page.select("script[src], link[rel=stylesheet]")]
    assert [file for file in files if "embedded.css" in file]
    assert {file: host.get("ann", file).status_code for file in files} == dict.fromkeys(files, 200)
    assert not page.select("script:not([src]), style, [style], [onclick]")


@with_and_without_htmx
def test_a_key_is_revealed_to_whoever_asks(host: Host, acme: Sandbox, htmx: bool):
    at, value = first_key(acme)
    answer = host.post("ann", f"{at}reveal/", htmx=htmx)
    assert answer.status_code == 200
    assert FULL_KEY.findall(answer.text) == [value]
    assert value not in host.get("ann", KEYS).text


@with_and_without_htmx
def test_a_key_is_copied(host: Host, acme: Sandbox, htmx: bool):
    at, value = first_key(acme)
    answer = host.post("ann", f"{at}copy/", htmx=htmx)
    assert (answer.text == value) == htmx
    assert value in answer.text


@with_and_without_htmx
def test_a_key_is_created(host: Host, acme: Sandbox, htmx: bool):
    answer = host.fill_in("ann", f"{ACME}create/", htmx=htmx, label="Made here", ends="never")
    assert answer.status_code == 200
    made = acme.keys("acme")[-1]
    assert made["description"] == "Made here"
    assert made["key"] in answer.text


@with_and_without_htmx
def test_a_form_with_errors_comes_back(host: Host, acme: Sandbox, htmx: bool):
    answer = host.fill_in("ann", f"{ACME}create/", htmx=htmx, label="", ends="never")
    assert answer.status_code == 422
    assert "Enter a label." in answer.text
    assert len(acme.keys("acme")) == 2


def test_a_newcomer_gets_a_first_key(host: Host, acme: Sandbox):
    assert "Create your first key" in host.get("new", KEYS).text
    answer = host.fill_in("new", f"{KEYS}create/production/", label="First", ends="30")
    assert FULL_KEY.search(answer.text)
    assert [one["managers"][0]["email"] for one in acme.consumers()[1:]] == ["new@startup.test"]


@with_and_without_htmx
def test_a_key_is_rotated(host: Host, acme: Sandbox, htmx: bool):
    at, value = first_key(acme)
    answer = host.fill_in("ann", f"{at}rotate/", htmx=htmx, grace="1h")
    old, _other, new = acme.keys("acme")
    assert (old["key"], bool(old["expiresOn"])) == (value, True)
    assert new["key"] in answer.text


@with_and_without_htmx
def test_a_key_is_deleted(host: Host, acme: Sandbox, htmx: bool):
    at, value = first_key(acme)
    answer = host.fill_in("ann", f"{at}delete/", htmx=htmx)
    assert answer.status_code == (200 if htmx else 303)
    assert [key["description"] for key in acme.keys("acme")] == ["Laptop"]
    assert not acme.authorizes(value)
    said = answer.text if htmx else host.get("ann", KEYS).text
    assert said.count("Key deleted.") == 1


@with_and_without_htmx
def test_an_outage_does_not_look_like_no_keys(host: Host, acme: Sandbox, htmx: bool):
    acme.fault("GET", "*/consumers", "status", status=503, times=2)
    answer = host.get("ben", KEYS, htmx=htmx)
    assert answer.status_code == 503
    assert "The key service is unavailable" in answer.text
    assert "Create your first key" not in answer.text
    assert bool(BeautifulSoup(answer.text, "html.parser").title) != htmx


@with_and_without_htmx
@pytest.mark.parametrize("name", ["mallory", "una"], ids=["stranger", "unproved"])
def test_a_stranger_finds_nothing(host: Host, acme: Sandbox, htmx: bool, name: str):
    """A1: Una has typed in Ann's address, and proved nothing."""
    at, value = first_key(acme)
    assert "Acme Inc" not in host.get(name, KEYS, htmx=htmx).text
    acme.clear_journal()
    refused = host.post(name, f"{at}reveal/", htmx=htmx)
    absent = host.post(name, f"{ACME.replace('acme', 'absent')}{at.split('/')[-2]}/reveal/", htmx=htmx)
    assert (refused.status_code, absent.status_code) == (404, 404)
    assert value not in refused.text
    if not htmx:
        assert "This harbour is not on our chart." in refused.text
    assert not [call for call in acme.journal() if "visible" in str(call)]


def test_whoever_is_signed_out_comes_to_the_hosts_page(host: Host, acme: Sandbox):
    nobody = browser()
    plain = nobody.get(host.url + KEYS, allow_redirects=False, timeout=30)
    assert plain.headers["Location"] == f"/sign-in/?next={KEYS}"
    headers = {"HX-Request": "true", "HX-Current-URL": host.url + KEYS}
    fragment = nobody.get(f"{host.url}{ACME}create/", headers=headers, allow_redirects=False, timeout=30)
    assert fragment.headers["HX-Redirect"] == "/sign-in/?next=%2Faccount%2Fkeys%2F"


def test_what_matters_asks_for_a_proof_on_the_hosts_page(host: Host, acme: Sandbox):
    at, value = first_key(acme)
    host.get("ben", KEYS)
    host.run("manage.py", "shell", "-c", FORGET_PROOFS)
    asked = host.post("ben", f"{at}reveal/")
    assert asked.status_code == 303
    assert asked.headers["Location"].startswith("/prove/?next=%2Faccount%2Fkeys%2F")
    back = host.post("ben", asked.headers["Location"], {"password": PASSWORD})
    assert back.headers["Location"].startswith(KEYS)
    assert value in host.post("ben", f"{at}reveal/").text
    host.people.clear()  # the proofs of all others were forgotten, too


@with_and_without_htmx
def test_a_pasted_key_stays_in_no_url(host: Host, acme: Sandbox, htmx: bool):
    _at, value = first_key(acme)
    answer = host.get("ann", f"{KEYS}?find={value}", htmx=htmx)
    assert answer.headers["Location"] == f"{KEYS}?find={value[-4:]}"


def test_colleagues_work_in_django_admin(host: Host, acme: Sandbox):
    key = acme.keys("acme")[0]
    acme.set()
    listed = host.get("sam", "/admin/keys/consumers/production/")
    assert listed.status_code == 200
    assert "Acme Inc" in listed.text
    at = f"/admin/keys/consumer/production/acme/{key['id']}/"
    soon = host.fill_in("sam", f"{at}end/", ends_on=f"{datetime.now(UTC):%Y-%m-%dT%H:%M}")
    assert soon.status_code == 303, soon.text
    assert acme.keys("acme")[0]["expiresOn"]
    assert not acme.keys("acme")[1]["expiresOn"]
    log = host.get("sam", "/admin/keys/auditevent/")
    assert "sam@tidewater.test" in log.text
    assert host.get("sam", "/admin/").status_code == 200
    refused = host.get("ann", "/admin/keys/consumers/production/")
    assert refused.headers["Location"].startswith("/admin/login/")


def test_the_audit_log_is_filtered_by_a_person_whose_id_is_no_number(host: Host, acme: Sandbox):
    host.post("ann", f"{first_key(acme)[0]}reveal/")
    people = dict(line.split() for line in host.run("-c", NAMES_AND_IDS).splitlines())
    log = "/admin/keys/auditevent/?person="

    def lines(person: str) -> str:
        answer = host.get("sam", log + person)
        assert answer.status_code == 200
        return " ".join(one.text for one in BeautifulSoup(answer.text, "html.parser").select("#result_list tbody"))

    assert "ann@acme.test" in lines(people["ann"])
    for somebody_else in (people["mallory"], people["ann"][:-1], "1"):
        assert "ann@acme.test" not in lines(somebody_else)


def test_whoever_is_staff_of_the_host_gets_the_page_as_anybody(host: Host, acme: Sandbox):
    page = host.get("sam", KEYS)
    assert page.status_code == 200
    assert "Create your first key" in page.text


def test_django_admin_tells_times_in_utc_whatever_the_hosts_zone(host: Host, acme: Sandbox):
    acme.add_consumer("globex", label="Globex", keys=[{"description": "Soon", "expiresOn": "2030-01-02T23:30:00.000Z"}])
    page = host.get("sam", "/admin/keys/consumers/production/").text
    assert "Jan. 2, 2030, 11:30 p.m. UTC" in page


def test_pages_speak_the_language_of_the_visitor(host: Host, acme: Sandbox):
    person = host.sign_in("ann")
    page = person.get(host.url + KEYS, headers={"Accept-Language": "de"}, timeout=30).text
    assert "API-Schlüssel" in page
    assert "Anzeigen" in page


def test_managers_are_told_by_the_hosts_mail(host: Host, acme: Sandbox):
    host.fill_in("ann", f"{ACME}create/", label="Told of", ends="never")
    log = (host.folder / "server-off.log").read_text()
    assert "created the key Told of" in log
    assert "http://127.0.0.1:8000/account/keys/production/" in log
