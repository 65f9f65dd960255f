"""What a log line looks like: it names the request, cannot be forged, and never holds a key."""

import logging
import re
from contextvars import ContextVar

from django.conf import settings

reference: ContextVar[str] = ContextVar("reference", default="-")
"""The id of the request being served."""

_KEY = re.compile(r"zpka_[0-9A-Za-z_]{8,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class Reference(logging.Filter):
    """Puts the reference of the request on each record; Django logs some when the request is already over."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.reference = getattr(getattr(record, "request", None), "reference", None) or reference.get()
        return True


class Line(logging.Formatter):
    """One record: names, paths and texts of others are in it, so only its first line begins at the margin."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} [{reference}] {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        line = without_secrets(super().format(record))
        return _CONTROL.sub(_escaped, line).replace("\n", "\n    ")


def without_secrets(words: str) -> str:
    """The words without anything shaped like a key, and without the portal's own token."""
    words = _KEY.sub("zpka_[removed]", words)
    token = settings.ZUPLO_API_KEY
    return words.replace(token, "[token removed]") if len(token) >= 8 else words


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match.group()):02x}"
