"""Value objects: consumers, keys and managers in our words. The wire's names and odd shapes stop here.

Whatever it sends is checked before use; an object of another shape raises `OddAnswer`. One that stands in a list is
left out of it and counted instead: it hides no other, and grants nothing. A full key lives only in `FullKey`: an
`ApiKey` keeps the last four characters, even if a full one was sent.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext as _

from keys.errors import NotFound, OddAnswer
from keys.redaction import Secret, ending_of, harmless, looks_masked, remember_fetched, without_keys

SOON = timedelta(days=7)

# Wider than the published [a-z0-9-], as guides show names like org_123. No dot: "." and ".." fold paths.
NAME = re.compile(r"[A-Za-z0-9_:-]{1,128}")
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
VALUE = re.compile(r"[!-~]{1,512}")
Dates = tuple[datetime, datetime | None]
"""When a key was made, and when it ends."""
NUMBER = re.compile(r"\d+")
LEAP_SECOND = re.compile(r"(T\d\d:\d\d:)60(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Manager:
    """An email address that may manage a consumer, invited or added. Without an id it cannot be removed."""

    email: str
    id: str = ""
    invited: bool = False

    @classmethod
    def from_json(cls, data: Any, *, invited: bool = False) -> "Manager":
        email = _address(data)
        return cls(email=email, id=_id_if_any(data), invited=invited)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as lists show it: all but its value."""

    id: str
    consumer: str
    label: str
    ending: str
    created_on: datetime
    expires_on: datetime | None = None
    replaced_by: "ApiKey | None" = field(default=None, compare=False)
    """The key that a rotation made in its place, where that was looked up and is still there."""
    leaked: str = field(default="", compare=False)
    """Where it was found, if it was ended as leaked and that was looked up."""
    raw_label: str = field(default="", compare=False, repr=False)
    """The label as it stands upstream, where it may hold what is not shown."""

    @classmethod
    def from_json(cls, data: Any, consumer: str) -> "ApiKey":
        created_on, expires_on = _dates_of_key(data)
        label = data.get("description") or ""
        return cls(
            id=data["id"],
            consumer=consumer,
            label=as_shown(label),
            ending=ending_of(harmless(data.get("key") or "")),
            created_on=created_on,
            expires_on=expires_on,
            raw_label=label,
        )

    @property
    def title(self) -> str:
        return self.label or _("Unnamed key")

    @property
    def label_to_copy(self) -> str:
        """The label for a key that takes this one's place: what is not shown goes along, but no key pasted into it."""
        raw = without_keys(self.raw_label)
        return raw if as_shown(raw) == self.label else self.label

    @property
    def masked(self) -> str:
        return "••••••••" + self.ending

    @property
    def is_ended(self) -> bool:
        return self.expires_on is not None and self.expires_on <= timezone.now()

    @property
    def is_replaced(self) -> bool:
        """True if another key works in its place, where that was looked up."""
        return self.replaced_by is not None and not self.replaced_by.is_ended

    @property
    def ends_soon(self) -> bool:
        return self.expires_on is not None and timezone.now() < self.expires_on <= timezone.now() + SOON


@dataclass(frozen=True, slots=True)
class FullKey:
    """A key with its value; the value is "" where the Developer API showed a mask, or nothing, instead."""

    key: ApiKey
    value: str = field(repr=False)

    @classmethod
    def from_json(cls, data: Any, consumer: str) -> "FullKey":
        key = ApiKey.from_json(data, consumer)
        value = _object(data).get("key") or ""
        if looks_masked(value):
            return cls(key, "")
        if not VALUE.fullmatch(value):
            raise OddAnswer("a key's value is not usable")
        remember_fetched(value)
        return cls(key, Secret(value))


@dataclass(frozen=True, slots=True)
class UnreadPart:
    """A "key" or "manager" of a consumer that could not be read; `id` is "" where not even that could be."""

    kind: str
    id: str
    reason: str

    @classmethod
    def of(cls, kind: str, data: Any, odd: OddAnswer) -> "UnreadPart":
        said = data.get("id") if isinstance(data, dict) else None
        return cls(kind, said if isinstance(said, str) and ID.fullmatch(said) else "", str(odd))


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who owns keys: its keys are newest first. Tags and metadata are the operator's own.

    `no_more` is why the person who looks may make no more keys in it, as far as that is known. `panel` is what another
    app shows of it, as HTML. `unread` are keys and managers of it that could not be read: they are not shown, grant
    nothing, and are not taken for absent.
    """

    name: str
    label: str
    managers: tuple[Manager, ...]
    keys: tuple[ApiKey, ...]
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    no_more: str = ""
    panel: str = field(default="", compare=False)
    raw_tags: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The tags as they stand upstream, where they may hold what is not shown."""
    unread: tuple[UnreadPart, ...] = ()
    id: str = field(default="", compare=False)
    """Tells it from an earlier consumer of the same name; "" where it is not known."""
    rest: "tuple[dict[str, Any], Callable[[Any], Consumer]] | None" = field(default=None, compare=False, repr=False)
    """Of one in a list: what of it was not read yet, and what reads it."""
    emails: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """Of the same: the addresses of its managers."""
    dates: tuple[Dates, ...] = field(default=(), compare=False, repr=False)
    """Of the same: those of its keys."""

    @classmethod
    def listed(cls, data: Any, read: "Callable[[Any], Consumer]") -> "Consumer":
        """One of many in a list: whose it is, and its name; the rest is read once somebody asks for it.

        It raises what reading it would.
        """
        data = _with_keys_and_managers(data)
        try:
            emails = _addresses(data)
        except OddAnswer:
            return read(data)
        consumer, set_field = cls.__new__(cls), object.__setattr__
        set_field(consumer, "name", _match(NAME, data, "name"))
        set_field(consumer, "label", as_shown(_raw_text(data, "description")))
        set_field(consumer, "rest", (data, read))
        set_field(consumer, "emails", emails)
        set_field(consumer, "dates", _dates_of_keys(data["apiKeys"]))
        return consumer

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Deferred fields: one that was not read yet."""
            if name == "rest" or name not in self.__slots__ or not self.rest:
                raise AttributeError(name)
            data, read = self.rest
            whole = read(data)
            for field_name in self.__slots__:
                object.__setattr__(self, field_name, getattr(whole, field_name))
            return getattr(self, name)

    @classmethod
    def from_json(cls, data: Any) -> "Consumer":
        data = _object(data)
        name = _match(NAME, data, "name")
        managers, odd_managers = _managers(data)
        keys, odd_keys = _keys(data, name)
        return cls(
            name=name,
            label=as_shown(_raw_text(data, "description")),
            managers=managers,
            keys=newest_first(keys),
            tags=shown_tags(_map(data, "tags")),
            metadata=_map(data, "metadata"),
            raw_tags=_map(data, "tags"),
            unread=odd_keys + odd_managers,
            id=_id_if_any(data),
        )

    @classmethod
    def from_read(cls, data: Any) -> "Consumer":
        """The answer to a read, which asked for keys and managers: without them nothing can be judged."""
        return cls.from_json(_with_keys_and_managers(data))

    @property
    def unread_keys(self) -> list[str]:
        """The ids of keys that could not be read, "" for one whose id could not be read either."""
        return [part.id for part in self.unread if part.kind == "key"]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of its managers; of one in a list they are told without reading the rest of it."""
        return self.emails if self.rest else tuple(manager.email for manager in self.managers)

    @property
    def has_all_managers(self) -> bool:
        return bool(self.rest) or all(part.kind != "manager" for part in self.unread)

    def tags_to_write(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """These tags, with those that are as they were shown written again just as they stand upstream."""
        raw = {(harmless(name), harmless(text)): (name, text) for name, text in self.raw_tags.items() if _is_tag(text)}
        unseen = {name: value for name, value in self.raw_tags.items() if value and not isinstance(value, str)}
        return unseen | dict(raw.get(pair, pair) for pair in wanted.items())

    @property
    def title(self) -> str:
        return self.label or self.name

    @property
    def place(self) -> tuple[str, str]:
        """Natural sort key: by title, Team 2 before Team 10."""
        return NUMBER.sub(_padded, self.title.casefold()), self.name

    @property
    def live_keys(self) -> list[ApiKey]:
        return [key for key in self.keys if not key.is_ended]

    @property
    def ended_keys(self) -> list[ApiKey]:
        return [key for key in self.keys if key.is_ended]

    def open_dates(self, now: datetime) -> list[Dates]:
        """Those of the open keys; of one in a list they are told without reading the rest of it."""
        if self.rest:
            return [dates for dates in self.dates if dates[1] is None or dates[1] > now]
        return [(key.created_on, key.expires_on) for key in self.open_keys]

    @property
    def open_keys(self) -> list[ApiKey]:
        """The keys that work, but for those that were replaced or have leaked, where that was looked up."""
        return [key for key in self.live_keys if key.replaced_by is None and not key.leaked]

    @property
    def has_ends(self) -> bool:
        """True if a key of it has an end."""
        ends = [ends for _made, ends in self.dates] if self.rest else [key.expires_on for key in self.keys]
        return any(ends)

    @property
    def leaked_keys(self) -> list[ApiKey]:
        return [key for key in self.keys if key.leaked]

    def replaces(self, key: ApiKey) -> list[ApiKey]:
        """The keys in whose place a rotation made this one, where that was looked up."""
        return [old for old in self.keys if old.replaced_by == key]

    @property
    def mark(self) -> str:
        """Version mark of the set of keys, for optimistic concurrency; keys that ended since do not change it."""
        return hashlib.sha256(" ".join(sorted(self.key_ids)).encode()).hexdigest()[:16]

    @property
    def next_end(self) -> datetime | None:
        """The earliest end among the keys that work; None where none ends."""
        return min((key.expires_on for key in self.live_keys if key.expires_on), default=None)

    @property
    def key_ids(self) -> set[str]:
        """The ids of all its keys, also of those that could not be read otherwise."""
        return {key.id for key in self.keys}.union(filter(None, self.unread_keys))

    @property
    def live_at_most(self) -> int:
        """Upper bound of its keys that work, taking those that could not be read for such."""
        return len(self.live_keys) + len(self.unread_keys)

    def facts(self, wanted: Iterable[str]) -> list[tuple[str, str]]:
        """Facts to show: each of these names that metadata or tags hold as one plain value, in words."""
        known = dict(self.tags) | dict(self.metadata)
        plain = {name: known[name] for name in wanted if isinstance(known.get(name), str | int | float)}
        return [(re.sub("[_-]+", " ", name).capitalize(), _in_words(value)) for name, value in plain.items()]

    def matches(self, words: str) -> bool:
        """True if its name, its label or one of its keys holds all these words."""
        if not words:
            return True
        texts = [self.name, self.label, *(text for key in self.keys for text in (key.label, key.ending))]
        known = "\n".join(texts).casefold()
        return all(word in known for word in words.casefold().split())

    def key(self, key_id: str) -> ApiKey:
        """The key of that id; raises `NotFound` unless it stands in this consumer's own list, readable."""
        for key in self.keys:
            if key.id == key_id:
                return key
        if not self.lacks_key(key_id):
            raise OddAnswer(f"{self.name} may have a key {key_id} that could not be read")
        raise NotFound(f"{self.name} has no key {key_id}")

    def lacks_key(self, key_id: str) -> bool:
        """True if it surely has no key of that id: one that could not be read may be the one."""
        return key_id not in self.key_ids and "" not in self.unread_keys

    def lacks_manager(self, manager_id: str) -> bool:
        """True if it surely has no manager of that id."""
        return self.has_all_managers and all(one.id != manager_id for one in self.managers)

    def with_key(self, key: ApiKey) -> "Consumer":
        """This consumer with the key added, or put in the place of the one with its id."""
        others = [other for other in self.keys if other.id != key.id]
        return replace(self, keys=newest_first([*others, key]))

    def without_key(self, key_id: str) -> "Consumer":
        return replace(self, keys=tuple(key for key in self.keys if key.id != key_id))

    def manager(self, manager_id: str) -> Manager:
        """The manager of that id; raises `NotFound` unless it stands in this consumer's own list."""
        for manager in self.managers:
            if manager_id and manager.id == manager_id:
                return manager
        raise NotFound(f"{self.name} has no manager {manager_id}")


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry of a list of consumers that could not be read: nothing of it is shown, and it grants nothing.

    `id` tells it from others, as far as it says one. `managers` are those that it surely names; where these are not
    all, whose it is cannot be judged.
    """

    id: str
    managers: tuple[Manager, ...] = ()
    has_all_managers: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(manager.email for manager in self.managers)

    @classmethod
    def from_json(cls, data: Any) -> "Unread":
        if not isinstance(data, dict):
            return cls("")
        managers, odd = _managers(data)
        said = next((text for text in (data.get("id"), data.get("name")) if isinstance(text, str)), "")
        return cls(said, managers, has_all_managers=not odd and isinstance(data.get("managers"), list))


class UnreadConsumer(OddAnswer):
    """The one consumer that was asked for could not be read; `entry` says whose it surely is."""

    def __init__(self, reason: str, entry: Unread) -> None:
        super().__init__(reason)
        self.entry = entry


@dataclass(frozen=True, slots=True)
class NewConsumer:
    """A consumer to be made. Names follow the published pattern [a-z0-9-]{1,128}; tags: at most 5.

    Managers are added, as objects, or all of them invited, as bare addresses.
    """

    name: str
    label: str
    managers: tuple[Mapping[str, str], ...] | tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


def _padded(number: re.Match[str]) -> str:
    return number[0].zfill(12)


def newest_first(keys: Iterable[ApiKey]) -> tuple[ApiKey, ...]:
    """Sorted by us: the order of the Developer API's lists is not documented."""
    return tuple(sorted(keys, key=lambda key: (key.created_on, key.id), reverse=True))


def wire_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as the Developer API writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise OddAnswer(f"{type(data).__name__} where an object should be")
    return data


def _with_keys_and_managers(data: Any) -> dict[str, Any]:
    found = _object(data)
    for asked in ("managers", "apiKeys"):
        if not isinstance(found.get(asked), list):
            raise OddAnswer(f"{asked} was asked for and is not there")
    return found


def _addresses(data: dict[str, Any]) -> tuple[str, ...]:
    """Those of the managers, added and invited; raises `OddAnswer` unless all of them can be read."""
    added, invited = data.get("managers"), data.get("managerInvites")
    if not isinstance(added, list) or not (invited is None or isinstance(invited, list)):
        raise OddAnswer("managers are no list")
    return tuple(map(_address, [*added, *(invited or ())]))


def _address(manager: Any) -> str:
    email = _object(manager).get("email")
    if not isinstance(email, str) or not email:
        raise OddAnswer("a manager without an address")
    return harmless(email, is_address=True)


def _managers(data: dict[str, Any]) -> tuple[tuple[Manager, ...], tuple[UnreadPart, ...]]:
    """The managers, added and invited, and those of them that could not be read.

    Only two fields grant anything: `managers`, and the one that the documented parameter include-manager-invites
    names as the other parameters name theirs. Whatever else speaks of people or invitations is not about access.
    """
    found: list[Manager] = []
    unread: list[UnreadPart] = []
    for name, invited in (("managers", False), ("managerInvites", True)):
        entries = data.get(name)
        if not isinstance(entries, list):  # not even one object in place of them, which would be a guess at access
            odd = OddAnswer(f"{name} is no list")
            unread += [] if entries is None else [UnreadPart.of("manager", entries, odd)]
            continue
        for entry in entries:
            try:
                found.append(Manager.from_json(entry, invited=invited))
            except OddAnswer as problem:
                unread.append(UnreadPart.of("manager", entry, problem))
    return tuple(found), tuple(unread)


def _keys(data: dict[str, Any], consumer: str) -> tuple[list[ApiKey], tuple[UnreadPart, ...]]:
    """The keys, and those of them that could not be read."""
    entries = data.get("apiKeys")
    found: list[ApiKey] = []
    unread: list[UnreadPart] = []
    for entry in entries if isinstance(entries, list) else () if entries is None else [entries]:
        try:
            found.append(ApiKey.from_json(entry, consumer))
        except OddAnswer as odd:
            unread.append(UnreadPart.of("key", entry, odd))
    return found, tuple(unread)


def _dates_of_key(data: Any) -> Dates:
    """Those of a key that can be read; else it raises what is odd. Asked for each of thousands in a list."""
    data = _object(data)
    made, ends, label, shown = data.get("createdOn"), data.get("expiresOn"), data.get("description"), data.get("key")
    created_on = _time(made, "createdOn")
    if created_on is None:
        raise OddAnswer("a key without createdOn")
    expires_on = None if ends is None else _time(ends, "expiresOn")
    _match(ID, data, "id")
    if not (label is None or isinstance(label, str)) or not (shown is None or isinstance(shown, str)):
        raise OddAnswer("description or key is no text")
    return created_on, expires_on


def _dates_of_keys(entries: list[Any]) -> tuple[Dates, ...]:
    """Those of the keys that can be read."""
    found = []
    for entry in entries:
        try:
            found.append(_dates_of_key(entry))
        except OddAnswer:
            continue
    return tuple(found)


def _map(data: dict[str, Any], field: str) -> dict[str, Any]:
    """The operator's own data; nothing of it is needed, so an odd shape is no reason to fail."""
    value = data.get(field)
    return value if isinstance(value, dict) else {}


def _in_words(value: str | float) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return without_keys(harmless(value if isinstance(value, str) else repr(value)))


def shown_tags(values: Mapping[str, Any]) -> dict[str, str]:
    """A tag without a value is as good as none: some readings of PATCH allow no other way to take one off."""
    return {harmless(name): harmless(value) for name, value in values.items() if _is_tag(value)}


def _is_tag(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def as_shown(label: str) -> str:
    return without_keys(harmless(label))


def _raw_text(data: dict[str, Any], field: str) -> str:
    """A text; null, absent and "" are the same."""
    value = data.get(field)
    if value is not None and not isinstance(value, str):
        raise OddAnswer(f"{field} is no text")
    return value or ""


def _match(pattern: re.Pattern[str], data: dict[str, Any], field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise OddAnswer(f"{field} is not usable")
    return value


def _id_if_any(data: dict[str, Any]) -> str:
    """The id, "" where it is absent or cannot be used: most of what is done with an object does without."""
    value = data.get("id")
    return value if isinstance(value, str) and ID.fullmatch(value) else ""


def _time(value: Any, field: str) -> datetime | None:
    """RFC 3339; old guides send bare dates, which are taken as UTC. Null and absent are the same.

    Its "t" and "z" may be small, and its second may be 60 (RFC 3339, sections 5.6 and 5.7), which Python refuses: that
    is read as the last moment before it.
    """
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):  # as nearly none is, the rest is looked for only then
        moment = _odd_moment(value, field)
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as problem:
        raise OddAnswer(f"{field} is no time") from problem


def _odd_moment(value: Any, field: str) -> datetime:
    try:
        return datetime.fromisoformat(LEAP_SECOND.sub(r"\g<1>59.999999", value.upper()))
    except (AttributeError, TypeError, ValueError) as problem:
        raise OddAnswer(f"{field} is no time") from problem
