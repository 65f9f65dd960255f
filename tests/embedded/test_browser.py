"""A host project in Chromium: its policy holds, and neither side's style breaks the other."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from portal.branding.accent import contrast
from sandbox import Sandbox
from tests.embedded.conftest import PASSWORD, Host

expect.set_options(timeout=30_000)  # a busy machine is no fault of the page's
pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("host", ["3.13-newest-django"], indirect=True),
]
VIOLATIONS = "window.violations = []; addEventListener('securitypolicyviolation', (e) => violations.push(e.blockedURI))"


@pytest.fixture
def page(chromium: Browser, host: Host, acme: Sandbox) -> Iterator[Page]:
    with _page_of_ann(chromium, host) as page:
        yield page


@contextmanager
def _page_of_ann(chromium: Browser, host: Host, locale: str = "en") -> Iterator[Page]:
    """Signed in, on the page of her keys; at the end nothing may have been against the host's policy."""
    context = chromium.new_context(base_url=host.url, permissions=["clipboard-read", "clipboard-write"], locale=locale)
    context.add_init_script(VIOLATIONS)
    trouble: list[str] = []
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda line: trouble.append(line.text) if "Content Security Policy" in line.text else None)
    page.goto("/sign-in/?next=/account/keys/")
    page.locator("[name=username]").fill("ann")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button").click()
    yield page
    assert page.evaluate("window.violations") == []
    assert trouble == []
    context.close()


def test_keys_are_revealed_copied_made_and_deleted_in_place(page: Page, acme: Sandbox) -> None:
    value = acme.keys("acme")[0]["key"]
    row = page.locator("[data-key]").filter(has_text="Server")
    row.get_by_role("button", name="Reveal").click()
    expect(row.locator("[data-value]")).to_have_text(value)
    row.get_by_role("button", name="Copy").click()
    expect(page.locator("#notices")).to_contain_text("Key copied.")
    assert page.evaluate("navigator.clipboard.readText()") == value
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("Made here")
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog).to_contain_text("Your new key")
    dialog.get_by_role("button", name="Done").or_(dialog.get_by_role("link", name="Done")).click()
    made = page.locator("[data-key]").filter(has_text="Made here")
    expect(made).to_be_visible()
    made.get_by_role("button", name="More").click()
    made.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete key").click()
    expect(made).to_have_count(0)
    assert [key["description"] for key in acme.keys("acme")] == ["Server", "Laptop"]


def test_another_environment_comes_in_the_hosts_page(page: Page, acme: Sandbox) -> None:
    acme.add_consumer("trial", label="Trial", managers=["ann@acme.test"], bucket=acme.buckets[1], keys=[{}])
    page.get_by_role("link", name="preview").click()
    expect(page.get_by_role("heading", name="Trial")).to_be_visible()
    expect(page).to_have_url(f"{page.url.partition('/account')[0]}/account/keys/preview/")
    expect(page.get_by_role("navigation").first).to_contain_text("Stations")


def style(page: Page, selector: str, name: str) -> str:
    answer: str = page.locator(selector).first.evaluate("(element, name) => getComputedStyle(element)[name]", name)
    return answer


def test_neither_style_reaches_the_other(page: Page) -> None:
    """The host's buttons are uppercase, its headings in small capitals; both use the classes button, card and state."""
    theirs = ("header .button", ".api-keys .button[data-copy]")
    assert [style(page, button, "textTransform") for button in theirs] == ["uppercase", "none"]
    assert [style(page, heading, "fontVariantCaps") for heading in ("header h1", ".api-keys h1")] == [
        "small-caps",
        "normal",
    ]
    assert style(page, ".api-keys svg", "width") != style(page, "header h1", "fontSize")
    assert style(page, ".api-keys code", "backgroundColor") == "rgba(0, 0, 0, 0)"
    assert [style(page, part, "fontFamily") for part in ("header .button", ".api-keys .key strong")] == [
        style(page, "body", "fontFamily")
    ] * 2
    before = {name: style(page, "header .button", name) for name in ("padding", "border", "minHeight", "boxShadow")}
    before |= {name: style(page, "main.card", name) for name in ("padding", "maxWidth", "backgroundColor")}
    before |= {name: style(page, "footer .state", name) for name in ("display", "borderRadius", "fontSize")}
    page.evaluate("document.querySelector('link[href*=embedded]').disabled = true")
    after = {name: style(page, "header .button", name) for name in ("padding", "border", "minHeight", "boxShadow")}
    after |= {name: style(page, "main.card", name) for name in ("padding", "maxWidth", "backgroundColor")}
    after |= {name: style(page, "footer .state", name) for name in ("display", "borderRadius", "fontSize")}
    assert before == after


MAP = """(given) => {
  const sheet = [...document.styleSheets].find((one) => one.href.endsWith("site.css"));
  const rule = [...sheet.cssRules].find((one) => one.selectorText === ".api-keys");
  for (const name of [...rule.style]) rule.style.removeProperty(name);
  for (const [name, value] of Object.entries(given)) rule.style.setProperty(name, value);
}"""
COLOUR = """(element, name) => {
  const probe = element.appendChild(document.createElement("i"));
  probe.style.backgroundColor = `var(--${name})`;
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = getComputedStyle(probe).backgroundColor;
  canvas.fillRect(0, 0, 1, 1);
  probe.remove();
  return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}"""


def in_hex(colour: list[int]) -> str:
    return "#" + bytes(colour).hex()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("accent", ["#b3441e, #f0a07c", "#0d5c63, #57c0c8", "#8a1c7c, #f29be6"])
def test_what_follows_from_an_accent_is_of_its_hue_and_readable(page: Page, scheme: str, accent: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.evaluate(MAP, {"--accent": f"light-dark({accent})"})
    names = ("accent", "accent-soft", "accent-fill", "accent-fill-strong", "on-accent-fill", "surface", "ink")
    colours = {name: page.locator(".api-keys").evaluate(COLOUR, name) for name in names}
    for text, paper in (
        ("accent", "accent-soft"),
        ("ink", "accent-soft"),
        ("on-accent-fill", "accent-fill"),
        ("on-accent-fill", "accent-fill-strong"),
    ):
        assert contrast(in_hex(colours[text]), in_hex(colours[paper])) >= 4.5, (text, paper, colours)
    colours["tint"] = [soft - surface for soft, surface in zip(colours["accent-soft"], colours["surface"], strict=True)]
    least = colours["accent"].index(min(colours["accent"]))  # it tells orange, teal and purple apart
    for name in ("accent-fill", "accent-fill-strong", "tint"):
        assert colours[name].index(min(colours[name])) == least, (name, colours)


def test_nothing_is_hidden_by_a_header_that_stays(page: Page, acme: Sandbox) -> None:
    for number in range(6):
        acme.add_consumer(f"more-{number}", label=f"A {number}", managers=["ann@acme.test"], keys=[{}, {}, {}])
    page.goto("/account/keys/")
    page.evaluate(MAP, {"--above": "5rem"})
    page.evaluate("document.querySelector('header.head').style.cssText = 'position: sticky; top: 0; block-size: 5rem'")
    page.evaluate("location.hash = 'consumer-more-3'")
    page.wait_for_function("() => scrollY > 0")
    tops = page.evaluate(
        "['#consumer-more-3', 'header.head'].map((one) => document.querySelector(one).getBoundingClientRect())"
    )
    assert tops[0]["top"] >= tops[1]["bottom"] - 1


def test_what_needs_a_script_is_offered_only_with_one(page: Page) -> None:
    shortcuts = page.get_by_role("button", name="Keyboard shortcuts")
    expect(shortcuts).to_be_visible()
    assert style(page, "#notices", "position") == "fixed"
    page.evaluate("delete document.documentElement.dataset.js")
    expect(shortcuts).to_be_hidden()


def test_a_plan_is_started_changed_and_canceled_in_a_dialog(chromium: Browser, planned: Host, acme: Sandbox) -> None:
    with _page_of_ann(chromium, planned) as page:
        panel = page.locator(".plan-panel")
        expect(panel).to_contain_text("No plan")
        assert style(page, ".plan-panel", "display") == "grid"
        panel.get_by_role("link", name="Choose a plan").click()
        for plan, button in (("Shore", "Start plan"), ("Harbour", "Change plan")):
            page.locator(".page-tools").get_by_role("link").first.click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_role("link", name=plan).click()
            page.get_by_role("button", name=button).click()
            expect(page.locator("#main > .notice")).to_contain_text(plan)
        page.get_by_role("link", name="Cancel plan").click()
        page.get_by_label("to confirm").fill("Harbour")
        page.get_by_role("button", name="Cancel plan").click()
        expect(page.locator(".api-keys h1")).to_contain_text("No plan")
    assert not (acme.consumer("acme")["metadata"] or {}).get("plan")


def test_dates_are_in_the_language_of_our_part_of_the_page(chromium: Browser, planned: Host, acme: Sandbox) -> None:
    """The host's own part says that it is English, whatever it is."""
    with _page_of_ann(chromium, planned, locale="de") as page:
        assert page.evaluate("document.documentElement.lang") == "en"
        expect(page.locator(".api-keys")).to_have_attribute("lang", "de")
        told = page.locator("[data-key] time span").first
        expect(told).to_have_text(re.compile(r"\d{1,2}\. \w+\.? \d{4}, \d\d:\d\d"))
