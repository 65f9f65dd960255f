"""Audit log, the only writer. Unique columns also make each form idempotent and lock the consumer being changed."""

import logging
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import BigAutoField, CharField, DateTimeField, Q, QuerySet
from django.utils import timezone

from keys.access import Actor
from keys.errors import ApiError, Busy, NotAllowed, NotFound, OutcomeUnknown, RateLimited
from keys.green_threads import give_back_connection
from keys.models import NOT_DONE, READS, Action, AuditEvent, Outcome
from keys.prepared import Blank, Prepared, PreparedSave
from keys.types import ApiKey

logger = logging.getLogger(__name__)

WAIT_SECONDS = 3.0
ABANDONED = timedelta(seconds=30)  # no request lives that long, so its worker has died
LAG = timedelta(seconds=60)  # for which lists of the Developer API may not show a change

_saved = PreparedSave(AuditEvent)
_TOLD = ("consumer", "key_id", "key_label", "key_ending", "facts")


class AlreadySubmitted(Exception):
    """Idempotency: the form was sent before; `event` says how that ended."""

    def __init__(self, event: AuditEvent) -> None:
        super().__init__(f"event {event.pk}")
        self.event = event


@contextmanager
def recorded(
    actor: Actor,
    action: Action,
    environment: str,
    consumer: str,
    key_id: str = "",
    *,
    token: UUID | None = None,
) -> Iterator[AuditEvent]:
    """Write "started", do the work inside, write how it ended. Raises `AlreadySubmitted` for a token used before.

    What is only to be read has started once it is noted what: until then nothing can have been shown, or be settled.
    """
    event = AuditEvent(
        action=action,
        environment=environment,
        consumer=consumer,
        key_id=key_id,
        token=token,
        user_id=actor.user_id,
        email=actor.email,
        address=actor.address,
        reference=actor.reference,
    )
    if actor.staff:
        event.staff_id, event.staff_email = actor.staff.user_id, actor.staff.email
        event.reason = actor.staff.reason
    if action not in READS:
        _begin(event)
    try:
        yield event
    except (NotFound, NotAllowed, RateLimited) as refusal:
        _close(event, Outcome.REFUSED, refusal)
        raise
    except OutcomeUnknown as unknown:
        _close(event, Outcome.UNCONFIRMED, unknown)
        raise
    except ApiError as failure:
        _close(event, Outcome.FAILED, failure)
        raise
    except BaseException as surprise:
        _close(event, Outcome.UNCONFIRMED, surprise)
        raise
    _close(event, Outcome.DONE if event.outcome == Outcome.STARTED else Outcome(event.outcome))


def is_by(event: AuditEvent, actor: Actor) -> bool:
    """True if the same person did it, in the same name."""
    return (event.user_id, event.staff_id) == (actor.user_id, actor.staff and actor.staff.user_id)


def note(event: AuditEvent, key: ApiKey | None = None, **facts: Any) -> dict[str, Any]:
    """Write-ahead note: store what is wanted before the work begins, to tell later whether it was done."""
    add(event, key, **facts)
    if event._state.adding:
        _saved.insert(event)
    else:
        _saved.update(event, *_TOLD)
    return facts


def add(event: AuditEvent, key: ApiKey | None = None, **facts: Any) -> None:
    """The same for what was done, where nothing is left to do: it is stored with how the event ended."""
    if key:
        event.key_id, event.key_label, event.key_ending = key.id, key.label, key.ending
    event.facts |= facts


def add_new_key(event: AuditEvent, key: ApiKey, **facts: Any) -> None:
    add(event, key if event.action == Action.CREATE else None, new=key.id, new_ending=key.ending, **facts)


def recent_changes(
    actor: Actor, environment: str, consumers: Collection[str], *, is_all: bool = False
) -> list[AuditEvent]:
    """Read-your-writes: changes that lists may not show yet, to these consumers and to one that this newcomer has made.

    And such of which nobody knows yet whether they were done, unless they are under way. These consumers may be all
    that is asked about.
    """
    values = {"environment": environment, "since": timezone.now() - LAG, "user_id": actor.user_id}
    rows = (_RECENT_OF if is_all else _RECENT).rows(list(consumers), **values)
    made = {row[_COLUMNS.index("consumer")] for row in rows} - {*consumers}
    if made:  # a newcomer's, which others may have changed since
        rows = _RECENT.rows([*consumers, *made], **values)
    events = [AuditEvent.from_db(connection.alias, _COLUMNS, row) for row in rows]
    return [event for event in events if not _is_under_way(event)]


def _recent(theirs: Q) -> QuerySet[Any, Any]:
    events = AuditEvent.objects.filter(theirs, environment=Blank("environment", CharField()))
    return events.order_by("ended_at", "pk").values_list(*_COLUMNS)


def _of(names: list[str]) -> Q:
    """Changes since then to these consumers."""
    return Q(consumer__in=[Blank(name, CharField()) for name in names], recency__gte=_SINCE)


_COLUMNS = [field.attname for field in AuditEvent._meta.concrete_fields]
_SINCE = Blank("since", DateTimeField())
# "Since" is said of either half, for SQLite to see that an index of its own answers it.
_OF_NEWCOMER = Q(
    user_id=Blank("user_id", AuditEvent._meta.get_field("user")), facts__has_key="manager", recency__gte=_SINCE
)
_RECENT = Prepared(lambda names: _recent(_of(names) | _OF_NEWCOMER))
_RECENT_OF = Prepared(lambda names: _recent(_of(names)))


def unsettled(now: datetime) -> Q:
    """Events of which nobody knows how they ended: not those under way, nor what no look can settle, like reveals."""
    unconfirmed = Q(outcome=Outcome.UNCONFIRMED) & ~Q(action__in=READS) & ~Q(facts__has_key="doubt")
    return unconfirmed | Q(outcome=Outcome.STARTED, started_at__lt=now - ABANDONED)


def keys_made_by_others(event: AuditEvent) -> set[str]:
    """The keys that other changes to the same consumer are known to have made since then: this one did not."""
    since = event.started_at - ABANDONED
    others = AuditEvent.objects.filter(environment=event.environment, consumer=event.consumer, started_at__gte=since)
    known = others.exclude(pk=event.pk).filter(facts__has_key="new").values_list("facts", flat=True)
    return {facts["new"] for facts in known}


def is_locked_by_another(event: AuditEvent) -> bool:
    """True if somebody is changing the consumer right now: what shows there may be that change's doing."""
    lock = f"{event.environment}/{event.consumer}"
    return (
        AuditEvent.objects.filter(lock=lock, started_at__gte=timezone.now() - ABANDONED).exclude(pk=event.pk).exists()
    )


def settle(event: AuditEvent, outcome: Outcome, made: ApiKey | None, *, in_doubt: bool = False) -> bool:
    """Close an event later, in doubt if no later look can settle it; False if somebody else did so meanwhile."""
    event.outcome = outcome
    if in_doubt:
        event.facts |= {"doubt": True}
    if made:
        event.facts |= {"new": made.id, "new_ending": made.ending}
        if event.action == Action.CREATE:
            event.key_id, event.key_label, event.key_ending = made.id, made.label, made.ending
    fields = ("outcome", "facts", "key_id", "key_label", "key_ending")
    closed = {name: getattr(event, name) for name in fields} | {"ended_at": timezone.now(), "lock": None}
    if outcome in NOT_DONE:
        closed["token"] = None
    is_ours = AuditEvent.objects.filter(unsettled(timezone.now()), pk=event.pk).update(**closed) > 0
    if is_ours:
        logger.info("%s %s: event %s, settled by a later look", event.action, outcome, event.pk)
    return is_ours


def complete(event: AuditEvent) -> None:
    """Close an event as done that was closed as partly done, when what was left of it is done too."""
    event.outcome, event.ended_at = Outcome.DONE, timezone.now()
    _saved.update(event, "outcome", "ended_at")
    logger.info("%s %s: event %s, by a second try", event.action, event.outcome, event.pk)


def lock(event: AuditEvent, name: str, *, within: float) -> bool:
    """Row lock: hold the lock of that name until the event ends. True if its subject was changed while we waited.

    Raises `Busy` when it is not free in a few seconds, or in those that are left for the page.
    """
    wanted = f"{event.environment}/{name}"
    for _wait in _waits(min(WAIT_SECONDS, within)):
        event.lock = wanted
        try:
            with _savepoint():
                _saved.update(event, "lock")
        except IntegrityError:
            event.lock = None
            _free_abandoned(wanted)
        else:
            values: Any = {"environment": event.environment, "consumer": name, "since": event.started_at}
            return bool(_CHANGES_OF_OTHERS.rows(**values, pk=event.pk))
    raise Busy(f"{wanted} is locked")


_CHANGES_OF_OTHERS = Prepared(
    lambda _names: (
        AuditEvent.objects.filter(
            environment=Blank("environment", CharField()),
            consumer=Blank("consumer", CharField()),
            ended_at__gte=Blank("since", DateTimeField()),
        )
        .exclude(pk=Blank("pk", BigAutoField()))
        .exclude(action__in=READS)
        .order_by()
        .values_list("pk")[:1]
    )
)


def _begin(event: AuditEvent) -> None:
    for _wait in _waits():
        try:
            with _savepoint():
                _saved.insert(event)
        except IntegrityError:
            first = AuditEvent.objects.filter(token=event.token).first()
            if first and not _is_under_way(first):
                raise AlreadySubmitted(first) from None
        else:
            return
    raise Busy("the same form is being carried out")


def _savepoint() -> AbstractContextManager[None]:
    """For a statement that may fail: it must not take along a transaction that is open. By itself it needs none."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _is_under_way(event: AuditEvent) -> bool:
    """True while somebody is at work on it: not if its worker has died."""
    return event.outcome == Outcome.STARTED and event.started_at >= timezone.now() - ABANDONED


def _waits(seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Polling: at once, then again and again for a few seconds."""
    give_up = time.monotonic() + seconds
    yield
    while time.monotonic() < give_up:
        give_back_connection()
        time.sleep(0.1)
        yield


def _free_abandoned(lock: str) -> None:
    """A change whose worker died holds no lock; whether it was done nobody has said yet."""
    abandoned = AuditEvent.objects.filter(lock=lock, started_at__lt=timezone.now() - ABANDONED)
    abandoned.update(lock=None, outcome=Outcome.UNCONFIRMED)


def _close(event: AuditEvent, outcome: Outcome, problem: BaseException | None = None) -> None:
    event.outcome = outcome
    event.ended_at = timezone.now()
    event.lock = None
    if outcome in NOT_DONE:
        event.token = None  # the form may be sent again
    if isinstance(problem, NotAllowed | RateLimited):
        # As the person was told, in their language; "bare" where nothing else is known of what was wanted.
        event.facts |= {"refusal": str(problem.text)} | ({} if event.facts else {"bare": True})
    if event._state.adding:
        _saved.insert(event)
    elif event.action in READS and outcome == Outcome.DONE:
        _saved.update(event, "outcome", "ended_at")  # whatever else there is to say was noted before anything was read
    else:
        _saved.update(event, "outcome", "ended_at", "lock", "token", *_TOLD)
    reason = f"{type(problem).__name__}: {problem}" if isinstance(problem, ApiError) else type(problem).__name__
    level = logging.INFO if problem is None else logging.WARNING
    logger.log(level, "%s %s: event %s, %s", event.action, outcome, event.pk, reason if problem else "as asked")
