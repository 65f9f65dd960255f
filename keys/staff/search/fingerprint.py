"""Find a leaked key without storing it, by comparing HMACs of its ending with masked keys."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core import signing

from keys.conf import settings

SHORTEST = 4  # what every documented mask shows
LONGEST = 16  # no documented mask shows more, but for a key that is not masked at all
VALID_FOR = 60 * 60
_SALT = "keys.sought"
_MASK = re.compile(r"[*•…]|\.\.\.")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """HMACs by how many of the last characters they are of. They cannot be turned back without SECRET_KEY."""

    digests: Mapping[int, str]

    @classmethod
    def of(cls, value: str) -> "Fingerprint":
        """Fingerprint of a key, or of its last characters."""
        lengths = {*range(SHORTEST, min(len(value), LONGEST) + 1), len(value)}
        return cls({length: _digest(value[-length:]) for length in sorted(lengths)})

    @classmethod
    def from_token(cls, token: str) -> "Fingerprint":
        """Raises `signing.BadSignature` for what is not ours, or too old."""
        digests = signing.loads(token, salt=_SALT, max_age=VALID_FOR)
        return cls({int(length): digest for length, digest in digests.items()})

    @property
    def token(self) -> str:
        """Signed token that stands for the key in the form that goes on: the key itself never returns to the page."""
        return signing.dumps(self.digests, salt=_SALT)

    def same(self, shown: str) -> int:
        """Number of last characters that are the same, as far as this mask shows them; 0 for another key."""
        tail = _MASK.split(shown)[-1]
        length = max((length for length in self.digests if length <= len(tail)), default=0)
        return length if length and hmac.compare_digest(_digest(tail[-length:]), self.digests[length]) else 0

    def among(self, consumer: Any) -> dict[str, int]:
        """The keys of a consumer, as on the wire, that this may be: how many characters are the same, by key id."""
        keys = consumer.get("apiKeys") if isinstance(consumer, dict) else None
        shown = [key for key in keys or () if isinstance(key, dict) and isinstance(key.get("key"), str)]
        return {str(key.get("id")): same for key in shown if (same := self.same(key["key"]))}


def _digest(text: str) -> str:
    return hmac.digest(settings.SECRET_KEY.encode(), f"{_SALT}:{text}".encode(), hashlib.sha256).hex()[:20]
