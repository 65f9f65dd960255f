"""HTTP messages, free of sockets: requests, answers, problems."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn
from urllib.parse import unquote_plus, urlencode

Document = dict[str, Any]

DEEPEST = 64

_ENCODER = json.JSONEncoder(check_circular=False, separators=(",", ":"))


class Problem(Exception):
    """A refusal: becomes an error answer."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Missing(Problem):
    """404: what the path names is not there."""

    def __init__(self, detail: str) -> None:
        super().__init__(404, detail)


@dataclass
class Request:
    """One call. `problem` says what was wrong with it already while it was read."""

    method: str
    path: str  # as sent: percent-encoded, without the query
    query: str = ""
    bearer: str | None = None
    body: bytes = b""
    problem: Problem | None = None
    request_id: str = ""

    @cached_property
    def params(self) -> list[tuple[str, str]]:
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]

    @cached_property
    def first(self) -> dict[str, str]:
        """The parameters by name; of a repeated one the first."""
        return dict(reversed(self.params))

    @cached_property
    def document(self) -> Any:
        """The JSON sent; no body counts as {}. Raises Problem."""
        if not self.body.strip():
            return {}
        try:
            document = json.loads(self.body.decode(), parse_constant=_refuse)
            # Lone surrogates and numbers beyond a float pass the parser, but could not be written again.
            json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise Problem(400, "The body is not valid JSON.") from error
        if _deeper_than(document, DEEPEST):
            raise Problem(400, f"The body is nested deeper than {DEEPEST} levels.")
        return document

    def without(self, param: str) -> "Request":
        """The same request with one query parameter left out."""
        kept = urlencode([(name, value) for name, value in self.params if name != param])
        return Request(self.method, self.path, kept, self.bearer, self.body, self.problem, self.request_id)


@dataclass(frozen=True, slots=True)
class Stream:
    """A body too long to hold: its length and its parts."""

    length: int
    parts: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Drip:
    """Send one byte every so many seconds, the headers too if so wished."""

    interval: float
    headers: bool


@dataclass(slots=True)
class Answer:
    """One answer: a JSON document, or a text, or a stream, or nothing; and how to send it."""

    status: int
    document: Any = None
    text: str | None = None
    stream: Stream | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    committed: bool = False
    missing: int = 0  # bytes promised by content-length and never sent
    drip: Drip | None = None
    silent: bool = False  # close the connection instead

    def payload(self) -> bytes:
        if self.text is not None:
            return self.text.encode("utf-8", "replace")
        if self.document is None:
            return b""
        return _ENCODER.encode(self.document).encode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True
