"""Plans in a host project, over HTTP, with htmx and without: of its own, and those that Zuplo keeps."""

import itertools
import re

import pytest
from bs4 import BeautifulSoup

from bench.serving import browser
from sandbox import Sandbox
from sandbox.metering import samples
from tests.embedded.conftest import Host
from tests.embedded.test_pages import FULL_KEY, with_and_without_htmx

KEYS = "/account/keys/"
PLANS = "/account/plans/"
ACME = f"{PLANS}production/consumer/acme/"
NUMBERS = itertools.count(1)


def told(page: str) -> BeautifulSoup:
    return BeautifulSoup(page, "html.parser")


@pytest.fixture
def name(acme: Sandbox) -> str:
    """A consumer of Ann's that no test before had: of those the server remembers for a minute what it did."""
    name = f"acme-{next(NUMBERS)}"
    acme.add_consumer(name, label="Acme Mobile", managers=["ann@acme.test"], keys=[{}])
    return name


def plan_of(sandbox: Sandbox, name: str) -> object:
    return (sandbox.consumer(name)["metadata"] or {}).get("plan")


def asked(host: Host) -> list[str]:
    """The open requests in Django admin, by the addresses of those who asked."""
    page = told(host.get("sam", "/admin/plans/planrequest/?state__exact=open").text)
    return [cell.text for cell in page.select("td.field-email")]


def test_visitors_see_the_plans_in_the_hosts_own_page(planned: Host, acme: Sandbox):
    answer = browser().get(planned.url + PLANS, timeout=30)
    page = told(answer.text)
    assert page.title.text == "Plans | Tidewater"
    assert page.select_one("header nav.actions a[href='/account/plans/']")
    assert [head.text for head in page.select(".api-keys thead strong")] == ["Shore", "Harbour", "Ocean"]
    assert page.select_one("link[rel=canonical]")["href"].endswith(PLANS)
    assert "public" in answer.headers["Cache-Control"]
    assert "Content-Security-Policy" in answer.headers
    assert "{%" not in answer.text
    assert "no-store" in planned.get("ann", PLANS).headers["Cache-Control"]


@pytest.mark.parametrize("path", [KEYS, PLANS, ACME, f"{ACME}change/", f"{PLANS}production/start/free/"])
def test_all_files_of_the_pages_are_there(planned: Host, acme: Sandbox, path: str):
    page = told(planned.get("ann" if "start" not in path else "new", path).text)
    files = [one.get("src") or one.get("href") for one in page.select("script[src], link[rel=stylesheet]")]
    styles = [file.rpartition("/")[2] for file in files if file.endswith(".css")]
    assert styles == ["site.css", "embedded.css", "plans.css"]
    assert {file: planned.get("ann", file).status_code for file in files} == dict.fromkeys(files, 200)
    assert not page.select("script:not([src]), style, [style], [onclick]")


@pytest.mark.parametrize(("who", "htmx"), [("new", True), ("mallory", False)], ids=["htmx", "plain"])
def test_a_newcomer_chooses_a_plan_and_gets_a_key_with_it(planned: Host, acme: Sandbox, who: str, htmx: bool):
    led = planned.get(who, f"{PLANS}production/choose/free/")
    answer = planned.fill_in(who, led.headers["Location"], htmx=htmx, label="First", ends="30")
    assert FULL_KEY.search(answer.text)
    (made,) = acme.consumers()[1:]
    assert plan_of(acme, made["name"]) == "free"
    assert "Shore" in told(planned.get(who, KEYS).text).select_one(".plan-panel").text


@with_and_without_htmx
def test_a_consumer_gets_a_plan_another_one_and_none(planned: Host, acme: Sandbox, name: str, htmx: bool):
    at = f"{PLANS}production/consumer/{name}/"
    assert "No plan" in planned.get("ann", KEYS).text
    begun = planned.fill_in("ann", f"{at}change/free/", htmx=htmx)
    assert begun.headers["HX-Redirect" if htmx else "Location"] == at
    assert plan_of(acme, name) == "free"
    page = planned.get("ann", at)
    assert "The Shore plan has started." in page.text
    assert "1,000 a month" in page.text
    planned.fill_in("ann", f"{at}change/pro/", htmx=htmx)
    assert plan_of(acme, name) == "pro"
    wrong = planned.fill_in("ann", f"{at}cancel/", htmx=htmx, plan_name="Shore")
    assert wrong.status_code == 422
    planned.fill_in("ann", f"{at}cancel/", htmx=htmx, plan_name="Harbour")
    assert plan_of(acme, name) is None
    assert "Harbour" in planned.get("ann", f"{KEYS}activity/").text


@with_and_without_htmx
def test_a_plan_on_request_is_approved_in_django_admin(planned: Host, acme: Sandbox, name: str, htmx: bool):
    at = f"{PLANS}production/consumer/{name}/"
    planned.fill_in("ann", f"{at}request/enterprise/", htmx=htmx, words="We grow")
    assert plan_of(acme, name) is None
    assert asked(planned) == ["ann@acme.test"]
    page = told(planned.get("sam", "/admin/plans/planrequest/?state__exact=open").text)
    path = page.select_one("td.field-answer_link a")["href"]
    planned.post("sam", path, form_of(planned, path) | {"state": "approved"})
    assert plan_of(acme, name) == "enterprise"
    assert asked(planned) == []
    log = (planned.folder / "server-portal.log").read_text()
    assert "To: sam@tidewater.test" in log
    assert f"{at}\n" in log


def form_of(host: Host, path: str) -> dict[str, str]:
    """What the form of a page of Django admin holds, as it comes."""
    fields = told(host.get("sam", path).text).select(".dialog-page form [name]")
    return {one["name"]: one.get("value", "") for one in fields if one.get("type") != "radio"}


def test_plans_are_made_and_given_in_django_admin(planned: Host, acme: Sandbox, name: str):
    pages = ("plan", "plan/add", "planrecord", "planrequest", "paymentissue", "invitation")
    answers = {page: planned.get("sam", f"/admin/plans/{page}/").status_code for page in pages}
    assert answers == dict.fromkeys(pages, 200)
    path = f"/admin/plans/planrecord/plan/production/{name}/"
    planned.post("sam", path, form_of(planned, path) | {"plan": "enterprise", "reason": "By contract"})
    assert plan_of(acme, name) == "enterprise"
    assert "Ocean" in planned.get("sam", "/admin/plans/planrecord/").text
    assert planned.get("ann", path).headers["Location"].startswith("/admin/login/")


@with_and_without_htmx
def test_a_stranger_finds_no_plan(planned: Host, acme: Sandbox, htmx: bool):
    answers = [
        planned.get("mallory", path, htmx=htmx).status_code for path in (ACME, f"{ACME}change/", f"{ACME}panel/")
    ]
    assert answers == [404, 404, 404]
    assert planned.post("mallory", f"{ACME}change/free/", htmx=htmx).status_code == 404
    assert plan_of(acme, "acme") is None


def test_pages_of_plans_speak_the_language_of_the_visitor(planned: Host, acme: Sandbox):
    page = browser().get(planned.url + PLANS, headers={"Accept-Language": "de"}, timeout=30).text
    assert "Wählen Sie einen Tarif" in page


def test_without_the_setting_nothing_is_there(host: Host, acme: Sandbox):
    assert host.get("ann", PLANS).status_code == 404
    page = host.get("ann", KEYS).text
    assert "plan-panel" not in page
    assert "plans.css" not in page


def test_plans_that_zuplo_keeps_are_shown_chosen_and_counted(metered: Host, acme: Sandbox):
    """With htmx and without in one test: what plans there are is remembered for a minute."""
    acme.metering.add_plans(*samples.three_plans())
    assert "Pro" in browser().get(metered.url + PLANS, timeout=30).text
    for name, htmx in (("first", True), ("second", False)):
        acme.add_consumer(name, label=name.title(), managers=["ann@acme.test"], keys=[{}])
        at = f"{PLANS}production/consumer/{name}/"
        metered.fill_in("ann", f"{at}change/free/", htmx=htmx)
        page = told(metered.get("ann", at).text)
        assert "0 of 1,000 used (0%)" in re.sub(r"\s+", " ", page.select_one(".usage").text)
        assert page.select_one(".chart svg")
        assert "Free" in metered.get("ann", f"{at}panel/", htmx=True).text
    assert metered.get("sam", "/admin/plans/planrecord/").status_code == 200
