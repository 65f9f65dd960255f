"""Sending reminders: look through all consumers, and put one mail for each manager into the outbox where a key ends.

A row in the database is claimed for each key and step in the transaction that stores the mails. So nobody is reminded
twice, however often and on however many machines this runs, and after a crash the next run does what is left.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from keys.audit.mails import deliver
from keys.audit.notifications import is_told
from keys.conf import settings
from keys.models import DONE, Action, AuditEvent, Reminder, ReminderRun
from keys.reminders.mails import mails_about
from keys.reminders.recipients import Muted
from keys.service.replacements import LATELY, with_replacements
from keys.types import ApiKey, Consumer, Unread
from keys.zuplo.client import DeveloperAPI, read_entry
from keys.zuplo.pages import pages
from keys.zuplo.transport import Deadline

logger = logging.getLogger(__name__)

PAGE = 100
PAGE_SECONDS = 9.5
CATCH_UP = timedelta(days=14)
"""So long after its end is a key still told of: what ended before that is no news."""


class Due(NamedTuple):
    """A key of which people are to be reminded, its end, and the step."""

    key: ApiKey
    ends_at: datetime
    step: int


@dataclass(slots=True)
class Progress:
    """How far a run has come; `total` is None where the Developer API does not say it."""

    looked: int = 0
    total: int | None = None
    unreadable: int = 0
    mails: int = 0
    failed: int = 0


def step_of(ends_at: datetime, now: datetime) -> int | None:
    """The step that is due: the least number of days that are left at most, 0 after the end; None for no step.

    One mail catches up on steps that were missed, for only the last of them counts.
    """
    left = ends_at - now
    if left <= timedelta():
        return 0 if -left <= CATCH_UP else None
    steps = map(int, settings.KEYS_REMINDER_DAYS)
    return min((days for days in steps if left <= timedelta(days=days)), default=None)


def send_all(environment: str) -> Iterator[Progress]:
    """Remind of all keys of an environment, page by page; raises an `ApiError` where the key service fails.

    A consumer that is missed, as offsets shift while others are deleted, is found by the next run.
    """
    progress = Progress()
    bucket, wait = settings.ZUPLO_BUCKETS[environment], _pace()

    def new_api() -> DeveloperAPI:
        wait()
        return DeveloperAPI(bucket, Deadline(PAGE_SECONDS))

    for window in pages(new_api, 0, PAGE, read_entry, lambda one: one.name if isinstance(one, Consumer) else one.id):
        consumers = [one for one in window.items if isinstance(one, Consumer)]
        progress.total = window.total
        progress.unreadable += sum(isinstance(one, Unread) or bool(one.unread) for one in window.items)
        _remind(environment, consumers, progress)
        progress.looked += len(window.items)
        yield progress
    values = {"ended_at": timezone.now(), "unreadable": progress.unreadable}
    ReminderRun.objects.update_or_create(environment=environment, defaults=values)


def _pace() -> Callable[[], None]:
    """Rate limit of our own: waits until the next call may be made."""
    interval, last = 1 / settings.KEYS_REMINDER_CALLS_PER_SECOND, -1.0

    def wait() -> None:
        nonlocal last
        time.sleep(max(0.0, last + interval - time.monotonic()))
        last = time.monotonic()

    return wait


def _remind(environment: str, consumers: list[Consumer], progress: Progress) -> None:
    """Remind of the keys of one page; what fails for one consumer fails for no other."""
    due = _due(environment, consumers, timezone.now())
    muted = Muted(environment, list(due))
    for consumer in consumers:
        if keys := due.get(consumer.name):
            try:
                progress.mails += _remind_of(environment, consumer, keys, muted.recipients(consumer))
            except DatabaseError:
                raise
            except Exception:
                progress.failed += 1
                logger.exception("the managers of %s could not be reminded", consumer.name)


def _due(environment: str, consumers: list[Consumer], now: datetime) -> dict[str, list[Due]]:
    """Due keys by consumer, without those of which people were reminded before."""
    due = {
        consumer.name: [
            Due(key, key.expires_on, step)
            for key in consumer.keys
            if key.expires_on and (step := step_of(key.expires_on, now)) is not None
        ]
        for consumer in consumers
    }
    names = [name for name, keys in due.items() if keys]
    rows = Reminder.objects.filter(environment=environment, consumer__in=names)
    sent = set(rows.values_list("consumer", "key_id", "ends_at", "step"))
    left = {name: [one for one in due[name] if (name, one.key.id, one.ends_at, one.step) not in sent] for name in names}
    return {name: keys for name, keys in left.items() if keys}


def _remind_of(environment: str, consumer: Consumer, keys: list[Due], recipients: list[str]) -> int:
    """Mail about one consumer, unless another run has just done so; returns how many mails that are."""
    (paired,) = with_replacements([consumer], environment)
    replaced = {key.id for key in paired.keys if key.replaced_by}
    known = replaced | _ended_by_hand(environment, consumer)
    keys = sorted((one for one in keys if one.key.id not in known), key=lambda one: one.key.id)
    if not keys or not recipients:
        return 0
    with transaction.atomic():
        claimed = [one.key for one in keys if _claim(environment, one)]
        mails = mails_about(environment, consumer, claimed, recipients) if claimed else []
        deliver(mails)
    return len(mails)


def _claim(environment: str, due: Due) -> bool:
    """True if this run is the one that tells of it: of several the database lets one."""
    key = {"environment": environment, "consumer": due.key.consumer, "key_id": due.key.id}
    try:
        with transaction.atomic():
            Reminder.objects.create(**key, ends_at=due.ends_at, step=due.step)
    except IntegrityError:
        return False
    return True


def _ended_by_hand(environment: str, consumer: Consumer) -> set[str]:
    """The ids of keys that somebody ended at once: the managers were mailed of it then."""
    ends = {key.id: key.expires_on for key in consumer.ended_keys if key.expires_on}
    events = AuditEvent.objects.filter(
        environment=environment,
        consumer=consumer.name,
        action=Action.CHANGE_END,
        outcome__in=DONE,
        started_at__gte=timezone.now() - CATCH_UP - LATELY,
    )
    return {
        event.key_id
        for event in events
        if event.key_id in ends and event.started_at >= ends[event.key_id] - LATELY and is_told(event)
    }
