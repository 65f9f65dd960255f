"""Rate limit: how often one person may do a thing in a minute, counted in the shared cache, so over all workers."""

import time

from django.utils.translation import gettext as _

from keys import counter
from keys.access import Actor
from keys.audit.notifications import digest_of_mailbox
from keys.conf import settings
from keys.errors import NotAllowed, RateLimited
from keys.models import READS, Action

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
CALENDARS_PER_HOUR = 60
INVITATIONS_TO_ADDRESS = 10
"""In a day, whoever invites."""


def count(actor: Actor, action: Action) -> None:
    """Count this action; raises `RateLimited`, with the seconds to wait, above the limit."""
    if action in READS:
        _count("reads", actor, settings.KEYS_REVEALS_PER_MINUTE, MINUTE)
    else:
        _count("changes", actor, settings.KEYS_CHANGES_PER_MINUTE, MINUTE)


def count_calendar(actor: Actor) -> None:
    """Count one look at the person's calendar; programs look a few times an hour. Raises `RateLimited`."""
    _count("calendar", actor, CALENDARS_PER_HOUR, HOUR)


def _count(kind: str, actor: Actor, limit: int, seconds: int) -> None:
    now = time.time()
    if counter.count(f"keys:limit:{kind}:{actor.user_id}:{int(now // seconds)}", 2 * seconds) > limit:
        raise RateLimited(limit, retry_after=seconds - int(now % seconds))


def count_invitation(actor: Actor, email: str) -> None:
    """Count a mail to an address of a customer's choice; raises `NotAllowed` above the limits. Staff have none."""
    if actor.staff:
        return
    invited = f"keys:limit:invited:{digest_of_mailbox('invitation', email)}"
    if (
        counter.count(f"keys:limit:invitations:{actor.user_id}", DAY) > settings.KEYS_INVITATIONS_PER_DAY
        or counter.count(invited, DAY) > INVITATIONS_TO_ADDRESS
    ):
        words = _("You've reached the daily limit for invitations.")
        raise NotAllowed(words, advice=_("Try again tomorrow."))
