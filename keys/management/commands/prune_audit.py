"""manage.py prune_audit: forget what the audit log says of long ago. Run it once a day, by a timer."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from keys.models import OPEN, AuditEvent

BATCH = 1000


class Command(BaseCommand):
    help = "Delete events of the audit log that are older than AUDIT_DAYS, but none whose outcome is not known."

    def handle(self, *args: Any, **options: Any) -> None:
        """In small steps, so that nobody waits for a lock meanwhile."""
        day = timezone.now() - timedelta(days=settings.AUDIT_DAYS)
        old = AuditEvent.objects.filter(started_at__lt=day).exclude(outcome__in=OPEN).order_by("started_at")
        deleted = 0
        while batch := list(old.values_list("pk", flat=True)[:BATCH]):
            deleted += AuditEvent.objects.filter(pk__in=batch).delete()[0]
        self.stdout.write(f"{deleted} events from before {day:%Y-%m-%d} were deleted.")
