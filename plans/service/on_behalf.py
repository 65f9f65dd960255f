"""System actor: changes that the portal makes by itself, and the consumer that a customer needs for a plan."""

import uuid

from django.utils import timezone
from django.utils.translation import gettext as _

from keys.access import Actor, Right, Staff
from keys.conf import settings
from keys.errors import NotAllowed, OddAnswer
from keys.provisioning import provisioning
from keys.service.keyring import KeyRing
from keys.staff.directory import Directory
from keys.types import NewConsumer
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


def consumer_for(ring: Subscriptions, customer: Actor, plan: Plan, *, token: uuid.UUID) -> str:
    """The one consumer of a customer, made with the plan if there is none; the same token makes no second one."""
    found = KeyRing(customer, ring.environment, ring.api).consumers()
    theirs = found.consumers
    if found.unread:
        raise OddAnswer("a consumer that may be the customer's could not be read")
    if len(theirs) > 1:
        raise NotAllowed(_("The customer has several consumers by now. Change the plan of the right one by hand."))
    if theirs:
        return theirs[0].name
    new = provisioning().new_consumer(customer)
    metadata = {**new.metadata, **ring.source.metadata_of_new(plan)}
    made = NewConsumer(new.name, new.label, new.managers, new.tags, metadata)
    directory = Directory(ring.actor, ring.environment, ring.api)
    return directory.create_consumer(made, None, token=uuid.uuid5(token, "consumer")).consumer.name
