"""Date and time formatting, in the current zone, which is always said; site.js adds the visitor's own manner."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import avoid_wrapping, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, npgettext_lazy
from django.utils.translation import gettext as _

HALF_A_MINUTE = timedelta(seconds=30)
A_MINUTE = timedelta(minutes=1)
A_WEEK = timedelta(days=7)
MINUTES = {"week": 7 * 24 * 60, "day": 24 * 60, "hour": 60, "minute": 1}
COUNTED_DAYS = 100  # a key that was made for 90 days has 90 days, and not two months
DAYS_OF_A_MONTH = 365.2425 / 12
UNITS: dict[str, Any] = {
    "year": npgettext_lazy("relative time", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("relative time", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("relative time", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("relative time", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("relative time", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("relative time", "%(num)d minute", "%(num)d minutes", "num"),
}
"""Django's own texts are in the wrong case for a language like German, also those of `humanize`."""

LATEST = datetime.max.replace(tzinfo=UTC) - HALF_A_MINUTE


def in_words(moment: datetime, now: datetime) -> str:
    """Relative time in its largest unit: "3 days ago", "in 2 hours". To the minute, as forms are filled in slowly.

    What is past is rounded down; what lies more than a week ahead, to the nearest day, month or year.
    """
    return _words(moment, now, get_language())


def _words(moment: datetime, now: datetime, language: str | None) -> str:
    distance = abs(moment - now)
    if distance < HALF_A_MINUTE:
        return _said("moment", 0, moment <= now, language)
    if moment > now and distance >= A_WEEK:
        unit, number = _ahead(distance)
    else:
        unit, number = _between(min(moment, now), min(max(moment, now), LATEST) + HALF_A_MINUTE)
    return _said(unit, number, moment <= now, language)


@lru_cache(maxsize=2048)
def _said(unit: str, number: int, is_past: bool, _language: str | None) -> str:
    """Memoised, as people see the same few again and again; the last one is the current language."""
    if unit == "moment":
        return _("just now") if is_past else _("in a moment")
    span = avoid_wrapping(UNITS[unit] % {"num": number})
    return (_("%(time)s ago") if is_past else _("in %(time)s")) % {"time": span}


def _between(first: datetime, last: datetime) -> tuple[str, int]:
    """The largest unit that fits, and how often it does: as Django's `timesince` counts, at a tenth of its cost."""
    first, last = first.astimezone(UTC), last.astimezone(UTC)  # in a zone with summers hours come twice
    months = (last.year - first.year) * 12 + last.month - first.month
    if (last.day, last.time()) < (first.day, first.time()):
        months -= 1
    if months:
        return ("year", months // 12) if months >= 12 else ("month", months)
    minutes = (last - first) // A_MINUTE
    return next((unit, minutes // size) for unit, size in MINUTES.items() if minutes >= size)


def _ahead(distance: timedelta) -> tuple[str, int]:
    """Time that is left, as it was chosen: in days while people count them, then to the nearest month or year."""
    days = round(distance / timedelta(days=1))
    months = round(days / DAYS_OF_A_MONTH)
    if days < COUNTED_DAYS:
        return "day", days
    return ("month", months) if months < 24 and months != 12 else ("year", round(months / 12))


def zone(name: str) -> tzinfo:
    """Time zone of that name in the IANA database; UTC for what is none."""
    try:
        return ZoneInfo(name) if re.fullmatch(r"[A-Za-z0-9_+/-]{1,64}", name) else UTC
    except (KeyError, ValueError, OSError):
        return UTC


def zone_name() -> str:
    """Name of the zone that times are told in at this moment, such as Europe/Berlin, or UTC."""
    return str(timezone.get_current_timezone())


def local(moment: datetime) -> datetime:
    """The moment in the current zone; in UTC where the calendar ends in between."""
    try:
        return timezone.localtime(moment)
    except (OverflowError, ValueError):
        return moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """For `datetime` attributes, in which HTML allows three digits of fractions at most."""
    return moment.isoformat(timespec="seconds")


def written(moment: datetime) -> str:
    return _with_zone(moment, "DATETIME_FORMAT")


def clock(moment: datetime) -> str:
    """The time of day."""
    return _with_zone(moment, "H:i")


def _with_zone(moment: datetime, form: str) -> str:
    return _in_zone(moment, form, timezone.get_current_timezone(), get_language())


@lru_cache(maxsize=4096)
def _in_zone(moment: datetime, form: str, _zone: tzinfo, _language: str | None) -> str:
    """Memoised: keys are created once and looked at often. The last two are the current ones."""
    here = local(moment)
    name = here.tzname() or ""
    return f"{date_format(here, form)} {name if name[:1].isalpha() else f'UTC{name}'}"


def exact(moment: datetime) -> SafeString:
    """The moment itself, as an element."""
    return format_html('<time datetime="{}" data-time>{}</time>', iso(moment), written(moment))


def day(moment: datetime) -> SafeString:
    """The day of a moment that nobody needs to know better, as an element."""
    return format_html(
        '<time datetime="{}" data-time="day">{}</time>', iso(moment), date_format(local(moment), "DATE_FORMAT")
    )


def calendar_day(on: date) -> SafeString:
    """A day that is the same wherever people are, as an element: by its noon, in whatever zone it is read."""
    return format_html(
        '<time datetime="{}T12:00" data-time="day">{}</time>', on.isoformat(), date_format(on, "DATE_FORMAT")
    )


def rough(moment: datetime | None) -> SafeString:
    """The distance to a moment, as an element; the moment itself is its tooltip, and is read out. "" for no moment."""
    return roughly()(moment)


def roughly() -> Callable[[datetime | None], SafeString]:
    """`rough` for many moments of one page: what is the same for all is asked for once."""
    now, zone, language = timezone.now(), timezone.get_current_timezone(), get_language()

    def rough(moment: datetime | None) -> SafeString:
        if moment is None:
            return SafeString("")
        begin, end = _element(moment, zone, language)
        return SafeString(begin + escape(_words(moment, now, language)) + end)

    return rough


@lru_cache(maxsize=4096)
def _element(moment: datetime, _zone: tzinfo, _language: str | None) -> tuple[SafeString, SafeString]:
    """Words before and behind the distance; memoised as `_in_zone` is."""
    at, when = iso(moment), written(moment)
    return (
        format_html('<time datetime="{}" title="{}" data-time>', at, when),
        format_html("<span> ({})</span></time>", when),
    )
