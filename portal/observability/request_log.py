"""Request log: a correlation id and one line for each request, and its share of the metrics."""

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from keys.http import Request
from keys.redaction import fetched_keys
from keys.zuplo import call_stats

logger = logging.getLogger("portal.request")

GetResponse = Callable[[Request], HttpResponse]

PROBES = {"/healthz", "/readyz", "/metrics"}
"""Probe URLs, which machines ask for every few seconds: logged at level DEBUG only."""


def log_request(get_response: GetResponse) -> GetResponse:
    """Give the request a correlation id, and log it once it is answered.

    The id stands in its log lines, on its error pages, in `X-Request-ID` and in the calls to the Developer API.
    """

    def middleware(request: Request) -> HttpResponse:
        request.reference = uuid.uuid4().hex[:12]
        request.signed_in = request.staff = request.visit = request.colleague = None
        upstream = call_stats.CallStats(request.reference)
        token, began = call_stats.current.set(upstream), time.monotonic()
        keys = fetched_keys.set(set())
        try:
            response = get_response(request)
            _tell(request, response, time.monotonic() - began, upstream)
        finally:
            fetched_keys.reset(keys)
            call_stats.current.reset(token)
        response["X-Request-ID"] = request.reference
        return response

    return middleware


def _tell(request: Request, response: HttpResponse, seconds: float, upstream: call_stats.CallStats) -> None:
    level = logging.DEBUG if request.path_info in PROBES else logging.INFO
    if logger.isEnabledFor(level):
        facts = _facts(request, response, seconds, upstream)
        words = "{method} {path} {status} in {duration_ms} ms, {upstream_calls} calls upstream in {upstream_ms} ms"
        logger.log(level, words.format(**facts), extra={"facts": facts})
    if settings.METRICS_TOKEN:
        from portal.observability import metrics  # a megabyte, for those who ask for them

        metrics.count_request(request, response, seconds)


def _facts(request: Request, response: HttpResponse, seconds: float, upstream: call_stats.CallStats) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "duration_ms": round(seconds * 1000, 1),
        "user": request.signed_in,
        "environment": _environment(request),
        "upstream_calls": upstream.calls,
        "upstream_ms": round(upstream.seconds * 1000, 1),
    }


def _environment(request: Request) -> str | None:
    """Environment in the URL; the keys page without one shows the first."""
    match = request.resolver_match
    if not match or match.app_name != "keys":
        return None
    return match.kwargs.get("environment") or next(iter(settings.ZUPLO_BUCKETS))
