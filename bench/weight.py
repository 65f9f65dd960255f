"""Page weight: what a browser without a cache fetches for the keys page; needs Debian's chromium and playwright."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"


def weight(url: str, cookie: str) -> str:
    """In words: how many requests, and how many bytes went over the wire."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "not measured: there is no playwright"
    if not Path(CHROMIUM).exists():
        return f"not measured: there is no {CHROMIUM}"
    sizes: dict[str, int] = {}
    paths: dict[str, str] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        # The proxy that ends TLS is left out; the portal is told that it was there.
        headers = {"X-Forwarded-Proto": "https", "Cookie": f"__Host-session={cookie}"}
        context = browser.new_context(extra_http_headers=headers)
        page = context.new_page()
        network = context.new_cdp_session(page)
        network.send("Network.enable")

        def began(event: dict[str, Any]) -> None:
            paths[event["requestId"]] = urlsplit(event["request"]["url"]).path

        def ended(event: dict[str, Any]) -> None:
            sizes[event["requestId"]] = int(event["encodedDataLength"])

        network.on("Network.requestWillBeSent", began)
        network.on("Network.loadingFinished", ended)
        page.goto(f"{url}/keys/", wait_until="networkidle")
        found = page.locator("[data-key]").count()
        browser.close()
    if not found:
        raise RuntimeError("The browser was not shown the keys page.")
    fonts = sum(size for number, size in sizes.items() if ".woff2" in paths[number])
    total = sum(sizes.values())
    return f"{len(sizes)} requests, {total / 1000:.1f} kB, of which the font is {fonts / 1000:.1f} kB"
