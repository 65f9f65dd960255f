"""People on a consumer: its managers, and what may be said of each without telling who has an account."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, QuerySet
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from keys.access import Actor, same_address
from keys.audit import history
from keys.audit.notifications import is_address
from keys.conf import settings
from keys.models import DONE, Action, AuditEvent
from keys.types import Consumer, Manager

# RFC 2606 and 6761: no mail reaches these, so nobody can prove such an address. `.test` is what sandboxes use.
RESERVED = ("example.com", "example.net", "example.org", "example", "invalid", "localhost", "local")
INVITATIONS_AT_MOST = 200
"""So many invitations are looked through, the newest first: of older ones nothing is said."""


@dataclass(frozen=True, slots=True)
class Person:
    """A manager as the others may know them: by the consumer's history, which they read, and by the address alone.

    `trouble` is why nobody can sign in with it, `seen_at` when they last did something here, `invitation` the event of
    their being added, or last invited again.
    """

    manager: Manager
    is_own: bool
    trouble: str
    seen_at: datetime | None
    invitation: AuditEvent | None

    @property
    def is_invited(self) -> bool:
        return not self.is_own and not self.seen_at and (self.manager.invited or self.invitation is not None)

    @property
    def may_be_invited(self) -> bool:
        """True if the invitation may be mailed again."""
        return self.is_invited and not self.trouble


def people_of(actor: Actor, environment: str, consumer: Consumer) -> list[Person]:
    """The managers, oneself first."""
    events = history.of_consumer(actor, environment, consumer.name).filter(outcome__in=DONE)
    addresses = [_key(manager.email) for manager in consumer.managers]
    seen, invitations = _seen(events, addresses), _invitations(events)
    people = [
        Person(
            manager,
            any(same_address(manager.email, email) for email in actor.emails),
            sign_in_trouble(manager.email) or import_string(settings.KEYS_SIGN_IN_TROUBLE)(manager.email),
            seen.get(_key(manager.email)),
            invitations.get(_key(manager.email)),
        )
        for manager in consumer.managers
    ]
    return sorted(people, key=lambda person: (not person.is_own, _key(person.manager.email)))


def sign_in_trouble(email: str) -> str:
    """Why no account can have this address, told by itself; "" if one can."""
    if not is_address(email):
        return _("“%(email)s” isn't an email address, so no one can sign in with it.") % {"email": email}
    domain = email.rpartition("@")[2].lower().rstrip(".")
    if any(domain == name or domain.endswith(f".{name}") for name in RESERVED):
        return _("No email reaches %(domain)s, so no one can sign in with this address.") % {"domain": domain}
    return ""


def _seen(events: QuerySet[AuditEvent], addresses: list[str]) -> dict[str, datetime]:
    own = events.filter(staff_email="", email__in=addresses).order_by()
    return dict(own.values_list("email").annotate(Max("started_at")))


def _invitations(events: QuerySet[AuditEvent]) -> dict[str, AuditEvent]:
    invited = events.filter(action__in=[Action.ADD_MANAGER, Action.INVITE])[:INVITATIONS_AT_MOST]
    return {_key(event.facts.get("address", "")): event for event in reversed(invited)}


def _key(address: str) -> str:
    """An address as accounts have it: with its ASCII letters in lower case."""
    return "".join(sign.lower() if sign.isascii() else sign for sign in address)
