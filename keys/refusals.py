"""Cache staleness of the gateway: a key that has ended is let in until the gateway asks again, and pages say so.

Zuplo's policies remember whom they let in for `cacheTtlSeconds`, 60 at the least, and whom they refuse not at all:
https://zuplo.com/docs/policies/api-key-inbound. So a new key works at once, and an ended one up to a minute longer.
"""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from keys.conf import settings


def within() -> str:
    """The time in words, for "within ...": "a minute", "90 seconds"; nothing where the gateway always asks."""
    seconds = int(settings.GATEWAY_CACHE_SECONDS)
    minutes, rest = divmod(seconds, 60)
    if rest:
        return ngettext("a second", "%(number)d seconds", seconds) % {"number": seconds}
    return ngettext("a minute", "%(number)d minutes", minutes) % {"number": minutes} if minutes else ""


def choice() -> str:
    """Hint beside the choice: what "now" means for the key that is to end."""
    time = within()
    return _("refused within %(time)s") % {"time": time} if time else _("refused at once")


def sentence(since: datetime | None = None, *, many: bool = False) -> str:
    """When the gateway refuses what has ended just now, or `since`; of one key, or of many."""
    time = within()
    if since and timezone.now() - since > timedelta(seconds=int(settings.GATEWAY_CACHE_SECONDS)):
        return _("The gateway refuses them.") if many else _("The gateway refuses it.")
    if not time:
        return _("The gateway refuses them at once.") if many else _("The gateway refuses it at once.")
    words = _("The gateway refuses them within %(time)s.") if many else _("The gateway refuses it within %(time)s.")
    return words % {"time": time}
