"""Listing of a consumer's keys: what they are searched for, a page of them, and rotated keys beside what replaces them.

From eleven keys on there is a search and there are pages. Where somebody is in them stands in the URL, and goes along
with every verb, so that it leads back there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.utils.translation import ngettext

from keys.http import Request
from keys.types import ApiKey, Consumer
from keys.web import key_health
from keys.web.forms import LABEL_LENGTH
from keys.web.portal_or_admin import consumer_page, in_admin, page_of

KEYS_ON_A_PAGE = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody is in a list of keys: the words searched for, a page, a finding of the health line, or a key."""

    find: str = ""
    page: int = 1
    only: str = ""
    key: str = ""

    @property
    def query(self) -> str:
        """For a URL, with its question mark; "" where everybody begins."""
        return f"?{urlencode(dict(self.fields))}" if self.fields else ""

    @property
    def fields(self) -> list[tuple[str, str]]:
        given = [("find", self.find), ("page", str(self.page) if self.page > 1 else ""), ("only", self.only)]
        return [(name, value) for name, value in given if value]


def place_of(request: Request) -> Place:
    """The place that a URL names, or the hidden fields of a form; most requests have neither."""
    if not request.META.get("QUERY_STRING") and request.method != "POST":
        return Place()
    told = {name: request.GET.get(name) or request.POST.get(name) or "" for name in ("find", "page", "only", "key")}
    number = int(told["page"]) if told["page"].isdecimal() and len(told["page"]) < 6 else 1
    only = told["only"] if told["only"] in key_health.RULES else ""
    return Place(told["find"].strip()[:LABEL_LENGTH], max(number, 1), only, told["key"])


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a consumer's keys. `place` is where that is, which need not be where somebody wanted to be."""

    consumer: Consumer
    place: Place
    live: list[ApiKey]
    ended: list[ApiKey]
    live_total: int
    ended_total: int
    found: int
    pages: int

    @property
    def is_long(self) -> bool:
        return is_long(self.consumer)

    @property
    def is_last(self) -> bool:
        """True if it shows the one key that works."""
        return self.live_total == 1 and not self.consumer.unread_keys

    @property
    def before(self) -> str:
        return self._page(self.place.page - 1) if self.place.page > 1 else ""

    @property
    def after(self) -> str:
        return self._page(self.place.page + 1) if self.place.page < self.pages else ""

    @property
    def count(self) -> str:
        """How many keys there are, or were found, in words."""
        found, live, ended = ({"counter": number} for number in (self.found, self.live_total, self.ended_total))
        if self.place.find or self.place.only:
            return ngettext("%(counter)s key found", "%(counter)s keys found", self.found) % found
        words = ngettext("%(counter)s active key", "%(counter)s active keys", self.live_total) % live
        if not self.ended_total:
            return words
        expired = ngettext("%(counter)s expired", "%(counter)s expired", self.ended_total) % ended
        return f"{words}, {expired}"

    def _page(self, number: int) -> str:
        return replace(self.place, page=number).query or "?page=1"


def page_at(request: Request, environment: str, name: str = "") -> str:
    """URL of the page that a verb on this consumer came from and leads back to, at the same place."""
    place = place_of(request)
    if not name or not place.query:
        return page_of(request, environment, name)
    return consumer_page(request, environment, name) + place.query + ("" if in_admin(request) else f"#consumer-{name}")


def row_at(request: Request, environment: str, consumer: Consumer, key_id: str) -> str:
    """URL of a key's row, which may be one of many: then its page is found by the key."""
    if is_long(consumer):
        return f"{consumer_page(request, environment, consumer.name)}?key={key_id}#key-{key_id}"
    return page_of(request, environment, consumer.name if in_admin(request) else "") + f"#key-{key_id}"


def is_long(consumer: Consumer) -> bool:
    return len(consumer.keys) > KEYS_ON_A_PAGE


def listing(consumer: Consumer, place: Place, *, strict: bool = True) -> Listing:
    """The keys at that place. Unless `strict`, words that no key holds are about the consumer, and all keys stay.

    A key that the place names is shown, on whichever page it stands, and without the words if it does not hold them.
    """
    live, ended = consumer.live_keys, consumer.ended_keys
    groups = [*_groups(live), *([key] for key in ended)]
    words, only = place.find if is_long(consumer) else "", place.only
    found = _found(groups, words, set(map(_id, key_health.concerned(only, consumer))) if only else None)
    is_lost = place.key and not any(key.id == place.key for group in found for key in group)
    if is_lost or (not found and (only or not strict)):
        found, words, only = groups, "", ""
    pages = list(_pages(found)) if is_long(consumer) else [[key for group in found for key in group]]
    number = max(min(place.page, len(pages)), 1)
    if place.key:
        number = next((at for at, page in enumerate(pages, 1) if any(key.id == place.key for key in page)), number)
    shown, is_ended = pages[number - 1] if pages else [], set(map(_id, ended))
    return Listing(
        consumer,
        Place(words, number, only),
        [key for key in shown if key.id not in is_ended],
        [key for key in shown if key.id in is_ended],
        len(live),
        len(ended),
        sum(map(len, found)),
        len(pages),
    )


def _found(groups: list[list[ApiKey]], words: str, chosen: set[str] | None) -> list[list[ApiKey]]:
    """The groups of which a key holds the words, and of them the chosen keys."""
    found = [group for group in groups if _has_words(group, words)] if words else groups
    if chosen is None:
        return found
    return [kept for group in found if (kept := [key for key in group if key.id in chosen])]


def _id(key: ApiKey) -> str:
    return key.id


def _groups(live: list[ApiKey]) -> Iterator[list[ApiKey]]:
    """Each key with those that it replaces and that still work."""
    working = set(map(_id, live))
    replaced: dict[str, list[ApiKey]] = {}
    for key in live:
        if key.replaced_by and key.replaced_by.id in working:
            replaced.setdefault(key.replaced_by.id, []).append(key)
    olds = {key.id for keys in replaced.values() for key in keys}
    told: set[str] = set()
    for key in [*(key for key in live if key.id not in olds), *live]:  # the latter for what replaces itself
        if key.id not in told:
            yield list(_with_replaced(key, replaced, told))


def _with_replaced(key: ApiKey, replaced: dict[str, list[ApiKey]], told: set[str]) -> Iterator[ApiKey]:
    waiting = [key]
    while waiting:
        one = waiting.pop()
        if one.id not in told:
            told.add(one.id)
            yield one
            waiting += reversed(replaced.get(one.id, []))


def _has_words(keys: Iterable[ApiKey], words: str) -> bool:
    """True if one of these keys holds all the words."""
    texts = [f"{key.label}\n{key.ending}".casefold() for key in keys]
    return any(all(word in text for word in words.casefold().split()) for text in texts)


def _pages(groups: Iterable[list[ApiKey]]) -> Iterator[list[ApiKey]]:
    """Pages of so many keys at most; a group stays together, unless it is longer than a page."""
    page: list[ApiKey] = []
    for group in groups:
        if page and len(page) + len(group) > KEYS_ON_A_PAGE:
            yield page
            page = []
        page += group
        while len(page) > KEYS_ON_A_PAGE:
            yield page[:KEYS_ON_A_PAGE]
            page = page[KEYS_ON_A_PAGE:]
    if page:
        yield page
