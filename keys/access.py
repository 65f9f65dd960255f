"""Authorisation: who may do what, as pure functions over an `Actor`, which knows nothing of requests or sessions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from keys.types import Consumer, Unread

PROVED_AT = "proved_at"
"""Session key of the last proof of identity (sign-in or step-up), in seconds since 1970."""
INTERRUPTED = "interrupted"
"""Session key of what a step-up interrupted, in words that complete "You can now ..."."""


class Right(StrEnum):
    """Permissions of staff over keys that are not their own. Who may view sees every consumer."""

    VIEW = "view"
    CHANGE = "change"
    REVEAL = "reveal"


PERMISSIONS = {
    Right.VIEW: "keys.view_consumer",
    Right.CHANGE: "keys.change_consumer",
    Right.REVEAL: "keys.reveal_key",
}


@dataclass(frozen=True, slots=True)
class Staff:
    """The colleague at the keyboard: in the admin, or looking at the portal as a customer, for this reason."""

    user_id: Any
    email: str
    rights: frozenset[Right] = frozenset()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """The person whose keys these are, and from where the request came.

    `user_id` is the primary key of a user, of whatever kind. `emails` are the verified addresses as stored, the
    primary one first; without one nothing is theirs. `proved_at` is when they last signed in, or proved again who they
    are. `staff` is who acts in their name, or themselves in the admin; None for customers.
    """

    user_id: Any
    emails: tuple[str, ...]
    address: str = ""
    reference: str = ""
    proved_at: datetime | None = None
    staff: Staff | None = None

    @property
    def email(self) -> str:
        """The primary address, "" for a person without a verified one."""
        return self.emails[0] if self.emails else ""

    @property
    def in_admin(self) -> bool:
        """True for a colleague in the own name, and not in a customer's."""
        return self.staff is not None and self.staff.user_id == self.user_id

    @property
    def on_visit(self) -> bool:
        """True for a colleague who looks at the portal as a customer."""
        return self.staff is not None and not self.in_admin

    @property
    def sees_all(self) -> bool:
        """True for staff in the admin: every consumer is their business."""
        return self.staff is not None and Right.VIEW in self.staff.rights


def staff_rights(may: Callable[[str], bool]) -> frozenset[Right]:
    """Rights from the permissions of Django admin; whoever may not view may do nothing else."""
    granted = frozenset(right for right, permission in PERMISSIONS.items() if may(permission))
    return granted if Right.VIEW in granted else frozenset()


def same_address(one: str, other: str) -> bool:
    """Equal but for the case of ASCII letters: any further folding would let look-alikes in."""
    return one == other or _ascii_lower(one) == _ascii_lower(other)


def may_manage(actor: Actor, consumer: Consumer) -> bool:
    """True if one of the consumer's own managers carries one of the person's verified addresses."""
    return is_named(actor, consumer)


def is_named(actor: Actor, entry: Consumer | Unread) -> bool:
    """True if one of the managers carries one of the person's verified addresses."""
    addresses = entry.addresses
    if not set(actor.emails).isdisjoint(addresses):  # written alike, as nearly always
        return True
    return any(same_address(address, email) for address in addresses for email in actor.emails)


def may_be_managed(actor: Actor, entry: Consumer | Unread) -> bool:
    """True if the person may be a manager for all that can be told. It grants nothing: it keeps from saying "none"."""
    return is_named(actor, entry) or not entry.has_all_managers


def may_see(actor: Actor, consumer: Consumer) -> bool:
    return actor.sees_all or may_manage(actor, consumer)


def has_right(actor: Actor, right: Right) -> bool:
    """People have every right over their own keys; staff only those that they were given."""
    return actor.staff is None or right in actor.staff.rights


def may_change_managers(actor: Actor) -> bool:
    """Support on a visit gives nobody access in a customer's name, and takes it from nobody."""
    return has_right(actor, Right.CHANGE) and (actor.staff is None or actor.in_admin)


def is_fresh(actor: Actor, now: datetime, minutes: int) -> bool:
    """True if the last step-up or sign-in is younger than so many minutes; False if nobody knows when it was."""
    return actor.proved_at is not None and now - actor.proved_at < timedelta(minutes=minutes)


def _ascii_lower(address: str) -> bytes:
    return address.encode("utf-8", "surrogatepass").lower()
