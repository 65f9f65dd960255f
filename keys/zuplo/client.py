"""HTTP API client of Zuplo's Developer API: one method an operation, every failure turned into one of ours.

Documentation: https://zuplo.com/docs/api/api-keys-consumers (and -keys, -managers, -buckets).
"""

import json
import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar
from urllib.parse import quote, urlencode

from keys.conf import settings
from keys.errors import (
    ApiError,
    ApiMisconfigured,
    ApiRefused,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
)
from keys.redaction import harmless
from keys.types import (
    ID,
    NAME,
    ApiKey,
    Consumer,
    FullKey,
    Manager,
    NewConsumer,
    Unread,
    UnreadConsumer,
    wire_time,
)
from keys.zuplo import call_stats, retries
from keys.zuplo.transport import Answer, Deadline

logger = logging.getLogger(__name__)
T = TypeVar("T")

PAGE_SIZE = 1000  # the documented maximum
PAGES_AT_MOST = 100
MASKED = "key-format=masked"
VISIBLE = "key-format=visible"
WITH_ALL = f"include-api-keys=true&include-managers=true&include-manager-invites=true&{MASKED}"


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """One page of a list: where the next one begins, None after the last, and of how many, where that is said.

    `unread` entries of it could not be read, and are not among the items.
    """

    items: list[T]
    next: int | None
    total: int | None
    unread: int = 0


class DeveloperAPI:
    """Client for one bucket, for the time of one page.

    Reads are tried twice, writes once unless they surely did not arrive. A write without a usable answer
    raises `OutcomeUnknown`; every other error means that nothing was done.
    """

    def __init__(self, bucket: str, deadline: Deadline) -> None:
        self._account = f"/v1/accounts/{_segment(settings.ZUPLO_ACCOUNT)}/key-buckets/{_segment(bucket)}"
        self._deadline = deadline

    @property
    def seconds_left(self) -> float:
        """Time left of the page's deadline."""
        return self._deadline.left()

    # Consumers

    def consumers_of(self, email: str) -> list[Consumer | Unread]:
        """All consumers that the API finds for a manager's address, with managers and masked keys."""
        return self._list("/consumers", _query(WITH_ALL, {"manager-email": email}), _listed_entry, _identity)

    def some_consumers(
        self,
        offset: int,
        limit: int,
        *,
        email: str = "",
        tag: tuple[str, str] | None = None,
        decode: Callable[[Any], T],
    ) -> Window[T]:
        """A piece of the list of all consumers, or of those that the API finds for an address and a tag."""
        filters = ({"manager-email": email} if email else {}) | ({f"tag.{tag[0]}": tag[1]} if tag else {})
        return self._window("/consumers", _query(WITH_ALL, filters), offset, limit, decode)

    def consumer(self, name: str) -> Consumer:
        """One consumer with managers and masked keys; raises `NotFound`, or `UnreadConsumer`."""
        return self._call("GET", _consumer(name), WITH_ALL, decode=_only(_the_consumer, name))

    def full_keys(self, name: str) -> list[FullKey]:
        """The keys of one consumer with their values, without those that cannot be read."""
        path = _consumer(name) + "/keys"
        found = self._list(path, VISIBLE, _entry_of_keys(name), lambda full: full.key.id if full else "")
        return [full for full in found if full]

    def create_consumer(
        self, new: NewConsumer, *, key_label: str | None, key_ends: datetime | None
    ) -> tuple[Consumer, list[FullKey]]:
        """Make a consumer and, unless its label is None, its first key in one call.

        Raises `ApiRefused` (409) when the name is taken.
        """
        body = {
            "name": new.name,
            "description": new.label,
            "managers": [one if isinstance(one, str) else dict(one) for one in new.managers],
            "tags": dict(new.tags),
            "metadata": dict(new.metadata),
        } | ({} if key_label is None else {"apiKeys": [_key_body(key_label, key_ends)]})
        return self._call("POST", "/consumers", body=body, decode=_only(_consumer_with_values, new.name))

    def change_consumer(self, name: str, fields: Mapping[str, Any]) -> Consumer:
        """Change its description, tags or metadata, as on the wire: as it is now, without its keys and managers.

        Whether PATCH merges tags and metadata into what is there, or replaces it, is not documented.
        """
        return self._call("PATCH", _consumer(name), body=dict(fields), decode=_only(Consumer.from_json, name))

    def delete_consumer(self, name: str) -> None:
        """Delete it, with its keys and managers."""
        self._call("DELETE", _consumer(name), decode=_nothing)

    def add_manager(self, name: str, email: str, sub: str) -> Manager:
        body = {"email": email, "sub": sub}
        return self._call("POST", _consumer(name) + "/managers", body=body, decode=Manager.from_json)

    def remove_manager(self, name: str, manager_id: str) -> None:
        if not ID.fullmatch(manager_id):
            raise NotFound("not an id")
        self._call("DELETE", f"{_consumer(name)}/managers/{manager_id}", decode=_nothing)

    def rename_consumer(self, name: str, label: str) -> Consumer:
        return self.change_consumer(name, {"description": label})

    def roll_keys(self, name: str, *, old_keys_end: datetime) -> None:
        """Make one new key without an end, and give some of the old keys that end.

        Which of them is said differently in the reference ("no expiration date"), in the self-serve guide
        (all that have not expired) and in the leak guide (all), and the new key need not be in the answer:
        look for both afterwards.
        """
        body = {"expiresOn": wire_time(old_keys_end)}
        self._call("POST", _consumer(name) + "/roll-key", body=body, decode=_nothing_or_an_object)

    # Keys

    def full_key(self, name: str, key_id: str) -> FullKey:
        """One key with its value, "" if the API keeps it hidden."""
        return self._call("GET", _key(name, key_id), VISIBLE, decode=_full_key(name, key_id))

    def create_key(self, name: str, *, label: str, ends: datetime | None) -> FullKey:
        body = _key_body(label, ends)
        return self._call("POST", _consumer(name) + "/keys", body=body, decode=_full_key(name))

    def rename_key(self, name: str, key_id: str, label: str) -> ApiKey:
        """Change its description: the key as it is kept."""
        return self._call("PATCH", _key(name, key_id), body={"description": label}, decode=_this_key(name, key_id))

    def end_key(self, name: str, key_id: str, at: datetime) -> ApiKey:
        """Change its end: the key as it is kept."""
        return self._call(
            "PATCH", _key(name, key_id), body={"expiresOn": wire_time(at)}, decode=_this_key(name, key_id)
        )

    def delete_key(self, name: str, key_id: str) -> None:
        self._call("DELETE", _key(name, key_id), decode=_nothing)

    # The account

    def check_list(self) -> None:
        """Ask for one consumer, whichever; raises what is wrong with lists."""
        self._window("/consumers", MASKED, 0, 1, _anything)

    def buckets(self) -> dict[str, str]:
        """The account's buckets by name, each with its description."""
        account = f"/v1/accounts/{_segment(settings.ZUPLO_ACCOUNT)}/key-buckets"
        page = self._call("GET", "", root=account, decode=_page_of)
        texts = [bucket for bucket in page["data"] if isinstance(bucket, dict)]
        return {str(one.get("name") or ""): harmless(str(one.get("description") or "")) for one in texts}

    def shows_keys(self) -> bool:
        """True if this bucket shows keys after their creation, or does not say."""
        data = self._call("GET", "", decode=_anything)
        return not isinstance(data, dict) or data.get("isRetrievable") is not False

    def who_am_i(self) -> str:
        """The account that the token belongs to, "" where the API does not say."""
        data = self._call("GET", "", decode=_anything, root="/v1/who-am-i")
        account = data.get("account") if isinstance(data, dict) else None
        return account if isinstance(account, str) else ""

    def bucket_id(self) -> str:
        """The bucket's id, by which its plans are asked for; other paths take its name."""
        data = self._call("GET", "", decode=_anything)
        return _segment(str(data.get("id") or "")) if isinstance(data, dict) else ""

    def metering(
        self,
        method: str,
        bucket_id: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        decode: Callable[[Any], T],
        body: Any = None,
    ) -> T:
        """An operation of metering (v3, a preview) at a path below the bucket's, with the care that all others get."""
        query = _query("", params or {})
        return self._call(method, "", query, decode=decode, body=body, root=f"/v3/metering/{bucket_id}{path}")

    # How calls are made

    def _list(self, path: str, query: str, decode: Callable[[Any], T], identity: Callable[[T], Hashable]) -> list[T]:
        """Offset pagination to the end, each item once. Neither `total` nor `limit` is sure to be in an answer."""
        found: dict[Hashable, T] = {}
        offset = 0
        for _page in range(PAGES_AT_MOST):
            window = self._window(path, query, offset, PAGE_SIZE, decode)
            known = len(found)
            for item in window.items:
                found.setdefault(identity(item), item)
            if len(found) == known or window.next is None:
                return list(found.values())
            offset = window.next
        raise OddAnswer("a list that does not end")

    def _window(self, path: str, query: str, offset: int, limit: int, decode: Callable[[Any], T]) -> Window[T]:
        """One page of a list. Neither `total` nor `limit` is sure to be in the answer."""
        page = self._call("GET", path, f"{query}&limit={limit}&offset={offset}", decode=_page_of)
        total, echoed, after = page.get("total"), page.get("limit"), offset + len(page["data"])
        enough = isinstance(total, int) and after >= total
        short = isinstance(echoed, int) and len(page["data"]) < echoed
        is_last = enough or short or after == offset
        items = [decode(item) for item in page["data"]]
        return Window(items, None if is_last else after, total if isinstance(total, int) else None)

    def _call(
        self,
        method: str,
        path: str,
        query: str = "",
        *,
        decode: Callable[[Any], T],
        body: Any = None,
        root: str = "",
    ) -> T:
        url = settings.ZUPLO_API_URL + (root or self._account + path) + (query and f"?{query}")
        encoded = None if body is None else json.dumps(body).encode()
        answer = retries.send_with_retries(
            retries.Call(_operation(method, root or path), method, url, encoded), self._deadline
        )
        try:
            if 200 <= answer.status < 300:
                return decode(_json(answer))
            self._refuse(answer)
        except OddAnswer as odd:
            logger.warning("odd answer to %s, status %s: %s", method, answer.status, odd)
            if method == "GET":
                raise
            raise OutcomeUnknown(f"{method} was answered oddly: {odd}") from odd

    def _refuse(self, answer: Answer) -> NoReturn:
        """Raise what a status other than success means."""
        if answer.status == 404:
            raise NotFound("the Developer API knows no such thing")
        if answer.status in {401, 403}:
            # Never a customer's doing: we send no guard that could fail for one consumer only.
            logger.critical("the Developer API refuses the management token: status %s", answer.status)
            raise ApiMisconfigured(f"status {answer.status}")
        if 400 <= answer.status < 500:
            raise ApiRefused(f"status {answer.status}: {_trace(answer)}", code=answer.status)
        raise OddAnswer(f"status {answer.status}")


def _query(query: str, more: Mapping[str, str]) -> str:
    """The query with more in it. "@" may stand as it is: what holds a "%" urllib3 reads sign by sign."""
    return "&".join(filter(None, [query, urlencode(more, quote_via=quote, safe="@")]))


def _operation(method: str, path: str) -> str:
    """Operation name for metrics, without whose it is: GET /consumers/*/keys/*; of a bucket itself nothing follows."""
    if path.startswith("/v1/"):
        return f"{method} {path}"
    if path.startswith("/v3/metering/"):
        return _operation(method, "/metering/" + path.removeprefix("/v3/metering/"))
    parts = path.split("/")[1:]
    return f"{method} /" + "/".join("*" if place % 2 else part for place, part in enumerate(parts))


def _segment(name: str) -> str:
    """The name as a part of a path; raises `NotFound` for what no consumer or key can be called."""
    if not NAME.fullmatch(name):
        raise NotFound("not a name")
    return name


def _consumer(name: str) -> str:
    return f"/consumers/{_segment(name)}"


def _key(name: str, key_id: str) -> str:
    if not ID.fullmatch(key_id):
        raise NotFound("not an id")
    return f"{_consumer(name)}/keys/{key_id}"


def _key_body(label: str, ends: datetime | None) -> dict[str, str]:
    """Only what is meant: a key without `expiresOn` never ends."""
    return {"description": label} | ({"expiresOn": wire_time(ends)} if ends else {})


def _json(answer: Answer) -> Any:
    """The body as JSON, None when empty; NaN, bottomless nesting and endless numbers are odd."""
    if not answer.body:
        return None
    try:
        return json.loads(answer.body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise OddAnswer(f"no JSON: {type(problem).__name__}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def read_consumer(data: Any) -> Consumer:
    """A consumer as a read brings it; what of it could not be read is logged and counted."""
    consumer = Consumer.from_read(data)
    for part in consumer.unread:
        _count_unreadable(part.kind, f"{consumer.name} {part.id}".strip(), part.reason)
    return consumer


def read_entry(data: Any) -> Consumer | Unread:
    """An entry of a list of consumers: one that cannot be read is no reason to show no other."""
    return _entry(data, read_consumer)


def _listed_entry(data: Any) -> Consumer | Unread:
    """The same, read only as far as one needs to tell whose it is: a page shows few of a long list."""
    return _entry(data, _listed_consumer)


_listed_consumer = partial(Consumer.listed, read=read_consumer)


def _entry(data: Any, read: Callable[[Any], Consumer]) -> Consumer | Unread:
    try:
        return read(data)
    except OddAnswer as odd:
        unread = Unread.from_json(data)
        _count_unreadable("consumer", harmless(unread.id), str(odd))
        return unread


def _the_consumer(data: Any) -> Consumer:
    try:
        return read_consumer(data)
    except OddAnswer as odd:
        _count_unreadable("consumer", harmless(str(data.get("name"))), str(odd))
        raise UnreadConsumer(str(odd), Unread.from_json(data)) from odd


def _entry_of_keys(name: str) -> Callable[[Any], FullKey | None]:
    """A key in a list with values: without its value where that alone is odd."""

    def read(data: Any) -> FullKey | None:
        try:
            return FullKey.from_json(data, name)
        except OddAnswer as odd:
            _count_unreadable("key", name, str(odd))
        try:
            return FullKey(ApiKey.from_json(data, name), "")
        except OddAnswer:
            return None

    return read


def _count_unreadable(kind: str, which: str, reason: str) -> None:
    logger.warning("a %s could not be read: %s, %s", kind, which or "without an id", reason)
    call_stats.unreadable.send_robust(sender=DeveloperAPI, kind=kind)


def _identity(entry: Consumer | Unread) -> tuple[bool, str]:
    return (True, entry.name) if isinstance(entry, Consumer) else (False, entry.id)


def _anything(data: Any) -> Any:
    return data


def _page_of(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise OddAnswer("no list")
    return data


def _only(decode: Callable[[Any], T], name: str) -> Callable[[Any], T]:
    """Decode, and refuse the answer when it is about another consumer than asked for."""

    def checked(data: Any) -> T:
        if not isinstance(data, dict) or data.get("name") != name:
            raise OddAnswer("an answer about another consumer")
        return decode(data)

    return checked


def _full_key(name: str, key_id: str = "") -> Callable[[Any], FullKey]:
    def checked(data: Any) -> FullKey:
        full = FullKey.from_json(data, name)
        if key_id and full.key.id != key_id:
            raise OddAnswer("an answer about another key")
        return full

    return checked


def _this_key(name: str, key_id: str) -> Callable[[Any], ApiKey]:
    def checked(data: Any) -> ApiKey:
        key = ApiKey.from_json(data, name)
        if key.id != key_id:
            raise OddAnswer("an answer about another key")
        return key

    return checked


def _nothing(data: Any) -> None:
    if data is not None:
        raise OddAnswer("an answer where none is due")


def _nothing_or_an_object(data: Any) -> None:
    if data is not None and not isinstance(data, dict):
        raise OddAnswer("no object")


def _consumer_with_values(data: Any) -> tuple[Consumer, list[FullKey]]:
    consumer = Consumer.from_json(data)
    if consumer.unread_keys:
        raise OddAnswer("a new key that cannot be read")
    return consumer, [FullKey.from_json(item, consumer.name) for item in data.get("apiKeys") or []]


def _trace(answer: Answer) -> str:
    """The id by which the vendor's support finds the request; the rest of the body is not to be logged."""
    try:
        data = _json(answer)
        request_id = data["trace"]["requestId"]
    except (ApiError, TypeError, KeyError):
        return "no trace"
    return request_id if isinstance(request_id, str) and ID.fullmatch(request_id) else "no trace"
