"""Key health: which keys are worth a look, as they end soon, never end or are old; told from a list that was read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import ngettext

from keys.conf import settings
from keys.times import in_words
from keys.types import ApiKey, Consumer, Dates

Rule = Callable[[list[Dates]], list[Dates]]
"""Of these dates of keys those that a finding is about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to say of some keys, in words; the name stands in the URL that leads to them."""

    name: str
    words: str


def findings(consumers: Iterable[Consumer]) -> list[Finding]:
    """Findings about the keys that work, but for those that were replaced or are said to have leaked."""
    now = timezone.now()
    keys = [dates for consumer in consumers for dates in consumer.open_dates(now)]
    found = []
    for name, (rule, words) in RULES.items():
        if worth_a_look := rule(now)(keys):
            found.append(Finding(name, words(worth_a_look, now)))
    return found


def concerned(name: str, consumer: Consumer) -> tuple[ApiKey, ...]:
    """The keys of a consumer that a finding of this name is about."""
    concerns = RULES[name][0](timezone.now())
    return tuple(key for key in consumer.open_keys if concerns([(key.created_on, key.expires_on)]))


def _ends_soon(now: datetime) -> Rule:
    last = now + timedelta(days=settings.KEYS_WARN_DAYS)
    return lambda keys: [dates for dates in keys if dates[1] is not None and dates[1] <= last]


def _is_endless(_now: datetime) -> Rule:
    is_told = bool(settings.KEYS_WARN_ENDLESS)
    return lambda keys: [dates for dates in keys if dates[1] is None] if is_told else []


def _is_old(now: datetime) -> Rule:
    days = settings.KEYS_WARN_OLD_DAYS
    age = timedelta(days=days)
    return lambda keys: [dates for dates in keys if now - dates[0] > age] if days > 0 else []


def _soon_words(keys: list[Dates], now: datetime) -> str:
    first = in_words(min(ends for _made, ends in keys if ends), now)
    words = ngettext("%(number)d key expires %(when)s", "%(number)d keys expire soon, the first %(when)s", len(keys))
    return words % {"number": len(keys), "when": first}


def _endless_words(keys: list[Dates], _now: datetime) -> str:
    return ngettext("%(number)d key never expires", "%(number)d keys never expire", len(keys)) % {"number": len(keys)}


def _old_words(keys: list[Dates], _now: datetime) -> str:
    words = ngettext(
        "%(number)d key is older than %(days)d days", "%(number)d keys are older than %(days)d days", len(keys)
    )
    return words % {"number": len(keys), "days": settings.KEYS_WARN_OLD_DAYS}


RULES: dict[str, tuple[Callable[[datetime], Rule], Callable[[list[Dates], datetime], str]]] = {
    "soon": (_ends_soon, _soon_words),
    "endless": (_is_endless, _endless_words),
    "old": (_is_old, _old_words),
}
