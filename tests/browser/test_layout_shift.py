"""Layout shift: what has been drawn stays where it is when something comes late."""

from typing import Any

import pytest

from tests.browser.held_requests import HeldRequests
from tests.helpers.scenes import ANN, some_keys

PAINTED = """() => new Promise((resolve) => {
    new PerformanceObserver(() => requestAnimationFrame(resolve)).observe({ type: "paint", buffered: true });
})"""
MOVED = """() => new Promise((resolve) => {
    let sum = 0;
    const add = (list) => list.getEntries().forEach((shift) => (sum += shift.value));
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
    const afterwards = () => requestAnimationFrame(() => setTimeout(() => resolve(sum), 100));
    document.fonts.ready.then(afterwards);
})"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/keys/"])
def test_nothing_moves_when_the_font_comes_late(
    open_page: Any, sign_in: Any, make_person: Any, sandbox: Any, path: str, width: int
) -> None:
    """Its stand-in is as wide, nearly: a line that wraps elsewhere would move all that is below it, by 0.01 or more."""
    some_keys(sandbox)
    page = open_page(viewport={"width": width, "height": 900})
    if path == "/keys/":
        sign_in(page, make_person(ANN))
    fonts = HeldRequests(page, "**/*.woff2")
    page.goto(path, wait_until="domcontentloaded")
    page.evaluate(PAINTED)
    fonts.wait_for()
    fonts.release()
    assert page.evaluate(MOVED) < 0.002
    assert page.evaluate("[...document.fonts].find((font) => font.family === 'Inter').status") == "loaded"
