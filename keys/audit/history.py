"""History for managers: the audit log as far as it is their business, newest first, by keyset pagination."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Max, Q, QuerySet
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from keys.access import Actor
from keys.green_threads import give_back_connection
from keys.models import DONE, MANAGING, NOT_DONE, PLANNING, READS, WISHES, Action, AuditEvent, Outcome, VisitEnd
from keys.times import local, written

KINDS = {
    "shown": (_("Revealed, copied or tried"), READS),
    "made": (_("Created or rotated"), {Action.CREATE, Action.ROTATE, Action.ROTATE_ALL}),
    "ended": (_("Ended or deleted"), {Action.CHANGE_END, Action.DELETE}),
    "named": (_("Labels and details"), {Action.RENAME, Action.RENAME_CONSUMER, Action.CHANGE_CONSUMER}),
    "managers": (_("Managers"), MANAGING),
    "plans": (_("Plans"), PLANNING),
    "consumers": (_("Consumers made or deleted"), {Action.CREATE_CONSUMER, Action.DELETE_CONSUMER}),
    "reminders": (
        _("Reminders and calendar"),
        {Action.REMINDERS_OFF, Action.REMINDERS_ON, Action.CALENDAR, Action.CALENDAR_REVOKED},
    ),
    "account": (_("Sign-in"), {Action.PROVIDER_ADDRESS}),
    "visits": (_("Support looked at the keys"), {Action.SUPPORT, Action.SUPPORT_ENDED}),
}
"""Every action is of one kind; what colleagues did is a kind as well, see `of_kind`."""
BY_STAFF = "staff"

TRIES = WISHES | {
    Action.RENAME: _("rename the key"),
    Action.RENAME_CONSUMER: _("rename the consumer"),
    Action.TRY: _("send a request with the key"),
    Action.REMINDERS_OFF: _("turn reminders off"),
    Action.REMINDERS_ON: _("turn reminders on"),
    Action.CALENDAR_REVOKED: _("revoke the calendar address"),
}
"""Phrases that complete "Tried to ..."."""
ICONS = {
    Action.REVEAL: "eye",
    Action.COPY: "clipboard",
    Action.TRY: "play",
    Action.CREATE: "plus",
    Action.ROTATE: "arrow-path",
    Action.ROTATE_ALL: "arrow-path",
    Action.CHANGE_END: "clock",
    Action.DELETE: "trash",
    Action.ADD_MANAGER: "user-plus",
    Action.REMOVE_MANAGER: "user-minus",
    Action.CREATE_CONSUMER: "plus",
    Action.DELETE_CONSUMER: "trash",
    Action.START_PLAN: "rectangle-stack",
    Action.CHANGE_PLAN: "rectangle-stack",
    Action.CANCEL_PLAN: "rectangle-stack",
    Action.RESUME_PLAN: "rectangle-stack",
    Action.REMINDERS_OFF: "bell-slash",
    Action.REMINDERS_ON: "bell",
    Action.CALENDAR: "calendar",
    Action.CALENDAR_REVOKED: "calendar",
    Action.PROVIDER_ADDRESS: "identification",
    Action.SUPPORT: "lifebuoy",
    Action.SUPPORT_ENDED: "lifebuoy",
}
TONES = {Outcome.DONE: "ok", Outcome.FAILED: "danger", Outcome.REFUSED: "danger"}
PAST_THE_GATE = ~Q(facts={}) | ~Q(key_ending="") | Q(outcome__in=DONE)
"""Events whose key or consumer was really there, and the person's."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def of_manager(actor: Actor, environment: str, consumers: Collection[str]) -> QuerySet[AuditEvent]:
    """Events in these consumers, which the person manages now, and those of the person's own account.

    What others only tried counts if it came past the gate: strangers could fill the log otherwise, and would be
    told by name to people who are none of their business.
    """
    known = Q(user_id=actor.user_id) | ~Q(staff_email="") | PAST_THE_GATE
    theirs = Q(environment=environment, consumer__in=consumers) & known & ~_of_namesakes(environment, consumers)
    own = Q(user_id=actor.user_id, consumer="", environment__in=["", environment])
    return AuditEvent.objects.filter(theirs | own)


def _of_namesakes(environment: str, consumers: Collection[str]) -> Q:
    """Events of consumers that were deleted, and whose names others have now: they were other people's business."""
    deleted = AuditEvent.objects.filter(environment=environment, consumer__in=consumers, outcome=Outcome.DONE)
    ends = deleted.filter(action=Action.DELETE_CONSUMER).order_by().values_list("consumer").annotate(Max("started_at"))
    return reduce(or_, (Q(consumer=name, started_at__lte=end) for name, end in ends), Q(pk__in=[]))


def of_consumer(actor: Actor, environment: str, consumer: str) -> QuerySet[AuditEvent]:
    return of_manager(actor, environment, [consumer]).filter(environment=environment, consumer=consumer)


def of_key(actor: Actor, environment: str, consumer: str, key_id: str) -> QuerySet[AuditEvent]:
    """Events of one key: its own, and rotations that made or replaced it."""
    concerned = Q(key_id=key_id) | Q(facts__new=key_id) | Q(facts__old__has_key=key_id)
    return of_consumer(actor, environment, consumer).filter(concerned)


def last_known(events: QuerySet[AuditEvent], key_id: str) -> tuple[str, str] | None:
    """Label and mask of a key that is gone, as the log has them; None if it does not know that there was one."""
    event = events.filter(PAST_THE_GATE).first()
    if event is None:
        return None
    if event.facts.get("new") != key_id:
        return event.key_label, event.masked
    return event.facts.get("label", ""), f"••••{event.facts.get('new_ending', '')}"


def of_kind(events: QuerySet[AuditEvent], kind: str) -> QuerySet[AuditEvent]:
    """Those of one of `KINDS`, or those that colleagues did; all of them where it is none of these."""
    if kind == BY_STAFF:
        return events.exclude(staff_email="")
    return events.filter(action__in=KINDS[kind][1]) if kind in KINDS else events


# Pages without counting: each begins after the last event of the one before, so the millionth costs what the first does


def cursor_of(event: AuditEvent) -> str:
    return f"{(event.started_at - _EPOCH) // _MICROSECOND}-{event.pk}"


def after_cursor(events: QuerySet[AuditEvent], place: str) -> QuerySet[AuditEvent]:
    """Keyset pagination: the events that follow the one at this place; all of them where it is none."""
    time, _dash, number = place.partition("-")
    try:
        at, pk = _EPOCH + int(time) * _MICROSECOND, int(number)
    except (ValueError, OverflowError):
        return events
    return events.filter(Q(started_at__lt=at) | Q(pk__lt=min(pk, 2**63 - 1)), started_at__lte=at)


def in_batches(events: QuerySet[AuditEvent], at_once: int = 500) -> Iterator[AuditEvent]:
    """All of them, however many; no connection is held while a slow reader takes its time."""
    place = ""
    while found := list(after_cursor(events, place)[:at_once]):
        give_back_connection()
        yield from found
        place = cursor_of(found[-1])


# In words


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as a manager reads it; `consumer` is the title of the consumer, "" where it is about none."""

    event: AuditEvent
    consumer: str
    is_own: bool

    @property
    def day(self) -> date:
        return local(self.event.started_at).date()

    @property
    def what(self) -> str:
        if self.event.outcome in NOT_DONE and (wish := TRIES.get(Action(self.event.action))):
            return gettext("Tried to %(wish)s") % {"wish": wish}
        return str(Action(self.event.action).label)

    @property
    def icon(self) -> str:
        return ICONS.get(Action(self.event.action), "pencil")

    @property
    def tone(self) -> str:
        return TONES.get(Outcome(self.event.outcome), "warn")

    @property
    def key_page(self) -> str:
        """URL of the page of the key concerned, where the consumer is the reader's."""
        return self._page_of(self.event.key_id)

    @property
    def new_key_page(self) -> str:
        return self._page_of(self.event.facts.get("new", ""))

    def _page_of(self, key_id: str) -> str:
        if not key_id or not self.consumer:
            return ""
        return reverse("keys:key", args=[self.event.environment, self.event.consumer, key_id])

    @property
    def new_key(self) -> str:
        """The key that takes the place of the one concerned."""
        ending = self.event.facts.get("new_ending", "")
        return f"••••{ending}" if ending and ending != self.event.key_ending else ""

    @property
    def ends(self) -> datetime | None:
        """The new end, or the last one of what was replaced."""
        facts = self.event.facts
        match self.event.action:
            case Action.ROTATE | Action.ROTATE_ALL if self.event.outcome == Outcome.DONE and facts.get("old"):
                return max(filter(None, map(parse_datetime, facts["old"].values())))
            case Action.CHANGE_END:
                return parse_datetime(facts.get("ends") or "")
        return None

    @property
    def detail(self) -> str:
        """The form of a copy, the manager concerned, the new label, the new end, or the end of what was replaced."""
        facts = self.event.facts
        match self.event.action:
            case Action.ROTATE | Action.ROTATE_ALL if self.ends:
                return gettext("What it replaces works until %(end)s") % {"end": written(self.ends)}
            case Action.ADD_MANAGER | Action.REMOVE_MANAGER:
                return str(facts.get("address", ""))
            case Action.COPY:
                return str(facts.get("form", ""))
            case Action.RENAME | Action.RENAME_CONSUMER:
                return str(facts.get("label", ""))
            case Action.CREATE | Action.START_PLAN | Action.CHANGE_PLAN | Action.CANCEL_PLAN | Action.RESUME_PLAN:
                return str(facts.get("plan_name", ""))
            case Action.CHANGE_END if self.ends:
                return written(self.ends)
        return ""

    @property
    def how_it_ended(self) -> str:
        how = self.event.facts.get("how", "")
        return str(VisitEnd(how).label) if how in VisitEnd else ""

    @property
    def address(self) -> str:
        """Network address of the person; where colleagues sit is the operator's business."""
        return "" if self.event.staff_email else self.event.address
