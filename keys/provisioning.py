"""Provisioning policy, a hook for operators: the rule behind "Create key". Name your class in KEYS_PROVISIONING."""

import re
import secrets

from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from keys.access import Actor
from keys.conf import settings
from keys.errors import NotAllowed
from keys.types import Consumer, Manager, NewConsumer


class Provisioning:
    """Anyone with a verified address may create keys, up to a limit for each consumer."""

    def may_create(self, actor: Actor, consumer: Consumer | None) -> None:
        """Raise `NotAllowed`, with a sentence for the customer, to refuse; `consumer` is None for a first key."""
        limit = settings.KEYS_PER_CONSUMER
        if consumer and consumer.live_at_most >= limit:
            raise NotAllowed(
                ngettext(
                    "%(title)s can have %(limit)d key.",
                    "%(title)s can have %(limit)d keys.",
                    limit,
                )
                % {"title": consumer.title, "limit": limit},
                advice=_("Delete a key you no longer need to create another."),
                title=_("Can't create another key"),
            )

    def may_rotate(self, actor: Actor, consumer: Consumer) -> None:
        """Raise `NotAllowed` to refuse; rotating goes above the limit, as old keys live on, but not without end."""
        if consumer.live_at_most >= 2 * settings.KEYS_PER_CONSUMER:
            raise NotAllowed(
                _("Too many old keys from earlier rotations still work."),
                advice=_("Wait until they expire, or delete those you no longer need."),
                title=_("Can't rotate this key"),
            )

    def may_change_managers(self, actor: Actor, consumer: Consumer) -> None:
        """Raise `NotAllowed` to refuse adding and removing managers; by default every manager may."""
        if settings.KEYS_MANAGED_BY == "staff":
            raise NotAllowed(
                _("Our team decides who has access to %(title)s.") % {"title": consumer.title},
                advice=_("Contact support and say who should have access."),
            )

    def may_add_manager(self, actor: Actor, consumer: Consumer) -> None:
        """The same, and a limit for each consumer."""
        self.may_change_managers(actor, consumer)
        limit = settings.KEYS_MANAGERS_PER_CONSUMER
        if len(consumer.managers) >= limit:
            raise NotAllowed(
                ngettext(
                    "Only %(limit)d person can have access to %(title)s.",
                    "Up to %(limit)d people can have access to %(title)s.",
                    limit,
                )
                % {"title": consumer.title, "limit": limit},
                advice=_("Remove someone who no longer needs access to add another."),
                title=_("Can't add another person"),
            )

    def may_remove_manager(self, actor: Actor, consumer: Consumer, manager: Manager) -> None:
        """The same, and the last one stays: nobody could see the keys any more."""
        self.may_change_managers(actor, consumer)
        if all(other == manager for other in consumer.managers):
            raise NotAllowed(
                _("%(email)s is the last person with access to %(title)s.")
                % {"email": manager.email, "title": consumer.title},
                advice=_("Give someone else access first."),
                title=_("Can't remove the last person"),
            )

    def new_consumer(self, actor: Actor) -> NewConsumer:
        """The consumer made with a newcomer's first key; tags and metadata reach the gateway's policies."""
        return NewConsumer(
            name=self.consumer_name(actor),
            label=actor.email,
            # Added, not invited: then the API surely finds the consumer by this address.
            managers=({"email": actor.email, "sub": f"portal|{actor.user_id}"},),
            tags={},
            metadata={},
        )

    def consumer_name(self, actor: Actor) -> str:
        """A name that nobody else has: names are unique in a bucket and cannot be changed."""
        readable = re.sub(r"[^a-z0-9]+", "-", actor.email.partition("@")[0].lower()).strip("-")[:40]
        return "-".join(filter(None, [readable, secrets.token_hex(6)]))


class StaffProvisioning(Provisioning):
    """Policy for colleagues in Django admin, who are held to permissions, not to the rules for customers."""

    def may_create(self, actor: Actor, consumer: Consumer | None) -> None:
        pass

    def may_rotate(self, actor: Actor, consumer: Consumer) -> None:
        pass

    def may_change_managers(self, actor: Actor, consumer: Consumer) -> None:
        pass

    def may_add_manager(self, actor: Actor, consumer: Consumer) -> None:
        pass

    def may_remove_manager(self, actor: Actor, consumer: Consumer, manager: Manager) -> None:
        pass


def rules_for(actor: Actor) -> Provisioning:
    return StaffProvisioning() if actor.sees_all else provisioning()


def provisioning() -> Provisioning:
    chosen: Provisioning = import_string(settings.KEYS_PROVISIONING)()
    return chosen
