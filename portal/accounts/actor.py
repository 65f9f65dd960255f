"""Actor of the portal: the signed-in person by every address that they have proved, for the keys app."""

from typing import cast

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.db.models import IntegerField

from keys.access import Actor
from keys.http import Request
from keys.prepared import Blank, Prepared
from keys.web.actor import proved_at

_PROVED = Prepared(
    lambda _names: (
        EmailAddress.objects.filter(user_id=Blank("user_id", IntegerField()), verified=True)
        .order_by("-primary", "email")
        .values_list("email")
    )
)


def actor_of(request: Request) -> Actor:
    user_id = cast(int, request.user.pk)
    staff = request.staff
    return Actor(
        user_id=user_id,
        # A colleague in Django admin goes by permissions alone, whatever consumers list the own address.
        emails=() if staff and staff.user_id == user_id else tuple(email for (email,) in _PROVED.rows(user_id=user_id)),
        address=get_adapter(request).get_client_ip(request),
        reference=request.reference,
        proved_at=proved_at(request),
        staff=staff,
    )
