"""manage.py settle: batch reconciliation of changes that nobody could confirm. Run it now and then, by a timer."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from keys.audit import log, visits
from keys.conf import settings
from keys.errors import ApiError, NotFound
from keys.models import READS, AuditEvent, Outcome
from keys.service.reconciliation import settle
from keys.types import Consumer
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline

SECONDS = 9.5


class Command(BaseCommand):
    help = (
        "Settle reveals and changes whose outcome is not known, as after a worker died or the key service was silent. "
        "Managers are mailed what was done."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        visits.end_overdue_visits()
        outcomes: Counter[str] = Counter()
        for event in list(AuditEvent.objects.filter(log.unsettled(timezone.now()))):
            outcomes[self._settle(event)] += 1
        self.stdout.write(", ".join(f"{number} {words}" for words, number in outcomes.items()) or "Nothing to settle.")

    def _settle(self, event: AuditEvent) -> str:
        """Reconcile one event; returns in words what it was found to be."""
        if event.action in READS:
            # Whether a key was seen cannot be looked up. It is on record that it may have been.
            log.settle(event, Outcome.UNCONFIRMED, None)
            return Outcome.UNCONFIRMED.label.lower()
        bucket = settings.ZUPLO_BUCKETS.get(event.environment)
        if bucket is None and event.environment:
            self.stderr.write(f"Event {event.pk}: there is no environment {event.environment} any more")
            return "not looked at"
        try:
            consumer = _consumer(bucket, event.consumer) if bucket and event.consumer else None
        except ApiError as problem:
            self.stderr.write(f"Event {event.pk}: {problem}")
            return "not looked at"
        return Outcome(event.outcome).label.lower() if settle(event, consumer) else "not looked at"


def _consumer(bucket: str, name: str) -> Consumer | None:
    try:
        return DeveloperAPI(bucket, Deadline(SECONDS)).consumer(name)
    except NotFound:
        return None
