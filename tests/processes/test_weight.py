"""Page weight of the API Keys page, cold, as it is shipped: gunicorn, collected files, brotli."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from bench.serving import Portal
from sandbox import Sandbox
from tests.helpers.processes import in_production
from tests.helpers.scenes import ANN, some_keys

pytestmark = pytest.mark.browser

REQUESTS_AT_MOST = 9
ALL_AT_MOST = 62_500  # headers included
STYLE_AT_MOST = 8_550  # these three without what headers weigh
SCRIPT_AT_MOST = 7_250
FONT_AT_MOST = 21_000


@pytest.fixture
def portal(shipped: Path, empty_sqlite: Path, tmp_path: Path, upstream: Sandbox) -> Iterator[Portal]:
    """The portal behind a proxy that speaks TLS."""
    some_keys(upstream)
    shutil.copy(empty_sqlite, tmp_path / "portal.sqlite3")
    told = {
        "GATEWAY_URL": "https://api.acme.test",
        "PORTAL_ACCENT": "#e4572e",
        "ZUPLO_API_URL": upstream.url,
        "ZUPLO_ACCOUNT": upstream.account,
        "ZUPLO_BUCKET": upstream.bucket,
        "ZUPLO_API_KEY": upstream.token,
    }
    with in_production(shipped, tmp_path, **told) as portal:
        yield portal


@dataclass
class Answer:
    url: str
    kind: str
    bytes: int = 0
    body: int = 0


def everything_that_is_loaded(browser: Browser, portal: Portal) -> list[Answer]:
    """Sizes over the wire for a browser without a cache, headers included."""
    (session,) = portal.sign_in([ANN]).values()
    context = browser.new_context(base_url=portal.url, extra_http_headers={"X-Forwarded-Proto": "https"})
    cookies = [{"name": one.name, "value": one.value, "domain": "127.0.0.1", "path": "/"} for one in session.cookies]
    context.add_cookies([cookie | {"secure": True} for cookie in cookies])
    page = context.new_page()
    network = context.new_cdp_session(page)
    answers: dict[str, Answer] = {}

    def asked(event: dict) -> None:
        if event["request"]["url"].startswith("data:"):
            return  # It stands in the stylesheet, and is weighed with it.
        answers[event["requestId"]] = Answer(event["request"]["url"], event["type"])

    def finished(event: dict) -> None:
        if answer := answers.get(event["requestId"]):
            answer.bytes = event["encodedDataLength"]

    def received(event: dict) -> None:
        if answer := answers.get(event["requestId"]):
            answer.body += event["encodedDataLength"]

    network.on("Network.requestWillBeSent", asked)
    network.on("Network.dataReceived", received)
    network.on("Network.loadingFinished", finished)
    network.send("Network.enable")
    page.goto("/keys/production/", wait_until="networkidle")
    page.locator("[data-key]").first.wait_for()
    context.close()
    return list(answers.values())


def test_the_keys_page_is_light_and_asks_nobody_else(chromium: Browser, portal: Portal) -> None:
    answers = everything_that_is_loaded(chromium, portal)
    table = "\n".join(f"{answer.bytes:8} {answer.body:8} {answer.kind:12} {answer.url}" for answer in answers)
    assert {urlsplit(answer.url).netloc for answer in answers} == {urlsplit(portal.url).netloc}, table
    assert {"Document", "Stylesheet", "Script", "Font"} <= {answer.kind for answer in answers if answer.bytes}, table
    assert len(answers) <= REQUESTS_AT_MOST, table
    assert weight(answers, "Stylesheet") <= STYLE_AT_MOST, table
    assert weight([one for one in answers if "htmx" not in one.url], "Script") <= SCRIPT_AT_MOST, table
    assert weight(answers, "Font") <= FONT_AT_MOST, table
    assert sum(answer.bytes for answer in answers) <= ALL_AT_MOST, table


def weight(answers: list[Answer], kind: str) -> int:
    return sum(answer.body for answer in answers if answer.kind == kind)
