"""Rate limit: how often one person may do a thing in a minute, counted in the shared cache, so over all workers."""

import time

from django.utils.translation import gettext as _

from keys import counter
from keys.access import Actor
from keys.conf import settings
from keys.errors import NotAllowed, RateLimited
from keys.models import READS, Action

MINUTE, DAY = 60, 24 * 60 * 60


def count(actor: Actor, action: Action) -> None:
    """Count this action; raises `RateLimited`, with the seconds to wait, above the limit."""
    kind, limit = "changes", settings.KEYS_CHANGES_PER_MINUTE
    if action in READS:
        kind, limit = "reads", settings.KEYS_REVEALS_PER_MINUTE
    now = time.time()
    this_minute = f"keys:limit:{kind}:{actor.user_id}:{int(now // MINUTE)}"
    if counter.count(this_minute, 2 * MINUTE) > limit:
        raise RateLimited(limit, retry_after=MINUTE - int(now % MINUTE))


def count_invitation(actor: Actor) -> None:
    """Count a mail to an address of a customer's choice; raises `NotAllowed` above the limit. Staff have none."""
    if actor.staff:
        return
    if counter.count(f"keys:limit:invitations:{actor.user_id}", DAY) > settings.KEYS_INVITATIONS_PER_DAY:
        words = _("You have reached the limit of invitations for one day.")
        raise NotAllowed(words, advice=_("Please try again tomorrow."))
