"""History for managers: the audit log as far as it is their business, newest first, by keyset pagination."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Max, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from keys.access import Actor, same_address
from keys.audit import sentences
from keys.audit.notifications import form_for
from keys.green_threads import give_back_connection
from keys.models import DONE, MANAGING, NOT_DONE, PLANNING, READS, Action, AuditEvent, Outcome, VisitEnd
from keys.times import calendar_day, exact, local, written
from keys.types import Consumer

KINDS = {
    "shown": (_("Keys revealed, copied or tested"), READS),
    "made": (_("Keys created or rotated"), {Action.CREATE, Action.ROTATE, Action.ROTATE_ALL}),
    "ended": (_("Keys deleted, expiry changed"), {Action.CHANGE_END, Action.DELETE}),
    "named": (_("Names and details"), {Action.RENAME, Action.RENAME_CONSUMER, Action.CHANGE_CONSUMER}),
    "managers": (_("People with access"), MANAGING | {Action.ASK_FOR_ACCESS}),
    "plans": (_("Plans"), PLANNING),
    "consumers": (_("Consumers created or deleted"), {Action.CREATE_CONSUMER, Action.DELETE_CONSUMER}),
    "reminders": (
        _("Reminders and calendar"),
        {Action.REMINDERS_OFF, Action.REMINDERS_ON, Action.CALENDAR, Action.CALENDAR_REVOKED},
    ),
    "account": (_("Sign-in"), {Action.PROVIDER_ADDRESS, Action.PROVIDER_CODE}),
    "visits": (_("Visits by support"), {Action.SUPPORT, Action.SUPPORT_ENDED}),
}
"""Every action is of one kind; what colleagues did is a kind as well, see `of_kind`."""
BY_STAFF = "staff"

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
    Action.INVITE: "envelope",
    Action.ASK_FOR_ACCESS: "hand-raised",
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
    Action.PROVIDER_CODE: "identification",
    Action.SUPPORT: "lifebuoy",
    Action.SUPPORT_ENDED: "lifebuoy",
}
TONES = {Outcome.DONE: "ok", Outcome.FAILED: "danger", Outcome.REFUSED: "danger"}
PAST_THE_GATE = (~Q(facts={}) & ~Q(facts__has_key="bare")) | ~Q(key_ending="") | Q(outcome__in=DONE)
"""Events whose key or consumer was really there, and the person's."""
NAMED_AT_MOST = 20
ASKED_LATELY = timedelta(days=14)
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
    own &= ~Q(action=Action.ASK_FOR_ACCESS)  # it would tell the asker whether there is such a consumer
    return AuditEvent.objects.filter(theirs | own)


def _of_namesakes(environment: str, consumers: Collection[str]) -> Q:
    """Events of consumers that were deleted, and whose names others have now: they were other people's business."""
    ends = deletions(consumers, environment=environment).items()
    return reduce(or_, (Q(consumer=name, started_at__lte=end) for (_environment, name), end in ends), Q(pk__in=[]))


def deletions(consumers: Collection[str], **where: str) -> dict[tuple[str, str], datetime]:
    """When consumers of these names were last deleted, by environment and name, as far as the log knows."""
    deleted = AuditEvent.objects.filter(consumer__in=consumers, outcome=Outcome.DONE, **where)
    ends = deleted.filter(action=Action.DELETE_CONSUMER).order_by().values_list("environment", "consumer")
    return {(environment, name): end for environment, name, end in ends.annotate(Max("started_at"))}


def of_consumer(actor: Actor, environment: str, consumer: str) -> QuerySet[AuditEvent]:
    return of_manager(actor, environment, [consumer]).filter(environment=environment, consumer=consumer)


def of_key(actor: Actor, environment: str, consumer: str, key_id: str) -> QuerySet[AuditEvent]:
    """Events of one key: its own, and rotations that made or replaced it."""
    concerned = Q(key_id=key_id) | Q(facts__new=key_id) | Q(facts__old__has_key=key_id)
    return of_consumer(actor, environment, consumer).filter(concerned)


def last_known(events: QuerySet[AuditEvent], key_id: str) -> tuple[str, str] | None:
    """Label and mask of a key that is gone, as the log has them; None if it does not know that there was one."""
    found = list(events.filter(PAST_THE_GATE)[:NAMED_AT_MOST])
    return next(filter(any, (_name_in(event, key_id) for event in found)), ("", "") if found else None)


def _name_in(event: AuditEvent, key_id: str) -> tuple[str, str]:
    """Label and mask of a key as an event has them; "" where it names only others, as it may where all were rotated."""
    label, ending = event.facts.get("names", {}).get(key_id, ("", ""))
    if event.facts.get("new") == key_id:
        label, ending = event.facts.get("label", ""), event.facts.get("new_ending", "")
    elif event.key_id == key_id:
        return event.key_label, event.masked
    return label, f"••••{ending}" if ending else ""


def of_kind(events: QuerySet[AuditEvent], kind: str) -> QuerySet[AuditEvent]:
    """Those of one of `KINDS`, or those that colleagues did; all of them where it is none of these."""
    if kind == BY_STAFF:
        return events.exclude(staff_email="")
    return events.filter(action__in=KINDS[kind][1]) if kind in KINDS else events


def is_past_the_gate(event: AuditEvent) -> bool:
    """As `PAST_THE_GATE` says it of many."""
    has_facts = bool(event.facts) and "bare" not in event.facts
    return has_facts or bool(event.key_ending) or event.outcome in DONE


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
class KeyName:
    """A key as an event names it: `url` is that of its page, "" where none can be named."""

    label: str
    masked: str
    url: str = ""
    is_gone: bool = False

    def __str__(self) -> str:
        return f"{self.label} {self.masked}".strip()

    @property
    def html(self) -> SafeString:
        name = format_html("{} <code>{}</code>", self.label, self.masked)
        name = format_html('<a href="{}">{}</a>', self.url, name) if self.url else format_html("<b>{}</b>", name)
        gone = format_html(' <span class="badge">{}</span>', gettext("deleted")) if self.is_gone else ""
        return format_html("{}{}", name, gone)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as a manager reads it.

    `owner` is the consumer as it is now, None where the event is about none; `here` the key on whose page this is;
    `site` the instance of `keys` whose pages it links to, None being the portal.
    """

    event: AuditEvent
    owner: Consumer | None
    is_own: bool
    here: str = ""
    site: str | None = None

    @property
    def consumer(self) -> str:
        return self.owner.title if self.owner else ""

    @property
    def day(self) -> date:
        return local(self.event.started_at).date()

    @property
    def day_in_words(self) -> str:
        days = (local(timezone.now()).date() - self.day).days
        return {0: gettext("Today"), 1: gettext("Yesterday")}.get(days) or calendar_day(self.day)

    @property
    def what(self) -> str:
        if self.event.outcome in NOT_DONE and (wish := sentences.TRIES.get(Action(self.event.action))):
            return gettext("Tried to %(wish)s") % {"wish": wish}
        return str(Action(self.event.action).label)

    @property
    def sentence(self) -> SafeString:
        """Who did what, with the person and the key marked, and a link to the key."""
        event = self.event
        who = format_html("<strong>{}</strong>", event.who)
        names = {
            "who": format_html("{} <small>({})</small>", who, gettext("you")) if self.is_own else who,
            "key": self.key.html,
            "address": format_html("<b>{}</b>", event.facts.get("address", "")),
            "title": format_html("<b>{}</b>", sentences.old_title(event) or self.consumer),
        }
        blanks = {name: f"{{{name}}}" for name in sentences.NAMES}
        return format_html(escape(sentences.sentence_of(event) % blanks), **names)

    @property
    def key(self) -> KeyName:
        event = self.event
        return self._named(event.key_id, event.key_label, event.masked or ("" if event.key_label else "••••"))

    @property
    def new_key(self) -> KeyName | None:
        """The key that takes the place of those concerned."""
        ending = self.event.facts.get("new_ending", "")
        if not ending or ending == self.event.key_ending:
            return None
        return self._named(self.event.facts.get("new", ""), self.event.facts.get("label", ""), f"••••{ending}")

    @property
    def old_keys(self) -> list[KeyName]:
        """Keys that were rotated together, the first of them; of events before these were noted none is known."""
        named = list(self.event.facts.get("names", {}).items())[:NAMED_AT_MOST]
        return [self._named(key_id, label, f"••••{ending}") for key_id, (label, ending) in named]

    @property
    def more_old_keys(self) -> str:
        """How many more there were, in words."""
        more = len(self.event.facts.get("names", {})) - NAMED_AT_MOST
        return ngettext("and %(number)d more", "and %(number)d more", more) % {"number": more} if more > 0 else ""

    def _named(self, key_id: str, label: str, masked: str) -> KeyName:
        if not key_id or not self.owner or key_id == self.here:
            return KeyName(label, masked)
        where = [self.event.environment, self.event.consumer, key_id]
        url = reverse("keys:key", args=where, current_app=self.site)
        is_gone = self.event.action != Action.DELETE and self.owner.lacks_key(key_id)
        return KeyName(label, masked, url, is_gone)

    @property
    def form_to_let_in(self) -> str:
        """URL of the form that gives access to whoever lately asked for it and lacks it; "" otherwise, and in admin."""
        event = self.event
        is_open = event.action == Action.ASK_FOR_ACCESS and event.started_at > timezone.now() - ASKED_LATELY
        if (
            not is_open
            or self.site
            or not self.owner
            or any(same_address(one.email, event.email) for one in self.owner.managers)
        ):
            return ""
        return form_for(event.environment, event.consumer, event.email)

    @property
    def icon(self) -> str:
        return ICONS.get(Action(self.event.action), "pencil")

    @property
    def tone(self) -> str:
        return TONES.get(Outcome(self.event.outcome), "warn")

    @property
    def detail(self) -> str:
        """The form of a copy, the new label, the plan, the new expiry, or that of what was replaced."""
        words, end = self._detail
        return words % {"end": written(end)} if end else words

    @property
    def detail_html(self) -> SafeString:
        words, end = self._detail
        return format_html(words % {"end": "{}"}, exact(end)) if end else escape(words)

    @property
    def _detail(self) -> tuple[str, datetime | None]:
        """In words; with a moment, these have a blank for it."""
        facts, is_not_done = self.event.facts, self.event.outcome in NOT_DONE
        match self.event.action:
            case Action.RENAME | Action.RENAME_CONSUMER | Action.CHANGE_END if is_not_done:
                return "", None
            case Action.ROTATE | Action.ROTATE_ALL:
                return self._end_of_old
            case Action.COPY:
                return str(facts.get("form", "")), None
            case Action.RENAME | Action.RENAME_CONSUMER if label := facts.get("label"):
                return gettext("New name: %(name)s") % {"name": label}, None
            case Action.CREATE | Action.START_PLAN | Action.CHANGE_PLAN | Action.CANCEL_PLAN | Action.RESUME_PLAN:
                return str(facts.get("plan_name", "")), None
            case Action.CHANGE_END if ends := parse_datetime(facts.get("ends") or ""):
                words = gettext("Expires %(end)s") if ends > timezone.now() else gettext("Expired %(end)s")
                return words, ends
            case Action.SUPPORT_ENDED if (how := facts.get("how", "")) in VisitEnd:
                return gettext("Ended %(how)s") % {"how": VisitEnd(how).label}, None
        return "", None

    @property
    def _end_of_old(self) -> tuple[str, datetime | None]:
        """Until when what was replaced works."""
        facts = self.event.facts
        ends = list(filter(None, map(parse_datetime, facts.get("old", {}).values())))
        if self.event.outcome != Outcome.DONE or not ends:
            return "", None
        last, is_one = max(ends), self.event.action == Action.ROTATE
        if last > timezone.now():
            words = gettext("Old key works until %(end)s") if is_one else gettext("Old keys work until %(end)s")
        else:
            words = gettext("Old key expired %(end)s") if is_one else gettext("Old keys expired %(end)s")
        return words, last

    @property
    def why(self) -> str:
        """Why it was not done, or not all of it."""
        match self.event.outcome:
            case Outcome.REFUSED:
                return str(self.event.facts.get("refusal", ""))
            case Outcome.FAILED:
                return gettext("The key service couldn't do it. Nothing was changed.")
            case Outcome.UNCONFIRMED:
                return gettext("The key service didn't say whether it was done.")
            case Outcome.PARTLY if "each" in self.event.facts:
                return gettext("Not every key was rotated, or not every old key got its new expiry.")
            case Outcome.PARTLY:
                return gettext("The new key works, but the old one didn't get its new expiry.")
        return ""

    @property
    def address(self) -> str:
        """Network address of the person; where colleagues sit is the operator's business, and strangers' is theirs."""
        return "" if self.event.staff_email or self.event.action == Action.ASK_FOR_ACCESS else self.event.address
