"""Service layer for reminders: a person turns them off and on for a consumer, and has a calendar address."""

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys.access import same_address
from keys.audit import log
from keys.errors import NotAllowed
from keys.models import Action, MutedReminders
from keys.reminders import calendar
from keys.reminders.recipients import Muted
from keys.service import rate_limits
from keys.service.keyring import KeyRing
from keys.types import Consumer

THE_PERSONS_OWN = gettext_lazy("Reminders and calendars are personal: support can only view them.")


class ReminderRing(KeyRing):
    """Key ring with what a person chose about reminders. Support on a visit sees it and changes nothing."""

    def muted(self, consumers: list[Consumer]) -> Muted:
        return Muted(self.environment, [consumer.name for consumer in consumers])

    def turn(self, name: str, *, on: bool) -> Consumer:
        """Turn the person's reminders about a consumer on or off; raises `NotAllowed` for the last one on."""
        with self._recorded(Action.REMINDERS_ON if on else Action.REMINDERS_OFF, name) as event:
            self._require_the_person()
            consumer = self._locked(event)
            if not on and self.muted([consumer]).is_last(self.actor, consumer):
                raise _last_one_on(consumer)
            mine = [email for email in self.actor.emails if _is_listed(email, consumer)]
            subject = {"user_id": self.actor.user_id, "environment": self.environment, "consumer": name}
            with transaction.atomic():
                log.note(event, addresses=mine)
                MutedReminders.objects.filter(**subject).delete()
                if not on:
                    MutedReminders.objects.bulk_create(MutedReminders(email=email, **subject) for email in mine)
        return consumer

    def make_calendar_address(self) -> str:
        """The token of a new calendar address; a former one leads nowhere from now on."""
        self._check_calendar(Action.CALENDAR)
        with transaction.atomic(), log.recorded(self.actor, Action.CALENDAR, environment="", consumer=""):
            return calendar.make_address(self.actor.user_id)

    def revoke_calendar_address(self) -> None:
        self._check_calendar(Action.CALENDAR_REVOKED)
        with transaction.atomic(), log.recorded(self.actor, Action.CALENDAR_REVOKED, environment="", consumer=""):
            calendar.revoke_address(self.actor.user_id)

    def _check_calendar(self, action: Action) -> None:
        if self.actor.staff:
            with log.recorded(self.actor, action, environment="", consumer=""):
                self._require_the_person()
        self.check_proof(action)
        rate_limits.count(self.actor, action)

    def _require_the_person(self) -> None:
        if self.actor.staff:
            raise NotAllowed(THE_PERSONS_OWN)


def _last_one_on(consumer: Consumer) -> NotAllowed:
    text = _("No one else gets reminders about the keys of %(title)s, so yours stay on.")
    return NotAllowed(
        text % {"title": consumer.title},
        advice=_("Ask someone else with access to turn theirs on first."),
        title=_("Can't turn these reminders off"),
    )


def _is_listed(email: str, consumer: Consumer) -> bool:
    return any(same_address(manager.email, email) for manager in consumer.managers)
