"""What a verb did, told to whoever asked for it: once, and without the key where that is not theirs to see."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from django.utils import timezone

from keys.audit import log, notifications
from keys.models import Action, AuditEvent
from keys.types import ApiKey, Consumer

Verb = TypeVar("Verb", bound=Callable[..., "Change"])


@dataclass(frozen=True, slots=True)
class Change:
    """What a verb did: the consumer as it is now, the key concerned, and its value where it is to be shown.

    `is_withheld` says that there is a value, which this person may not see. `unended` are old keys that a rotation
    could not end, and when each was to end.
    """

    event: AuditEvent
    consumer: Consumer
    key: ApiKey | None = None
    value: str = field(default="", repr=False)
    ends: datetime | None = None
    unended: Mapping[ApiKey, datetime] = field(default_factory=dict)
    is_withheld: bool = False

    @property
    def has_ended_old(self) -> bool:
        """Whether what it replaces works no more."""
        return self.ends is not None and self.ends <= timezone.now()


def once(verb: Verb) -> Verb:
    """Carry a form out once, and tell the managers: when it is sent again, its first result is the answer."""

    @functools.wraps(verb)
    def verb_once(ring: Any, *args: Any, **kwargs: Any) -> Change:
        try:
            change = verb(ring, *args, **kwargs)
        except log.Repeated as repeated:
            change = cast("Change", ring.first_result(repeated.event))
        else:
            notifications.tell_managers(change.event, change.consumer)
        return change if ring.may(Action.REVEAL) else withheld(change)

    return cast("Verb", verb_once)


def withheld(change: Change) -> Change:
    """The change as staff see it who may change keys and not see them: the managers can have the value shown."""
    return replace(change, value="", is_withheld=bool(change.value) or change.is_withheld)
