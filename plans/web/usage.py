"""Usage as pages show it: bars, and a chart by day with a table behind it."""

from typing import Any

from plans.service.subscriptions import Subscriptions
from plans.types import UNKNOWN_USAGE, Subscription


def usage_of(ring: Subscriptions, subscription: Subscription | None) -> dict[str, Any]:
    """What templates need to show the usage of a plan; unknown where the source knows nothing, or has no answer."""
    return {"usage": UNKNOWN_USAGE, "knows_usage": ring.source.knows_usage, "charts": []}
