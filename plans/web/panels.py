"""Panels of the API Keys page: the plan of each consumer, and for newcomers the way to choose one."""

import logging
from collections.abc import Mapping, Sequence

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from keys.errors import ApiError
from keys.panels import Panels
from keys.service.keyring import KeyRing
from keys.types import Consumer
from plans.service.subscriptions import Subscriptions

logger = logging.getLogger(__name__)


class PlanPanels(Panels):
    def of_consumers(self, ring: KeyRing, consumers: Sequence[Consumer]) -> Mapping[str, SafeString]:
        plans = Subscriptions(ring.actor, ring.environment, ring.api)
        return {consumer.name: _panel(plans, consumer) for consumer in consumers}

    def after_change(self, consumer: Consumer) -> SafeString:
        """An empty place, for which htmx keeps what the page has there."""
        return render_to_string("plans/_panel_kept.html", {"consumer": consumer})

    def for_newcomer(self, ring: KeyRing) -> SafeString:
        return render_to_string("plans/_panel_newcomer.html", {"environment": ring.environment})


def _panel(ring: Subscriptions, consumer: Consumer) -> SafeString:
    """The plan on a card. Trouble with plans takes no key off the page: then the panel says that it is unknown."""
    context = {"environment": ring.environment, "consumer": consumer}
    try:
        subscription, usage = ring.source.glance(consumer)
        context |= {"subscription": subscription, "usage": usage, "knows_usage": ring.source.knows_usage}
    except ApiError as problem:
        logger.warning("the plan of %s is not known: %s", consumer.name, problem)
        context |= {"is_unknown": True}
    return render_to_string("plans/_panel.html", context)
