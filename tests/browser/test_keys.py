"""The API Keys page as people use it: every verb once with the mouse, by keyboard, and without JavaScript."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from sandbox import Sandbox
from tests.browser.held_requests import HeldRequests
from tests.helpers.stage import choose
from tests.helpers.verbs import FULL_KEY, about, acme, ends, in_time, named


@pytest.fixture
def keys(sandbox: Sandbox) -> list[dict[str, Any]]:
    return acme(sandbox)


@pytest.fixture
def anns_page(page: Page, sign_in: Any, ann: Any, keys: list[dict[str, Any]]) -> Page:
    sign_in(page, ann)
    page.goto("/keys/")
    return page


def row(page: Page, key: dict[str, Any]) -> Locator:
    return page.locator(f"[data-key={key['id']}]")


def button(place: Page | Locator, name: str) -> Locator:
    return place.get_by_role("button", name=name, exact=True)


def clipboard(page: Page) -> str:
    return page.evaluate("navigator.clipboard.readText()")


def test_copying_puts_the_key_on_the_clipboard_and_never_on_the_page(
    anns_page: Page, keys: list[dict[str, Any]]
) -> None:
    asked: list[str] = []
    anns_page.on("request", lambda request: asked.append(request.url))
    button(row(anns_page, keys[0]), "Copy").click()
    expect(anns_page.get_by_text("Key copied.")).to_be_visible()
    assert clipboard(anns_page) == keys[0]["key"]
    assert not FULL_KEY.search(anns_page.content())
    assert [url.split("/")[-2] for url in asked if "/keys/" in url] == ["copy"]


def test_where_the_clipboard_refuses_the_key_is_shown_selected(
    open_page: Any, sign_in: Any, ann: Any, keys: list[dict[str, Any]]
) -> None:
    page = open_page(clipboard=False)
    page.add_init_script("for (const way of ['write', 'writeText']) navigator.clipboard[way] = () => Promise.reject()")
    sign_in(page, ann)
    page.goto("/keys/")
    button(row(page, keys[0]), "Copy").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("blocked the clipboard")
    assert page.evaluate("getSelection().toString()") == keys[0]["key"]
    button(dialog, "Done").click()
    assert not FULL_KEY.search(page.content())


def test_a_revealed_key_is_masked_again_after_a_minute(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    anns_page.clock.install()
    anns_page.reload()
    mask = row(anns_page, keys[0]).locator("code").inner_text()
    button(row(anns_page, keys[0]), "Reveal").click()
    expect(row(anns_page, keys[0]).locator("code")).to_have_text(keys[0]["key"])
    expect(row(anns_page, keys[0])).to_contain_text("60")
    anns_page.clock.fast_forward(30_000)
    expect(row(anns_page, keys[0]).locator("code")).to_have_text(keys[0]["key"])
    anns_page.clock.fast_forward(31_000)
    expect(row(anns_page, keys[0]).locator("code")).to_have_text(mask)
    assert not FULL_KEY.search(anns_page.content())


def test_a_revealed_key_is_masked_when_nobody_looks(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    """E4: a page left alone, or left, shows no key."""
    button(row(anns_page, keys[0]), "Reveal").click()
    expect(row(anns_page, keys[0]).locator("code")).to_have_text(keys[0]["key"])
    anns_page.evaluate(
        """() => { Object.defineProperty(document, "hidden", {value: true, configurable: true});
                   document.dispatchEvent(new Event("visibilitychange")); }"""
    )
    expect(row(anns_page, keys[0]).locator("code")).not_to_have_text(keys[0]["key"])
    assert not FULL_KEY.search(anns_page.content())
    button(row(anns_page, keys[0]), "Reveal").click()
    expect(row(anns_page, keys[0]).locator("code")).to_have_text(keys[0]["key"])
    button(row(anns_page, keys[0]), "Hide").click()
    expect(button(row(anns_page, keys[0]), "Reveal")).to_be_focused()
    assert not FULL_KEY.search(anns_page.content())


def test_all_shown_keys_are_masked_where_a_template_counts_no_seconds(
    anns_page: Page, keys: list[dict[str, Any]]
) -> None:
    """E4: in an operator's own row the countdown may be missing."""
    for key in keys:
        button(row(anns_page, key), "Reveal").click()
        expect(row(anns_page, key).locator("code")).to_have_text(key["key"])
    anns_page.evaluate("for (const one of document.querySelectorAll('[data-countdown]')) one.remove()")
    anns_page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    assert not FULL_KEY.search(anns_page.content())
    expect(button(anns_page, "Hide")).to_have_count(0)


def test_hiding_a_key_of_which_nothing_can_be_changed_leads_to_its_copy_button(
    anns_page: Page, keys: list[dict[str, Any]]
) -> None:
    """As on a visit of support, where nothing follows "Hide" if the key was replaced."""
    button(row(anns_page, keys[0]), "Reveal").click()
    hide = button(row(anns_page, keys[0]), "Hide")
    hide.evaluate("hide => { while (hide.nextElementSibling) hide.nextElementSibling.remove(); }")
    hide.click()
    expect(button(row(anns_page, keys[0]), "Copy")).to_be_focused()
    assert not FULL_KEY.search(anns_page.content())


def test_back_and_forward_show_no_revealed_key(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    """E5: neither does the history, nor what the browser stores."""
    button(row(anns_page, keys[0]), "Reveal").click()
    expect(row(anns_page, keys[0]).locator("code")).to_have_text(keys[0]["key"])
    anns_page.goto("/")
    anns_page.go_back()
    expect(row(anns_page, keys[0])).to_be_visible()
    assert not FULL_KEY.search(anns_page.content())
    kept = "JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), history.state])"
    assert not FULL_KEY.search(anns_page.evaluate(kept))


def test_creating_shows_the_key_once_and_guards_it(anns_page: Page, sandbox: Sandbox) -> None:
    button(anns_page, "Create key").click()
    dialog = anns_page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("Staging")
    dialog.get_by_label("30 days").check()
    button(dialog, "Create key").click()
    expect(dialog).to_contain_text("Your new key")
    (new,) = named(sandbox.keys("acme"), "Staging")
    assert dialog.locator("textarea").input_value() == new["key"]
    assert about(ends(new), in_time(days=30))
    anns_page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    button(dialog, "Copy").first.click()
    assert clipboard(anns_page) == new["key"]
    dialog.get_by_text("Done", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(row(anns_page, new)).to_contain_text("Staging")
    assert not FULL_KEY.search(anns_page.content())


def test_a_key_that_is_shown_only_once_is_not_left_by_mistake(
    anns_page: Page, sandbox: Sandbox, keys: list[dict[str, Any]]
) -> None:
    """The browser asks before it goes anywhere; once the key is copied it does not."""
    sandbox.set(retrievable="refused")
    button(row(anns_page, keys[0]), "Reveal").click()
    expect(anns_page.get_by_role("alert")).to_contain_text("can't be shown")
    anns_page.goto("/keys/")
    button(anns_page, "Create key").click()
    anns_page.get_by_label("Label").fill("Backup")
    button(anns_page.get_by_role("dialog"), "Create key").click()
    expect(anns_page.get_by_text("You won't be able to see it again.")).to_be_visible()
    asked: list[str] = []
    anns_page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    with anns_page.expect_event("dialog"):
        anns_page.evaluate("location.assign('/keys/activity/')")
    assert asked == ["beforeunload"]
    assert anns_page.url.endswith("/keys/")
    button(anns_page.get_by_role("dialog"), "Copy").first.click()
    expect(anns_page.locator("[data-guard]")).to_have_count(0)
    anns_page.evaluate("location.assign('/keys/activity/')")
    anns_page.wait_for_url("**/activity/")
    assert asked == ["beforeunload"]


def test_a_mistake_in_the_form_keeps_what_was_typed(anns_page: Page, sandbox: Sandbox) -> None:
    button(anns_page, "Create key").click()
    dialog = anns_page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("Staging")
    dialog.get_by_label("On a date").check()
    button(dialog, "Create key").click()
    expect(dialog).to_contain_text("Choose a date.")
    assert dialog.get_by_label("Label").input_value() == "Staging"
    assert len(sandbox.keys("acme")) == 2


def test_rotating_makes_a_new_key_and_lets_the_old_one_live_a_day(
    anns_page: Page, sandbox: Sandbox, keys: list[dict[str, Any]]
) -> None:
    button(row(anns_page, keys[0]), "Rotate").click()
    dialog = anns_page.get_by_role("dialog")
    expect(dialog.get_by_label("In 24 hours")).to_be_checked()
    button(dialog, "Rotate key").click()
    expect(dialog).to_contain_text("CI rotated")
    old, new = named(sandbox.keys("acme"), "CI")
    assert dialog.locator("textarea").input_value() == new["key"]
    assert about(ends(old), in_time(hours=24))
    button(dialog, "Copy").first.click()
    dialog.get_by_text("Done", exact=True).click()
    expect(row(anns_page, new)).to_be_focused()
    expect(row(anns_page, old)).to_contain_text("Expires in")
    expect(row(anns_page, new)).to_contain_text("No expiry")


def test_deleting_takes_the_row_away(anns_page: Page, sandbox: Sandbox, keys: list[dict[str, Any]]) -> None:
    choose(row(anns_page, keys[0]), "Delete")
    dialog = anns_page.get_by_role("dialog")
    expect(dialog).to_contain_text("The gateway refuses it within a minute.")
    button(dialog, "Delete key").click()
    expect(row(anns_page, keys[0])).to_have_count(0)
    expect(dialog).to_be_hidden()
    expect(anns_page.get_by_text("Key deleted.")).to_be_visible()
    assert [key["description"] for key in sandbox.keys("acme")] == ["Laptop"]


def test_everything_can_be_done_by_keyboard(anns_page: Page, sandbox: Sandbox, keys: list[dict[str, Any]]) -> None:
    more = button(row(anns_page, keys[0]), "More")
    more.focus()
    for key in ("Enter", "Tab", "Enter"):
        anns_page.keyboard.press(key)
    dialog = anns_page.get_by_role("dialog")
    expect(dialog.get_by_label("Label")).to_be_focused()
    anns_page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(more).to_be_focused()
    for key in ("Enter", "Tab", "Enter"):
        anns_page.keyboard.press(key)
    dialog.get_by_label("Label").fill("Build")
    anns_page.keyboard.press("Enter")
    expect(row(anns_page, keys[0])).to_contain_text("Build")
    expect(more).to_be_focused()
    assert named(sandbox.keys("acme"), "Build")


def test_trouble_is_seen_and_heard(anns_page: Page, sandbox: Sandbox, keys: list[dict[str, Any]]) -> None:
    """H1: in the notices of the page, or inside the dialog while that covers them."""
    sandbox.fault("GET", "*", "drop", times=2)
    button(row(anns_page, keys[0]), "Reveal").click()
    expect(anns_page.get_by_role("main").get_by_role("alert")).to_contain_text("The key service is unavailable")
    choose(row(anns_page, keys[0]), "Rename")
    dialog = anns_page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("Build")
    sandbox.fault("GET", "*", "drop", times=2)
    button(dialog, "Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing was changed")
    button(dialog, "Save").click()
    expect(dialog).to_be_hidden()
    expect(row(anns_page, keys[0])).to_contain_text("Build")


def test_trouble_in_a_dialog_goes_with_the_next_answer(anns_page: Page, sandbox: Sandbox) -> None:
    button(anns_page, "Create key").click()
    dialog = anns_page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("Staging")
    sandbox.fault("GET", "*", "drop", times=2)
    button(dialog, "Create key").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("On a date").check()
    button(dialog, "Create key").click()
    expect(dialog).to_contain_text("Choose a date.")
    expect(dialog.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("verb", ["Copy", "Reveal", "Rename"])
def test_a_key_that_was_deleted_in_another_tab_leaves_the_list_with_a_quiet_line(
    anns_page: Page, sandbox: Sandbox, ann_client: Client, keys: list[dict[str, Any]], verb: str
) -> None:
    ann_client.post(f"/keys/production/acme/{keys[0]['id']}/delete/", {"token": str(uuid.uuid4())})
    if verb == "Rename":
        choose(row(anns_page, keys[0]), verb)
        anns_page.get_by_label("Label").fill("Build")
        button(anns_page, "Save").click()
    else:
        button(row(anns_page, keys[0]), verb).press("Enter")
        expect(row(anns_page, keys[1])).to_be_focused()
    expect(anns_page.get_by_text("This key no longer exists")).to_be_visible()
    expect(row(anns_page, keys[0])).to_have_count(0)
    expect(row(anns_page, keys[1])).to_be_visible()
    expect(anns_page.get_by_text("never expires")).to_have_count(0)
    expect(anns_page.get_by_role("dialog")).to_be_hidden()
    expect(anns_page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("verb", ["Copy", "Reveal"])
def test_a_button_that_is_at_work_asks_for_nothing_more(anns_page: Page, keys: list[dict[str, Any]], verb: str) -> None:
    asked = HeldRequests(anns_page, re.compile("/copy/|/reveal/"))
    pressed = button(row(anns_page, keys[0]), verb)
    pressed.evaluate("button => { button.click(); button.click(); }")
    expect(pressed).to_have_attribute("aria-busy", "true")
    asked.wait_for().continue_()
    expect(anns_page.locator("[data-revealed], [data-notice=success]")).to_be_visible()
    expect(anns_page.locator("[aria-busy]")).to_have_count(0)
    assert len(asked) == 1


def test_a_button_pressed_while_the_page_loads_is_at_work_until_its_answer(
    page: Page, sign_in: Any, ann: Any, keys: list[dict[str, Any]]
) -> None:
    fonts = HeldRequests(page, "**/*.woff2")
    asked = HeldRequests(page, "**/copy/")
    sign_in(page, ann)
    page.goto("/keys/", wait_until="domcontentloaded")
    pressed = button(row(page, keys[0]), "Copy")
    pressed.click()
    assert page.evaluate("document.readyState") == "interactive"
    fonts.release()
    page.wait_for_load_state("load")
    pressed.evaluate("button => button.click()")
    expect(pressed).to_have_attribute("aria-busy", "true")
    asked.wait_for().continue_()
    expect(page.get_by_text("Key copied.")).to_be_visible()
    assert len(asked) == 1


def test_the_enter_key_sends_a_form_once_and_anew_after_no_answer(anns_page: Page, sandbox: Sandbox) -> None:
    """htmx alone would send the second press as soon as the first had failed."""
    asked = HeldRequests(anns_page, "**/create/", method="POST")
    button(anns_page, "Create key").click()
    dialog = anns_page.get_by_role("dialog")
    label = dialog.get_by_label("Label")
    label.fill("Staging")
    with anns_page.expect_request("**/create/"):
        label.press("Enter")
    label.press("Enter")
    asked.wait_for().abort()
    expect(dialog.get_by_text("No response.")).to_be_visible()
    expect(anns_page.locator("[aria-busy]")).to_have_count(0)
    assert len(asked) == 1
    with anns_page.expect_request("**/create/"):
        label.press("Enter")
    expect(button(dialog, "Create key")).to_have_attribute("aria-busy", "true")
    asked.wait_for(2).continue_()
    expect(anns_page.get_by_role("heading", name="Your new key")).to_be_visible()
    assert len(named(sandbox.keys("acme"), "Staging")) == 1


def test_good_news_goes_by_itself_and_not_under_the_mouse(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    """Its time is an animation of the stylesheet; trouble has none."""
    leaving = "document.getAnimations().filter((one) => one.animationName === 'leave')"
    button(row(anns_page, keys[0]), "Copy").click()
    notice = anns_page.locator("[data-notice=success]")
    notice.hover()
    anns_page.wait_for_function(f"{leaving}.length === 0")
    anns_page.mouse.move(5, 5)
    anns_page.wait_for_function(f"{leaving}.length === 1")
    anns_page.evaluate(f"{leaving}[0].finish()")
    expect(notice).to_have_count(0)
    anns_page.evaluate("htmx.ajax('GET', '/nowhere/', '#main')")
    expect(anns_page.get_by_role("alert")).to_be_visible()
    assert anns_page.evaluate(f"{leaving}.length") == 0


def test_on_paper_there_is_nothing_to_press(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    anns_page.emulate_media(media="print")
    expect(row(anns_page, keys[0]).get_by_text("CI")).to_be_visible()
    expect(anns_page.get_by_role("button")).to_have_count(0)
    anns_page.goto("/keys/activity/production/?kind=made")
    expect(anns_page.locator(".filters")).to_have_count(1)
    expect(anns_page.get_by_role("combobox")).to_have_count(0)


def test_a_session_that_ended_leads_to_sign_in(anns_page: Page, keys: list[dict[str, Any]]) -> None:
    """Not into the dialog, and not into the clipboard."""
    anns_page.context.clear_cookies(name="sessionid")
    button(row(anns_page, keys[0]), "Rotate").click()
    anns_page.wait_for_url("**/accounts/login/**")
    anns_page.go_back()
    expect(anns_page.get_by_role("dialog")).to_be_hidden()


def test_a_newcomer_makes_a_first_key(page: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    """And nothing is amiss in the console: the page that has no card yet is not asked to change one."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    sign_in(page, ann)
    page.goto("/keys/")
    button(page, "Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("My app")
    button(dialog, "Create key").click()
    expect(dialog).to_contain_text("Your new key")
    (consumer,) = sandbox.consumers()
    button(dialog, "Copy").first.click()
    assert clipboard(page) == consumer["apiKeys"][0]["key"]
    dialog.get_by_text("Done", exact=True).click()
    expect(page.locator(f"[data-consumer={consumer['name']}]")).to_be_visible()
    assert errors == []


def test_an_error_that_comes_as_a_whole_page_is_a_notice_that_can_be_dismissed(
    anns_page: Page, keys: list[dict[str, Any]]
) -> None:
    """With the page's words and without its links; and one stays where one is."""
    address = anns_page.url
    anns_page.evaluate("htmx.ajax('GET', '/nowhere/', '#main')")
    notice = anns_page.get_by_role("alert")
    expect(notice).to_contain_text("Page not found")
    expect(notice.get_by_role("link")).to_have_count(0)
    button(notice, "Dismiss").press("Enter")
    expect(notice).to_have_count(0)
    expect(anns_page.get_by_role("main")).to_be_focused()
    expect(row(anns_page, keys[0])).to_be_visible()
    assert anns_page.url == address


NINE = [{"description": f"Server {number}", "createdOn": in_time(days=-40).isoformat()} for number in range(9)]


def boxes(places: Locator) -> list[Any]:
    return [place.bounding_box() for place in places.all() if place.is_visible()]


def test_a_row_is_one_line_with_four_buttons(page: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    """Columns begin at one place in all rows, and under the names that say what they are."""
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=NINE)
    sign_in(page, ann)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/keys/")
    rows = page.locator("[data-key]")
    assert all(box["height"] <= 56 for box in boxes(rows))
    assert page.locator("[data-consumer] header").bounding_box()["height"] <= 72
    assert len(boxes(rows.get_by_role("button"))) == 4 * 9
    for column, part in enumerate([".key-name", "code", ".key-facts > :first-child", ".key-facts > :last-child"]):
        assert (
            len({box["x"] for box in boxes(page.locator(f".key-head > *:nth-child({column + 1}), [data-key] {part}"))})
            == 1
        )


def test_on_a_phone_four_keys_are_in_sight_and_buttons_fit_fingers(
    open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    """One key is as near as four: the head of its consumer is lower still."""
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=NINE)
    sandbox.add_consumer("globex", label="Globex, reporting and data", managers=["ann@acme.test"], keys=NINE[:1])
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    sign_in(page, ann)
    page.goto("/keys/")
    assert all(box["height"] <= 72 for box in boxes(page.locator("[data-consumer] header")))
    rows = boxes(page.locator("[data-key]"))
    assert all(box["height"] <= 96 for box in rows)
    assert rows[3]["y"] + rows[3]["height"] <= 844
    row = page.locator("[data-key]").first
    button(row, "More").tap()
    button(row, "Reveal").and_(page.locator(":visible")).wait_for()
    pressed = boxes(row.get_by_role("button"))
    assert len(pressed) == 2 + 5
    assert all(min(box["width"], box["height"]) >= 40 for box in pressed)


@pytest.mark.parametrize("language", ["de", "es"])
def test_the_header_is_one_line_on_the_narrowest_phone(
    language: str, open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox, settings: Any
) -> None:
    settings.PLANS = "portal"
    for has_touch in (False, True):
        page = open_page(locale=language, viewport={"width": 320, "height": 600}, has_touch=has_touch, is_mobile=True)
        sign_in(page, ann)
        page.goto("/accounts/email/")
        parts = boxes(page.locator("header.site-header > *"))
        assert len([part for part in parts if part["width"] > 1]) == 4
        assert page.locator("header.site-header").bounding_box()["height"] <= 57
        assert all(part["x"] + part["width"] <= 320 for part in parts)


@pytest.mark.parametrize("language", ["de", "es"])
def test_a_long_name_makes_no_high_head(
    language: str, open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    """Three dots stand for the rest, and a tooltip has it whole; a finger's higher buttons leave room for two lines."""
    label = "Gesellschaft für Softwareentwicklung und Datenverarbeitung mbH & Co. KG, Niederlassung am Oberen Markt"
    sandbox.add_consumer("acme", label=label, managers=["ann@acme.test"], keys=NINE[:1])
    for width, has_touch, lines in ((1280, False, 1), (390, False, 1), (390, True, 2)):
        page = open_page(locale=language, viewport={"width": width, "height": 844}, has_touch=has_touch, is_mobile=True)
        sign_in(page, ann)
        page.goto("/keys/")
        assert page.locator("[data-consumer] header").bounding_box()["height"] <= 72
        title = page.locator("[data-consumer] h2")
        assert title.bounding_box()["height"] == 20 * lines
        expect(title).to_have_attribute("title", label)


@pytest.mark.parametrize("width", [320, 390])
def test_the_portals_name_keeps_off_the_navigation(
    open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox, width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 700})
    sign_in(page, ann)
    page.goto("/keys/")
    name, link = page.locator(".brand-name").bounding_box(), page.locator(".site-nav a").bounding_box()
    assert name["x"] + name["width"] + 8 <= link["x"]


def test_a_revealed_key_keeps_its_verbs_on_one_line_on_a_phone(
    open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=NINE[:1])
    for language, hide in (("en", "Hide"), ("de", "Verbergen"), ("es", "Ocultar")):
        page = open_page(locale=language, viewport={"width": 320, "height": 844})
        sign_in(page, ann)
        page.goto("/keys/")
        row = page.locator("[data-key]")
        row.locator(".more").click()
        row.locator(":popover-open [data-reveal]").click()
        expect(button(row, hide)).to_be_visible()
        for width in (320, 386, 390):  # of the narrowest phone, of the narrowest with the verbs beside the name
            page.set_viewport_size({"width": width, "height": 844})
            assert len({box["y"] for box in boxes(row.locator(".actions .button:visible"))}) == 1, (language, width)


def test_on_a_phone_every_verb_is_in_sight_without_javascript(
    open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    """A script moves some of them into the menus: without one these stay beside them."""
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=NINE)
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = open_page(java_script_enabled=False, **phone)
    sign_in(page, ann)
    page.goto("/keys/")
    expect(button(page.locator("[data-consumer] header"), "People")).to_be_visible()
    for name in ("Copy", "Reveal", "Rotate", "More"):
        expect(button(page.locator("[data-key]").first, name)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_what_was_done_is_in_sight_without_javascript(
    page_without_js: Page, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    """Although the page is at the consumer then, and not at its top."""
    for number in range(20):
        sandbox.add_consumer(f"team-{number}", label=f"Team {number}", managers=["ann@acme.test"])
    sign_in(page_without_js, ann)
    page_without_js.goto("/keys/")
    choose(page_without_js.locator("[data-consumer=team-19]"), "Rename")
    button(page_without_js, "Save").click()
    expect(page_without_js.locator("[data-consumer=team-19]")).to_be_in_viewport()
    expect(page_without_js.get_by_text("Renamed.")).to_be_in_viewport()


def test_everything_works_without_javascript(
    page_without_js: Page, sign_in: Any, ann: Any, sandbox: Sandbox, keys: list[dict[str, Any]]
) -> None:
    page = page_without_js
    sign_in(page, ann)
    page.goto("/keys/")
    assert not FULL_KEY.search(page.content())

    button(row(page, keys[0]), "Reveal").click()
    expect(page.locator("main textarea")).to_have_value(keys[0]["key"])
    page.get_by_role("link", name="Done").click()

    button(row(page, keys[0]), "Copy").click()
    expect(page.locator("main textarea")).to_have_value(keys[0]["key"])
    page.get_by_role("link", name="Done").click()

    button(page, "Create key").click()
    page.get_by_label("Label").fill("")
    page.get_by_label("Label").evaluate("field => field.required = false")
    button(page, "Create key").click()
    expect(page.get_by_text("Enter a label.")).to_be_visible()
    page.get_by_label("Label").fill("Staging")
    button(page, "Create key").click()
    (new,) = named(sandbox.keys("acme"), "Staging")
    expect(page.locator("main textarea")).to_have_value(new["key"])
    page.get_by_role("link", name="Done").click()

    button(row(page, keys[0]), "Rotate").click()
    button(page, "Rotate key").click()
    expect(page.get_by_role("heading", name="CI rotated")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    expect(row(page, keys[0])).to_contain_text("Expires in")

    choose(row(page, new), "Rename")
    page.get_by_label("Label").fill("Test")
    button(page, "Save").click()
    expect(row(page, new)).to_contain_text("Test")

    choose(row(page, new), "Change expiry")
    page.get_by_label("Expires (").fill(in_time(days=2).strftime("%Y-%m-%dT%H:%M"))
    button(page, "Save").click()
    expect(row(page, new)).to_contain_text("Expires in")

    choose(row(page, new), "Delete")
    button(page, "Delete key").click()
    expect(row(page, new)).to_have_count(0)
    expect(page.get_by_text("Key deleted.")).to_be_visible()

    choose(page, "Rotate all")
    page.get_by_role("radio", name=re.compile("^Now")).check()
    page.get_by_role("radio", name="One for all").check()
    button(page, "Rotate all keys").click()
    expect(page.get_by_role("heading", name="Your new key")).to_be_visible()
    live = [key for key in sandbox.keys("acme") if sandbox.authorizes(key["key"])]
    assert [key["key"] for key in live] == [page.locator("main textarea").input_value()]


def test_many_keys_are_searched_and_paged_in_place(page: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    """A verb leads back to the page and the words; the line about keys to check is renewed, and Back goes back.

    The consumer has a name such as guides show, with a sign that means something in selectors.
    """
    days = {f"Robot {one:02}": in_time(days=-40, minutes=one).isoformat() for one in range(25)}
    keys = [{"description": label, "createdOn": made} for label, made in days.items()]
    sandbox.add_consumer("org:fleet", label="Fleet", managers=["ann@acme.test"], keys=keys)
    sign_in(page, ann)
    page.goto("/keys/")
    names = page.locator("[data-key] strong")
    expect(names).to_have_count(10)
    page.get_by_role("link", name="Next").click()
    expect(names.first).to_have_text("Robot 14")
    expect(page).to_have_url(re.compile(r"/keys/production/org:fleet/\?page=2$"))
    rows = page.locator("[data-key]")
    button(rows.first, "More").click()
    button(rows.first, "Rename").click()
    page.get_by_role("dialog").get_by_label("Label").fill("Robot 14 of Ann")
    button(page.get_by_role("dialog"), "Save").click()
    expect(names.first).to_have_text("Robot 14 of Ann")
    expect(names).to_have_count(10)
    page.get_by_role("searchbox").fill("of ann")
    expect(names).to_have_text(["Robot 14 of Ann"])
    expect(page.get_by_text("1 key found")).to_be_visible()
    line = page.locator("[data-health]")
    expect(line).to_contain_text("25 keys never expire")
    button(rows.first, "More").click()
    button(rows.first, "Delete").click()
    button(page.get_by_role("dialog"), "Delete key").click()
    expect(line).to_contain_text("24 keys never expire")
    expect(names).to_have_count(10)


def test_an_old_key_is_ended_from_its_row(anns_page: Page, keys: list[dict[str, Any]], sandbox: Sandbox) -> None:
    """The pair stays together until then."""
    button(row(anns_page, keys[0]), "Rotate").click()
    button(anns_page.get_by_role("dialog"), "Rotate key").click()
    anns_page.get_by_role("dialog").get_by_text("Done", exact=True).click()
    old = row(anns_page, keys[0])
    expect(old).to_have_attribute("data-old", "")
    for width, height in ((390, 96), (1280, 60)):
        anns_page.set_viewport_size({"width": width, "height": 844})
        anns_page.wait_for_function("width => innerWidth === width", arg=width)  # a new size reaches the page later
        assert boxes(old)[0]["height"] <= height
    button(old, "Expire now").click()
    dialog = anns_page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Expire CI now?")
    button(dialog, "Expire now").click()
    expect(anns_page.get_by_text("The key has expired.")).to_be_visible()
    assert about(ends(named(sandbox.keys("acme"), "CI")[0]), in_time(minutes=-1))
