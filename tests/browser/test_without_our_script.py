"""Pages whose own script does not run: it is not there, is blocked, or fails. Links and forms are plain ones then."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from sandbox import Sandbox
from tests.helpers.verbs import acme

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(chromium: Browser, live_server: Any) -> Iterator[Page]:
    """One whose scripts may throw what they like: that they do is what is tried."""
    context = chromium.new_context(base_url=live_server.url)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def missing(route: Route) -> None:
    route.fulfill(status=404, body="<h1>Not found</h1>", content_type="text/html")


def blocked(route: Route) -> None:
    route.abort("blockedbyclient")


def fails_at_once(route: Route) -> None:
    route.fulfill(body='throw new Error("at its top");', content_type="text/javascript")


def fails_later(route: Route) -> None:
    script = route.fetch().text()
    middle = script.index('document.addEventListener("htmx:configRequest"')
    route.fulfill(
        body=script[:middle] + 'throw new Error("in the middle");' + script[middle:], content_type="text/javascript"
    )


@pytest.mark.parametrize("happens", [missing, blocked, fails_at_once, fails_later], ids=lambda one: one.__name__)
def test_a_key_is_made_and_shown_on_pages_of_their_own(
    page: Page, sign_in: Any, ann: Any, sandbox: Sandbox, happens: Any
) -> None:
    acme(sandbox)
    page.route(re.compile(r"/static/keys/js/shell\."), happens)
    sign_in(page, ann)
    page.goto("/keys/")
    page.get_by_role("button", name="Create key").click()
    expect(page).to_have_url(re.compile("/keys/production/acme/create/"))
    page.get_by_label("Label").fill("Deploy")
    page.locator("main").get_by_role("button", name="Create key").click()
    made = next(key for key in sandbox.keys("acme") if key["description"] == "Deploy")
    expect(page.locator(".secret-value").first).to_have_value(made["key"])


@pytest.mark.parametrize("happens", [missing, blocked, fails_at_once], ids=lambda one: one.__name__)
def test_copy_leads_to_a_page_and_no_button_is_dead(
    page: Page, sign_in: Any, ann: Any, sandbox: Sandbox, happens: Any
) -> None:
    """Where the file that copies does not run, though the other one does."""
    acme(sandbox)
    page.route(re.compile(r"/static/keys/js/page\."), happens)
    sign_in(page, ann)
    page.goto("/keys/")
    expect(page.locator("[data-copy-from]:visible")).to_have_count(0)
    page.locator("[data-key]").first.get_by_role("button", name="Copy").click()
    shown = page.locator("main .secret-value")
    expect(shown).to_be_visible()
    assert shown.input_value() in {key["key"] for key in sandbox.keys("acme")}
