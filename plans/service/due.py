"""Scheduler's part of plans: carry out the ends and changes whose time has come, under the portal's own name."""

import logging
import uuid
from collections.abc import Iterator

from django.db.models import Q
from django.utils import timezone

from keys.conf import settings
from keys.errors import ApiError, NotFound
from plans.models import PlanRecord
from plans.service.on_behalf import subscriptions_for_portal

logger = logging.getLogger(__name__)


def carry_out() -> Iterator[tuple[PlanRecord, str]]:
    """Each record whose time has come, and what became of it: "done", or why not. What failed is tried next time."""
    now = timezone.now()
    due = Q(ends_at__lte=now) | Q(changes_at__lte=now)
    for record in PlanRecord.objects.filter(due, environment__in=settings.ZUPLO_BUCKETS, stripe_subscription=""):
        try:
            _carry_out(record)
        except ApiError as problem:
            logger.warning("the plan of %s could not be changed: %s", record, problem)
            yield record, str(problem)
        else:
            yield record, "done"


def _carry_out(record: PlanRecord) -> None:
    ring = subscriptions_for_portal(record.environment)
    moment = record.ends_at or record.changes_at
    token = uuid.uuid5(uuid.UUID(int=record.pk), f"due {moment}")
    try:
        consumer, subscription = ring.current(record.consumer)
    except NotFound:
        consumer, subscription = None, None
    if consumer is None or not record.is_of(consumer):
        record.delete()  # what it was kept of is gone
    elif subscription is None or subscription.plan_key != record.plan_key:
        record.keep(ends_at=None, next_plan="", changes_at=None)  # it was changed elsewhere meanwhile
    elif record.ends_at:
        ring.cancel_plan(record.consumer, seen="", token=token, is_due=True)
    else:
        ring.change_plan(record.consumer, record.next_plan, seen="", token=token, at_once=True, is_approved=True)
