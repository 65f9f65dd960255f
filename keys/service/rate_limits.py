"""Rate limit: how often one person may do a thing in a minute, counted in the shared cache, so over all workers."""

import time

from keys import counter
from keys.access import Actor
from keys.conf import settings
from keys.errors import RateLimited
from keys.models import READS, Action

MINUTE, HOUR = 60, 3600
CALENDARS_PER_HOUR = 60


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
