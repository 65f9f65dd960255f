"""Middleware of the site, beside that of the parts which have their own; the order is in `settings.MIDDLEWARE`.

`tests/portal/test_middleware.py` says why it is so.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware import csrf
from django.template.loader import render_to_string
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.defaults import page_not_found

from keys.http import Request
from keys.middleware import lead_out_of_dialog
from portal import proxies
from portal.context_processors import site
from portal.observability import metrics
from portal.observability.health import healthz, readyz

GetResponse = Callable[[Request], HttpResponse]


def response_headers(get_response: GetResponse) -> GetResponse:
    """Security headers that neither Django nor the policy sends, and `no-store` for all that says nothing else.

    Nobody else may embed or use what is served. Pages are about one person, and the Back button must not show a key.
    Nor may proxies rewrite a page: some do so with e-mail addresses.
    """

    def middleware(request: Request) -> HttpResponse:
        response = get_response(request)
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
            patch_vary_headers(response, ["Cookie", "HX-Request"])
        if response.get("Content-Type", "").startswith("text/html"):
            patch_cache_control(response, no_transform=True)
        return response

    return middleware


def screen_request(get_response: GetResponse) -> GetResponse:
    """Request screening, before anything reads it: whose addresses to believe, and no body too large."""

    def middleware(request: Request) -> HttpResponse:
        proxies.set_client_address(request)
        proxies.set_host(request)
        return _refuse_large_body(request) or get_response(request)

    return middleware


def _refuse_large_body(request: Request) -> HttpResponse | None:
    """413 for what no form of the portal sends, before Django would spool an upload to the disk."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        page = render_to_string("413.html", site(request) | {"shell": "_shell.html"})
        return HttpResponse(page, status=413)
    return None


def health_checks(get_response: GetResponse) -> GetResponse:
    """Answer probes before anything looks at the Host header, the session or the database.

    Probes ask by address, which no list of hosts can hold; nothing in the answers depends on the name.
    """
    answers = {"/healthz": healthz, "/readyz": readyz}
    if settings.METRICS_TOKEN:
        answers[metrics.PATH] = metrics.metrics_view

    def middleware(request: Request) -> HttpResponse:
        return answers.get(request.path_info, get_response)(request)

    return middleware


class CsrfViewMiddleware(csrf.CsrfViewMiddleware):
    """Send the CSRF cookie to whoever lacks it, not anew with each page: that shuts the back/forward cache."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
            has_it = request.COOKIES.get(settings.CSRF_COOKIE_NAME) == request.META["CSRF_COOKIE"]
            request.META["CSRF_COOKIE_NEEDS_UPDATE"] = not has_it
            patch_vary_headers(response, ["Cookie"])
        return super().process_response(request, response)


def error_pages(get_response: GetResponse) -> GetResponse:
    """Pages where Django or htmx would show none, so that everybody sees what customers see.

    Django answers a wrong method by nothing at all, and in debug mode what is not there by a list of addresses.
    """

    def middleware(request: Request) -> HttpResponse:
        response = get_response(request)
        if request.htmx and response.status_code == 302:
            return lead_out_of_dialog(request, response)
        if response.status_code == 405 and not response.streaming and not response.content:
            request.current_app = "keys"  # what it links to: in Django admin the name means something else
            response.content = render_to_string("405.html", request=request)
            response["Content-Type"] = "text/html; charset=utf-8"
        elif response.status_code == 404 and settings.DEBUG and b"data-error" not in response.content:
            return page_not_found(request, Http404())
        return response

    return middleware
