"""Rate limit: how often one person may do a thing in a minute, counted in the shared cache, so over all workers."""

import time

from keys import counter
from keys.access import Actor
from keys.conf import settings
from keys.errors import RateLimited
from keys.models import READS, Action

MINUTE = 60


def count(actor: Actor, action: Action) -> None:
    """Count this action; raises `RateLimited`, with the seconds to wait, above the limit."""
    kind, limit = "changes", settings.KEYS_CHANGES_PER_MINUTE
    if action in READS:
        kind, limit = "reads", settings.KEYS_REVEALS_PER_MINUTE
    now = time.time()
    this_minute = f"keys:limit:{kind}:{actor.user_id}:{int(now // MINUTE)}"
    if counter.count(this_minute, 2 * MINUTE) > limit:
        raise RateLimited(limit, retry_after=MINUTE - int(now % MINUTE))
