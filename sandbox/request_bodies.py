"""Request bodies read field by field: what is wrong with one is said by its name."""

import json
import re
from collections.abc import Mapping
from typing import Any

from sandbox.http_messages import Document, Problem
from sandbox.values import read_date

# zuplo.com/docs: articles/limits
MOST_TAGS = 5
METADATA_BYTES = 1000
# Not documented; our reading, so that no single request can fill the disk.
MOST_IN_BULK = 1000
LONGEST_TEXT = 10_000

_BUCKET_NAME = re.compile(r"[a-z0-9-]{5,128}")
_CONSUMER_NAME = {"strict": re.compile(r"[a-z0-9-]{1,128}"), "wide": re.compile(r"[a-z0-9_:-]{1,128}")}


def an_object(value: Any, what: str = "The body") -> Document:
    if not isinstance(value, dict):
        raise Problem(400, f"{what} must be an object.")
    return value


def a_list(value: Any, what: str = "The body") -> list[Any]:
    if not isinstance(value, list):
        raise Problem(400, f"{what} must be an array.")
    if len(value) > MOST_IN_BULK:
        raise Problem(400, f"{what} holds more than {MOST_IN_BULK} entries.")
    return value


def text(body: Document, field: str) -> str | None:
    """An optional text; null is the same as nothing."""
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        raise Problem(400, f"{field} must be a string.")
    if value and len(value) > LONGEST_TEXT:
        raise Problem(400, f"{field} is longer than {LONGEST_TEXT} characters.")
    return value


def needed_text(body: Document, field: str) -> str:
    value = text(body, field)
    if not value:
        raise Problem(400, f"{field} is required.")
    return value


def bucket_name(body: Document) -> str:
    name = needed_text(body, "name")
    if not _BUCKET_NAME.fullmatch(name):
        raise Problem(400, f"name must match ^{_BUCKET_NAME.pattern}$.")
    return name


def consumer_name(body: Document, switches: Mapping[str, str]) -> str:
    name, pattern = needed_text(body, "name"), _CONSUMER_NAME[switches["name_pattern"]]
    if not pattern.fullmatch(name):
        raise Problem(400, f"name must match ^{pattern.pattern}$.")
    return name


def tags(body: Document, before: Document | None = None) -> Document | None:
    """The tags, merged into those before if there are any given."""
    value = body.get("tags")
    if value is None:
        return None
    if not all(isinstance(tag, str) for tag in an_object(value, "tags").values()):
        raise Problem(400, "tags must hold strings only.")
    value = {**(before or {}), **value}
    if len(value) > MOST_TAGS:
        raise Problem(400, f"tags: at most {MOST_TAGS} are allowed.")
    return value


def metadata(body: Document, switches: Mapping[str, str], before: Document | None = None) -> Document | None:
    """The metadata, merged into that before if there is any given."""
    value = body.get("metadata")
    if value is None:
        return None
    entries = an_object(value, "metadata").values()
    if switches["metadata_types"] == "strings" and not all(isinstance(entry, str) for entry in entries):
        raise Problem(400, "metadata must hold strings only.")
    value = {**(before or {}), **value}
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > METADATA_BYTES:
        raise Problem(400, f"metadata: at most {METADATA_BYTES} bytes are allowed.")
    return value


def end_date(body: Document) -> str | None:
    """expiresOn in the form we store. The guides of 2023 sent a bare day, which is still taken."""
    value = text(body, "expiresOn")
    if value is None:
        return None
    try:
        return read_date(value)
    except ValueError as error:
        raise Problem(400, "expiresOn must be an RFC 3339 date and time.") from error


def key_columns(value: Any, what: str = "The body") -> dict[str, str | None]:
    """A new key. All fields are optional, read-only ones are passed over."""
    body = an_object(value, what)
    value = text(body, "key") or None
    return {"description": text(body, "description"), "expires_on": end_date(body), "value": value}


def address(value: Any, field: str = "email") -> str:
    if not isinstance(value, str) or "@" not in value or len(value) > 320:
        raise Problem(400, f"{field} must be an e-mail address.")
    return value


def manager(value: Any, what: str = "The body") -> tuple[str, str]:
    body = an_object(value, what)
    return address(body.get("email")), needed_text(body, "sub")


def managers(body: Document) -> list[tuple[str, str | None]]:
    """Addresses to invite, or {email, sub} objects to add; the published schema allows no mixture."""
    entries = a_list(body.get("managers") or [], "managers")
    if all(isinstance(entry, str) for entry in entries):
        return [(address(entry, "managers"), None) for entry in entries]
    if all(isinstance(entry, dict) for entry in entries):
        return [manager(entry) for entry in entries]
    raise Problem(400, "managers must hold either e-mail addresses or {email, sub} objects.")
