"""Panels of the API Keys page: the plan of each consumer, and for newcomers the way to choose one."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from keys.errors import ApiError
from keys.panels import NOTHING, Panels
from keys.service.keyring import KeyRing
from keys.types import Consumer
from plans.models import PlanRecord
from plans.service.subscriptions import Subscriptions
from plans.sources import has_plans
from plans.sources.base import NotLookedAt
from plans.types import UNKNOWN_USAGE, Subscription, Usage

logger = logging.getLogger(__name__)


class PlanPanels(Panels):
    """Shows nothing while PLANS is off: a host project may switch that alone."""

    stylesheets = ("keys/css/plans.css",)

    def of_consumers(self, ring: KeyRing, consumers: Sequence[Consumer]) -> Mapping[str, SafeString]:
        if not has_plans():
            return {}
        plans = Subscriptions(ring.actor, ring.environment, ring.api)
        return {consumer.name: panel_of(plans, consumer, plans.source.glance) for consumer in consumers}

    def before_deletion(self, ring: KeyRing, consumer: Consumer) -> SafeString:
        """A payment, or a subscription at Zuplo, does not end with its consumer."""
        record = PlanRecord.of(ring.environment, consumer)
        context = {"payment": record.stripe_subscription, "plan": record.subscription_id and record.plan_name}
        return render_to_string("plans/_before_deletion.html", context)

    def after_change(self, consumer: Consumer) -> SafeString:
        """An empty place, for which htmx keeps what the page has there."""
        if not has_plans():
            return NOTHING
        return render_to_string("plans/_panel_kept.html", {"consumer": consumer})

    def for_newcomer(self, ring: KeyRing) -> SafeString:
        if not has_plans():
            return NOTHING
        return render_to_string("plans/_panel_newcomer.html", {"environment": ring.environment})


Look = Callable[[Consumer], tuple[Subscription | None, Usage]]


def panel_of(ring: Subscriptions, consumer: Consumer, look: Look) -> SafeString:
    """The plan on a card. Trouble with plans takes no key off the page: then the panel says that it is unknown.

    What a glance cannot tell, the page asks for once it is there.
    """
    context: dict[str, Any] = {
        "environment": ring.environment,
        "consumer": consumer,
        "knows_usage": ring.source.knows_usage,
        "subscription": None,
        "usage": UNKNOWN_USAGE,
        "is_to_come": False,
        "is_unknown": False,
    }
    try:
        subscription, usage = look(consumer)
        is_half = subscription is not None and ring.source.knows_usage and usage.features is None
        context |= {"subscription": subscription, "usage": usage, "is_to_come": is_half}
    except NotLookedAt:
        context["is_to_come"] = True
    except ApiError as problem:
        logger.warning("the plan of %s is not known: %s", consumer.name, problem)
        context["is_unknown"] = True
    return render_to_string("plans/_panel.html", context)


def whole_look(ring: Subscriptions) -> Look:
    """A look that may take as many calls as it needs."""

    def look(consumer: Consumer) -> tuple[Subscription | None, Usage]:
        subscription = ring.source.subscription(consumer)
        return subscription, ring.source.usage(subscription) if subscription else UNKNOWN_USAGE

    return look
