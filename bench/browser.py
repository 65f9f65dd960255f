"""Browser bench: what one without a cache fetches, and how soon a press is seen; needs chromium and playwright."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
SLOWED = 4  # times, as a phone is slower than a desk
OBSERVE = """
window.presses = [], window.shifts = [];
new PerformanceObserver((list) => presses.push(...list.getEntries().filter((one) => one.interactionId)))
  .observe({ type: "event", durationThreshold: 16, buffered: true });
new PerformanceObserver((list) => shifts.push(...list.getEntries().filter((one) => !one.hadRecentInput)))
  .observe({ type: "layout-shift", buffered: true });
"""


@dataclass
class Weight:
    """Bytes over the wire by path, headers included."""

    sizes: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        fonts = sum(size for path, size in self.sizes.items() if ".woff2" in path)
        total = sum(self.sizes.values())
        return f"{len(self.sizes)} requests, {total / 1000:.1f} kB, of which the font is {fonts / 1000:.1f} kB"


def why_not() -> str:
    """Reason why nothing can be measured here; "" if there is none."""
    try:
        import playwright.sync_api  # noqa: F401, asked for whether it is there
    except ImportError:
        return "not measured: there is no playwright"
    return "" if Path(CHROMIUM).exists() else f"not measured: there is no {CHROMIUM}"


@contextmanager
def _page(url: str, cookies: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(extra_http_headers=dict(headers or {}))
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
        yield context.new_page()
        browser.close()


def weight(url: str, cookie: str) -> Weight:
    """The keys page as it is shipped; the proxy that ends TLS is left out, and the portal is told that it was there."""
    paths: dict[str, str] = {}
    found = Weight()
    with _page(url, {}, {"X-Forwarded-Proto": "https", "Cookie": cookie}) as page:
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")

        def began(event: dict[str, Any]) -> None:
            paths[event["requestId"]] = urlsplit(event["request"]["url"]).path

        def ended(event: dict[str, Any]) -> None:
            if paths[event["requestId"]].startswith("/"):  # else it stands in the stylesheet, and is weighed with it
                found.sizes[paths[event["requestId"]]] = int(event["encodedDataLength"])

        network.on("Network.requestWillBeSent", began)
        network.on("Network.loadingFinished", ended)
        page.goto(f"{url}/keys/", wait_until="networkidle")
        _require_keys(page)
    return found


def presses(url: str, cookies: Mapping[str, str], *, rotates: bool) -> str:
    """In words: the slowest press of those that people do on the keys page, and what moved without one.

    On a development machine's portal: forms are refused where a browser says http and a proxy https.
    """
    with _page(url, cookies) as page:
        page.add_init_script(OBSERVE)
        devtools = page.context.new_cdp_session(page)
        page.goto(f"{url}/keys/", wait_until="networkidle")
        _require_keys(page)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        page.locator("[data-key] .more").first.click()
        page.keyboard.press("Escape")
        page.locator("[data-reveal]:visible").first.click()
        page.locator("[data-hide]").first.click()
        page.locator("[data-create]").first.click()
        page.locator("#dialog[open] [name=label]").press_sequentially("CI")
        page.keyboard.press("Escape")
        page.locator("[value=rotate]:visible").first.click()
        if rotates:
            page.locator("#dialog[open] form button:not([type=button])").first.click()
            page.locator("#dialog[open] .secret-value").first.wait_for()
        page.keyboard.press("Escape")
        page.wait_for_timeout(1500)
        slowest, moved, number = page.evaluate(
            "[Math.max(0, ...presses.map((one) => one.duration)), shifts.reduce((sum, one) => sum + one.value, 0), "
            "new Set(presses.map((one) => one.interactionId)).size]"
        )
    return f"slowest of {number} presses {slowest:.0f} ms at {SLOWED} times less CPU, layout shift {moved:.3f}"


def _require_keys(page: Any) -> None:
    if not page.locator("[data-key]").count():
        raise RuntimeError("The browser was not shown the keys page.")
