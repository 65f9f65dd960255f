"""Fault injection: armed on matching calls, and due on the ones that were meant."""

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

REQUIRED = object()

HOSTILE_TEXT = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{7*7}}{% now 'Y' %}"
    "\u202egnp.exe\u2066\x00\x1b[31m\x7f\ud800"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to go wrong: its options with their defaults."""

    meaning: str
    options: Mapping[str, Any] = field(default_factory=dict)
    works: bool = False  # the work is done whatever `when` says


KINDS: Mapping[str, Kind] = {
    "delay": Kind("Hold the call before or after the work.", {"seconds": 1.0}, works=True),
    "drop": Kind("Close the connection without an answer."),
    "status": Kind("Answer any status.", {"status": 500, "retry_after": None, "body": None}),
    "truncated": Kind("Promise more bytes than are sent, then close.", {"missing": 100}),
    "not_json": Kind("No JSON, though it says so.", {"body": "<!doctype html><title>Bad gateway</title>"}),
    "wrong_type": Kind("JSON of another shape: `body`, or the true one, its types swapped.", {"body": None}),
    "oversized": Kind("A body of so many bytes.", {"bytes": 32 * 2**20}),
    "hostile": Kind("The true body with hostile text in it.", {"text": HOSTILE_TEXT}, works=True),
    "drip": Kind("One byte every `interval` seconds.", {"interval": 0.2, "headers": False}, works=True),
    "redirect": Kind("Send the caller elsewhere.", {"location": REQUIRED, "status": 302}),
    "filter_ignored": Kind("manager-email has no effect.", works=True),
    "stale": Kind(
        "A read answers the state before the last write, or of `seconds` ago, as far back as the arming.",
        {"seconds": None},
        works=True,
    ),
    "doubled": Kind("The work is done twice, the first answered.", works=True),
    "other_object": Kind("An answer about one object carries another one's name, ids and keys.", works=True),
    "odd_object": Kind(
        "The last `object` (consumer, key or manager) of the true body has this `value` in the `field`, or lacks it.",
        {"object": "key", "field": "description", "value": 5, "lacks": False},
        works=True,
    ),
    "deep": Kind("JSON nested very deep.", {"depth": 100_000}),
    "gzip_bomb": Kind("A small gzip body that unpacks to so many bytes.", {"bytes": 256 * 2**20}),
}

_COMMON = ("method", "path", "kind", "when", "nth", "times")
_COUNTS = {"nth": 1, "times": 0, "missing": 1, "bytes": 64, "depth": 1}
_SECONDS = ("seconds", "interval")
_TEXTS = ("retry_after", "location")


@dataclass(slots=True)
class Fault:
    """One armed fault: hits the nth matching call and `times` in a row (0: for ever)."""

    method: str
    path: str
    kind: str
    when: str = "before"
    nth: int = 1
    times: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    used: int = 0

    @property
    def works(self) -> bool:
        """True if the call's work is done all the same."""
        return self.when == "after" or KINDS[self.kind].works

    @property
    def due(self) -> bool:
        return self.seen >= self.nth and (self.times == 0 or self.used < self.times)

    def as_dict(self) -> dict[str, Any]:
        document = asdict(self)
        options: dict[str, Any] = document.pop("options")
        return document | options


def made(spec: Mapping[str, Any]) -> Fault:
    """A fault from its flat description; a ValueError names what is allowed instead of what is not."""
    given = dict(spec)
    kind = KINDS.get(given.get("kind", ""))
    if kind is None:
        raise ValueError(f"There is no fault {given.get('kind')!r}. Kinds: {', '.join(KINDS)}.")
    common = {name: given.pop(name) for name in _COMMON if name in given}
    options = dict(kind.options) | given
    if unknown := set(given) - set(kind.options):
        allowed = ", ".join(kind.options) or "none"
        raise ValueError(f"{common['kind']} has no option {min(unknown)!r}. Options: {allowed}.")
    if missing := [name for name, value in options.items() if value is REQUIRED]:
        raise ValueError(f"{common['kind']} needs {missing[0]}.")
    fault = Fault(**({"method": "*", "path": "*"} | common), options=options)
    if fault.when not in ("before", "after"):
        raise ValueError(f"when cannot be {fault.when!r}. Allowed: before, after.")
    for name, value in {"method": fault.method, "path": fault.path}.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a string.")
    for name, value in {"nth": fault.nth, "times": fault.times, **options}.items():
        if value != kind.options.get(name, REQUIRED):
            _check(name, value, text=isinstance(kind.options.get(name), str))
    return fault


def _check(name: str, value: Any, *, text: bool) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in _COUNTS and not (number and isinstance(value, int) and value >= _COUNTS[name]):
        raise ValueError(f"{name} must be a whole number, at least {_COUNTS[name]}.")
    if name in _SECONDS and not (number and 0 <= value <= 3600):
        raise ValueError(f"{name} must be a number of seconds, at most 3600.")
    if (text or name in _TEXTS) and not isinstance(value, str):
        raise ValueError(f"{name} must be a string.")
    if name == "status" and not (isinstance(value, int) and 200 <= value <= 599):
        raise ValueError("status must be a number from 200 to 599.")
    if name in ("headers", "lacks") and not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false.")
    if name == "object" and value not in ("consumer", "key", "manager"):
        raise ValueError("object cannot be that. Allowed: consumer, key, manager.")


class Faults:
    """The armed faults, in the order they were armed."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()
        self._released = threading.Event()

    def arm(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def due(self, method: str, path: str) -> Fault | None:
        """The fault that hits this call: the first that is due. Every matching one counts the call."""
        if not self._armed:
            return None
        with self._lock:
            matching = [f for f in self._armed if f.method in ("*", method) and fnmatchcase(path, f.path)]
            for fault in matching:
                fault.seen += 1
            hit = next((fault for fault in matching if fault.due), None)
            if hit:
                hit.used += 1
            return hit

    def as_list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.as_dict() for fault in self._armed]

    @property
    def released(self) -> threading.Event:
        """Set by the next release: a call takes it before anybody can see the call, so that none is forgotten."""
        return self._released

    def release(self, *, for_good: bool = False) -> None:
        """Let every held call go, unanswered; with `for_good`, later ones too."""
        released = self._released
        if not for_good:
            self._released = threading.Event()
        released.set()
