"""Reconciliation of plans: after a crash or a lost answer, tell by the plan as it is now what became of a change.

For plans that no consumer shows; of those that stand in its metadata `keys.service.reconciliation` tells.
"""

from datetime import timedelta

from django.utils import timezone

from keys.audit import log, notifications
from keys.models import DONE, OPEN, PLANNING, Action, AuditEvent, Outcome
from keys.service.reconciliation import NOT_DONE_AFTER
from keys.types import Consumer
from plans.types import Subscription

LOOKED_BACK = timedelta(days=30)


def settle(environment: str, consumer: Consumer, subscription: Subscription | None) -> None:
    """Close what is open of this consumer's plan and tell the managers of what was done."""
    now = timezone.now()
    events = AuditEvent.objects.filter(
        log.unsettled(now),
        environment=environment,
        consumer=consumer.name,
        action__in=PLANNING,
        outcome__in=OPEN,
        started_at__gte=now - LOOKED_BACK,
    )
    for event in events.exclude(facts__has_key="metadata"):
        if log.is_locked_by_another(event):
            continue
        if _shows(event, subscription):
            outcome = Outcome.DONE
        elif now - event.started_at > NOT_DONE_AFTER:
            outcome = Outcome.FAILED
        else:
            continue
        if log.settle(event, outcome, None) and outcome in DONE:
            notifications.tell_managers(event, consumer)


def _shows(event: AuditEvent, subscription: Subscription | None) -> bool:
    facts = event.facts
    if "plan" not in facts:
        return False  # it ended before anything was noted, and so before anything was sent
    match event.action:
        case Action.CANCEL_PLAN:
            return subscription is None or subscription.id != facts["subscription"] or subscription.is_canceled
        case Action.RESUME_PLAN:
            return subscription is not None and not subscription.is_canceled and not subscription.next_plan
    if subscription is None:
        return False
    is_new = subscription.id != facts["subscription"] and subscription.plan_key == facts["plan"]
    return bool(is_new or subscription.next_plan == facts["plan_name"])
