"""Moving about the keys page: environments, finding, what is slow, shortcuts, the focus, the visitor's time."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.browser.held_requests import HeldRequests
from tests.helpers.people import WRONG, last_code
from tests.helpers.stage import choose
from tests.helpers.verbs import acme, in_british, in_time


@pytest.fixture
def anns_page(page: Page, sign_in: Any, ann: Any, two_environments: Sandbox) -> Page:
    """Acme in production, and another consumer in preview."""
    acme(two_environments)
    preview = two_environments.buckets[1]
    two_environments.add_consumer("acme-preview", managers=["ann@acme.test"], bucket=preview)
    sign_in(page, ann)
    page.goto("/keys/")
    page.evaluate("window.sameDocument = true")
    return page


def row(page: Page, key: dict[str, Any]) -> Any:
    return page.locator(f"[data-key={key['id']}]")


# Moving

IS_ON_TOP = """() => {
    const { x, y, width, height } = document.activeElement.getBoundingClientRect();
    return document.activeElement.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}"""
IS_SEEN = f"""() => document.activeElement === document.body
    || (({IS_ON_TOP})() && getComputedStyle(document.activeElement).outlineStyle !== "none")"""


def walk_to(place: Locator, key: str = "Tab") -> None:
    """By this key alone; each stop on the way is marked, and nothing lies over it."""
    for _ in range(60):
        place.page.keyboard.press(key)
        assert place.page.evaluate(IS_SEEN)
        if place.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"{place} is out of the keyboard's reach")


def test_another_environment_comes_without_a_new_document(anns_page: Page) -> None:
    anns_page.get_by_role("link", name="preview").click()
    expect(anns_page.locator("[data-consumer=acme-preview]")).to_be_visible()
    expect(anns_page.get_by_role("heading", name="API Keys")).to_be_focused()
    expect(anns_page).to_have_title("API Keys · preview · API Portal")
    assert anns_page.url.endswith("/keys/preview/")
    assert anns_page.evaluate("window.sameDocument")
    anns_page.go_back()
    expect(anns_page.locator("[data-consumer=acme]")).to_be_visible()
    assert anns_page.url.endswith("/keys/")


def test_what_is_slow_shows_its_shape(anns_page: Page) -> None:
    waiting = HeldRequests(anns_page, "**/keys/preview/")
    anns_page.get_by_role("link", name="preview").click()
    expect(anns_page.locator("[data-skeleton]")).to_be_visible()
    expect(anns_page.locator("[data-consumer=acme]")).to_be_hidden()
    waiting.wait_for().continue_()
    expect(anns_page.locator("[data-consumer=acme-preview]")).to_be_visible()
    expect(anns_page.locator("[data-skeleton]")).to_have_count(0)


@pytest.mark.parametrize("verb", ["people", "key"])
def test_a_dialog_opens_before_the_key_service_has_answered(anns_page: Page, verb: str) -> None:
    """With what is known of it; closed before it is filled, it stays closed."""
    card = anns_page.locator("[data-consumer=acme]")
    opener = card.get_by_role("button", name="People") if verb == "people" else card.get_by_role("link", name="CI")
    early, filled = {"people": ("People", "People with access to Acme Inc"), "key": ("CI", "CI")}[verb]
    waiting = HeldRequests(anns_page, re.compile(r"/people/|/key_"))
    opener.click()
    waiting.wait_for()
    dialog = anns_page.get_by_role("dialog", name=early, exact=True)
    expect(dialog).to_contain_text("Acme Inc")
    expect(dialog.get_by_role("heading")).to_be_focused()
    anns_page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    expect(opener).not_to_have_attribute("aria-busy", "true")
    anns_page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    width = anns_page.locator("#dialog").bounding_box()["width"]
    waiting.wait_for(2).continue_()
    whole = anns_page.get_by_role("dialog", name=filled, exact=True)
    expect(whole.get_by_text("ann@acme.test" if verb == "people" else "Use this key in").first).to_be_visible()
    expect(whole.get_by_role("textbox" if verb == "people" else "heading").first).to_be_focused()
    expect(anns_page.locator("[data-skeleton]")).to_have_count(0)
    assert anns_page.locator("#dialog").bounding_box()["width"] == width


def test_a_dialog_that_cannot_be_filled_gives_way_to_the_trouble(anns_page: Page, sandbox: Sandbox) -> None:
    people = anns_page.locator("[data-consumer=acme]").get_by_role("button", name="People")
    waiting = HeldRequests(anns_page, re.compile("/people/"))
    people.click()
    expect(anns_page.get_by_role("dialog")).to_be_visible()
    sandbox.fault("GET", "*", "drop", times=2)
    waiting.wait_for().continue_()
    expect(anns_page.get_by_role("alert")).to_contain_text("The key service is unavailable")
    expect(anns_page.get_by_role("dialog")).to_be_hidden()
    expect(people).to_be_focused()


def test_a_dialog_closed_by_its_button_before_it_is_filled_stays_closed(anns_page: Page) -> None:
    people = anns_page.locator("[data-consumer=acme]").get_by_role("button", name="People")
    waiting = HeldRequests(anns_page, re.compile("/people/"))
    people.click()
    dialog = anns_page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    waiting.wait_for()
    with anns_page.expect_event("requestfailed"):  # nobody waits for the answer any more
        dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(people).not_to_have_attribute("aria-busy", "true")


def test_a_dialog_closed_while_it_is_filled_stays_closed(anns_page: Page) -> None:
    """Its event of closing comes later: the answer would open it once more, and that event empty it."""
    people = anns_page.locator("[data-consumer=acme]").get_by_role("button", name="People")
    people.evaluate(
        """button => new Promise((resolve) => {
            const dialog = document.getElementById("dialog");
            const close = () => resolve(dialog.close());
            document.addEventListener("htmx:afterSettle", close, { capture: true, once: true });
            button.focus();
            dialog.showModal();
            button.click();
        })"""
    )
    expect(anns_page.locator("#dialog")).to_be_hidden()
    expect(people).to_be_focused()


def test_a_dialog_waits_for_its_own_answer(anns_page: Page) -> None:
    """What another press brings meanwhile leaves it open."""
    reveals, people = HeldRequests(anns_page, "**/reveal/"), HeldRequests(anns_page, re.compile("/people/"))
    anns_page.evaluate("document.getElementById('dialog').addEventListener('close', () => (window.hasClosed = true))")
    anns_page.get_by_role("button", name="Reveal").first.click()
    anns_page.get_by_role("button", name="People").click()
    expect(anns_page.get_by_role("dialog", name="People", exact=True)).to_be_visible()
    reveals.wait_for().continue_()
    expect(anns_page.locator("[data-revealed]")).to_have_count(1)
    expect(anns_page.locator("#dialog [data-skeleton]")).to_be_visible()
    people.wait_for().continue_()
    expect(anns_page.get_by_role("dialog", name="People with access to Acme Inc")).to_be_visible()
    assert not anns_page.evaluate("window.hasClosed")


def test_a_slow_reveal_opens_no_dialog(anns_page: Page) -> None:
    waiting = HeldRequests(anns_page, "**/reveal/")
    anns_page.clock.install()
    anns_page.reload()
    anns_page.get_by_role("button", name="Reveal").first.click()
    anns_page.clock.fast_forward(10_000)
    expect(anns_page.locator("#dialog")).to_be_hidden()
    waiting.wait_for().continue_()
    expect(anns_page.locator("[data-revealed]")).to_have_count(1)


def test_of_two_presses_the_last_one_opens_its_dialog(anns_page: Page) -> None:
    """However late the first one is answered."""
    HeldRequests(anns_page, re.compile("/people/"))
    renames = HeldRequests(anns_page, re.compile("/rename/"))
    pressed = "['[formaction$=\"/people/\"]', '[data-key] [value=rename]']"
    anns_page.evaluate(f"{pressed}.forEach((one) => document.querySelector(one).click())")
    key = anns_page.locator("[data-key] strong").first.inner_text()
    expect(anns_page.get_by_role("dialog", name="Rename", exact=True)).to_contain_text(key)
    expect(anns_page.locator("[formaction$='/people/']").first).not_to_have_attribute("aria-busy", "true")
    renames.wait_for().continue_()
    expect(anns_page.get_by_role("dialog").get_by_label("Label")).to_be_focused()


@pytest.mark.parametrize(
    ("theirs", "address"),
    [
        ("<button hx-get='/healthz'>", "/healthz$"),
        ("<button name='ask' value='us' hx-get='/healthz'>", "/healthz"),
        ("<button hx-get='' hx-swap='none'>", "/keys/$"),  # which htmx takes for the page itself
    ],
)
@pytest.mark.parametrize("around", ["form action='/search/'", "div"])
def test_a_button_of_somebody_elses_goes_where_it_says(theirs: str, address: str, around: str, anns_page: Page) -> None:
    """In a host project there may be others with htmx, in forms that lead elsewhere; and ours work beside them."""
    anns_page.evaluate(
        """theirs => {
            document.body.insertAdjacentHTML("afterbegin", theirs);
            htmx.process(document.body.firstElementChild);
        }""",
        f"<{around}>{theirs}Theirs</button></{around.split()[0]}>",
    )
    with anns_page.expect_request(re.compile(address)):
        anns_page.get_by_role("button", name="Theirs").click()
    ours = anns_page.locator("[data-key] [value=rotate]:visible").first
    ours.click()
    expect(anns_page.get_by_role("dialog")).to_be_visible()
    anns_page.keyboard.press("Escape")
    expect(ours).to_be_focused()


def test_the_place_in_a_long_list_is_sent_once(page: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    """Each row holds it, for whoever has no script; ten times a long search is more than an address may be."""
    label = "Grüße aus dem wunderschönen, grünen Würzburg"
    keys = [{"description": f"{label} {number}"} for number in range(25)]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    sign_in(page, ann)
    page.goto(f"/keys/production/acme/?find={label}&page=2")
    with page.expect_request("**/rotate/**") as asked:
        page.locator("[data-key] [value=rotate]:visible").first.click()
    sent = parse_qs(urlsplit(asked.value.url).query)
    assert (sent["find"], sent["page"]) == ([label], ["2"])


def test_an_outage_on_the_way_leaves_the_page_as_it_was(anns_page: Page, sandbox: Sandbox) -> None:
    sandbox.fault("GET", "*", "drop", times=2)
    anns_page.get_by_role("link", name="preview").click()
    expect(anns_page.get_by_role("alert")).to_contain_text("The key service is unavailable")
    expect(anns_page.locator("[data-consumer=acme]")).to_be_visible()
    assert anns_page.url.endswith("/keys/")
    for language in ("Español", "English"):
        walk_to(anns_page.get_by_role("button", name=language), "Shift+Tab")


def test_finding_goes_on_while_one_types(anns_page: Page, sandbox: Sandbox) -> None:
    for number in range(8):
        sandbox.add_consumer(f"team-{number}", managers=["ann@acme.test"])
    anns_page.reload()
    anns_page.keyboard.press("/")
    expect(anns_page.get_by_role("searchbox")).to_be_focused()
    anns_page.keyboard.type("team-4")
    expect(anns_page.locator("[data-consumer]")).to_have_count(1)
    expect(anns_page.get_by_role("searchbox")).to_be_focused()
    expect(anns_page.get_by_text("1 consumer found")).to_be_attached()
    assert anns_page.url.endswith("?find=team-4")
    anns_page.get_by_role("searchbox").fill("nobody")
    expect(anns_page.get_by_role("heading", name="Nothing found")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_environment_stays_in_sight(anns_page: Page, sandbox: Sandbox, width: int) -> None:
    for number in range(8):
        sandbox.add_consumer(f"team-{number}", managers=["ann@acme.test"])
    anns_page.set_viewport_size({"width": width, "height": 600})
    anns_page.reload()
    anns_page.locator("[data-consumer]").last.scroll_into_view_if_needed()
    expect(anns_page.get_by_role("link", name="API Portal")).not_to_be_in_viewport()
    expect(anns_page.get_by_role("link", name="production")).to_be_in_viewport()
    anns_page.locator("[data-consumer] [popovertarget]").last.focus()
    for _ in range(20):
        anns_page.keyboard.press("Shift+Tab")
        assert anns_page.evaluate(IS_ON_TOP)


# The keyboard alone


def test_a_newcomer_needs_nothing_but_a_keyboard(page: Page, sandbox: Sandbox) -> None:
    """From the start page to a first key, and out again."""
    keyboard = page.keyboard
    page.goto("/")
    walk_to(page.get_by_role("link", name="Create an account"))
    keyboard.press("Enter")
    expect(page.get_by_label("Email address")).to_be_focused()
    keyboard.type("new@startup.test\n")
    code = page.get_by_label("Code")
    expect(code).to_be_focused()
    keyboard.type(f"{WRONG}\n")
    expect(page.get_by_text("You have 2 tries left.")).to_be_visible()
    expect(code).to_be_focused()
    walk_to(page.get_by_role("button", name="Send a new code"))
    keyboard.press("Enter")
    expect(page.get_by_text("Earlier codes no longer work.")).to_be_visible()
    expect(code).to_be_focused()
    keyboard.type(f"{last_code()}\n")
    page.wait_for_url("**/keys/")
    walk_to(page.get_by_role("button", name="Create key"))
    keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Label")).to_be_focused()
    keyboard.type("Server\n")
    expect(page.get_by_role("heading", name="Your new key")).to_be_focused()
    walk_to(page.get_by_role("link", name="Done"))
    keyboard.press("Enter")
    expect(page.locator("[data-key]")).to_be_focused()
    menu, last = page.get_by_role("button", name="Account of"), page.get_by_role("button", name="Sign out")
    walk_to(menu, "Shift+Tab")
    keyboard.press("Enter")
    walk_to(page.get_by_role("link", name="History", exact=True))
    expect(last).to_be_hidden()
    walk_to(menu, "Shift+Tab")
    keyboard.press("Enter")
    walk_to(last)
    keyboard.press("Enter")
    expect(page.get_by_text("You've signed out.")).to_be_visible()


# The account menu


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no script"])
def test_the_account_menu_opens_and_closes_by_mouse_and_keyboard(
    open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox, javascript: bool
) -> None:
    """Where the browser cannot place it at its button, it stands below the header all the same."""
    page = open_page(java_script_enabled=javascript)
    sign_in(page, ann)
    page.goto("/keys/")
    menu = page.get_by_role("button", name="Account of ann@acme.test")
    devices = page.get_by_role("link", name="Devices")
    expect(devices).to_be_hidden()
    menu.click()
    expect(devices).to_be_in_viewport()
    page.get_by_role("heading", name="API Keys").click()
    expect(devices).to_be_hidden()
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Key history")).to_be_focused()
    page.keyboard.press("Escape")
    expect(devices).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    devices.click()
    page.wait_for_url("**/accounts/sessions/")


# Shortcuts


def test_a_question_mark_lists_the_shortcuts_and_esc_closes_the_list(anns_page: Page) -> None:
    anns_page.keyboard.press("?")
    dialog = anns_page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    anns_page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_letters_create_and_move_but_not_while_one_types(anns_page: Page, sandbox: Sandbox) -> None:
    anns_page.keyboard.press("j")
    anns_page.keyboard.press("j")
    before = sandbox.keys("acme")
    expect(anns_page.locator("[data-key]").nth(1)).to_be_focused()
    anns_page.keyboard.press("k")
    expect(anns_page.locator("[data-key]").first).to_be_focused()
    anns_page.keyboard.press("c")
    dialog = anns_page.get_by_role("dialog", name="Create a key")
    expect(dialog.get_by_label("Label")).to_be_focused()
    anns_page.keyboard.type("jack?")
    expect(dialog.get_by_label("Label")).to_have_value("jack?")
    assert sandbox.keys("acme") == before


def test_shortcuts_can_be_switched_off(anns_page: Page) -> None:
    """WCAG 2.1.4: single letters get in the way of those who speak to their computer."""
    anns_page.get_by_role("button", name="Keyboard shortcuts").click()
    anns_page.get_by_label("Use single-letter shortcuts").uncheck()
    anns_page.get_by_role("button", name="Close").last.click()
    anns_page.reload()
    anns_page.keyboard.press("c")
    anns_page.keyboard.press("?")
    expect(anns_page.get_by_role("dialog")).to_be_hidden()
    anns_page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(anns_page.get_by_label("Use single-letter shortcuts")).not_to_be_checked()


# Focus


def test_after_a_deletion_the_focus_is_on_the_next_key(anns_page: Page, sandbox: Sandbox) -> None:
    rows = anns_page.locator("[data-key]")
    following = rows.nth(1).get_attribute("id")
    choose(rows.first, "Delete")
    anns_page.get_by_role("button", name="Delete key").click()
    expect(anns_page.get_by_role("dialog")).to_be_hidden()
    expect(anns_page.locator(f"#{following}")).to_be_focused()
    choose(anns_page.locator(f"#{following}"), "Delete")
    anns_page.get_by_role("button", name="Delete key").click()
    expect(anns_page.locator("#consumer-acme")).to_be_focused()


@pytest.mark.parametrize("name", ["Keep until…", "Expire now"])
def test_the_focus_is_on_the_button_that_was_pressed(anns_page: Page, name: str) -> None:
    """Also in browsers that give no focus to what is pressed, as Safari, and of two buttons with one address."""
    anns_page.get_by_role("button", name="Rotate").first.click()
    anns_page.get_by_role("button", name="Rotate key").click()
    anns_page.get_by_role("link", name="Done").click()
    button = anns_page.locator("[data-old]").get_by_role("button", name=name)
    expect(button).to_be_visible()
    button.evaluate("button => { document.activeElement.blur(); button.click() }")
    expect(anns_page.get_by_role("dialog").get_by_role("link", name="Cancel")).to_be_visible()
    anns_page.keyboard.press("Escape")
    expect(anns_page.get_by_role("dialog")).to_be_hidden()
    expect(button).to_be_focused()


def test_the_focus_is_on_the_menu_also_of_a_key_that_was_hidden_again(anns_page: Page) -> None:
    row = anns_page.locator("[data-key]").first
    row.get_by_role("button", name="Reveal").click()
    row.get_by_role("button", name="Hide").click()
    choose(row, "Rename")
    expect(anns_page.get_by_role("dialog").get_by_label("Label")).to_be_focused()
    anns_page.keyboard.press("Escape")
    expect(anns_page.get_by_role("dialog")).to_be_hidden()
    expect(row.get_by_role("button", name="More")).to_be_focused()


def test_a_mistake_is_where_the_focus_goes(anns_page: Page) -> None:
    anns_page.get_by_role("button", name="Create key").click()
    dialog = anns_page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("Staging")
    dialog.get_by_label("On a date").check()
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_label("Date", exact=True)).to_be_focused()


def test_a_stray_click_does_not_close_a_new_key(anns_page: Page) -> None:
    anns_page.get_by_role("button", name="Create key").click()
    dialog = anns_page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("Staging")
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog).to_contain_text("Your new key")
    anns_page.mouse.click(5, 5)
    expect(dialog).to_contain_text("Copy the key first, or press Done.")
    dialog.get_by_text("Done", exact=True).click()
    expect(dialog).to_be_hidden()


def test_a_stray_click_does_not_lose_what_was_typed(anns_page: Page) -> None:
    anns_page.get_by_role("button", name="Create key").click()
    dialog = anns_page.get_by_role("dialog")
    expect(dialog.get_by_label("Label")).to_be_focused()
    anns_page.mouse.click(5, 5)
    expect(dialog).to_be_hidden()
    anns_page.get_by_role("button", name="Create key").click()
    dialog.get_by_label("Label").fill("Staging")
    anns_page.mouse.click(5, 5)
    expect(dialog.get_by_label("Label")).to_have_value("Staging")
    anns_page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


# Time


def test_times_are_in_the_visitors_zone(open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    """By the title and for screen readers; the words stay, so that nothing jumps."""
    made = in_time(days=-3)
    sandbox.add_consumer(
        "acme", managers=["ann@acme.test"], keys=[{"description": "CI", "createdOn": made.isoformat()}]
    )
    page = open_page(timezone_id="Asia/Kolkata", locale="en-GB")
    sign_in(page, ann)
    page.goto("/keys/")
    created = page.locator("[data-key] time").first
    expect(created).to_contain_text("3 days ago")
    there = made + timedelta(hours=5, minutes=30)
    expect(created).to_have_attribute("title", f"{in_british(there)}, {there:%H:%M} GMT+5:30")
    expect(created.locator("span")).to_contain_text("GMT+5:30")
    page.get_by_role("button", name="Rotate", exact=True).click()
    expect(page.get_by_role("dialog").locator("time", has_text="GMT+5:30").last).to_be_visible()


def test_a_moment_that_is_typed_means_the_visitors_zone(
    open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    acme(sandbox)
    page = open_page(timezone_id="Asia/Kolkata", locale="en-GB")
    sign_in(page, ann)
    page.goto("/keys/")
    endless = page.locator("[data-key]").filter(has=page.get_by_text("CI", exact=True))
    choose(endless, "Change expiry")
    dialog = page.get_by_role("dialog")
    # Chromium still says the older name of the zone.
    dialog.get_by_label("Expires (Asia/Calcutta)").fill("2031-01-04T20:00")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    ends = {key["description"]: key["expiresOn"] for key in sandbox.keys("acme")}
    assert ends["CI"].startswith("2031-01-04T14:30:00")


def test_the_history_is_in_the_visitors_manner(open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    acme(sandbox)
    for hours, action in ((1, Action.CHANGE_END), (1000, Action.REVEAL)):
        at = timezone.now() - timedelta(hours=hours)
        facts = {"ends": "2031-01-04T14:30:00+00:00"}
        place = {"environment": "production", "consumer": "acme", "outcome": Outcome.DONE}
        AuditEvent.objects.create(user=ann, email=ann.email, action=action, started_at=at, facts=facts, **place)
    page = open_page(timezone_id="Asia/Kolkata", locale="en-US")
    sign_in(page, ann)
    page.goto("/keys/")
    page.goto("/keys/activity/")
    here = at + timedelta(hours=5, minutes=30)
    expect(page.get_by_text("Expires Jan 4, 2031, 8:00 PM GMT+5:30")).to_be_visible()
    expect(page.locator(".events").last).to_contain_text(f"{here:%b %-d, %Y}")
    expect(page.locator(".event-time").last).to_have_text(re.compile(f"^{here:%-I:%M}\\s{here:%p}$"))


def test_without_javascript_times_are_in_utc(page_without_js: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    acme(sandbox)
    sign_in(page_without_js, ann)
    page_without_js.goto("/keys/")
    expect(page_without_js.locator("[data-key] time").first).to_have_attribute("title", re.compile(r"\d\d:\d\d UTC$"))
