"""Date and time formatting, in UTC: site.js adds the visitor's own zone."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import npgettext_lazy

HALF_A_MINUTE = timedelta(seconds=30)
UNITS: dict[str, Any] = {
    "year": npgettext_lazy("relative time", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("relative time", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("relative time", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("relative time", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("relative time", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("relative time", "%(num)d minute", "%(num)d minutes", "num"),
}
"""Django's own texts are in the wrong case for a language like German, also those of `humanize`."""


def in_words(moment: datetime, now: datetime) -> str:
    """Relative time in its largest unit: "3 days ago", "in 2 hours". To the minute, as forms are filled in slowly."""
    distance = abs(moment - now)
    if distance < HALF_A_MINUTE:
        return _("just now") if moment <= now else _("in a moment")
    first, last = min(moment, now), max(moment, now)
    span = timesince(first, last + HALF_A_MINUTE, time_strings=UNITS, depth=1)
    return (_("%(time)s ago") if moment <= now else _("in %(time)s")) % {"time": span}


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
