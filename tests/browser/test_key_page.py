"""One key beside the list: a panel that its label opens, by mouse and keyboard; and its page, without scripts too."""

import uuid
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from sandbox import Sandbox
from tests.helpers.verbs import acme


@pytest.fixture
def keys(sandbox: Sandbox) -> list[dict[str, Any]]:
    return acme(sandbox)


@pytest.fixture
def anns_page(page: Page, sign_in: Any, ann: Any, keys: list[dict[str, Any]]) -> Page:
    sign_in(page, ann)
    page.goto("/keys/")
    page.evaluate("window.sameDocument = true")
    return page


def label(page: Page, key: dict[str, Any]) -> Locator:
    return page.locator(f"[data-key={key['id']}] strong a")


def button(place: Locator, name: str) -> Locator:
    return place.get_by_role("button", name=name, exact=True)


def test_one_press_tells_who_copied_the_key(anns_page: Page, keys: list[dict[str, Any]], ben_client: Client) -> None:
    ben_client.post(f"/keys/production/acme/{keys[0]['id']}/copy/")
    label(anns_page, keys[0]).click()
    panel = anns_page.get_by_role("dialog", name="CI")
    expect(panel.get_by_text("copied the key")).to_be_visible()
    expect(panel.get_by_text("ben@acme.test")).to_be_visible()
    assert anns_page.evaluate("window.sameDocument")


def test_the_keyboard_opens_it_and_comes_back_to_where_it_was(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    label(anns_page, keys[0]).focus()
    anns_page.keyboard.press("Enter")
    panel = anns_page.get_by_role("dialog", name="CI")
    expect(panel.get_by_role("heading", name="CI")).to_be_focused()
    anns_page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(label(anns_page, keys[0])).to_be_focused()


def test_a_key_is_revealed_and_hidden_in_the_panel(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    label(anns_page, keys[0]).click()
    panel = anns_page.get_by_role("dialog", name="CI")
    button(panel, "Reveal").click()
    expect(panel.get_by_text(keys[0]["key"])).to_be_visible()
    button(panel, "Hide").click()
    expect(panel.get_by_text(keys[0]["key"])).to_have_count(0)
    expect(button(panel, "Reveal")).to_be_focused()


def test_a_key_revealed_on_its_page_can_be_hidden_by_the_next_press(
    anns_page: Page, keys: list[dict[str, Any]]
) -> None:
    anns_page.goto(f"/keys/production/acme/{keys[0]['id']}/")
    button(anns_page.locator("#key-card"), "Reveal").press("Enter")
    expect(anns_page.get_by_text(keys[0]["key"])).to_be_visible()
    expect(button(anns_page.locator("#key-card"), "Hide")).to_be_focused()
    anns_page.keyboard.press("Enter")
    expect(button(anns_page.locator("#key-card"), "Reveal")).to_be_focused()


def test_a_change_from_the_panel_shows_in_the_list(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    label(anns_page, keys[0]).click()
    button(anns_page.get_by_role("dialog", name="CI"), "Rename").click()
    dialog = anns_page.get_by_role("dialog", name="Rename CI")
    dialog.get_by_label("Label").fill("Build")
    assert anns_page.url.endswith("/keys/")
    button(dialog, "Save").click()
    expect(label(anns_page, keys[0])).to_have_text("Build")
    expect(dialog).to_be_hidden()
    expect(anns_page.locator(f"[data-key={keys[0]['id']}]")).to_be_focused()


def test_its_ready_request_is_copied_with_this_key(anns_page: Page, keys: list[dict[str, Any]], settings: Any) -> None:
    """Not with the one that is chosen behind it; and in the language that was chosen last."""
    settings.GATEWAY_URL = "https://api.acme.test"
    anns_page.reload()
    anns_page.locator(".request-name:has([value=go])").click()
    older = keys[0]
    label(anns_page, older).click()
    panel = anns_page.locator("#dialog")
    expect(panel.get_by_role("region", name="Go", exact=True)).to_be_visible()
    button(panel.locator("#key-requests"), "Copy").click()
    expect(panel.get_by_text("Request copied")).to_be_visible()
    copied = anns_page.evaluate("navigator.clipboard.readText()")
    assert older["key"] in copied
    assert "package main" in copied


def test_a_change_on_its_own_page_is_told_there(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    anns_page.goto(f"/keys/production/acme/{keys[0]['id']}/")
    button(anns_page.locator("#main"), "Rename").click()
    dialog = anns_page.get_by_role("dialog", name="Rename CI")
    dialog.get_by_label("Label").fill("Build")
    button(dialog, "Save").click()
    expect(anns_page.get_by_role("heading", name="Build", level=1)).to_be_visible()
    expect(anns_page.get_by_text("Renamed.")).to_be_visible()
    expect(anns_page.get_by_text("renamed the key")).to_be_visible()


def test_after_a_rotation_its_page_names_the_new_key(
    anns_page: Page, keys: list[dict[str, Any]], sandbox: Sandbox
) -> None:
    anns_page.goto(f"/keys/production/acme/{keys[0]['id']}/")
    button(anns_page.locator("#main"), "Rotate").click()
    dialog = anns_page.locator("#dialog")
    button(dialog, "Rotate key").click()
    button(dialog.locator(".secret"), "Copy").click()
    dialog.get_by_role("link", name="Done").click()
    expect(anns_page.get_by_text("Replaced by")).to_be_visible()
    anns_page.locator("#main").get_by_role("link", name="CI").first.click()
    expect(anns_page.get_by_text("Replaces CI")).to_be_visible()


def test_without_javascript_it_is_a_page_that_says_who_did_what(
    page_without_js: Page, sign_in: Any, ann: Any, keys: list[dict[str, Any]], ben_client: Client
) -> None:
    ben_client.post(f"/keys/production/acme/{keys[0]['id']}/rename/", {"label": "Build", "token": str(uuid.uuid4())})
    sign_in(page_without_js, ann)
    page_without_js.goto("/keys/")
    page_without_js.get_by_role("link", name="Build").click()
    expect(page_without_js.get_by_role("heading", name="Build", level=1)).to_be_visible()
    expect(page_without_js.get_by_text("renamed the key")).to_be_visible()
    button(page_without_js.locator("#main"), "Reveal").click()
    expect(page_without_js.locator("main .secret-value")).to_have_value(keys[0]["key"])


@pytest.mark.parametrize(("form", "words"), [("env", "API_KEY="), ("kubernetes", "kind: Secret")])
def test_a_key_is_handed_over_from_the_panel(
    form: str, words: str, anns_page: Page, keys: list[dict[str, Any]]
) -> None:
    label(anns_page, keys[0]).click()
    panel = anns_page.locator("#dialog")
    panel.locator(f"#{form}-{keys[0]['id']}").click()
    button(panel.locator(f".request:has([value={form}])"), "Copy").click()
    expect(panel.get_by_text("Text copied")).to_be_visible()
    copied = anns_page.evaluate("navigator.clipboard.readText()")
    assert words in copied
    assert keys[0]["key"] in copied
    assert keys[0]["key"] not in anns_page.content()


def test_a_new_key_that_was_handed_over_holds_nobody_up(anns_page: Page, sandbox: Sandbox) -> None:
    anns_page.get_by_role("button", name="Create key").click()
    dialog = anns_page.locator("#dialog")
    dialog.get_by_label("Label").fill("Deploy")
    button(dialog, "Create key").click()
    expect(dialog.locator(".secret-value")).to_be_visible()
    anns_page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    button(dialog.locator(".request:has([value=env])"), "Copy").click()
    expect(dialog.get_by_text("Text copied")).to_be_visible()
    made = next(key for key in sandbox.keys("acme") if key["description"] == "Deploy")
    assert anns_page.evaluate("navigator.clipboard.readText()") == f"API_KEY={made['key']}\n"
    anns_page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_without_javascript_the_text_stands_on_a_page(
    page_without_js: Page, sign_in: Any, ann: Any, keys: list[dict[str, Any]]
) -> None:
    sign_in(page_without_js, ann)
    page_without_js.goto(f"/keys/production/acme/{keys[0]['id']}/")
    page_without_js.locator(f"#docker-{keys[0]['id']}").click()
    button(page_without_js.locator(".request:has([value=docker])"), "Copy").click()
    text = f"printf %s {keys[0]['key']} | docker secret create api-key -\n"
    expect(page_without_js.locator("main .secret-value")).to_have_value(text)
