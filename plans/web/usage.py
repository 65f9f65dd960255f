"""Usage as pages show it: bars, and a chart by day with a table behind it."""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from keys.errors import ApiError
from plans.service.subscriptions import Subscriptions
from plans.types import UNKNOWN_USAGE, Day, Subscription, Used

logger = logging.getLogger(__name__)

CHARTS_AT_MOST = 3
DAYS_AT_MOST = 31
WIDTH, HEIGHT = 620, 128
"""Of the drawing, in its own units; the bars stand on its lower edge."""
DAYS_AT_LEAST = 14
"""So many days are shown of a plan that is younger too, so that a single bar is no wall."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a chart, as a rectangle."""

    day: Day
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Usage of one feature by day; `total` is over all days shown, `highest` that of the day with most."""

    name: str
    bars: tuple[Bar, ...]
    total: Decimal
    highest: Decimal
    begin: date
    end: date
    width: int = WIDTH
    height: int = HEIGHT


def usage_of(ring: Subscriptions, subscription: Subscription | None) -> dict[str, Any]:
    """Bars and charts for the page of a plan; unknown where the source knows nothing, or has no answer."""
    usage, charts = UNKNOWN_USAGE, []
    if subscription and ring.source.knows_usage:
        try:
            usage = ring.source.usage(subscription)
            charts = [
                chart for one in (usage.features or ())[:CHARTS_AT_MOST] if (chart := _chart(ring, subscription, one))
            ]
        except ApiError as problem:
            logger.warning("usage is not known: %s", problem)
    return {"usage": usage, "knows_usage": ring.source.knows_usage, "charts": charts}


def _chart(ring: Subscriptions, subscription: Subscription, one: Used) -> Chart | None:
    now = timezone.now()
    first, youngest = (now - timedelta(days=days - 1) for days in (DAYS_AT_MOST, DAYS_AT_LEAST))
    begin = min(max(subscription.active_from or first, first), youngest)
    begin = datetime.combine(begin.astimezone(UTC).date(), datetime.min.time(), UTC)
    days = ring.source.days(subscription, one.key, begin, now)
    return None if days is None else chart(one.name, days, begin.date(), now.astimezone(UTC).date())


def chart(name: str, days: list[Day], begin: date, end: date) -> Chart:
    """A bar for each day, also for those without use."""
    used: dict[date, Decimal] = {}
    for day in days:
        used[day.on] = used.get(day.on, Decimal(0)) + day.used
    number = max(1, min(DAYS_AT_MOST, (end - begin).days + 1))
    dates = [begin + timedelta(days=count) for count in range(number)]
    shown = [Day(on, used.get(on, Decimal(0))) for on in dates]
    highest = max((day.used for day in shown), default=Decimal(0))
    bars = []
    for count, day in enumerate(shown):
        tall = int(day.used * (HEIGHT - 1) / highest) if highest else 0
        tall = max(tall, 2) if day.used else 0
        left, right = count * WIDTH // number, (count + 1) * WIDTH // number
        bars.append(Bar(day, left, HEIGHT - 1 - tall, right - left - 3, tall))
    total = sum((day.used for day in shown), Decimal(0))
    return Chart(name, tuple(bars), total, highest, begin, dates[-1])
