"""Every verb of the API Keys page as one table: how it is asked for, and how the sandbox shows it done."""

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.test import Client

from keys.audit.sentences import DONE_SENTENCES
from keys.models import Action
from sandbox import Sandbox
from sandbox.switches import COUNT, SWITCHES

FULL_KEY = re.compile(r"zpka_[0-9a-f]{32}_[0-9a-f]{8}")
LAPTOP_ENDS = datetime.now(UTC) + timedelta(days=5)
EARLIER = datetime.now(UTC) + timedelta(days=2)

State = list[dict[str, Any]]


@dataclass(frozen=True)
class Verb:
    """One verb on the key "CI" of the consumer acme, which also has the key "Laptop"."""

    name: str
    action: Action
    calls: list[str]
    done: Callable[[State, State], bool]
    fields: dict[str, str] = field(default_factory=dict)
    on_key: bool = True
    reads: bool = False

    @property
    def writes(self) -> int:
        """Statements to the audit log: form, lock, what is wanted, a new key while others must yet end, and outcome."""
        if self.reads:
            return 2
        return 5 if self.action in {Action.ROTATE, Action.ROTATE_ALL} else 4

    def url(self, sandbox: Sandbox, consumer: str = "acme") -> str:
        key = next(key for key in sandbox.keys("acme") if key["description"] == "CI")
        middle = f"{key['id']}/" if self.on_key else ""
        return f"/keys/production/{consumer}/{middle}{self.name}/"

    def send(self, client: Client, url: str, token: str = "", htmx: bool = False) -> HttpResponse:
        form = self.fields | {"token": token or str(uuid.uuid4())}
        return client.post(url, form, headers={"HX-Request": "true"} if htmx else {})


def acme(sandbox: Sandbox, invites: Iterable[str] = ()) -> State:
    """Fill the sandbox: Ann and Ben manage acme. Answers its keys."""
    sandbox.add_consumer(
        "acme",
        label="Acme Inc",
        managers=["ann@acme.test", "ben@acme.test"],
        invites=invites,
        keys=[{"description": "CI"}, {"description": "Laptop", "expiresOn": _wire(LAPTOP_ENDS)}],
    )
    return sandbox.keys("acme")


def done_words(action: Action) -> str:
    """The part of its sentence that says what was done, up to what it names."""
    return str(DONE_SENTENCES[action]).split("%(who)s ")[1].split(" %(")[0]


def named(keys: State, label: str | None) -> State:
    return [key for key in keys if (key["description"] or None) == label]


def new_keys(before: State, after: State) -> State:
    known = {key["id"] for key in before}
    return [key for key in after if key["id"] not in known]


def ends(key: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(key["expiresOn"]) if key["expiresOn"] else None


def about(moment: datetime | None, expected: datetime) -> bool:
    """Near enough to tell the choices apart, however long the tests have been running."""
    return moment is not None and abs(moment - expected) < timedelta(minutes=20)


def in_time(**ahead: float) -> datetime:
    return datetime.now(UTC) + timedelta(**ahead)


def in_british(moment: datetime) -> str:
    """Day as a browser of British English writes it."""
    return f"{moment:%-d %b %Y}".replace("Sep", "Sept")


def _wire(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _same(before: State, after: State) -> bool:
    return before == after


def _created(before: State, after: State) -> bool:
    (new,) = named(after, "New")
    return after[: len(before)] == before and len(after) == len(before) + 1 and about(ends(new), in_time(days=30))


def _rotated(before: State, after: State) -> bool:
    old, new = named(after, "CI")
    return len(after) == len(before) + 1 and about(ends(old), in_time(hours=24)) and new["expiresOn"] is None


def _all_rotated(before: State, after: State) -> bool:
    old = [key for key in after if key["id"] in {key["id"] for key in before}]
    return len(after) == len(before) + 1 and all(about(ends(key), in_time(hours=1)) for key in old)


def _renamed(before: State, after: State) -> bool:
    return [key["description"] for key in after] == ["Build", "Laptop"]


def _ended_earlier(before: State, after: State) -> bool:
    return about(ends(named(after, "CI")[0]), EARLIER)


def _kept(before: State, after: State) -> bool:
    return about(ends(named(after, "CI")[0]), in_time(days=3))


def _deleted(before: State, after: State) -> bool:
    return [key["description"] for key in after] == ["Laptop"]


GATE = "GET consumers/acme"
VERBS = [
    Verb("reveal", Action.REVEAL, [GATE, "GET consumers/acme/keys/*"], _same, reads=True),
    Verb("copy", Action.COPY, [GATE, "GET consumers/acme/keys/*"], _same, reads=True),
    Verb(
        "create",
        Action.CREATE,
        [GATE, "POST consumers/acme/keys"],
        _created,
        fields={"label": "New", "ends": "30"},
        on_key=False,
    ),
    Verb(
        "rotate",
        Action.ROTATE,
        [GATE, "POST consumers/acme/keys", "PATCH consumers/acme/keys/*"],
        _rotated,
        fields={"grace": "24h"},
    ),
    Verb(
        "rotate-all",
        Action.ROTATE_ALL,
        # By the default reading roll-key ends only keys without an end: the other one is put right by a PATCH.
        [GATE, "POST consumers/acme/roll-key", "GET consumers/acme/keys", "PATCH consumers/acme/keys/*"],
        _all_rotated,
        fields={"grace": "1h"},
        on_key=False,
    ),
    Verb("rename", Action.RENAME, [GATE, "PATCH consumers/acme/keys/*"], _renamed, fields={"label": "Build"}),
    Verb(
        "end",
        Action.CHANGE_END,
        [GATE, "PATCH consumers/acme/keys/*"],
        _ended_earlier,
        fields={"ends_on": EARLIER.strftime("%Y-%m-%dT%H:%M")},
    ),
    Verb("keep", Action.CHANGE_END, [GATE, "PATCH consumers/acme/keys/*"], _kept, fields={"grace": "3d"}),
    Verb("delete", Action.DELETE, [GATE, "DELETE consumers/acme/keys/*"], _deleted),
    Verb(
        "rename",
        Action.RENAME_CONSUMER,
        [GATE, "PATCH consumers/acme"],
        _same,
        fields={"label": "Acme Ltd"},
        on_key=False,
    ),
    Verb("copy", Action.COPY, [GATE, "GET consumers/acme/keys/*"], _same, fields={"form": "kubernetes"}, reads=True),
]


@dataclass(frozen=True)
class RemoveManager(Verb):
    def url(self, sandbox: Sandbox, consumer: str = "acme") -> str:
        ben = next(one["id"] for one in sandbox.consumer("acme")["managers"] if one["email"] == "ben@acme.test")
        return f"/keys/production/{consumer}/people/{ben}/remove/"


PEOPLE = [
    Verb(
        "people/add",
        Action.ADD_MANAGER,
        [GATE, "POST consumers/acme/managers"],
        _same,
        fields={"email": "Zoe@ACME.test"},
        on_key=False,
    ),
    RemoveManager("remove", Action.REMOVE_MANAGER, [GATE, "DELETE consumers/acme/managers/*"], _same, on_key=False),
]
"""Verbs on who manages acme; Ben is removed. No key changes by them."""
TRY = Verb("try", Action.TRY, [GATE, "GET consumers/acme/keys/*"], _same, reads=True)
"""Where the operator has a test route."""
CHANGES = [verb for verb in VERBS if not verb.reads]
READINGS = [
    (switch.name, value)
    for switch in SWITCHES.values()
    for value in switch.allowed
    # Ends that are rounded to the day cannot be told from each other: that has a test of its own.
    if value not in {switch.default, COUNT} and (switch.name, value) != ("kept_ends", "days")
]
MAKING = [verb for verb in CHANGES if verb.action in {Action.CREATE, Action.ROTATE, Action.ROTATE_ALL}]


def by_action(verb: Verb) -> str:
    return verb.action.label
