"""Actor of the portal: the signed-in person by every address that they have proved, for the keys app."""

from typing import cast

from keys.access import Actor
from keys.http import Request
from keys.web.actor import proved_at
from portal.models import User


def actor_of(request: Request) -> Actor:
    user, staff = cast(User, request.user), request.staff
    return Actor(
        user_id=user.pk,
        # A colleague in Django admin goes by permissions alone, whatever consumers list the own address.
        emails=() if staff and staff.user_id == user.pk else _proved(user),
        address=request.META["REMOTE_ADDR"],  # as far as proxies are trusted: see portal/proxies.py
        reference=request.reference,
        proved_at=proved_at(request),
        staff=staff,
    )


def _proved(user: User) -> tuple[str, ...]:
    """The addresses that came with the user; asked for where the user came otherwise, as when signing in."""
    known = user.proved_addresses
    return (User.objects.get(pk=user.pk).proved_addresses or ()) if known is None else known
