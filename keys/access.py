"""Who may do what: pure functions over an `Actor`, which knows nothing of requests or sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.types import Consumer

PROVED_AT = "proved_at"
"""Where the session keeps when the person last proved who is there, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The person whose keys these are, and from where the request came.

    `emails` are the verified addresses as stored, the primary one first; without one nothing is theirs.
    `proved_at` is when they last signed in, or proved again who they are.
    """

    user_id: int
    emails: tuple[str, ...]
    address: str = ""
    reference: str = ""
    proved_at: datetime | None = None

    @property
    def email(self) -> str:
        """The primary address, "" for a person without a verified one."""
        return self.emails[0] if self.emails else ""


def same_address(one: str, other: str) -> bool:
    """Equal but for the case of ASCII letters: any further folding would let look-alikes in."""
    return _ascii_lower(one) == _ascii_lower(other)


def may_manage(actor: Actor, consumer: Consumer) -> bool:
    """Whether one of the consumer's own managers carries one of the person's verified addresses."""
    return any(same_address(manager.email, email) for manager in consumer.managers for email in actor.emails)


def is_fresh(actor: Actor, now: datetime, minutes: int) -> bool:
    """Whether the person has proved who is there within so many minutes; nobody knows when means no."""
    return actor.proved_at is not None and now - actor.proved_at < timedelta(minutes=minutes)


def _ascii_lower(address: str) -> bytes:
    return address.encode("utf-8", "surrogatepass").lower()
