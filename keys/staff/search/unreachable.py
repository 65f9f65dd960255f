"""Unreachable consumers: manager addresses that no sign-in can match. Each reason in words for the support desk."""

from collections.abc import Callable

from django.utils.translation import gettext as _

from keys.service.people import sign_in_trouble
from keys.types import Consumer, Manager

Finds = Callable[[str, Consumer], bool]
"""True if the Developer API finds this consumer by that address."""


def why_unseen(consumer: Consumer, finds: Finds) -> list[str]:
    """Reasons, one for each manager, or that there is none; empty as soon as one of them can see it, or may."""
    if not consumer.has_all_managers:
        return []
    if not consumer.managers:
        return [_("It has no manager.")]
    reasons = []
    for manager in consumer.managers:
        reason = sign_in_trouble(manager.email) or _why_not_found(manager, consumer, finds)
        if not reason:
            return []
        reasons.append(reason)
    return reasons


def _why_not_found(manager: Manager, consumer: Consumer, finds: Finds) -> str:
    """The portal asks by the address of an account, which is in lower case: what does the Developer API find?"""
    address = manager.email.lower()
    if (manager.invited or address != manager.email) and not finds(address, consumer):
        if manager.invited:
            words = _("%(email)s is only invited: the key service doesn't find the consumer by this address yet.")
        else:
            words = _("%(email)s has capital letters: people sign in in lowercase, so the key service doesn't find it.")
        return words % {"email": manager.email}
    return ""
