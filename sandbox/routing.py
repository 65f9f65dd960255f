"""Routes: an operation and what is declared about it."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.call import Call
from sandbox.http_messages import Answer

Operation = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation and what the published API declares about it."""

    operation: Operation
    writes: bool = False
    guard: bool = False  # tag.<name> is declared
    management: bool = True  # needs the bearer, counts for the rate limit


def reads(operation: Operation, *, guard: bool = False) -> Route:
    return Route(operation, guard=guard)


def writes(operation: Operation, *, guard: bool = False) -> Route:
    return Route(operation, writes=True, guard=guard)


def asked_by_gateway(operation: Operation, *, writes: bool = False) -> Route:
    return Route(operation, writes=writes, management=False)
