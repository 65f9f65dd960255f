"""Recipients of reminders: the managers of a consumer but those who turned them off, and never nobody."""

from collections.abc import Iterable

from keys.access import Actor, same_address
from keys.audit.notifications import addresses_of
from keys.models import MutedReminders
from keys.types import Consumer


class Muted:
    """The addresses that get no reminders, of some consumers of one environment, in one query."""

    def __init__(self, environment: str, consumers: list[str]) -> None:
        self._addresses: dict[str, list[str]] = {}
        rows = MutedReminders.objects.filter(environment=environment, consumer__in=consumers)
        for consumer, email in rows.values_list("consumer", "email"):
            self._addresses.setdefault(consumer, []).append(email)

    def recipients(self, consumer: Consumer) -> list[str]:
        """Who is reminded: everybody again, once all who are left had turned reminders off."""
        return self._with_reminders_on(consumer) or addresses_of(consumer)

    def is_reminded(self, actor: Actor, consumer: Consumer) -> bool:
        return any(_is_among(email, actor.emails) for email in self.recipients(consumer))

    def is_last(self, actor: Actor, consumer: Consumer) -> bool:
        """True if nobody else has reminders on."""
        return all(_is_among(email, actor.emails) for email in self._with_reminders_on(consumer))

    def _with_reminders_on(self, consumer: Consumer) -> list[str]:
        off = self._addresses.get(consumer.name, ())
        return [email for email in addresses_of(consumer) if not _is_among(email, off)]


def _is_among(email: str, addresses: Iterable[str]) -> bool:
    return any(same_address(email, one) for one in addresses)
