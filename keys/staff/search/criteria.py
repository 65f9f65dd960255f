"""Search criteria: predicates over one consumer, as the Developer API sends it."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.staff.search.fingerprint import Fingerprint
from keys.staff.search.scan import Finder, Finding
from keys.staff.search.unreachable import why_unseen
from keys.types import ApiKey, Consumer
from keys.zuplo.pages import NewAPI


def ending_within(days: int) -> Finder:
    """Keys that work, and expire within so many days."""
    until = timezone.now() + timedelta(days=days)
    return _keys(lambda consumer: (key for key in consumer.live_keys if key.expires_on and key.expires_on <= until))


def never_ending() -> Finder:
    return _keys(lambda consumer: (key for key in consumer.keys if key.expires_on is None))


def older_than(days: int) -> Finder:
    """Keys that work, and were made more than so many days ago."""
    before = timezone.now() - timedelta(days=days)
    return _keys(lambda consumer: (key for key in consumer.live_keys if key.created_on < before))


def matching(words: str) -> Finder:
    """Consumers whose name, label or manager holds the words, whatever their case."""
    wanted = words.casefold()

    def find(consumer: Consumer, data: Any) -> Iterable[Finding]:
        texts = (consumer.name, consumer.label, *(manager.email for manager in consumer.managers))
        if any(wanted in text.casefold() for text in texts):
            yield Finding(consumer)

    return find


def unreachable_consumers(new_api: NewAPI) -> Finder:
    """Consumers that no sign-in matches. What the Developer API finds by odd addresses is tried once for each kind."""
    tried: dict[bool, bool] = {}

    def finds(address: str, consumer: Consumer) -> bool:
        if any(manager.email == address and not manager.invited for manager in consumer.managers):
            return True  # which says nothing about others
        kind = any(manager.invited and manager.email.lower() == address for manager in consumer.managers)
        if kind not in tried:
            tried[kind] = any(
                isinstance(one, Consumer) and one.name == consumer.name for one in new_api().consumers_of(address)
            )
        return tried[kind]

    def find(consumer: Consumer, data: Any) -> Iterable[Finding]:
        if reasons := why_unseen(consumer, finds):
            yield Finding(consumer, words=tuple(reasons))

    return find


def matching_fingerprint(sought: Fingerprint) -> Finder:
    """Keys that may be the one that is looked for."""

    def find(consumer: Consumer, data: Any) -> Iterable[Finding]:
        if same := sought.among(data):
            for key in consumer.keys:
                if key.id in same:
                    yield Finding(consumer, key, same=same[key.id])

    return find


def _keys(choose: Callable[[Consumer], Iterable[ApiKey]]) -> Finder:
    def find(consumer: Consumer, data: Any) -> Iterable[Finding]:
        return (Finding(consumer, key) for key in choose(consumer))

    return find
