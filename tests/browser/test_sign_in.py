"""Signing up, in and out as people do it, with and without JavaScript."""

import re

import pytest
from django.core import mail
from playwright.sync_api import expect


def last_code() -> str:
    return re.search(r"^[A-Z]{4}-[A-Z]{4}$", mail.outbox[-1].body, re.MULTILINE)[0]


@pytest.mark.parametrize("javascript", [True, False])
def test_a_newcomer_signs_up_signs_out_and_signs_in_again(open_page, sandbox, javascript):
    page = open_page(java_script_enabled=javascript)
    page.goto("/")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("E-mail").fill("new@startup.test")
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


def test_after_a_wrong_password_the_keyboard_is_where_it_is_typed(page, ann, sandbox):
    page.goto("/accounts/login/")
    expect(page.get_by_label("Email address").first).to_be_focused()
    page.get_by_text("Sign in with a password").click()
    page.get_by_label("Email address").last.fill("ann@acme.test")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in with password").click()
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
