"""Billing periods: an anchor and a number of months, computed where they are needed.

A month kept as a duration drifts: 31 January plus one month twice is 28 March by repeated addition, and 31 March by
`anchor + n months`. So no end of a period is ever stored to be added to.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from dateutil.relativedelta import relativedelta

from keys.errors import OddAnswer

_ISO_8601 = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,4})D)?")


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar period: so many months and so many days. P1M, P1Y and P2W on the wire."""

    months: int = 0
    days: int = 0

    @classmethod
    def from_iso(cls, text: str) -> "Period":
        """Raises `OddAnswer` for what is none, and for periods of hours, by which nobody is billed."""
        found = _ISO_8601.fullmatch(text)
        years, months, weeks, days = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
        period = cls(12 * years + months, 7 * weeks + days)
        if not period.months and not period.days:
            raise OddAnswer("no period")
        return period

    def __str__(self) -> str:
        parts = (f"{self.months}M" if self.months else "", f"{self.days}D" if self.days else "")
        return "P" + "".join(parts)

    def after(self, anchor: datetime, number: int = 1) -> datetime:
        """The end of the nth period since the anchor; the 31st becomes the last day of a shorter month."""
        end: datetime = anchor + relativedelta(months=self.months * number) + timedelta(days=self.days * number)
        return end

    def around(self, moment: datetime, anchor: datetime) -> tuple[datetime, datetime]:
        """The beginning and the end of the period in which the moment lies; of the first one before the anchor."""
        if moment < anchor:
            return anchor, self.after(anchor)
        days = self.months * 30.44 + self.days
        number = max(0, int((moment - anchor).days / days) - 1)
        while self.after(anchor, number + 1) <= moment:
            number += 1
        return self.after(anchor, number), self.after(anchor, number + 1)


MONTH = Period(months=1)
