"""Signing up, in and out as people do it, with and without JavaScript."""

import re

import pytest
from django.core import mail
from playwright.sync_api import expect

from tests.browser.held_requests import HeldRequests
from tests.conftest import ARGUMENTS


def last_code() -> str:
    return re.search(r"^[A-Z]{4}-[A-Z]{4}$", mail.outbox[-1].body, re.MULTILINE)[0]


@pytest.mark.parametrize("javascript", [True, False])
def test_a_newcomer_signs_up_signs_out_and_signs_in_again(open_page, sandbox, javascript):
    page = open_page(java_script_enabled=javascript)
    page.goto("/")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Email").fill("new@startup.test")
    page.get_by_role("button", name="Email me a code").click()
    page.get_by_label("Code").fill(last_code())
    page.get_by_label("Code").press("Enter")
    page.wait_for_url("**/keys/")

    page.goto("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.goto("/keys/")
    page.wait_for_url("**/accounts/login/?next=/keys/")
    page.get_by_label("Email address").first.fill("new@startup.test")
    page.get_by_role("button", name="Email me a code").click()
    page.get_by_label("Code").fill(last_code())
    page.get_by_label("Code").press("Enter")
    page.wait_for_url("**/keys/")


def test_the_enter_key_asks_for_a_code_once(page):
    """This form is sent by the browser itself; those of dialogs by htmx."""
    page.goto("/accounts/login/")
    asked = HeldRequests(page, "**/accounts/login/")
    page.get_by_label("Email address").first.fill("new@startup.test")
    with page.expect_request("**/accounts/login/"):
        page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    asked.wait_for().continue_()
    expect(page.get_by_label("Code")).to_be_visible()
    assert len(asked) == 1


@pytest.mark.parametrize("locale", ["en", "de", "es"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desk", "phone"])
def test_the_way_in_fits_the_first_screen(open_page, locale, size):
    page = open_page(locale=locale, viewport=dict(zip(("width", "height"), size, strict=True)))
    for path in ("/", "/accounts/login/"):
        page.goto(path)
        shown = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert (shown[0] <= size[0], shown[1] <= size[1]) == (True, True), shown


def test_the_way_in_comes_back_as_it_was_left(chromium, chromium_path, live_server):
    """From the back/forward cache, which Playwright turns off by default."""
    options = {"executable_path": str(chromium_path), "args": ARGUMENTS}
    browser = chromium.browser_type.launch(**options, ignore_default_args=["--disable-back-forward-cache"])
    page = browser.new_page(base_url=live_server.url)
    page.add_init_script("addEventListener('pageshow', ({persisted}) => { window.kept = persisted; })")
    for path in ("/", "/accounts/login/"):
        page.goto(path)
        page.goto("/accounts/signup/")
        page.evaluate("() => void setTimeout(() => history.back())")  # after the answer, which goes with the page
        page.wait_for_url(f"**{path}", wait_until="commit")  # there is nothing to load
        page.wait_for_function("() => window.kept")  # as text it would be evaluated, which the policy forbids
    browser.close()


def test_a_page_of_an_outage_comes_back_by_itself(open_page, sign_in, ann, sandbox):
    """Without JavaScript, too."""
    page = open_page(java_script_enabled=False)
    sign_in(page, ann)
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"])
    sandbox.fault("*", "*", "status", status=503, times=0)
    page.goto("/keys/")
    expect(page.get_by_text("This page tries again by itself")).to_be_visible()
    sandbox.clear_faults()
    expect(page.locator("[data-consumer=acme]")).to_be_visible()


def test_after_a_wrong_password_the_keyboard_is_where_it_is_typed(page, ann, sandbox):
    page.goto("/accounts/login/")
    expect(page.get_by_label("Email address").first).to_be_focused()
    page.get_by_text("Sign in with a password").click()
    page.get_by_label("Email address").last.fill("ann@acme.test")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_text("isn't right").wait_for()
    expect(page.get_by_label("Password")).to_be_focused()


def test_a_session_cookie_signs_in(page, sign_in, ann, sandbox):
    sign_in(page, ann)
    page.goto("/keys/")
    assert page.url.endswith("/keys/")
    page.goto("/accounts/email/")
    assert page.get_by_text("ann@acme.test").first.is_visible()


@pytest.mark.parametrize("path", ["/admin/", "/admin/portal/user/", "/admin/portal/user/add/"])
def test_django_admin_works_under_the_policy(page, sign_in, sam, path):
    sign_in(page, sam)
    assert page.goto(path).status == 200


@pytest.mark.parametrize("javascript", [True, False])
def test_the_language_is_switched_in_the_footer_and_stays_switched(open_page, javascript):
    page = open_page(java_script_enabled=javascript, locale="en-US")
    page.goto("/accounts/login/?next=/keys/")
    page.get_by_role("button", name="Deutsch").click()
    page.get_by_role("button", name="Code per E-Mail senden").wait_for()
    assert page.url.endswith("/accounts/login/?next=/keys/")
    assert page.locator("html").get_attribute("lang") == "de"
    page.goto("/nowhere/")
    page.get_by_role("heading", name="Seite nicht gefunden").wait_for()
