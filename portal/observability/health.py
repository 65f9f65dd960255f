"""Health checks: liveness at /healthz and readiness at /readyz; for probes, not for people."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.log import log_response
from django.views.decorators.http import require_safe

from keys.service.keyring import key_service_ready

SECONDS = 3.0
"""Time-out of `/readyz`, whatever the neighbours do."""

logger = logging.getLogger(__name__)


@dataclass
class Probe:
    """Probe of one neighbour, asked once at a time, however many want to know, and not before `keep` has passed."""

    name: str
    ask: Callable[[], bool]
    trouble: str
    keep: float = 0.0
    problem: str = ""
    asking: Future[bool] | None = None
    asked: float = field(default_factory=lambda: -1e9)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, pool: ThreadPoolExecutor) -> Future[bool]:
        with self.lock:
            if self.asking is None or (self.asking.done() and time.monotonic() - self.asked >= self.keep):
                self.asking = pool.submit(self._run)
            return self.asking

    def _run(self) -> bool:
        try:
            self.problem = ""
            return self.ask()
        except Exception as problem:  # noqa: BLE001, whatever it is, the neighbour is of no use now
            self.problem = f" ({problem!r})"
            return False
        finally:
            self.asked = time.monotonic()


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    finally:
        connection.close()  # it belongs to this thread, which no request will use


def _cache() -> bool:
    cache.set("readyz", "here", 10)
    # A Redis that is down is no reason for a page to fail, and yet a thing to know.
    return bool(cache.get("readyz") == "here") and not getattr(cache, "is_down", False)


PROBES = (
    Probe("database", _database, "failed"),
    Probe("cache", _cache, "failed"),
    # Kept, so that nobody can make the portal spend its own requests to the Developer API.
    Probe("key service", key_service_ready, "unreachable or not accepting the portal's token", keep=5.0),
)
_pool = ThreadPoolExecutor(max_workers=len(PROBES), thread_name_prefix="readyz")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: answer as long as this process can answer at all."""
    return _plain(["ok"], 200)


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: say how each neighbour is, so that upstream trouble can be told from the portal's own."""
    answers = [probe.answer(_pool) for probe in PROBES]
    wait(answers, timeout=SECONDS)
    well = [answer.done() and answer.result() for answer in answers]
    lines = [f"{probe.name} {'ok' if ok else probe.trouble}" for probe, ok in zip(PROBES, well, strict=True)]
    response = _plain(lines, 200 if all(well) else 503)
    if not all(well):
        # Django would say only that this was a 503.
        problems = [line + probe.problem for probe, ok, line in zip(PROBES, well, lines, strict=True) if not ok]
        log_response("Not ready: %s", ", ".join(problems), request=request, response=response, level="warning")
    return response


def _plain(lines: list[str], status: int) -> HttpResponse:
    response = HttpResponse("\n".join(lines) + "\n", status=status, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response
