"""ISO 8601 durations and billing periods: always anchor + n durations, so that no month drifts to the 28th."""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_DURATION = re.compile(
    r"P(?!$)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?!$)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Duration:
    """So many months and so many seconds: neither can be turned into the other."""

    months: int
    seconds: int


def read_duration(text: str) -> Duration:
    """P1M, P2W, PT12H. Raises ValueError for anything else, and for nothing at all (P0D)."""
    found = _DURATION.fullmatch(text)
    if found is None or len(text) > 20:
        raise ValueError("not an ISO 8601 duration")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    whole = Duration(years * 12 + months, ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds)
    if whole == Duration(0, 0):
        raise ValueError("a duration of nothing")
    return whole


def after(anchor: datetime, length: Duration, times: int = 1) -> datetime:
    """The anchor plus so many durations; the 31st becomes the last day of a shorter month."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + length.months * times, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day) + timedelta(seconds=length.seconds * times)


def period_around(anchor: datetime, length: Duration, moment: datetime) -> tuple[datetime, datetime]:
    """The period (its start, its end) that holds the moment, counted from the anchor in either direction."""
    typical = length.months * 30.5 * 86_400 + length.seconds
    number = int((moment - anchor).total_seconds() // typical)
    while after(anchor, length, number) > moment:
        number -= 1
    while after(anchor, length, number + 1) <= moment:
        number += 1
    return after(anchor, length, number), after(anchor, length, number + 1)
