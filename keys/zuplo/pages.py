"""Offset pagination over all consumers of a bucket, a page at a time: never all of them in memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from keys.errors import OddAnswer
from keys.zuplo.client import DeveloperAPI, Window

T = TypeVar("T")
PAGES_AT_MOST = 100_000

NewAPI = Callable[[], DeveloperAPI]
"""Makes a client whose deadline begins now, where a scan takes longer than a page may."""


def pages(
    new_api: NewAPI, begin: int, size: int, decode: Callable[[Any], T], name: Callable[[T], str]
) -> Iterator[Window[T]]:
    """The pages from one consumer on; the last one is empty where it brought nothing new.

    Offsets shift while consumers are deleted, so one may be missed, and one that is made meanwhile seen twice.
    """
    before, offset = set[str](), begin
    for _page in range(PAGES_AT_MOST):
        window = new_api().some_consumers(offset, size, decode=decode)
        names = set(map(name, window.items))
        if names <= before:
            window = replace(window, items=[], next=None)
        yield window
        if window.next is None:
            return
        offset, before = window.next, names
    raise OddAnswer("a list that does not end")
