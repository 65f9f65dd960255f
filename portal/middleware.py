"""Middleware of the site, in the order in which `settings.MIDDLEWARE` names it."""

import contextlib
import ipaddress
import re
import uuid
from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found
from django_htmx.http import HttpResponseClientRedirect

from keys.redaction import fetched_keys
from keys.zuplo import call_stats
from portal.context_processors import site
from portal.observability import metrics
from portal.observability.health import healthz, readyz

GetResponse = Callable[[HttpRequest], HttpResponse]


def reference(get_response: GetResponse) -> GetResponse:
    """Correlation id: it stands in the request's log lines, on its error pages and in `X-Request-ID`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.reference = uuid.uuid4().hex[:12]  # type: ignore[attr-defined]
        token = call_stats.current.set(call_stats.CallStats(request.reference))  # type: ignore[attr-defined]
        keys = fetched_keys.set(set())
        try:
            response = get_response(request)
        finally:
            fetched_keys.reset(keys)
            call_stats.current.reset(token)
        response["X-Request-ID"] = request.reference  # type: ignore[attr-defined]
        return response

    return middleware


def client_address(get_response: GetResponse) -> GetResponse:
    """Trusted proxies: make REMOTE_ADDR the client's address, which only the operator's own proxies know.

    Each proxy adds the address that it sees at the end of X-Forwarded-For; what stands before is hearsay.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        proxies = settings.TRUSTED_PROXY_COUNT
        told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if proxies and len(told) >= proxies:
            with contextlib.suppress(ValueError):
                request.META["REMOTE_ADDR"] = str(ipaddress.ip_address(told[-proxies].strip()))
        return get_response(request)

    return middleware


def headers(get_response: GetResponse) -> GetResponse:
    """Security headers that neither Django nor the policy sends: nobody else may embed or use what is served."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        return response

    return middleware


def health(get_response: GetResponse) -> GetResponse:
    """Health checks: answer probes before anything looks at the Host header, the session or the database.

    Probes ask by address, which no list of hosts can hold; nothing in the answers depends on the name.
    """
    answers = {"/healthz": healthz, "/readyz": readyz}
    if settings.METRICS_TOKEN:
        answers[metrics.PATH] = metrics.metrics_view

    def middleware(request: HttpRequest) -> HttpResponse:
        return answers.get(request.path_info, get_response)(request)

    return middleware


def nothing_is_stored(get_response: GetResponse) -> GetResponse:
    """Cache-Control: no-store, as pages are about one person, and the Back button must not show a key.

    A view that knows better says so itself.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
            patch_vary_headers(response, ["Cookie", "HX-Request"])
        return response

    return middleware


def small_bodies_only(get_response: GetResponse) -> GetResponse:
    """Body size limit: refuse what no form of the portal sends, before Django would spool an upload to the disk."""

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return HttpResponse(render_to_string("413.html", site(request)), status=413)
        return get_response(request)

    return middleware


def own_pages(get_response: GetResponse) -> GetResponse:
    """Error pages where Django has none, so that everybody sees what customers see.

    It answers a wrong method by nothing at all, and in debug mode what is not there by a list of addresses.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 405 and not response.streaming and not response.content:
            response.content = render_to_string("405.html", request=request)
            response["Content-Type"] = "text/html; charset=utf-8"
        elif response.status_code == 404 and settings.DEBUG and b"data-error" not in response.content:
            return page_not_found(request, Http404())
        return response

    return middleware


def sign_in_leaves_the_dialog(get_response: GetResponse) -> GetResponse:
    """Login redirect for htmx: the whole page goes to sign-in when a fragment was asked for and nobody is signed in.

    Without this htmx follows the redirect and puts the sign-in page inside the dialog or the row. Whoever pressed a
    button and comes to a form that asks for an address is told why.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.htmx and response.status_code == 302:  # type: ignore[attr-defined]
            target = response["Location"].partition("?")[0]
            if target == resolve_url(settings.LOGIN_URL):
                page = "/"
                with contextlib.suppress(ValueError):  # the browser's word, which may be no address at all
                    page = request.htmx.current_url_abs_path or page  # type: ignore[attr-defined]
                messages.warning(request, _("You were signed out, so nothing was changed. Please sign in again."))
                return HttpResponseClientRedirect(f"{target}?{urlencode({'next': page})}")
        return response

    return middleware
