"""Audit events of support visits: each beginning gets exactly one end, by hand or made up for later."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome, VisitEnd

VISITS = UUID("0a3f2c44-6f0e-4b55-9c0c-6f1f5a3de2a7")  # names the one end of each support visit

OVERDUE = timedelta(days=30)  # for which ends of visits are made up for


@dataclass(frozen=True, slots=True)
class Visit:
    """Impersonation in the session: whose portal is looked at, since when and until when, and its first event."""

    event: int
    customer: int
    staff: int
    email: str
    staff_email: str
    reason: str
    until: float

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp(self.until, UTC)

    @property
    def minutes_left(self) -> int:
        return max(1, round((self.until - time.time()) / 60))


def end_visit(
    start: AuditEvent, how: VisitEnd, *, at: datetime | None = None, address: str = "", reference: str = ""
) -> None:
    """Say, once, that a colleague no longer looks at a customer's keys; `start` is the event of its beginning."""
    at = at or timezone.now()
    same = ("user_id", "email", "staff_id", "staff_email", "reason", "environment")
    facts = {"start": start.pk, "how": how, "minutes": max(0, round((at - start.started_at).total_seconds() / 60))}
    defaults = {name: getattr(start, name) for name in same} | {
        "action": Action.SUPPORT_ENDED,
        "outcome": Outcome.DONE,
        "started_at": at,
        "ended_at": at,
        "address": address,
        "reference": reference,
        "facts": facts,
    }
    AuditEvent.objects.get_or_create(token=_end_of(start), defaults=defaults)


def end_overdue_visits(**whose: Any) -> None:
    """Say it of visits after which no request came any more: they ended with their time."""
    now = timezone.now()
    starts = AuditEvent.objects.filter(action=Action.SUPPORT, outcome=Outcome.DONE, **whose)
    late = [start for start in starts.filter(started_at__gte=now - OVERDUE) if _until(start) <= now]
    ended = set(AuditEvent.objects.filter(token__in=map(_end_of, late)).values_list("token", flat=True))
    for start in late:
        if _end_of(start) not in ended:
            end_visit(start, VisitEnd.TIME, at=_until(start))


def _end_of(start: AuditEvent) -> UUID:
    return uuid5(VISITS, str(start.pk))


def _until(start: AuditEvent) -> datetime:
    until = start.facts.get("until")
    return datetime.fromisoformat(until) if until else start.started_at
