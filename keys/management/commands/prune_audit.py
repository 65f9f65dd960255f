"""manage.py prune_audit: retention, deletes old audit events and rows of reminders. Run it once a day, by a timer."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Q, QuerySet
from django.utils import timezone

from keys.conf import settings
from keys.models import OPEN, READS, AuditEvent, Reminder
from keys.reminders.sending import CATCH_UP

BATCH = 1000


class Command(BaseCommand):
    help = "Delete events of the audit log that are older than AUDIT_DAYS, but no change whose outcome is not known."

    def handle(self, *args: Any, **options: Any) -> None:
        """Nobody will find out what became of an old reveal, and nobody is reminded of a key that ended long ago."""
        now = timezone.now()
        day = now - timedelta(days=settings.AUDIT_DAYS)
        known = ~Q(outcome__in=OPEN) | Q(action__in=READS)
        deleted = _delete(AuditEvent.objects.filter(known, started_at__lt=day).order_by("started_at"))
        _delete(Reminder.objects.filter(ends_at__lt=now - 2 * CATCH_UP))
        self.stdout.write(f"{deleted} events from before {day:%Y-%m-%d} were deleted.")


def _delete(rows: QuerySet) -> int:
    """Delete in small steps, so that nobody waits for a lock meanwhile."""
    deleted = 0
    while batch := list(rows.values_list("pk", flat=True)[:BATCH]):
        deleted += rows.model.objects.filter(pk__in=batch).delete()[0]
    return deleted
