"""Request interception: what a page asks for waits in the browser until the test lets it go.

Playwright reports a request some time after the page has sent it, and so after the page shows that it waits. A test
that takes the request out of a list at once is in a race with that report; it waits for the request here.
"""

import re
from time import monotonic

from playwright.sync_api import Page, Route

PATIENCE = 30.0  # seconds until a request must have come
PAUSE = 10  # ms between two looks


class HeldRequests:
    """Holds a page's requests to addresses of the pattern, of the method if one is named; the others pass."""

    def __init__(self, page: Page, pattern: str | re.Pattern[str], method: str = "") -> None:
        self._page, self._pattern, self._method = page, pattern, method
        self._holds, self._routes = True, list[Route]()
        page.route(pattern, self._hold)

    def __len__(self) -> int:
        return len(self._routes)

    def wait_for(self, number: int = 1) -> Route:
        """Return the request of this number, counted from 1, once the browser has reported it."""
        deadline = monotonic() + PATIENCE
        while len(self) < number:
            assert monotonic() < deadline, f"{len(self)} of {number} requests to {self._pattern} came."
            self._page.wait_for_timeout(PAUSE)
        return self._routes[number - 1]

    def release(self) -> None:
        """Let go those that wait, and those that are still to come."""
        self._holds = False
        for route in self._routes:
            route.continue_()

    def _hold(self, route: Route) -> None:
        if self._holds and self._method in ("", route.request.method):
            self._routes.append(route)
        else:
            route.continue_()
