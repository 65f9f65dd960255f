"""What every request of the site gets: a reference id, and a way out of a dialog to the sign-in page."""

import logging
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect

GetResponse = Callable[[HttpRequest], HttpResponse]

_reference: ContextVar[str] = ContextVar("reference", default="-")


def reference(get_response: GetResponse) -> GetResponse:
    """Give the request an id that stands in its log lines, on its error pages and in `X-Request-ID`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.reference = uuid.uuid4().hex[:12]  # type: ignore[attr-defined]
        token = _reference.set(request.reference)  # type: ignore[attr-defined]
        try:
            response = get_response(request)
        finally:
            _reference.reset(token)
        response["X-Request-ID"] = request.reference  # type: ignore[attr-defined]
        return response

    return middleware


class ReferenceFilter(logging.Filter):
    """Puts the reference of the request being served on each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.reference = _reference.get()
        return True


def sign_in_leaves_the_dialog(get_response: GetResponse) -> GetResponse:
    """Send the whole page to sign-in when a fragment was asked for and nobody is signed in any more.

    Without this htmx follows the redirect and puts the sign-in page inside the dialog or the row.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.htmx and response.status_code == 302:  # type: ignore[attr-defined]
            target = response["Location"].partition("?")[0]
            if target == resolve_url(settings.LOGIN_URL):
                page = request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
                return HttpResponseClientRedirect(f"{target}?next={page}")
        return response

    return middleware
