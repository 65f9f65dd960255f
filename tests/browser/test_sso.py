"""Signing in by a company's own provider, as people do it: a button, the provider's page, and back."""

import re

import pytest
from playwright.sync_api import Page, expect

from sandbox import Sandbox
from tests.helpers.oidc_provider import Provider
from tests.helpers.people import last_code
from tests.helpers.verbs import acme


def through_the_provider(page: Page, provider: Provider, sub: str) -> None:
    page.goto("/accounts/login/?next=/keys/production/")
    page.get_by_role("button", name="Continue with Acme account").click()
    page.wait_for_url(re.compile(re.escape(provider.issuer)))
    page.get_by_placeholder("sub").fill(sub)
    page.get_by_role("button", name="Authorize").click()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_vouched_address_opens_the_keys(open_page, provider, sandbox: Sandbox, javascript: bool) -> None:
    """The policy allows forms to go nowhere else; the way to the provider is a page, and works all the same."""
    acme(sandbox)
    provider.knows("42", email="ann@acme.test", email_verified=True)
    page = open_page(java_script_enabled=javascript)
    through_the_provider(page, provider, "42")
    page.wait_for_url("**/keys/production/")
    expect(page.locator("[data-consumer=acme]")).to_be_visible()


def test_an_address_that_is_not_vouched_for_is_proved_by_a_code(page, provider, sandbox: Sandbox) -> None:
    """A6"""
    acme(sandbox)
    provider.knows("43", email="ann@acme.test", email_verified="true")
    through_the_provider(page, provider, "43")
    page.wait_for_url("**/accounts/confirm-email/")
    page.get_by_label("Code").fill(last_code())
    page.get_by_label("Code").press("Enter")
    page.wait_for_url("**/keys/production/")
    expect(page.locator("[data-consumer=acme]")).to_be_visible()


def test_an_account_that_is_there_is_joined_after_its_own_proof(page, provider, ann, sandbox: Sandbox) -> None:
    """A6"""
    acme(sandbox)
    provider.knows("44", email="ann@acme.test", email_verified=True)
    through_the_provider(page, provider, "44")
    page.wait_for_url("**/login/code/confirm/**")
    expect(page.get_by_text("to connect it to Acme account")).to_be_visible()
    page.get_by_label("Code").fill(last_code())
    page.get_by_label("Code").press("Enter")
    page.wait_for_url("**/keys/production/")
    page.goto("/accounts/3rdparty/")
    expect(page.locator(".rows")).to_contain_text("Acme account")
