"""The API Key Service in Django admin as colleagues use it: every screen once, on a phone, and without JavaScript."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from sandbox import Sandbox
from tests.helpers.scenes import in_days
from tests.helpers.staff import ACME, LIST, TOPICS, forms
from tests.helpers.verbs import FULL_KEY, acme, named, new_keys


def link(page: Page, name: str) -> Any:
    return page.get_by_role("link", name=name, exact=True)


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


@pytest.fixture
def sams_page(page: Page, sign_in: Any, sam: Any, sandbox: Sandbox) -> Page:
    acme(sandbox)
    sign_in(page, sam)
    page.goto("/admin/")
    return page


def test_a_consumer_is_made_changed_and_deleted(sams_page: Page, sandbox: Sandbox) -> None:
    page = sams_page
    link(page, "API Key Service").first.click()
    link(page, "Create consumer").click()
    page.get_by_label("Label", exact=True).fill("Initech")
    page.get_by_label("Name", exact=True).fill("initech")
    page.get_by_label("Managers").fill("peter@initech.test")
    page.get_by_label(re.compile("30 days")).check()
    page.get_by_label("Key label").fill("Server")
    button(page, "Create consumer").click()
    (key,) = sandbox.keys("initech")
    expect(page.locator("#new-key")).to_have_value(key["key"])
    link(page, "Done").click()

    link(page, "Add manager").click()
    page.get_by_label("Email address").fill("zoe@initech.test")
    button(page, "Add and invite").click()
    expect(page.get_by_text("zoe@initech.test is now a manager.")).to_be_visible()
    page.get_by_role("link", name="Remove zoe@initech.test").click()
    button(page, "Remove manager").click()
    expect(page.get_by_text("zoe@initech.test is no longer a manager.")).to_be_visible()

    link(page, "Edit").click()
    page.get_by_label("Tags").fill("\n".join(f"t{number}=x" for number in range(6)))
    button(page, "Save").click()
    expect(page.get_by_text("at most 5 tags; these are 6")).to_be_visible()
    page.get_by_label("Tags").fill("plan=pro")
    button(page, "Save").click()
    expect(page.get_by_text("plan=pro")).to_be_visible()

    link(page, "Delete consumer").click()
    page.get_by_label("Name", exact=True).fill("initech")
    button(page, "Delete consumer").click()
    expect(page.get_by_text("Initech and all its keys were deleted.")).to_be_visible()
    assert sandbox.consumer("initech") is None


def test_the_verbs_on_keys_have_the_dialogs_of_the_portal(sams_page: Page, sandbox: Sandbox) -> None:
    page = sams_page
    page.goto(LIST)
    link(page, "Acme Inc").click()
    before = sandbox.keys("acme")
    ci = page.locator(f"[data-key={before[0]['id']}]")
    ci.get_by_role("button", name="Reveal").click()
    expect(page.locator("#revealed-key")).to_have_value(before[0]["key"])
    link(page, "Done").click()
    assert not FULL_KEY.search(page.content())

    button(ci, "Rotate").click()
    page.get_by_label(re.compile("In 1 hour")).check()
    button(page, "Rotate key").click()
    (new,) = new_keys(before, sandbox.keys("acme"))
    expect(page.locator("#new-key")).to_have_value(new["key"])
    link(page, "Done").click()
    expect(ci.locator("[data-state=soon]")).to_contain_text("Expires")

    link(ci, "CI").click()
    button(page, "Rename").click()
    page.get_by_label("Label").fill("Build")
    button(page, "Save").click()
    expect(ci).to_contain_text("Build")

    link(ci, "Build").click()
    button(page, "Delete").click()
    button(page, "Delete key").click()
    expect(page.get_by_text("Key deleted.")).to_be_visible()
    expect(ci).to_have_count(0)


def with_a_test_route(settings: Any, sandbox: Sandbox) -> None:
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = sandbox.url, "/_sandbox/hello"


def test_a_key_is_copied_and_never_on_the_page(sams_page: Page, sandbox: Sandbox) -> None:
    page, (ci, _laptop) = sams_page, sandbox.keys("acme")
    page.goto(ACME)
    button(page.locator(f"[data-key={ci['id']}]"), "Copy").click()
    expect(page.get_by_text("Key copied.")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == ci["key"]
    assert page.url.endswith(ACME)
    assert not FULL_KEY.search(page.content())


def test_where_the_clipboard_refuses_the_key_is_shown_selected(
    open_page: Any, sign_in: Any, sam: Any, sandbox: Sandbox
) -> None:
    page, (ci, _laptop) = open_page(clipboard=False), acme(sandbox)
    page.add_init_script("for (const way of ['write', 'writeText']) navigator.clipboard[way] = () => Promise.reject()")
    page.clock.install()
    sign_in(page, sam)
    page.goto(ACME)
    for leave in (lambda: button(page, "Done").click(), lambda: page.clock.fast_forward(61_000)):
        button(page.locator(f"[data-key={ci['id']}]"), "Copy").click()
        dialog = page.get_by_role("dialog", name="Copy this key manually")
        expect(dialog).to_contain_text("blocked the clipboard")
        expect(dialog.locator("textarea")).to_have_value(ci["key"])
        assert page.evaluate("getSelection().toString()") == ci["key"]
        leave()
        expect(dialog).to_be_hidden()
        expect(page.locator("#copy-by-hand textarea")).to_have_value("")
    assert not FULL_KEY.search(page.content())


def test_what_keeps_a_key_from_being_copied_is_said_on_the_page(sams_page: Page, sandbox: Sandbox) -> None:
    page = sams_page
    page.goto(ACME)
    sandbox.fault("GET", "*", "drop", times=2)
    button(page, "Copy").first.click()
    expect(page.get_by_role("alert")).to_contain_text("The key service is unavailable")
    button(page, "Copy").first.click()
    expect(page.get_by_role("region", name="Notices")).to_have_text("Key copied.")
    page.route("**/copy/", lambda route: route.abort())
    button(page, "Copied").first.click()
    expect(page.get_by_role("alert")).to_contain_text("No response.")
    assert page.url.endswith(ACME)


def test_a_copy_pressed_twice_asks_once(sams_page: Page) -> None:
    """Each is in the history, and mailed about."""
    page, asked = sams_page, []
    page.goto(ACME)
    page.route("**/copy/", lambda route: (asked.append(route), route.continue_()))
    button(page, "Copy").first.evaluate("button => { button.click(); button.click(); }")
    expect(page.get_by_text("Key copied.")).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)
    assert len(asked) == 1


def test_a_key_that_was_deleted_elsewhere_leaves_the_list(sams_page: Page, sandbox: Sandbox, client: Client) -> None:
    page, (ci, laptop) = sams_page, sandbox.keys("acme")
    page.goto(ACME)
    client.cookies["sessionid"] = next(one["value"] for one in page.context.cookies() if one["name"] == "sessionid")
    for key, following in ((ci, f"[data-key={laptop['id']}]"), (laptop, "[data-main]")):
        row = page.locator(f"[data-key={key['id']}]")
        client.post(f"{ACME}{key['id']}/delete/", {"token": str(uuid.uuid4())})
        button(row, "Copy").press("Enter")
        expect(page.get_by_text("This key no longer exists")).to_be_visible()
        expect(row).to_have_count(0)
        expect(page.locator(following)).to_be_focused()
    expect(page.locator("[data-main]")).to_have_css("outline-style", "none")


def test_times_stay_in_utc_as_every_page_says(open_page: Any, sign_in: Any, sam: Any, sandbox: Sandbox) -> None:
    page, (_ci, laptop) = open_page(timezone_id="Asia/Kolkata", locale="en-GB"), acme(sandbox)
    sign_in(page, sam)
    for path in (ACME, f"{ACME}{laptop['id']}/"):
        page.goto(path)
        told = page.locator("#content time").all_text_contents()
        assert told
        assert [words for words in told if "UTC" not in words] == []


def test_an_old_sign_in_leads_from_copy_to_the_proof(sams_page: Page, settings: Any) -> None:
    sams_page.goto(ACME)
    settings.STEP_UP_MINUTES = 0
    button(sams_page, "Copy").first.click()
    expect(sams_page).to_have_url(re.compile("/accounts/step-up/"))


def test_copy_works_again_where_the_way_to_the_proof_was_stopped(sams_page: Page, settings: Any) -> None:
    page = sams_page
    page.goto(ACME)
    settings.STEP_UP_MINUTES = 0
    page.route("**/step-up/**", lambda it: it.fulfill(status=204))
    with page.expect_response(lambda response: response.status == 204):
        button(page, "Copy").first.click()
    page.unroute("**/step-up/**")
    button(page, "Copy").first.click()
    expect(page).to_have_url(re.compile("/accounts/step-up/"))


def test_a_key_is_tried(sams_page: Page, sandbox: Sandbox, settings: Any) -> None:
    page = sams_page
    page.goto(ACME)
    link(page, "CI").click()
    expect(button(page, "Try it")).to_have_count(0)
    with_a_test_route(settings, sandbox)
    page.reload()
    button(page, "Try it").click()
    expect(page.locator(".trial")).to_contain_text("200 OK")
    expect(page.get_by_text("The key works.")).to_be_visible()
    link(page, "Done").click()
    expect(page).to_have_url(re.compile(ACME + "$"))


def test_a_key_is_copied_and_tried_without_javascript(
    page_without_js: Page, sign_in: Any, sam: Any, sandbox: Sandbox, settings: Any
) -> None:
    page, (ci, _laptop) = page_without_js, acme(sandbox)
    with_a_test_route(settings, sandbox)
    sign_in(page, sam)
    page.goto(ACME)
    row = page.locator(f"[data-key={ci['id']}]")
    button(row, "Copy").click()
    assert page.locator("#revealed-key").input_value() == ci["key"]
    link(page, "Done").click()
    link(row, "CI").click()
    button(page, "Try it").click()
    expect(page.locator(".trial")).to_contain_text("200 OK")


def test_a_leaked_key_is_found_and_ended(sams_page: Page, sandbox: Sandbox) -> None:
    page = sams_page
    key = named(sandbox.keys("acme"), "CI")[0]
    page.goto(LIST)
    link(page, "Find a key").click()
    page.get_by_label("Key, or its last characters").fill(key["key"])
    button(page, "Search").click()
    expect(page.get_by_text("The last 8 characters match.")).to_be_visible()
    assert key["key"][5:37] not in page.content() + page.url
    link(page, "Expire it and email the managers").click()
    page.get_by_label("Where it was found").fill("In a public repository.")
    button(page, "Expire key").click()
    expect(page.get_by_text("Its managers get an email.")).to_be_visible()
    assert not sandbox.authorizes(key["key"])


def test_lists_over_all_consumers_go_on_and_are_exported(sams_page: Page, sandbox: Sandbox) -> None:
    page = sams_page
    sandbox.seed_consumers(600)
    page.goto(LIST)
    link(page, "Without expiry").click()
    button(page, "Search all").click()
    expect(page.get_by_role("status")).to_contain_text("Searched consumers 1 to 500")
    link(page, "Continue").click()
    expect(page.get_by_role("status")).to_contain_text("That's all of them.")
    with page.expect_download() as download:
        button(page, "Download CSV").click()
    assert download.value.suggested_filename == "never-production.csv"


WIDTHS = (320, 390, 768, 1024, 1280)
FITS = """async (width) => {
    while (innerWidth !== width) await new Promise(requestAnimationFrame); // a new size reaches the page later
    const titles = [[...document.querySelectorAll("h1")].at(-1), document.querySelector("h2")];
    return document.documentElement.scrollWidth <= width
        && titles.some((title) => title?.checkVisibility({ visibilityProperty: true }));
}"""


def misfits(page: Page) -> list[int]:
    """Widths at which the page scrolls sideways, or shows no title."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        if not page.evaluate(FITS, width):
            found.append(width)
    return found


SHIFTS = """async () => {
    let sum = 0;
    const add = (list) => list.getEntries().forEach((shift) => (sum += shift.value));
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
    for (const _frame of Array(20)) await new Promise(requestAnimationFrame);
    return sum;
}"""


def test_nothing_moves_while_a_page_is_loaded(sams_page: Page, sam: Any) -> None:
    """On a cold load; Django's own sidebar, which its script brings in afterwards, is not there."""
    page, places = sams_page, ["/admin/", "/admin/portal/user/", f"/admin/portal/user/{sam.pk}/change/", LIST, ACME]
    for path in [*places, "/admin/keys/auditevent/"]:
        page.goto(path)
        assert page.evaluate(SHIFTS) < 0.01, path
        assert page.locator("h1").count() == 1, path
    assert page.locator("#header nav [aria-current]").count() == 1


def test_a_text_to_hand_over_goes_to_the_clipboard(sams_page: Page, sandbox: Sandbox) -> None:
    page, (ci, _laptop) = sams_page, sandbox.keys("acme")
    page.goto(ACME)
    link(page, "CI").click()
    page.get_by_text("Docker", exact=True).click()
    page.locator(".snippet:visible").get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("region", name="Notices")).to_have_text("Text copied, with the key in it.")
    assert ci["key"] in page.evaluate("navigator.clipboard.readText()")
    assert not FULL_KEY.search(page.content())


def test_every_screen_fits(open_page: Any, sign_in: Any, sam: Any, sandbox: Sandbox) -> None:
    """In German, whose words are the longest."""
    acme(sandbox)
    sandbox.add_consumer(
        "a-consumer-with-a-name-as-long-as-names-may-be-" + "x" * 80,
        label="One with a rather long label, as companies like to have them, and no end of it " * 3,
        managers=["somebody.with.a.rather.long.name@a-company-with-a-long-name.test", "nobody@example.com"],
        tags={"a-rather-long-name-of-a-tag": "a-rather-long-value-of-a-tag"},
        keys=[{"description": "A key with a label that is not short " * 3}],
    )
    unbroken = {"label": "L" * 100, "managers": ["m" * 60 + "@initech.test"], "tags": {"t" * 60: "v" * 60}}
    sandbox.add_consumer("unbroken", keys=[{"description": "K" * 100, "expiresOn": in_days(7)}], **unbroken)
    page = open_page(locale="de-DE")
    sign_in(page, sam)
    addresses = [LIST, ACME, LIST + "find/", *forms(sandbox).values()]
    addresses += [f"{LIST}look/{topic}/{query or '?'}&from=0" for topic, query in TOPICS.items()]
    addresses += [f"/admin/keys/consumer/production/{one['name']}/" for one in sandbox.consumers()]
    addresses += [
        f"{ACME}{sandbox.keys('acme')[0]['id']}/",
        "/admin/",
        "/admin/keys/auditevent/",
        "/admin/portal/user/",
    ]
    for address in addresses:
        page.goto(address)
        assert misfits(page) == [], address
    page.goto(LIST + "find/")
    page.locator("#content [name=value]").fill(sandbox.keys("acme")[0]["key"])
    page.locator("#content form button").click()
    page.locator(".table a[href$='/leaked/']").wait_for()
    assert misfits(page) == []


@pytest.mark.parametrize("has_js", [True, False])
def test_many_keys_are_searched_and_turned_like_pages(
    has_js: bool, open_page: Any, sign_in: Any, sam: Any, sandbox: Sandbox
) -> None:
    """And a verb leads back to the page on which its key stands."""
    keys = [{"description": f"Robot {number:02}", "createdOn": in_days(-number)} for number in range(25)]
    sandbox.add_consumer("acme", keys=keys)
    page = open_page(java_script_enabled=has_js)
    sign_in(page, sam)
    page.goto(ACME)
    link(page, "Next").click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    row = page.locator("[data-key]", has_text="Robot 17")
    button(row, "Rotate").click()
    link(page, "Cancel").click()
    expect(page).to_have_url(re.compile(r"\?page=2$"))
    button(row, "Reveal").click()
    link(page, "Done").click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    page.get_by_role("searchbox").fill("robot 23")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("[data-key]", has_text="Robot 23")).to_be_visible()
    expect(page.get_by_text("Page 2 of 3")).to_be_hidden()


def test_a_key_is_rotated_without_javascript(page_without_js: Page, sign_in: Any, sam: Any, sandbox: Sandbox) -> None:
    page, before = page_without_js, acme(sandbox)
    sign_in(page, sam)
    page.goto(ACME)
    button(page.locator(f"[data-key={before[0]['id']}]"), "Rotate").click()
    button(page, "Rotate key").click()
    (new,) = new_keys(before, sandbox.keys("acme"))
    assert page.locator("#new-key").input_value() == new["key"]
