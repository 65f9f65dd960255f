"""Date and time formatting, in UTC: app.js adds the visitor's own zone."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Of each unit its length, the number from which a larger one is used, and the words for what was and what comes.
UNITS = (
    (
        MINUTE,
        60,
        ngettext_lazy("%(number)d minute ago", "%(number)d minutes ago", "number"),
        ngettext_lazy("in %(number)d minute", "in %(number)d minutes", "number"),
    ),
    (
        HOUR,
        48,
        ngettext_lazy("%(number)d hour ago", "%(number)d hours ago", "number"),
        ngettext_lazy("in %(number)d hour", "in %(number)d hours", "number"),
    ),
    (
        DAY,
        60,
        ngettext_lazy("%(number)d day ago", "%(number)d days ago", "number"),
        ngettext_lazy("in %(number)d day", "in %(number)d days", "number"),
    ),
    (
        DAY * 30.44,
        24,
        ngettext_lazy("%(number)d month ago", "%(number)d months ago", "number"),
        ngettext_lazy("in %(number)d month", "in %(number)d months", "number"),
    ),
    (
        DAY * 365.25,
        10_000,
        ngettext_lazy("%(number)d year ago", "%(number)d years ago", "number"),
        ngettext_lazy("in %(number)d year", "in %(number)d years", "number"),
    ),
)


def in_words(moment: datetime, now: datetime) -> str:
    """The distance of a moment: "3 days ago", "in 2 hours"."""
    distance = abs(moment - now)
    if distance < MINUTE / 2:
        return _("just now") if moment <= now else _("in a moment")
    length, _limit, past, future = next(unit for unit in UNITS if round(distance / unit[0]) < unit[1])
    return str((past if moment <= now else future) % {"number": max(1, round(distance / length))})


def written(moment: datetime) -> str:
    return date_format(moment, "DATETIME_FORMAT") + " UTC"


def exact(moment: datetime) -> SafeString:
    """The moment itself, as an element."""
    return format_html('<time datetime="{}" data-time>{}</time>', moment.isoformat(), written(moment))


def day(moment: datetime) -> SafeString:
    """The day of a moment that nobody needs to know better, as an element."""
    return format_html(
        '<time datetime="{}" data-time="day">{}</time>', moment.isoformat(), date_format(moment, "DATE_FORMAT")
    )


def rough(moment: datetime) -> SafeString:
    """The distance to a moment, as an element; the moment itself is its tooltip, and is read out."""
    return format_html(
        '<time datetime="{0}" title="{1}" data-time>{2}<span class="visually-hidden"> ({1})</span></time>',
        moment.isoformat(),
        written(moment),
        in_words(moment, timezone.now()),
    )
