"""Light, dark or system: chosen once, kept everywhere."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.staff import ACME
from tests.helpers.verbs import acme


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/nowhere/", "/fail"])
def test_the_chosen_colours_stay_on_every_page(page: Page, settings: Any, path: str) -> None:
    """Also on the page of a failure, which stands alone."""
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    page.emulate_media(color_scheme="light")
    page.goto("/")
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    page.goto(path)
    expect(page.locator("html")).to_have_css("color-scheme", "dark")
    page.goto("/")
    page.get_by_role("button", name="Theme: dark").click()
    page.goto(path)
    expect(page.locator("html")).to_have_css("color-scheme", "light dark")


@pytest.mark.parametrize("path", ["/", "/fail"])
def test_a_phone_paints_its_address_bar_in_the_chosen_colours(page: Page, settings: Any, path: str) -> None:
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    painted = """() => [...document.querySelectorAll("[name=theme-color]")]
        .find((one) => matchMedia(one.media).matches).content"""
    page.emulate_media(color_scheme="dark")
    page.goto(path)
    seen = []
    for name in ("system", "light", "dark"):
        seen.append(page.evaluate(painted))
        page.get_by_role("button", name=f"Theme: {name}").click()
    assert seen == ["#15181d", "#ffffff", "#15181d"]
    assert page.evaluate(painted) == "#15181d"  # as the system again


def test_where_nothing_can_be_stored_the_choice_lasts_for_the_page(page: Page) -> None:
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('off') } })")
    page.goto("/")
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.locator("html")).to_have_css("color-scheme", "dark")


def test_portal_and_django_admin_keep_their_colours_apart(page: Page, sign_in: Any, sam: Any, sandbox: Any) -> None:
    """Both kept theirs under the name "theme", and admin complained of "system" and forgot its own."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.emulate_media(color_scheme="light")
    acme(sandbox)
    sign_in(page, sam)

    def stored() -> Any:
        return page.evaluate("[localStorage.getItem('portal-theme'), localStorage.getItem('theme')]")

    page.goto("/")
    for name in ("system", "light"):
        page.get_by_role("button", name=f"Theme: {name}").click()
    for path in (ACME, "/admin/"):
        page.goto(path)
        assert stored() == ["dark", "auto"]
        expect(page.locator("html")).to_have_attribute("data-theme", "auto")
    page.locator(".theme-toggle").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator(".theme-toggle").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.goto("/")
    assert stored() == ["dark", "light"]
    page.get_by_role("button", name="Theme: dark").click()
    page.goto("/admin/keys/consumers/production/")
    assert stored() == ["system", "light"]
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert complaints == []
