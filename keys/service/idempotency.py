"""Idempotency: a form is carried out once; sent again, it gets the first result, without a key that is not theirs."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from django.utils import timezone

from keys.audit import log, notifications
from keys.models import Action, AuditEvent
from keys.types import ApiKey, Consumer, FullKey

Verb = TypeVar("Verb", bound=Callable[..., "Change"])


@dataclass(frozen=True, slots=True)
class Change:
    """Result of a verb: the consumer as it is now, the key concerned, and its value where it is to be shown.

    `is_withheld` says that there is a value, which this person may not see. `unended` are old keys that a rotation
    could not end, and when each was to end. Of keys that were rotated one by one `made` are the new ones, and `left`
    those that were not reached. `is_gone` says that what was made was deleted, or undone, since. `is_mailed` is False
    where the invitation that goes with it could not be sent, and None where that is not known.
    """

    event: AuditEvent
    consumer: Consumer
    key: ApiKey | None = None
    value: str = field(default="", repr=False)
    ends: datetime | None = None
    unended: Mapping[ApiKey, datetime] = field(default_factory=dict)
    made: tuple[FullKey, ...] = field(default=(), repr=False)
    left: tuple[ApiKey, ...] = ()
    is_withheld: bool = False
    is_gone: bool = False
    is_mailed: bool | None = None

    @property
    def has_ended_old(self) -> bool:
        """True once the replaced key works no more."""
        return self.ends is not None and self.ends <= timezone.now()


def once(verb: Verb) -> Verb:
    """Idempotent verb: a form is carried out once, its managers are told once, and a repeat gets the first result."""

    @functools.wraps(verb)
    def verb_once(ring: Any, *args: Any, **kwargs: Any) -> Change:
        try:
            change = verb(ring, *args, **kwargs)
        except log.AlreadySubmitted as repeated:
            change = cast("Change", ring.first_result(repeated.event))
        else:
            change = replace(change, is_mailed=notifications.tell_managers(change.event, change.consumer))
        return change if ring.may(Action.REVEAL) else redacted_for_staff(change)

    return cast("Verb", verb_once)


def redacted_for_staff(change: Change) -> Change:
    """Redacted for staff who may change keys and not see them: the managers can have the value shown."""
    made = tuple(replace(full, value="") for full in change.made)
    is_withheld = bool(change.value) or any(full.value for full in change.made) or change.is_withheld
    return replace(change, value="", made=made, is_withheld=is_withheld)
