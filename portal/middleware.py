"""Middleware of the site, beside that of the parts which have their own; the order is in `settings.MIDDLEWARE`.

`tests/portal/test_middleware.py` says why it is so.
"""

import re
from collections.abc import Callable

from csp.utils import build_policy
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware import csrf
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views.defaults import page_not_found

from keys.http import Request
from keys.middleware import ExplainApiErrors, lead_out_of_dialog, without_key
from portal import proxies
from portal.context_processors import site
from portal.observability.health import healthz, readyz

GetResponse = Callable[[Request], HttpResponse]

PARTS_OF_PAGES = ("text/css", "text/javascript", "font/")
"""Content types of files that no browser shows by themselves: a policy of their own would be so many bytes more."""


def response_headers(get_response: GetResponse) -> GetResponse:
    """Security headers that Django does not send, the policy among them, and `no-store` for all that says nothing else.

    Nobody else may embed or use what is served. Pages are about one person, and the Back button must not show a key.
    Nor may proxies rewrite a page: some do so with email addresses.
    """
    policy = build_policy()  # the same for every page, so it is put together once, not by django-csp's own middleware

    def middleware(request: Request) -> HttpResponse:
        response = get_response(request)
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        kind = response.get("Content-Type", "")
        if not kind.startswith(PARTS_OF_PAGES):
            response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
            if not (settings.DEBUG and response.status_code in {404, 500}):  # Django's own pages, with inline styles
                response["Content-Security-Policy"] = policy
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
            patch_vary_headers(response, ["Cookie", "HX-Request"])
        if kind.startswith("text/html"):
            response["Cache-Control"] += ", no-transform"
        return response

    return middleware


def screen_request(get_response: GetResponse) -> GetResponse:
    """Request screening: what is answered before anything looks at the Host header, the session or the database.

    That is a body too large, a key in the URL, and probes: these ask by address, which no list of hosts can hold. Here
    is also settled whose word about the client's address counts.
    """
    probes = {"/healthz": healthz, "/readyz": readyz}
    if settings.METRICS_TOKEN:
        from portal.observability import metrics  # which listens from then on

        probes["/metrics"] = metrics.metrics_view

    def middleware(request: Request) -> HttpResponse:
        proxies.set_client_address(request)
        proxies.set_host(request)
        early = _refuse_large_body(request) or without_key(request)
        return early or probes.get(request.path_info, get_response)(request)

    return middleware


def _refuse_large_body(request: Request) -> HttpResponse | None:
    """413 for what no form of the portal sends, before Django would spool an upload to the disk."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        page = render_to_string("413.html", site(request) | {"shell": "_shell.html"})
        return HttpResponse(page, status=413)
    return None


class CsrfViewMiddleware(csrf.CsrfViewMiddleware):
    """Send the CSRF cookie to whoever lacks it, not anew with each page: that shuts the back/forward cache."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
            has_it = request.COOKIES.get(settings.CSRF_COOKIE_NAME) == request.META["CSRF_COOKIE"]
            request.META["CSRF_COOKIE_NEEDS_UPDATE"] = not has_it
            patch_vary_headers(response, ["Cookie"])
        return super().process_response(request, response)


class ErrorPages(ExplainApiErrors):
    """Pages for failed key operations, and where Django or htmx would show none: everybody sees what customers see.

    Django answers a wrong method by nothing at all, and in debug mode what is not there by a list of addresses.
    """

    def __call__(self, request: Request) -> HttpResponse:
        response = super().__call__(request)
        if request.htmx and response.status_code == 302:
            return lead_out_of_dialog(request, response)
        if response.status_code == 405 and not response.streaming and not response.content:
            request.current_app = "keys"  # what it links to: in Django admin the name means something else
            response.content = render_to_string("405.html", request=request)
            response["Content-Type"] = "text/html; charset=utf-8"
        elif response.status_code == 404 and settings.DEBUG and b"data-error" not in response.content:
            request.current_app = "keys"
            return page_not_found(request, Http404())
        return response
