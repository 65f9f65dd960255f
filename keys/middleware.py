"""Turns trouble with keys into an explained page, or a notice where htmx asked."""

import logging
from collections.abc import Callable

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.views.defaults import page_not_found

from keys.decorators import Request
from keys.errors import ApiError, NotFound

logger = logging.getLogger(__name__)


class ExplainApiErrors:
    def __init__(self, get_response: Callable[[Request], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: Request, exception: Exception) -> HttpResponse | None:
        return explained(request, exception) if isinstance(exception, ApiError) else None


def explained(request: Request, error: ApiError) -> HttpResponse:
    """What happened, whether anything changed, what to do next, and a reference that is in the log."""
    logger.warning("answered %s: %s: %s", error.status, type(error).__name__, error)
    if isinstance(error, NotFound) and not request.htmx:
        # What is not this person's looks the same as an address that does not exist.
        return page_not_found(request, error)
    context = {
        "title": error.title,
        "text": error.text,
        "changed": error.changed,
        "advice": error.advice,
        "retry_after": error.retry_after,
        "reference": getattr(request, "reference", ""),
    }
    template = "keys/_error.html" if request.htmx else "keys/error.html"
    response = render(request, template, context, status=error.status)
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    add_never_cache_headers(response)
    return response
