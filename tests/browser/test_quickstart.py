"""Ready requests as people use them: languages as tabs, copied with the key in, tried out."""

from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from sandbox import Sandbox
from tests.helpers.people import last_code, passes
from tests.helpers.stage import choose
from tests.helpers.verbs import FULL_KEY, acme


@pytest.fixture
def keys(sandbox: Sandbox, settings: Any) -> list[dict[str, Any]]:
    """The sandbox plays the gateway too."""
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = sandbox.url, "/_sandbox/hello"
    return acme(sandbox)


@pytest.fixture
def quickstart(page: Page, sign_in: Any, ann: Any, keys: list[dict[str, Any]]) -> Locator:
    sign_in(page, ann)
    page.goto("/keys/")
    return page.locator("[data-quickstart]")


def tab(place: Locator, name: str) -> Locator:
    """A radio button that looks like one."""
    return place.get_by_role("radio", name=name, exact=True)


def request(place: Locator, name: str) -> Locator:
    return place.get_by_role("region", name=name, exact=True)


def clipboard(page: Page) -> str:
    return page.evaluate("navigator.clipboard.readText()")


def test_one_language_is_seen_at_a_time_and_arrows_move(page: Page, quickstart: Locator) -> None:
    expect(quickstart.get_by_role("group", name="Language")).to_be_visible()
    expect(tab(quickstart, "curl")).to_be_checked()
    expect(quickstart.get_by_role("region")).to_have_count(1)
    tab(quickstart, "curl").focus()
    page.keyboard.press("ArrowRight")
    expect(tab(quickstart, "Python")).to_be_focused()
    expect(request(quickstart, "Python")).to_contain_text("import requests")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(tab(quickstart, "PHP")).to_be_focused()
    expect(request(quickstart, "PHP")).to_be_visible()
    expect(quickstart.get_by_role("region")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(tab(quickstart, "curl")).to_be_focused()
    quickstart.get_by_text("Go", exact=True).click()
    expect(request(quickstart, "Go")).to_be_visible()
    page.reload()
    expect(tab(quickstart, "Go")).to_be_checked()
    expect(request(quickstart, "Go")).to_be_visible()


def test_a_copied_request_holds_the_chosen_key_and_the_page_never_does(
    page: Page, quickstart: Locator, keys: list[dict[str, Any]]
) -> None:
    for key in keys:
        quickstart.get_by_label("Key", exact=True).select_option(label=f"{key['description']} ••••{key['key'][-4:]}")
        expect(request(quickstart, "curl")).to_contain_text(f"••••••••{key['key'][-4:]}")
        quickstart.get_by_role("button", name="Copy").click()
        expect(page.get_by_text("with the key in it")).to_be_visible()
        copied = clipboard(page)
        assert copied.startswith("curl ")
        assert FULL_KEY.findall(copied) == [key["key"]]
        assert not FULL_KEY.search(page.content())
        page.get_by_role("button", name="Dismiss").click()
    tab(quickstart, "Python").focus()
    page.keyboard.press("Space")
    quickstart.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("with the key in it")).to_be_visible()
    assert clipboard(page).startswith("import requests")


def test_a_key_that_needs_quotes_is_copied_alone(
    page: Page, sign_in: Any, ann: Any, sandbox: Sandbox, settings: Any
) -> None:
    """F2: a copied request does what it says, whatever upstream calls a key."""
    value = "key-of-somebody'\"; touch harm; $(echo) #"
    sandbox.add_consumer(
        "acme", managers=["ann@acme.test"], keys=[{"description": "CI", "key": value.replace(" ", "")}]
    )
    sign_in(page, ann)
    page.goto("/keys/")
    page.locator("[data-quickstart]").get_by_role("button", name="Copy").click()
    expect(page.get_by_text("only the key was copied")).to_be_visible()
    assert clipboard(page) == value.replace(" ", "")


def test_the_keys_to_choose_follow_the_rows(page: Page, quickstart: Locator, keys: list[dict[str, Any]]) -> None:
    row = page.locator(f"[data-key={keys[0]['id']}]")
    choose(row, "Delete")
    page.get_by_role("button", name="Delete key").click()
    expect(row).to_have_count(0)
    expect(quickstart.locator("option")).to_have_count(1)
    choose(page.locator(f"[data-key={keys[1]['id']}]"), "Delete")
    page.get_by_role("button", name="Delete key").click()
    expect(quickstart).to_be_hidden()


def test_trying_a_key_shows_what_the_gateway_said(
    page: Page, quickstart: Locator, keys: list[dict[str, Any]], sandbox: Sandbox
) -> None:
    quickstart.get_by_label("Key", exact=True).select_option(index=1)
    quickstart.get_by_role("button", name="Try it").click()
    expect(quickstart.get_by_role("status")).to_contain_text("200 OK")
    expect(quickstart.get_by_role("status")).to_contain_text("Hello, acme!")
    expect(quickstart.get_by_role("button", name="Try it")).not_to_have_attribute("aria-busy", "true")
    visible = [call.path.rpartition("/")[2] for call in sandbox.journal() if "visible" in call.query]
    chosen = quickstart.locator("option").nth(1).get_attribute("value")
    assert visible
    assert chosen == f"key-{visible[0]}"
    assert not FULL_KEY.search(page.content())


def test_a_request_that_waited_for_a_proof_is_copied_in_its_language(
    page: Page, quickstart: Locator, keys: list[dict[str, Any]], client: Client
) -> None:
    tab(quickstart, "Python").focus()
    page.keyboard.press("Space")
    client.cookies["sessionid"] = next(one["value"] for one in page.context.cookies() if one["name"] == "sessionid")
    passes(client, proof=121)
    quickstart.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Email me a code").click()
    page.get_by_label("Code").fill(last_code())
    page.keyboard.press("Enter")
    expect(page.get_by_text("with the key in it")).to_be_visible()
    copied = clipboard(page)
    assert copied.startswith("import requests")
    assert FULL_KEY.search(copied)


def test_without_javascript_each_language_can_be_chosen_and_a_key_be_tried(
    page_without_js: Page, sign_in: Any, ann: Any, keys: list[dict[str, Any]]
) -> None:
    page = page_without_js
    sign_in(page, ann)
    page.goto("/keys/")
    for name in ("curl", "Python", "JavaScript", "Go", "PHP"):
        page.get_by_text(name, exact=True).click()
        expect(request(page.locator("[data-quickstart]"), name)).to_be_visible()
        expect(page.locator("[data-quickstart]").get_by_role("region")).to_have_count(1)
    expect(page.get_by_role("combobox")).to_have_count(0)
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_have_count(0)
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("Hello, acme!")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="Quickstart")).to_be_visible()
