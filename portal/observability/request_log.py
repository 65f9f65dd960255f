"""Request log: one line for each request, and its share of the metrics."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from keys.zuplo import call_stats
from portal.observability import metrics

logger = logging.getLogger("portal.request")

PROBES = {"/healthz", "/readyz", metrics.PATH}
"""Probe URLs, which machines ask for every few seconds: logged at level DEBUG only."""


def observed(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        response = get_response(request)
        seconds = time.monotonic() - began
        level = logging.DEBUG if request.path_info in PROBES else logging.INFO
        if logger.isEnabledFor(level):
            facts = _facts(request, response, seconds)
            words = "{method} {path} {status} in {duration_ms} ms, {upstream_calls} calls upstream in {upstream_ms} ms"
            logger.log(level, words.format(**facts), extra={"facts": facts})
        if settings.METRICS_TOKEN:
            metrics.count_request(request, response, seconds)
        return response

    return middleware


def _facts(request: HttpRequest, response: HttpResponse, seconds: float) -> dict[str, Any]:
    upstream = call_stats.current.get()
    return {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "duration_ms": round(seconds * 1000, 1),
        "user": getattr(request, "signed_in", None),
        "environment": _environment(request),
        "upstream_calls": upstream.calls if upstream else 0,
        "upstream_ms": round(upstream.seconds * 1000, 1) if upstream else 0,
    }


def _environment(request: HttpRequest) -> str | None:
    """Environment in the URL; the keys page without one shows the first."""
    match = request.resolver_match
    if not match or match.app_name != "keys":
        return None
    return match.kwargs.get("environment") or next(iter(settings.ZUPLO_BUCKETS))
