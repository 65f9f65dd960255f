"""What is asked of the Developer API on behalf of one request: under which id, how often, and for how long."""

from contextvars import ContextVar
from dataclasses import dataclass

from django.dispatch import Signal

answered = Signal()
"""Sent after each call, whatever came of it: `operation`, `outcome` and `seconds`."""

unreadable = Signal()
"""Sent for each object in an answer that could not be read: `kind` is "consumer", "key" or "manager"."""


@dataclass
class Tally:
    reference: str
    calls: int = 0
    seconds: float = 0.0


current: ContextVar[Tally | None] = ContextVar("tally", default=None)
"""The tally of the request being served, if it is one that this process serves."""


def reference() -> str:
    """The id of the request being served, "" outside of one."""
    tally = current.get()
    return tally.reference if tally else ""


def count(operation: str, outcome: str, seconds: float) -> None:
    if tally := current.get():
        tally.calls += 1
        tally.seconds += seconds
    answered.send_robust(sender=Tally, operation=operation, outcome=outcome, seconds=seconds)
