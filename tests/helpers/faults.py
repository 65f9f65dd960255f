"""Every fault of the Developer API under which a test is quick, by what an answer under it means."""

import os
from dataclasses import dataclass, field

from django.core.cache import cache

from keys.models import AuditEvent
from sandbox import Sandbox

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


@dataclass(frozen=True)
class Trouble:
    """One fault of the sandbox, with options under which it is quick."""

    kind: str
    options: dict = field(default_factory=dict)
    when: str = "before"

    def __str__(self) -> str:
        return " ".join([self.kind, *map(str, self.options.values()), self.when])


# After these answers nobody knows whether a write was done.
LOST = [
    Trouble("drop"),
    Trouble("status", {"status": 500}),
    Trouble("status", {"status": 503, "retry_after": "30"}),
    Trouble("status", {"status": 408}),
    Trouble("status", {"status": 499}),
    Trouble("truncated"),
    Trouble("not_json"),
    Trouble("wrong_type"),
    Trouble("oversized", {"bytes": 16 * 2**20 + 1}),
    Trouble("redirect", {"location": "/elsewhere"}),
    Trouble("deep"),
    Trouble("gzip_bomb", {"bytes": 2**20}),
]
# These say that it was not done. They are believed, so the sandbox does not do it either.
REFUSALS = [Trouble("status", {"status": status}) for status in (401, 404, 409)]
REFUSALS += [Trouble("status", {"status": 429, "retry_after": "30"})]
ODD = [
    Trouble("odd_object", {"object": "key", "field": "description", "value": 5}),
    Trouble("odd_object", {"object": "key", "field": "expiresOn", "value": "soon"}),
    Trouble("odd_object", {"object": "key", "field": "id", "lacks": True}),
    Trouble("odd_object", {"object": "manager", "field": "email", "value": None}),
    Trouble("odd_object", {"object": "consumer", "field": "name", "value": "org.example"}),
    Trouble("odd_object", {"object": "consumer", "field": "managers", "lacks": True}),
    Trouble("odd_object", {"object": "consumer", "field": "apiKeys", "lacks": True}),
]
WORKING = [
    Trouble("hostile"),
    Trouble("filter_ignored"),
    Trouble("stale"),
    Trouble("doubled"),
    Trouble("other_object"),
    Trouble("delay", {"seconds": 0.02}),
    Trouble("drip", {"interval": 0}),
]
OF_A_READ = LOST + REFUSALS + WORKING + ODD
OF_A_WRITE = LOST + [Trouble(one.kind, one.options, "after") for one in LOST] + REFUSALS + WORKING + ODD


def forget(sandbox: Sandbox) -> None:
    """Begin anew, for a test that tries many cases in turn: nobody knows anything of the one before."""
    sandbox.reset()
    cache.clear()
    AuditEvent.objects.all().delete()
