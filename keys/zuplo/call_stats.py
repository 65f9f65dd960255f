"""Per-request call statistics and correlation id: what one request asked of the Developer API, and for how long."""

from contextvars import ContextVar
from dataclasses import dataclass

from django.dispatch import Signal

answered = Signal(use_caching=True)
"""Signal after each call, whatever came of it: `operation`, `outcome` and `seconds`."""

unreadable = Signal()
"""Sent for each object in an answer that could not be read: `kind` is "consumer", "key" or "manager"."""


@dataclass
class CallStats:
    reference: str
    calls: int = 0
    seconds: float = 0.0


current: ContextVar[CallStats | None] = ContextVar("tally", default=None)
"""Statistics of the request being served; None outside of one."""


def reference() -> str:
    """The id of the request being served, "" outside of one."""
    tally = current.get()
    return tally.reference if tally else ""


def count(operation: str, outcome: str, seconds: float) -> None:
    if tally := current.get():
        tally.calls += 1
        tally.seconds += seconds
    answered.send_robust(sender=CallStats, operation=operation, outcome=outcome, seconds=seconds)
