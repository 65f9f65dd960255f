"""Every page and dialog is open to everybody: by axe's rules, at every width, in large letters, and by a finger.

Each state is visited once, and looked at in both schemes and in both sizes; in German, whose words are the longest.
In the second scheme of a size only colours are another, so only the rules about them are asked again.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import CDPSession, Page

from tests.helpers.admin_scenes import ADMIN
from tests.helpers.plan_scenes import ADMIN as PLANS_ADMIN
from tests.helpers.plan_scenes import SCENES as PLAN_SCENES
from tests.helpers.scenes import MANAGER, SCENES
from tests.helpers.stage import Scene

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WIDTHS = (320, 360, 640, 768, 1024, 1440)  # beside those two; 640 is 1280 at 200 % zoom
ALL = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
# The page is light, and as on a desktop, before and after.
LOOKS = (
    ("light", DESKTOP, ALL),
    ("dark", DESKTOP, OF_COLOURS),
    ("dark", PHONE, ALL),
    ("light", PHONE, OF_COLOURS),
)
RUN = """async ({ rules, part, width }) => {
    if (!("axe" in window)) return null;
    const frame = () => new Promise(requestAnimationFrame);
    while (innerWidth !== width) await frame(); // a new size reaches the page later, and may scroll it
    scrollTo(0, 0); // What has slid half under the title that stays would count as small.
    await frame();
    // Not by `finished`: where an animation is dropped, Chromium may leave that promise open for ever.
    const ends = ({ effect }) => effect.getComputedTiming().iterations !== Infinity;
    while (document.getAnimations().some((one) => one.playState === "running" && ends(one))) await frame();
    // What an open menu covers in part would count as small, too: that page is looked at in a state of its own.
    const menu = document.querySelector(":popover-open:not(dialog)");
    return (await axe.run(document.querySelector(part) ?? menu ?? document, rules)).violations;
}"""
# The page, a dialog, or what would cut off the rest of its words without three dots.
SCROLLS_SIDEWAYS = """async ([width, size]) => {
    while (innerWidth !== width) await new Promise(requestAnimationFrame);
    document.documentElement.style.fontSize = size;
    const cuts = (element) => {
        const { overflowX, textOverflow } = getComputedStyle(element);
        return ["hidden", "clip"].includes(overflowX) && textOverflow !== "ellipsis" && element.clientWidth > 1;
    };
    const found = [...document.querySelectorAll("html, dialog[open], main :not(input)")]
        .filter((element) => element.scrollWidth > element.clientWidth + 1)
        .filter((element) => element.matches("html, dialog") || cuts(element))
        .map((element) => element.cloneNode().outerHTML);
    document.documentElement.style.fontSize = "";
    return found;
}"""
# Links in the middle of a sentence need no more room than the sentence has.
TARGETS = "a, button, input:not([type=hidden]), select, textarea, summary"
# What Django admin's own lists and forms have in small: heads that sort, bare boxes to tick, icons beside a field.
DJANGOS = "thead *, :is(td, .checkbox-row) input[type=checkbox], .related-widget-wrapper-link"
SMALL_TARGETS = """([targets, djangos, least]) => [...document.querySelectorAll(`:is(${targets}):not(${djangos})`)]
    .map((element) => element.closest("label") ?? element)
    .filter((element) => {
        let line = element;
        while (getComputedStyle(line).display === "inline") line = line.parentElement;
        const isInSentence = line.textContent.trim().length > element.textContent.trim().length;
        return element.checkVisibility() && (line === element || !isInSentence);
    })
    .filter((element) => {
        const { width, height, bottom } = element.getBoundingClientRect();
        const isOnPage = width > 1 && bottom + scrollY > 0;
        return isOnPage && (width < least || height < least);
    })
    .map((element) => element.outerHTML)"""
MOVES = """() => [...document.querySelectorAll("*")].flatMap((element) => {
    const style = getComputedStyle(element);
    return [style.transitionDuration, style.animationDuration].flatMap((all) => all.split(",").map(parseFloat));
}).some((seconds) => seconds > 0.01)"""


def axe(page: Page, part: str = "dialog[open]", rules: dict[str, Any] = ALL) -> list[str]:
    """Violations that axe finds in that part, or else on the page: the rule, and the elements that break it.

    What stands behind an open dialog was looked at without it.
    """
    # Else it puts what a stylesheet imports into the page, which the policy forbids; of these rules none looks at that.
    options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
    about = {"rules": options, "part": part, "width": page.viewport_size["width"]}
    found: list[dict[str, Any]] | None = page.evaluate(RUN, about)
    if found is None:
        page.evaluate(AXE_SCRIPT)
        found = page.evaluate(RUN, about)
    return [f"{rule['id']}: {[node['html'] for node in rule['nodes']]}" for rule in found]


def small_targets(page: Page, least: int) -> list[str]:
    """Elements that are pressed and have less room than so many px; once a page that a link led to has its styles."""
    page.wait_for_load_state()
    found: list[str] = page.evaluate(SMALL_TARGETS, [TARGETS, DJANGOS, least])
    return found


def every_look(page: Page, part: str = "dialog[open]") -> Iterator[str]:
    """Violations in each scheme and size; it ends light, and as on a phone."""
    before = LOOKS[0]
    for look in LOOKS:
        scheme, size, rules = look
        if scheme != before[0]:
            page.emulate_media(color_scheme=scheme)
        if size != before[1]:
            page.set_viewport_size(size)
        before = look
        yield from (f"{scheme}, {size['width']} px: {trouble}" for trouble in axe(page, part, rules))


def every_width(page: Page, widths: tuple[int, ...] = WIDTHS) -> Iterator[str]:
    """Where the page, or its dialog, scrolls sideways; begins at a phone's width.

    At both ends of the widths also with letters of twice the size.
    """
    for width in (PHONE["width"], *widths, DESKTOP["width"]):
        if width != page.viewport_size["width"]:
            page.set_viewport_size({"width": width, "height": DESKTOP["height"]})
        for size in ("100%",) if width in widths else ("100%", "200%"):
            if found := page.evaluate(SCROLLS_SIDEWAYS, [width, size]):
                yield f"sideways at {width} px, {size}: {found}"


def by_finger(page: Page, touch: CDPSession) -> list[str]:
    """What is too small for the coarse pointer of a phone: 40 px in both directions, links that stand alone as well."""
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    assert page.evaluate("matchMedia('(pointer: coarse)').matches")
    found = small_targets(page, 40)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    return found


@pytest.mark.parametrize("scene", [*SCENES, *PLAN_SCENES], ids=str)
def test_every_page_and_dialog_is_open_to_everybody(states: Any, scene: Scene) -> None:
    found: list[str] = []
    touch: CDPSession | None = None
    for name, page in states(scene, viewport=DESKTOP, locale="de-DE", color_scheme="light"):
        found += [f"{name}, small: {element}" for element in small_targets(page, 24)]
        found += [f"{name}, {trouble}" for trouble in every_look(page)]
        touch = touch or page.context.new_cdp_session(page)
        found += [f"{name}, small for a finger: {element}" for element in by_finger(page, touch)]
        found += [f"{name}, {trouble}" for trouble in every_width(page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scene", [ADMIN, PLANS_ADMIN], ids=str)
def test_django_admin_is_open_to_everybody(states: Any, scene: Scene) -> None:
    """Whole pages, also those that are Django's own."""
    found: list[str] = []
    touch: CDPSession | None = None
    for name, page in states(scene, viewport=DESKTOP, locale="de-DE", color_scheme="light"):
        found += [f"{name}, {trouble}" for trouble in every_look(page)]
        touch = touch or page.context.new_cdp_session(page)
        found += [f"{name}, small for a finger: {element}" for element in by_finger(page, touch)]
        found += [f"{name}, {trouble}" for trouble in every_width(page, widths=())]
    assert not found, "\n".join(found)


def test_whoever_wants_less_motion_gets_none(states: Any) -> None:
    (state,) = [one for one in MANAGER.states if one.name == "rotate"]
    for _name, page in states(replace(MANAGER, states=(state,)), reduced_motion="no-preference"):
        assert page.evaluate(MOVES)
        page.emulate_media(reduced_motion="reduce")
        assert not page.evaluate(MOVES)


def test_the_pages_can_be_used_in_colours_of_the_readers_own(states: Any) -> None:
    """Where the system forces its colours, buttons keep an edge, and where the keyboard is stays visible."""
    (state,) = [one for one in MANAGER.states if one.name == "page"]
    for _name, page in states(replace(MANAGER, states=(state,)), forced_colors="active"):
        assert page.evaluate("() => matchMedia('(forced-colors: active)').matches")
        buttons = page.locator("main .button:visible, main .state:visible")
        edges = buttons.evaluate_all("all => all.map((one) => getComputedStyle(one).borderTopWidth)")
        assert edges
        assert set(edges) == {"1px"}
        button = page.locator("main .button").first
        button.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        ring = "one => { const style = getComputedStyle(one); return `${style.outlineStyle} ${style.outlineWidth}` }"
        assert button.evaluate(ring) == "solid 2px"
        assert axe(page) == []
