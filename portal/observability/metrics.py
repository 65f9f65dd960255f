"""Prometheus metrics at /metrics: off without METRICS_TOKEN, and told to who holds it.

Counters are kept in a folder that all processes of one gunicorn share, see `metric_files`, and hold for
this machine. What is the same wherever it is asked, such as the depth of the outbox, is read when it is asked for.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from keys.audit import log
from keys.models import AuditEvent, ReminderRun
from keys.zuplo import call_stats, circuit_breaker
from portal.models import OutgoingMail
from portal.observability.metric_files import file_lock

logger = logging.getLogger(__name__)

METHODS = {"GET", "HEAD", "POST"}
"""Label values of methods; the others share one name, for whoever asks chooses the word."""
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_own = CollectorRegistry()
_requests = Counter("portal_requests", "Requests answered.", ["method", "view", "status"], registry=_own)
_request_seconds = Histogram("portal_request_seconds", "Time to answer.", ["view"], buckets=SECONDS, registry=_own)
_calls = Counter(
    "portal_upstream_calls", "Calls to the Developer API, each attempt.", ["operation", "outcome"], registry=_own
)
_call_seconds = Histogram(
    "portal_upstream_seconds", "Time of those calls.", ["operation"], buckets=SECONDS, registry=_own
)
_refused_sign_ins = Counter(
    "portal_refused_sign_ins",
    "Sign-ins by a provider that ended badly.",
    ["provider", "stage", "error"],
    registry=_own,
)

_unreadable = Counter(
    "portal_upstream_unreadable",
    "Objects in answers that could not be read.",
    ["kind"],
    registry=_own,
)


def count_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    method = request.method if request.method in METHODS else "other"
    view = request.resolver_match.view_name if request.resolver_match else "none"
    _requests.labels(method, view, str(response.status_code)).inc()
    _request_seconds.labels(view).observe(seconds)


def count_refused_sign_in(provider: str, stage: str, error: str) -> None:
    _refused_sign_ins.labels(provider, stage, error).inc()


@receiver(call_stats.answered)
def count_call(operation: str, outcome: str, seconds: float, **_kwargs: Any) -> None:
    if settings.METRICS_TOKEN:
        _calls.labels(operation, outcome).inc()
        _call_seconds.labels(operation).observe(seconds)


@receiver(call_stats.unreadable)
def count_unreadable(kind: str, **_kwargs: Any) -> None:
    if settings.METRICS_TOKEN:
        _unreadable.labels(kind).inc()


class _StateCollector(Collector):
    """Gauges, read when asked for: every machine says the same."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge(
            "portal_breaker_open", "1 while the Developer API is left alone, as it is down.", circuit_breaker.is_open()
        )
        try:
            waiting = OutgoingMail.objects.waiting().count()
            unsettled = AuditEvent.objects.filter(log.unsettled(timezone.now())).count()
            runs = list(ReminderRun.objects.filter(environment__in=settings.ZUPLO_BUCKETS))
        except DatabaseError as problem:
            logger.warning("The database does not answer, so some figures are missing: %s", type(problem).__name__)
            return
        yield _gauge("portal_outbox_waiting", "Mails that are not delivered yet.", waiting)
        yield _gauge("portal_audit_unsettled", "Audit events whose outcome is not known; see settle.", unsettled)
        yield from _reminder_gauges(runs)


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)


def _reminder_gauges(runs: list[ReminderRun]) -> Iterator[GaugeMetricFamily]:
    """Gauges of `send_reminders`, whose own process ends before anybody asks it."""
    ended = GaugeMetricFamily(
        "portal_reminders_ended_seconds", "When send_reminders last came to the end.", labels=["environment"]
    )
    unreadable = GaugeMetricFamily(
        "portal_reminders_unreadable", "Consumers that it could not read, or not in full.", labels=["environment"]
    )
    for run in runs:
        ended.add_metric([run.environment], run.ended_at.timestamp())
        unreadable.add_metric([run.environment], run.unreadable)
    yield from (ended, unreadable)


_state = CollectorRegistry()
_state.register(_StateCollector())


@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"):
        response = HttpResponse("The metrics token is missing or wrong.\n", status=401, content_type="text/plain")
        response["WWW-Authenticate"] = "Bearer"
        return response
    response = HttpResponse(_merged() + generate_latest(_state), content_type=CONTENT_TYPE_LATEST)
    response["Cache-Control"] = "no-store"
    return response


def _merged() -> bytes:
    if not settings.METRICS_FOLDER:
        return generate_latest(_own)
    all_processes = CollectorRegistry()
    MultiProcessCollector(all_processes, settings.METRICS_FOLDER)
    with file_lock(settings.METRICS_FOLDER):
        return generate_latest(all_processes)
