"""Wire values: ids, key values and their masks, dates."""

import random
import re
import unicodedata
import uuid
import zlib
from base64 import b64encode
from datetime import UTC, datetime, timedelta

_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?", re.ASCII | re.IGNORECASE)


def mint_id(prefix: str) -> str:
    """An opaque id, as the published examples look: 24 letters and digits, 32 for a bucket."""
    some = random.randbytes(24 if prefix == "bckt" else 18)
    return f"{prefix}_{b64encode(some, altchars=b'xX').decode()}"


def mint_ulid() -> str:
    """An id of the v3 operations: 48 bits of time and 80 of chance in Crockford's base 32."""
    number = int(datetime.now(UTC).timestamp() * 1000) << 80 | random.getrandbits(80)
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(125, -1, -5))


def mint_key() -> str:
    """A key with a true checksum: the last part is the CRC-32 of the 32 hex characters before it."""
    body = uuid.uuid4().hex
    return f"zpka_{body}_{zlib.crc32(body.encode()):08x}"


def mask(value: str, style: str) -> str:
    """The value with most of it hidden. Short values, which a caller may choose, show less."""
    if len(value) < 32:
        return "****" + (value[-4:] if len(value) >= 12 else "")
    if style == "stars":
        return "****" + value[-8:]
    return f"{value[:9]}...{value[-13:] if style == 'long' else value[-4:]}"


def written(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, so that the order of texts is the order of time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def written_exactly(moment: datetime) -> str:
    """With microseconds, as the v3 operations have them; texts are in the order of time among themselves."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_of(text: str) -> datetime:
    """The moment that one of our own texts says."""
    return datetime.fromisoformat(text)


def now() -> str:
    return written(datetime.now(UTC))


class Clock:
    """The time in the account: the true one, or so much ahead of it or behind, as a test wishes."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def moment(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def now(self) -> str:
        return written(self.moment())


def read_date(text: str) -> str:
    """The date in the one form we store; a bare day is its midnight UTC. Raises ValueError."""
    if not _DATE.fullmatch(text):
        raise ValueError("not an RFC 3339 date")
    moment = datetime.fromisoformat(text.upper())
    try:
        return written(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError as error:
        raise ValueError("outside the calendar") from error


def kept_label(text: str | None, reading: str) -> str | None:
    """A description as a service may keep it."""
    if not text or reading == "as_sent":
        return text
    return unicodedata.normalize("NFC", text) if reading == "composed" else text[:10].strip()


def kept_end(text: str | None, reading: str) -> str | None:
    """An end, in the form we store, as a service may keep it: rounded up."""
    if not text or reading == "as_sent":
        return text
    unit = timedelta(minutes=1) if reading == "minutes" else timedelta(days=1)
    moment = datetime.fromisoformat(text)
    try:
        return written(moment + (datetime.min.replace(tzinfo=UTC) - moment) % unit)
    except OverflowError:
        return text
