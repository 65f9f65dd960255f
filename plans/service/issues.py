"""Payment issues: what people have to put right at Stripe is noted in Django admin once, and mailed to colleagues."""

import logging

from django.urls import reverse

from keys.conf import settings
from keys.types import Consumer
from plans.models import PaymentIssue, PlanRecord
from plans.service import mails
from plans.service.subscriptions import Subscriptions

logger = logging.getLogger(__name__)


def report(kind: PaymentIssue.Kind, stripe_subscription: str, **about: str) -> None:
    """Note the issue; told already, it is not mailed again, settled or not: Stripe repeats itself."""
    issue, is_new = PaymentIssue.objects.get_or_create(
        kind=kind, stripe_subscription=stripe_subscription, defaults=about
    )
    if is_new:
        logger.warning("payment issue: %s", issue)
        path = reverse("admin:plans_paymentissue_change", args=[issue.pk])
        mails.send(settings.PLAN_REQUESTS_TO, "payment_issue", path, issue=issue)


def leave_payment(ring: Subscriptions, consumer: Consumer, plan_key: str) -> None:
    """Note that a colleague gave another plan than the one that the consumer goes on paying for."""
    record = PlanRecord.of(ring.environment, consumer)
    if not record.stripe_subscription:
        return
    kind, subscription = PaymentIssue.Kind.CHANGED_BY_STAFF, record.stripe_subscription
    if record.stripe_plan == plan_key:
        PaymentIssue.objects.filter(kind=kind, stripe_subscription=subscription).update(is_settled=True)
        return
    about = {"environment": ring.environment, "consumer": consumer.name, "plan_name": record.stripe_plan}
    PaymentIssue.objects.update_or_create(
        kind=kind, stripe_subscription=subscription, defaults={**about, "is_settled": False}
    )


def settle(stripe_subscription: str) -> None:
    """Close all issues of a payment that has ended."""
    PaymentIssue.objects.filter(stripe_subscription=stripe_subscription).update(is_settled=True)
