"""Support as colleagues use it: from the customer's page in Django admin, over the reason, to the banner and back."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import Page, expect

from keys.models import VisitEnd
from sandbox import Sandbox
from tests.browser.held_requests import HeldRequests
from tests.helpers.stage import choose
from tests.helpers.verbs import FULL_KEY, acme


@pytest.fixture
def clerk(make_person: Any) -> Any:
    person = make_person("clerk@portal.test", is_staff=True)
    names = ["view_user", "support_user", "view_auditevent"]
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    return person


@pytest.mark.parametrize("with_js", [True, False], ids=["script", "no script"])
def test_a_colleague_looks_as_the_customer_and_comes_back(
    with_js: bool, open_page: Any, sign_in: Any, clerk: Any, ann: Any, sandbox: Sandbox
) -> None:
    """D1, D2: the whole way, under the strict policy, also without JavaScript."""
    acme(sandbox)
    page: Page = open_page(java_script_enabled=with_js)
    sign_in(page, clerk)
    page.goto("/admin/portal/user/")
    page.get_by_role("link", name="ann@acme.test").click()
    page.locator(".object-tools").get_by_role("link", name="Support").click()
    page.get_by_label("Reason").fill("Ticket 7: the build fails")
    page.get_by_role("button", name="View as this customer").click()

    expect(page).to_have_url(re.compile(r"/keys/$"))
    banner = page.get_by_role("complementary", name="Support")
    expect(banner).to_contain_text("clerk@portal.test is viewing as ann@acme.test")
    expect(banner).to_contain_text("Ticket 7: the build fails")
    expect(page.locator("[data-consumer=acme]")).to_contain_text("CI")
    expect(page.locator("[data-consumer] button")).to_have_text(["People"])
    assert not FULL_KEY.search(page.content())
    page.get_by_role("link", name="History").first.click()
    expect(page.locator("[data-event='support:start']")).to_contain_text("Support (clerk@portal.test)")
    page.mouse.wheel(0, 5000)
    expect(banner).to_be_in_viewport()

    banner.get_by_role("button", name="Stop").click()
    expect(page).to_have_url(re.compile(rf"/admin/portal/user/{ann.pk}/change/$"))
    expect(page.get_by_text("You're back in your own account.")).to_be_visible()
    page.locator(".object-tools").get_by_role("link", name="Audit log").click()
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("clerk@portal.test as ann@acme.test")


def test_what_the_end_interrupts_leads_the_whole_page_away(
    page: Page, sign_in: Any, clerk: Any, ann: Any, sandbox: Sandbox
) -> None:
    """D3: also out of a dialog."""
    acme(sandbox)
    clerk.user_permissions.add(Permission.objects.get(codename="change_as_user"))
    sign_in(page, clerk)
    page.goto(f"/admin/portal/user/{ann.pk}/support/")
    page.get_by_label("Reason").fill("Ticket 7")
    page.get_by_role("button", name="View as this customer").click()
    choose(page.locator("[data-key]").first, "Rename")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    clerk.user_permissions.clear()
    dialog.get_by_label("Label").fill("Changed")
    dialog.locator("form button:not([type=button])").click()
    expect(page.get_by_text(f"({VisitEnd.RIGHTS.label}).")).to_be_visible()
    assert {key["description"] for key in sandbox.keys("acme")} == {"CI", "Laptop"}


def test_the_history_is_filtered_and_taken_along(page: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    """H3"""
    acme(sandbox)
    sign_in(page, ann)
    page.goto("/keys/")
    key = page.locator("[data-key]").first
    key.get_by_role("button", name="Reveal").click()
    expect(key.locator("code")).to_have_text(FULL_KEY)
    page.get_by_role("link", name="History").last.click()
    expect(page.locator("[data-event]")).to_have_count(1)
    assert not FULL_KEY.search(page.content())
    page.get_by_label("Show").select_option("People with access")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Show everything").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == "api-keys-production.csv"
    assert "Revealed a key" in download.value.path().read_text()


def test_a_filter_chosen_before_the_scripts_came_acts_too(page: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    """The button for it goes when they come."""
    acme(sandbox)
    sign_in(page, ann)
    page.goto("/keys/")
    page.locator("[data-key]").first.get_by_role("button", name="Reveal").click()
    expect(page.locator("[data-key]").first.locator("code")).to_have_text(FULL_KEY)
    waiting = HeldRequests(page, "**/htmx*.js*")
    page.goto("/keys/activity/production/", wait_until="commit")
    page.get_by_label("Show").select_option("People with access")
    expect(page.locator("[data-event]")).to_have_count(1)
    waiting.wait_for().continue_()
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
