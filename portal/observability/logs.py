"""Logging: each line names its request, cannot be forged (log injection), and never holds a key."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonEncoder, JsonFormatter

from keys.conf import settings
from keys.redaction import without_calendar_tokens, without_fetched, without_keys
from keys.zuplo import call_stats

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
ENCODER = JsonEncoder()
"""Made once; the library makes one for each line."""


def configuration(level: str, form: str) -> dict[str, Any]:
    """Dictionary for `logging.config`: all goes to stderr, from this level, as "lines" or as "json"."""
    console = {"class": "logging.StreamHandler", "formatter": form, "filters": ["reference"]}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "reference": {"()": RequestIdFilter},
            "strangers": {"()": WarnWithoutTraceback},
            "explained": {"()": WarnUnlessUnforeseen},
        },
        "formatters": {"lines": {"()": LineFormatter}, "json": {"()": JsonLineFormatter}},
        "handlers": {"console": console | {"level": level}},  # some libraries have levels of their own
        "root": {"handlers": ["console"], "level": level},
        # Their own handlers would say everything a second time, or in other words than ours.
        "loggers": {
            "django": {"handlers": [], "level": level},
            "django.request": {"filters": ["explained"]},
            "django.security.DisallowedHost": {"filters": ["strangers"]},
            "gunicorn.error": {"handlers": ["console"], "propagate": False},
            "django.template": {"level": "INFO"},  # its debug lines print all that a template was given
            "urllib3": {"level": "WARNING"},  # its debug lines hold URLs, and those hold addresses
            "django.server": {"handlers": ["console"], "level": level, "propagate": False},
        },
    }


class RequestIdFilter(logging.Filter):
    """Log filter: put the request's id on each record; Django logs some when the request is already over."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.reference = getattr(getattr(record, "request", None), "reference", None) or call_stats.reference() or "-"
        return True


class WarnWithoutTraceback(logging.Filter):
    """Log filter: make a warning, without a traceback, of what anybody can cause as often as he likes."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


class WarnUnlessUnforeseen(logging.Filter):
    """Log filter: make a warning of an answer that says on purpose who is in trouble."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno == logging.ERROR and not record.exc_info:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class LineFormatter(logging.Formatter):
    """Text formatter, safe from log injection: only the first line of a record begins at the margin."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} [{reference}] {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        line = without_secrets(super().format(record))
        return _CONTROL.sub(_escaped, line).replace("\n", "\n    ")


class JsonLineFormatter(JsonFormatter):
    """JSON formatter, one record a line. Of what else a record carries only our own `facts` are told.

    Secrets are looked for in what others may have said: not in the time, the level and the like.
    """

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["request_id"] = getattr(record, "reference", "-")
        log_data["message"] = without_secrets(record.getMessage())
        log_data |= scrubbed(getattr(record, "facts", {}))
        if "exc_info" in message_dict:
            log_data["traceback"] = scrubbed(message_dict["exc_info"])

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        return ENCODER.encode(log_data)


def without_secrets(words: str) -> str:
    """Redact: the words without anything shaped like a key or a calendar address, and without the portal's token."""
    token = settings.ZUPLO_API_KEY
    if len(token) >= 8:
        words = words.replace(token, "[token removed]")
    return without_calendar_tokens(without_keys(without_fetched(words)))


def scrubbed(value: Any, clean: Callable[[str], str] = without_secrets) -> Any:
    """The same value without secrets in any text of it, however deep."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {scrubbed(name, clean): scrubbed(part, clean) for name, part in value.items()}
        case list() | tuple():
            return [scrubbed(part, clean) for part in value]
    return value


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match.group()):02x}"
