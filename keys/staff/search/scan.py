"""Full scan of all consumers, a page of the Developer API at a time: never all of them in memory."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from keys.conf import settings
from keys.errors import ApiError
from keys.types import ApiKey, Consumer, Unread
from keys.zuplo.client import DeveloperAPI, Window, read_entry
from keys.zuplo.pages import NewAPI, pages

logger = logging.getLogger(__name__)

PAGE = 500
FINDINGS = 200  # after which no further page is asked for: people read these first


@dataclass(frozen=True, slots=True)
class Finding:
    """One hit: a consumer, or one of its keys; `words` say why."""

    consumer: Consumer
    key: ApiKey | None = None
    words: tuple[str, ...] = ()
    same: int = 0


Finder = Callable[[Consumer, Any], Iterable[Finding]]
"""A search criterion: the findings in one consumer, given as read and as on the wire."""


@dataclass(slots=True)
class ScanResult:
    """Result of a scan from one consumer on up to another; `next` is where to go on, None at the end of the list.

    `odd` consumers could not be read, and `partly` ones not in full. One of them is no reason to look at no other.
    """

    begin: int
    next: int | None
    findings: list[Finding] = field(default_factory=list)
    total: int | None = None
    looked: int = 0
    odd: int = 0
    partly: int = 0
    trouble: ApiError | None = None

    @property
    def is_whole(self) -> bool:
        """True if all that was looked through could be read."""
        return not self.odd and not self.partly

    @property
    def end(self) -> int:
        return self.begin + self.looked

    @property
    def percent(self) -> int | None:
        """Progress in percent, where the Developer API says how much there is."""
        return min(100, self.end * 100 // self.total) if self.total else None


def look_through(api: DeveloperAPI, begin: int, finder: Finder) -> ScanResult:
    """Scan as many pages as the time allows; raises an `ApiError` only if not even the first one can be had."""
    stretch, stop = ScanResult(begin, begin), time.monotonic() + settings.KEYS_SCAN_SECONDS
    try:
        for window in _pages(lambda: api, stretch, finder):
            stretch.findings += [finding for _name, findings in window.items for finding in findings]
            if time.monotonic() > stop or len(stretch.findings) >= FINDINGS:
                break
    except ApiError as trouble:
        if not stretch.looked:
            raise
        logger.warning("looking through consumers stopped at %s: %s", stretch.next, trouble)
        stretch.trouble = trouble
    return stretch


def look_if_small(api: DeveloperAPI, finder: Finder) -> ScanResult | None:
    """Scan of all consumers where they stand on one page; None where there are more, or none can be had now."""
    stretch = ScanResult(0, 0)
    try:
        window = next(_pages(lambda: api, stretch, finder), None)
    except ApiError as trouble:
        logger.info("a report waits to be asked for: %s", trouble)
        return None
    if stretch.next is not None:
        return None
    stretch.findings = [finding for _name, findings in window.items for finding in findings] if window else []
    return stretch


def scan_all(new_api: NewAPI, stretch: ScanResult, finder: Finder) -> Iterator[Finding]:
    """Scan to the end, each page with a deadline of its own; raises an `ApiError` where it stops.

    The stretch tells how far it went, and keeps no finding.
    """
    for window in _pages(new_api, stretch, finder):
        for _name, findings in window.items:
            yield from findings


def _pages(new_api: NewAPI, stretch: ScanResult, finder: Finder) -> Iterator[Window[tuple[str, list[Finding]]]]:
    def decode(data: Any) -> tuple[str, list[Finding]]:
        entry = read_entry(data)
        if isinstance(entry, Unread):
            stretch.odd += 1
            return entry.id, []
        stretch.partly += bool(entry.unread)
        return entry.name, list(finder(entry, data))

    for window in pages(new_api, stretch.begin, PAGE, decode, lambda found: found[0]):
        stretch.total, stretch.next = window.total, window.next
        stretch.looked += len(window.items)
        yield window
