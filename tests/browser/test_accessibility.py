"""Every page and dialog is open to everybody: by axe's rules, at every width, in large letters, and by a finger.

Each state is visited once, and looked at in both schemes and in both sizes; in German, whose words are the longest.
In the second scheme of a size only colours are another, so only the rules about them are asked again, and only if there
is a text that does not look as one that passed already, with all that it stands on: axe takes longest for that.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import CDPSession, Page

from tests.helpers.admin_scenes import ADMIN
from tests.helpers.plan_scenes import ADMIN as PLANS_ADMIN
from tests.helpers.plan_scenes import SCENES as PLAN_SCENES
from tests.helpers.scenes import MANAGER, SCENES, VISITOR
from tests.helpers.stage import Scene

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WIDTHS = (320, 360, 640, 768, 1024, 1440)  # beside those two; 640 is 1280 at 200 % zoom
ALL = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
# The second whole run is dark, so that it judges most dark texts on its way; few are left for the last look.
LOOKS = (
    ("light", DESKTOP, ALL),
    ("light", PHONE, OF_COLOURS),
    ("dark", PHONE, ALL),
    ("dark", DESKTOP, OF_COLOURS),
)
RUN = """async ({ rules, onlyColours, width, passed }) => {
    const frame = () => new Promise(requestAnimationFrame);
    while (innerWidth !== width) await frame(); // a new size reaches the page later, and may scroll it
    scrollTo(0, 0); // What has slid half under the title that stays would count as small.
    await frame();
    // Not by `finished`: where an animation is dropped, Chromium may leave that promise open for ever.
    const ends = ({ effect }) => effect.getComputedTiming().iterations !== Infinity;
    // A notice that is to leave moves nothing until then, and is to be looked at before.
    const moves = (one) => one.playState === "running" && one.animationName !== "leave" && ends(one);
    while (document.getAnimations().some(moves)) await frame();
    // What an open menu covers in part would count as small, too: that page is looked at in a state of its own.
    const menu = document.querySelector(":popover-open:not(dialog)");
    const place = document.querySelector("dialog[open]") ?? menu ?? document;

    // A text's look: its own, that of all the elements it stands on, and that of the sentence it is a part of.
    const hash = (words) => {
        let [one, other] = [17, 31];
        for (let at = 0; at < words.length; at++) {
            one = Math.imul(one ^ words.charCodeAt(at), 0x01000193);
            other = Math.imul(other ^ words.charCodeAt(at), 0x5bd1e995);
        }
        return `${one >>> 0} ${other >>> 0}`;
    };
    const read = (element, names) => {
        const style = getComputedStyle(element);
        return names.map((name) => style[name]);
    };
    const grounds = new Map([[null, ""]]);
    const ground = (element) => {
        if (!grounds.has(element)) {
            const name = [ground(element.parentElement), element.localName, element.getAttribute("class")];
            const look = ["backgroundColor", "backgroundImage", "opacity", "filter", "mixBlendMode", "position"];
            grounds.set(element, hash([...name, ...read(element, look)].join()));
        }
        return grounds.get(element);
    };
    const ink = ["color", "fontFamily", "fontSize", "fontWeight", "textShadow", "webkitTextStroke"];
    const inLine = ["textDecorationLine", "borderStyle", "borderColor", "outlineStyle"];
    const look = (element) => {
        const own = [ground(element), ...read(element, ink)];
        if (!getComputedStyle(element).display.startsWith("inline")) return own.join();
        return [...own, ...read(element, inLine), look(element.parentElement)].join();
    };
    const seen = ({ width, height, right, bottom }) => width > 1 && height > 1 && right > 0 && bottom > 0;
    const range = document.createRange();
    const isWord = (node) => {
        if (node.nodeType !== Node.TEXT_NODE || !/[^\\p{P}\\s]/u.test(node.data)) return false;
        range.selectNodeContents(node);
        return [...range.getClientRects()].some(seen);
    };
    const says = (element) => {
        if (!element.checkVisibility() || !seen(element.getBoundingClientRect())) return false;
        if (getComputedStyle(element).clipPath === "inset(50%)") return false;
        if (element.matches("input")) return !["checkbox", "radio", "range", "color", "image"].includes(element.type);
        return element.matches("select, textarea") || [...element.childNodes].some(isWord);
    };

    const known = new Set(passed.split(","));
    const looks = new Map();
    for (const element of place.querySelectorAll("*")) {
        const words = says(element) && hash(look(element));
        if (!words || known.has(words)) continue;
        looks.set(element, words);
        element.toggleAttribute("data-unjudged", true);
    }
    if (onlyColours && !looks.size) return { found: [], passed: [] };
    // Else axe puts what a stylesheet imports into the page, which the policy forbids; no rule here looks at that.
    const options = { preload: false, elementRef: true, reporter: (results, _options, done) => done(results) };
    const results = await axe.run(place, { ...options, runOnly: rules });
    for (const element of looks.keys()) element.toggleAttribute("data-unjudged", false);
    const { passes, incomplete } = results.find(({ id }) => id === "color-contrast");
    const anew = [...passes, ...incomplete]
        // On a picture axe cannot tell, whatever stands around it.
        .filter(({ any }) => [undefined, null, "bgImage"].includes(any[0].data?.messageKey))
        .map(({ node }) => looks.get(node.element));
    const found = results.filter(({ violations }) => violations.length);
    return { found: found.map(({ id, violations }) => [id, violations.map(({ node }) => node.source)]), passed: anew };
}"""
ADDS_STYLE = """(style) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    document.adoptedStyleSheets = [sheet];
}"""
AXE = f'{AXE_SCRIPT}\naxe.configure({{ rules: [{{ id: "color-contrast", selector: "[data-unjudged]" }}] }});'
# The page, a dialog, or what would cut off the rest of its words without three dots.
SCROLLS_SIDEWAYS = """async ([width, sizes]) => {
    const { style } = document.documentElement;
    while (innerWidth !== width) await new Promise(requestAnimationFrame);
    const cuts = (element) => {
        const { overflowX, textOverflow } = getComputedStyle(element);
        return ["hidden", "clip"].includes(overflowX) && textOverflow !== "ellipsis" && element.clientWidth > 1;
    };
    const found = sizes.flatMap((size) => {
        style.fontSize = size;
        return [...document.querySelectorAll("html, dialog[open], main :not(input)")]
            .filter((element) => element.scrollWidth > element.clientWidth + 1)
            .filter((element) => element.matches("html, dialog") || cuts(element))
            .map((element) => `${size || "100%"}: ${element.cloneNode().outerHTML}`);
    });
    style.fontSize = "";
    return found;
}"""
# All keeps its place, but nothing is painted, which takes half of the time.
HIDES = "(hides) => { document.documentElement.style.visibility = hides ? 'hidden' : ''; }"
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


PASSED: set[str] = set()
"""Looks of texts whose contrast is enough, by what this process has seen."""


def axe(page: Page, rules: dict[str, Any] = ALL, width: int = 0) -> list[str]:
    """Violations that axe finds in the open dialog, or else on the page: the rule, and the elements that break it.

    What stands behind an open dialog was looked at without it.
    """
    about = {
        "rules": rules,
        "onlyColours": rules is OF_COLOURS,
        "width": width or page.viewport_size["width"],
        "passed": ",".join(PASSED),
    }
    answer: dict[str, Any] = page.evaluate(RUN, about)
    PASSED.update(answer["passed"])
    return [f"{rule}: {elements}" for rule, elements in answer["found"]]


def resize(session: CDPSession, width: int, height: int) -> None:
    """As `set_viewport_size` does, at half of the time; the page must be as large as on a desktop when it goes on."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    session.send("Emulation.setDeviceMetricsOverride", size)


def small_targets(page: Page, least: int) -> list[str]:
    """Elements that are pressed and have less room than so many px; once a page that a link led to has its styles."""
    page.wait_for_load_state()
    found: list[str] = page.evaluate(SMALL_TARGETS, [TARGETS, DJANGOS, least])
    return found


def every_look(page: Page, session: CDPSession, looks: Any = LOOKS) -> Iterator[str]:
    """Violations in each scheme and size; begins as on a desktop, and stays as in the last one."""
    before = DESKTOP
    for scheme, size, rules in looks:
        page.emulate_media(color_scheme=scheme)
        if size != before:
            resize(session, **size)
        before = size
        yield from (f"{scheme}, {size['width']} px: {trouble}" for trouble in axe(page, rules, size["width"]))


def every_width(page: Page, session: CDPSession, widths: tuple[int, ...]) -> Iterator[str]:
    """Where the page, or its dialog, scrolls sideways; begins at a phone's width, and ends at a desktop's.

    At both ends of the widths also with letters of twice the size.
    """
    page.evaluate(HIDES, True)
    for width in (PHONE["width"], *widths, DESKTOP["width"]):
        if width != PHONE["width"]:
            resize(session, width, DESKTOP["height"])
        sizes = [""] if width in widths else ["", "200%"]
        yield from (f"sideways at {width} px, {found}" for found in page.evaluate(SCROLLS_SIDEWAYS, [width, sizes]))
    page.evaluate(HIDES, False)


def by_finger(page: Page, session: CDPSession) -> list[str]:
    """What is too small for the coarse pointer of a phone: 40 px in both directions, links that stand alone as well."""
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    assert page.evaluate("matchMedia('(pointer: coarse)').matches")
    found = small_targets(page, 40)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    return found


def every_trouble(page: Page, session: CDPSession, widths: tuple[int, ...] = WIDTHS) -> Iterator[str]:
    """From a desktop to a phone and back, where the last look is taken."""
    yield from every_look(page, session, LOOKS[:-1])
    yield from (f"small for a finger: {element}" for element in by_finger(page, session))
    yield from every_width(page, session, widths)
    yield from every_look(page, session, LOOKS[-1:])


@pytest.fixture
def open_page(open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Each document has axe from its beginning, so that nobody need ask for it, and hand it over, page by page."""

    def with_axe(**options: Any) -> Page:
        page = open_page(**options)
        page.context.add_init_script(AXE)
        return page

    return with_axe


@pytest.mark.parametrize("scene", [*SCENES, *PLAN_SCENES], ids=str)
def test_every_page_and_dialog_is_open_to_everybody(states: Any, scene: Scene) -> None:
    found: list[str] = []
    session: CDPSession | None = None
    for name, page in states(scene, viewport=DESKTOP, locale="de-DE", color_scheme="light"):
        session = session or page.context.new_cdp_session(page)
        found += [f"{name}, small: {element}" for element in small_targets(page, 24)]
        found += [f"{name}, {trouble}" for trouble in every_trouble(page, session)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scene", [ADMIN, PLANS_ADMIN], ids=str)
def test_django_admin_is_open_to_everybody(states: Any, scene: Scene) -> None:
    """Whole pages, also those that are Django's own."""
    found: list[str] = []
    session: CDPSession | None = None
    for name, page in states(scene, viewport=DESKTOP, locale="de-DE", color_scheme="light"):
        session = session or page.context.new_cdp_session(page)
        found += [f"{name}, {trouble}" for trouble in every_trouble(page, session, widths=())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("style", "rule", "looks"),
    [
        ("@media (width < 500px) { main p { color: #777 } }", "color-contrast", {"dark, 390 px", "light, 390 px"}),
        (
            "@media (prefers-color-scheme: dark) { body { background: white } }",
            "color-contrast",
            {"dark, 1280 px", "dark, 390 px"},
        ),
        (
            "@media (width > 500px) { p { color: light-dark(#333, #ccc) }"
            " p a { all: unset; color: light-dark(#000, #fff) } }",
            "link-in-text-block",
            {"light, 1280 px", "dark, 1280 px"},
        ),
    ],
    ids=["ink", "ground", "link"],
)
def test_what_passed_is_judged_anew_where_its_look_is_another_one(
    states: Any, style: str, rule: str, looks: set[str]
) -> None:
    """In whichever look of four: what this file relies on, so as to judge each look of a text once."""
    (state,) = [one for one in VISITOR.states if one.name == "sign-up"]
    for _name, page in states(replace(VISITOR, states=(state,)), viewport=DESKTOP, color_scheme="light"):
        session = page.context.new_cdp_session(page)
        for _ in range(2):
            assert list(every_look(page, session)) == []
        page.evaluate(ADDS_STYLE, style)
        troubles = list(every_look(page, session))
        assert {trouble.partition(f": {rule}")[0] for trouble in troubles} == looks


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
