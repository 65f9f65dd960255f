"""System actor: changes that the portal makes by itself, and the consumer that a customer needs for a plan."""

import uuid
from contextlib import suppress
from dataclasses import replace

from django.utils import timezone
from django.utils.translation import gettext as _

from keys.access import Actor, Right, Staff
from keys.conf import settings
from keys.errors import NotAllowed, NotFound, OddAnswer
from keys.models import OPEN, Action, AuditEvent
from keys.provisioning import provisioning
from keys.service.keyring import KeyRing
from keys.staff.directory import Directory, FirstKey
from keys.types import Consumer
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline
from plans.service.subscriptions import Subscriptions
from plans.types import Plan

SECONDS = 9.5
NOBODY = 0
"""The id of no person: the portal itself did it."""


def portal_actor(reference: str = "") -> Actor:
    """Actor of what no person does: the history names the portal."""
    staff = Staff(NOBODY, settings.PORTAL_NAME, frozenset({Right.VIEW, Right.CHANGE}))
    return Actor(NOBODY, (), reference=reference, proved_at=timezone.now(), staff=staff)


def subscriptions_for_portal(environment: str, reference: str = "") -> Subscriptions:
    api = DeveloperAPI(settings.ZUPLO_BUCKETS[environment], Deadline(SECONDS))
    return Subscriptions(portal_actor(reference), environment, api)


def consumer_for(ring: Subscriptions, customer: Actor, plan: Plan, *, first: FirstKey, token: uuid.UUID) -> Consumer:
    """The one consumer of a customer, made with the plan and a first key if there is none.

    The same token makes no second one; raises `NotAllowed` where it cannot be told which one is meant.
    """
    _settle_earlier(ring, token)
    found = KeyRing(customer, ring.environment, ring.api).consumers()
    theirs = found.consumers
    if found.unread:
        raise OddAnswer("a consumer that may be the customer's could not be read")
    if len(theirs) > 1:
        raise NotAllowed(_("The customer now has several consumers. Under Subscriptions, change the right one's plan."))
    if theirs:
        return theirs[0]
    new = provisioning().new_consumer(customer)
    made = replace(new, metadata={**new.metadata, **ring.source.metadata_of_new(plan)})
    directory = Directory(ring.actor, ring.environment, ring.api)
    key = first if _can_be_shown(directory) else None
    return directory.create_consumer(made, key, token=uuid.uuid5(token, "consumer")).consumer


def _can_be_shown(directory: Directory) -> bool:
    """False where a key is shown only to whoever makes it: then the customer makes the first one."""
    try:
        directory.check_right(Action.CREATE)
    except NotAllowed:
        return False
    return True


def _settle_earlier(ring: Subscriptions, token: uuid.UUID) -> None:
    """Look for the consumer of an earlier try whose answer was lost: if it surely was not made, another try may."""
    events = AuditEvent.objects.filter(token=uuid.uuid5(token, "consumer"), outcome__in=OPEN)
    for name in events.values_list("consumer", flat=True):
        with suppress(NotFound):
            ring.consumer(name)
