"""A real browser: Debian's chromium, driven by Playwright, against the portal on a real socket."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.helpers.stage import Scene, Stage

PATIENCE = 30_000  # ms until what a test waits for must be there: a busy machine is no fault of the page's
expect.set_options(timeout=PATIENCE)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder needs a browser (each worker starts one) and the rows that it has committed."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@dataclass
class Watch:
    """Errors of the pages: violations of the policy, and exceptions that no script caught."""

    trouble: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.trouble.append(f"page error: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
            self.trouble.append(message.text)


@pytest.fixture
def open_page(chromium: Browser, live_server) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own; options as of a Playwright context (viewport, color_scheme, ...)."""
    contexts: list[BrowserContext] = []
    watch = Watch()

    def open_page(*, clipboard: bool = True, **options: Any) -> Page:
        permissions = ["clipboard-read", "clipboard-write"] if clipboard else []
        context = chromium.new_context(**{"base_url": live_server.url, "permissions": permissions} | options)
        context.set_default_timeout(PATIENCE)
        context.on("page", watch.over)
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert watch.trouble == []


@pytest.fixture
def page(open_page) -> Page:
    return open_page()


@pytest.fixture
def page_without_js(open_page) -> Page:
    return open_page(java_script_enabled=False)


@pytest.fixture
def sign_in(client_of, live_server, settings) -> Callable[[Page, Any], None]:
    """Signs the person in by a session cookie, in the page's browser."""

    def sign_in(page: Page, person: Any) -> None:
        cookie = client_of(person).cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])

    return sign_in


@pytest.fixture
def states(
    live_server, open_page, sign_in, make_person, sandbox, settings
) -> Iterator[Callable[..., Iterator[tuple[str, Page]]]]:
    """Goes through a scene of the table in one browser: yields each state's name, and the page in that state.

    No page of any state may ask another host for anything.
    """

    elsewhere: list[str] = []

    def _is_ours(url: str) -> bool:
        return url.startswith((f"{live_server.url}/", "data:"))

    def states(scene: Scene, **options: Any) -> Iterator[tuple[str, Page]]:
        for name, value in scene.settings.items():
            setattr(settings, name, value)
        page = open_page(**{"reduced_motion": "reduce"} | options)
        page.on("request", lambda request: elsewhere.append(request.url) if not _is_ours(request.url) else None)
        password = {"password": scene.password} if scene.password else {}
        if scene.person:
            sign_in(page, make_person(scene.person, verified=scene.verified, **password))
        stage = Stage(page, sandbox, settings, make_person)
        scene.prepare(stage)
        for name in stage.states(scene):
            yield name, page

    yield states
    assert elsewhere == []
