"""Redaction: take keys out of free text, and make upstream text safe to show."""

import functools
import html
import json
import re
import unicodedata
from contextvars import ContextVar

from keys.conf import settings

TEXT_LIMIT = 500
CALENDAR_TOKEN = "calendar_"  # noqa: S105, how such a token begins
_CALENDAR_SHAPED = re.compile(rf"{CALENDAR_TOKEN}[0-9A-Za-z_-]{{8,}}")
ZUPLO_FORMAT = "zpka_[0-9A-Za-z_]{8,}"

# Letters of a script, though Unicode calls them format characters: the soft hyphen, what joins or parts letters in
# Persian and in India (and holds emoji together), and signs that stand before numbers in Arabic, Syriac and Kaithi.
_NEEDED = frozenset("\u00ad\u200c\u200d\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd").union(
    map(chr, range(0x600, 0x606))
)
STAND_IN = "\ufffd"
"""Shown in the place of what is harmful."""


class Secret(str):
    """Secret text: the value of a key, which is hidden wherever its `repr` is asked for, as in tracebacks and logs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[key removed]'"


SHORTEST_SECRET = 8  # characters; less would be found in words that are no secret

fetched_keys: ContextVar[set[str] | None] = ContextVar("fetched_keys", default=None)
"""Values of keys fetched for the request being served, in each spelling that a log may give them."""


def remember_fetched(value: str) -> None:
    """Keep a key's value out of the log for the rest of this request: an operator's own format has no known shape."""
    known = fetched_keys.get()
    if known is not None and len(value) >= SHORTEST_SECRET:
        known.update({value, html.escape(value), repr(value)[1:-1], json.dumps(value)[1:-1]})


def without_fetched(text: str) -> str:
    """Redact: the text without any key that was fetched for this request."""
    for value in fetched_keys.get() or ():
        text = text.replace(value, "[key removed]")
    return text


def looks_masked(value: str) -> bool:
    """True if this is no full key; masks differ between sources, these marks are common to all."""
    return not value or any(mark in value for mark in ("*", "•", "…", "..."))


def without_keys(text: str) -> str:
    """Redact: the text without anything shaped like a key. People paste them where everybody reads."""
    return _key_shaped(settings.KEYS_FORMAT).sub(
        lambda found: "zpka_[removed]" if found[0].startswith("zpka_") else "[key removed]", text
    )


def without_calendar_tokens(text: str) -> str:
    """Redact: the text without the secret part of a calendar address."""
    return _CALENDAR_SHAPED.sub(f"{CALENDAR_TOKEN}[removed]", text)


def ends_for_keys(text: str) -> str:
    """Mask: the text with no more of a pasted key than lists show."""
    return _key_shaped(settings.KEYS_FORMAT).sub(lambda found: ending_of(found[0]), text)


@functools.cache
def _key_shaped(own_format: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in (ZUPLO_FORMAT, own_format) if one))


def harmless(text: str, *, is_address: bool = False) -> str:
    """Sanitize: one line, without control, direction and invisible characters, and cut to a sane length.

    Letters that a script needs stay, but not in an email address, which would look like somebody else's.
    """
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT] + "…"
    if text.isascii() and text.isprintable():
        return text
    needed = frozenset() if is_address else _NEEDED
    return "".join(" " if sign.isspace() else STAND_IN if _is_harmful(sign, needed) else sign for sign in text)


def is_readable(text: str) -> bool:
    """True if a text that somebody typed is shown as it is, and has something to be seen."""
    is_blank = all(sign in _NEEDED or sign.isspace() for sign in text)
    return harmless(text) == text and STAND_IN not in text and not (text and is_blank)


def _is_harmful(sign: str, needed: frozenset[str]) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cf", "Cs"} and sign not in needed


def ending_of(value: str) -> str:
    # Common to every documented mask: the last four characters are the key's own. A short value shows none.
    end = value[-4:]
    return end if len(value) >= 12 and (end.isalnum() or not looks_masked(end)) else ""
