"""Authentication seam: the host project says who is asking, by `KEYS_ACTOR`, a callable from request to `Actor`.

The default takes the address of the signed-in user, and only where `KEYS_EMAIL_IS_VERIFIED` says that its holder has
proved to own it: the address alone decides whose keys somebody sees.
"""

import time
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.module_loading import import_string

from keys.access import PROVED_AT, Actor
from keys.conf import settings


def actor_of(request: HttpRequest) -> Actor:
    """The person at the keyboard, as the host project knows them; raises `PermissionError` if nobody is signed in."""
    if not request.user.is_authenticated:
        raise PermissionError("nobody is signed in")
    actor: Actor = _called(settings.KEYS_ACTOR)(request)
    return actor


def by_email(request: HttpRequest) -> Actor:
    """The user of `django.contrib.auth`, with one address at most, seen from the address of the connection."""
    user: Any = request.user
    email, staff = getattr(user, user.get_email_field_name(), ""), getattr(request, "staff", None)
    is_colleague = staff is not None and staff.user_id == user.pk  # who goes by permissions alone
    is_proved = bool(email) and not is_colleague and _called(settings.KEYS_EMAIL_IS_VERIFIED)(user)
    return Actor(
        user_id=user.pk,
        emails=(email,) if is_proved else (),
        address=request.META.get("REMOTE_ADDR", ""),
        reference=getattr(request, "reference", ""),
        proved_at=proved_at(request),
        staff=staff,
    )


def nobody_is_verified(_user: Any) -> bool:
    """No address counts until the host project says which do: that of a stranger could be anybody's."""
    return False


def proved_at(request: HttpRequest) -> datetime | None:
    """When this session last proved who is at the keyboard."""
    moment = request.session.get(PROVED_AT)
    return datetime.fromtimestamp(moment, UTC) if moment else None


def prove(request: HttpRequest) -> None:
    """Record a proof; for the host project's own page of step-up authentication."""
    request.session[PROVED_AT] = time.time()


@receiver(user_logged_in)
def prove_by_signing_in(request: HttpRequest | None, **_facts: Any) -> None:
    """Record a proof, except of django-hijack, which signs in as somebody, and back, without asking for anything.

    What was proved before is gone by then, as Django begins another session for another user.
    """
    match = getattr(request, "resolver_match", None)
    if request is not None and hasattr(request, "session") and not (match and "hijack" in match.app_names):
        prove(request)


def _called(seam: Any) -> Any:
    return import_string(seam) if isinstance(seam, str) else seam
