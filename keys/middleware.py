"""Middleware of the keys app: no key in a URL, error pages for failed key operations, sign-in for whole pages.

A host project takes `KeysMiddleware`, which is all of it; middleware of the portal's own holds the parts.
"""

import contextlib
import logging
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.cache import add_never_cache_headers
from django.utils.http import escape_leading_slashes
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from keys.access import INTERRUPTED
from keys.conf import settings
from keys.errors import (
    ApiError,
    ApiRefused,
    ChangedMeanwhile,
    DoneBefore,
    NotAllowed,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    StepUpNeeded,
)
from keys.http import Request
from keys.redaction import ends_for_keys
from keys.web.portal_or_admin import in_admin, page_of, render_here

logger = logging.getLogger(__name__)

SHOWN_BY_RELOADING = (ChangedMeanwhile, ApiRefused, DoneBefore, NotFound, OutcomeUnknown)
"""Errors that the same form, sent once more, would only bring again; their advice is to look at the page."""

OF_THE_PERSON = (ChangedMeanwhile, RateLimited)
"""Errors that say all there is to know: a reference would send people to support for what they did themselves."""


def without_key(request: Request) -> HttpResponse | None:
    """Redirect of a search for a pasted key to one for its last characters: browsers and proxies keep URLs."""
    query = request.META.get("QUERY_STRING", "")
    typed = parse_qsl(query, keep_blank_values=True) if query else []
    kept = [(ends_for_keys(name), ends_for_keys(value)) for name, value in typed]
    if kept == typed or request.method not in {"GET", "HEAD"}:
        return None
    return HttpResponseRedirect(f"{escape_leading_slashes(request.path)}?{urlencode(kept)}")


class ExplainApiErrors:
    """Turn an `ApiError` from a view into an explained page, or a notice where htmx asked; or lead to step-up."""

    explains_api_errors = True
    """Said for the system checks: a project may derive its own from this."""

    def __init__(self, get_response: Callable[[Request], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: Request, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, StepUpNeeded):
            return redirect_to_step_up(request, exception)
        return error_response(request, exception) if isinstance(exception, ApiError) else None


class KeysMiddleware(ExplainApiErrors):
    """All that the app needs in a host project; after the middleware of sessions, sign-in and messages."""

    def __call__(self, request: Request) -> HttpResponse:
        if not hasattr(request, "htmx"):
            request.htmx = HtmxDetails(request)
        return without_key(request) or lead_out_of_dialog(request, super().__call__(request))


def lead_out_of_dialog(request: Request, response: HttpResponse) -> HttpResponse:
    """Login redirect for htmx: the whole page goes to sign-in when a fragment was asked for and nobody is signed in.

    Without this htmx follows the redirect and puts the sign-in page inside the dialog or the row. Whoever pressed a
    button and comes to a form that asks for an address is told why.
    """
    if not request.htmx or response.status_code != 302:
        return response
    target = response["Location"].partition("?")[0]
    if target != resolve_url(settings.LOGIN_URL):
        return response
    page = "/"
    with contextlib.suppress(ValueError):  # the browser's word, which may be no address at all
        page = request.htmx.current_url_abs_path or page
    messages.warning(request, _("You were signed out, so nothing was changed. Please sign in again."))
    return HttpResponseClientRedirect(f"{target}?{urlencode({'next': page})}")


def redirect_to_step_up(request: Request, error: StepUpNeeded) -> HttpResponse:
    """Step-up redirect of the whole page, never of a dialog; it leads back to where the action is offered again."""
    logger.info("asked for a proof: %s", error)
    request.session[INTERRUPTED] = str(error.wish)
    back = request.get_full_path() if request.method == "GET" else request.path
    match = request.resolver_match
    if match and match.url_name in {"reveal", "copy", "try"}:  # these have no form to come back to
        back = page_of(request, match.kwargs["environment"], match.kwargs["name"])
    url = f"{resolve_url(settings.KEYS_STEP_UP_URL)}?{urlencode({'next': back})}"
    return HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url, status=303)


def error_response(request: Request, error: ApiError) -> HttpResponse:
    """Error page: what happened, whether anything changed, what to do next, and a reference that is in the log."""
    logger.warning("answered %s: %s: %s", error.status, type(error).__name__, error)
    if isinstance(error, NotFound) and not request.htmx and not in_admin(request):
        # What is not this person's looks the same as an address that does not exist.
        return page_not_found(request, error)
    context = {
        "title": error.title,
        "text": error.text,
        "changed": error.changed if request.method == "POST" else "",
        "advice": "" if error.retry_after else error.advice,
        "retry_after": error.retry_after,
        "may_reload": isinstance(error, SHOWN_BY_RELOADING),
        "may_pass": not isinstance(error, NotAllowed),
        "reference": "" if isinstance(error, OF_THE_PERSON) else getattr(request, "reference", ""),
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
    }
    if in_admin(request):
        context |= _where(request, error)
    if request.htmx:
        response = render(request, "keys/_error.html", context, status=error.status)
    else:
        response = render_here(request, "keys/error.html", context, status=error.status)
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    add_never_cache_headers(response)
    return response


def _where(request: Request, error: ApiError) -> dict[str, str]:
    """The environment and the consumer that a page of Django admin was about, for the way back to them."""
    parts = request.resolver_match.kwargs if request.resolver_match else {}
    environment, name = parts.get("environment", ""), parts.get("name", "")
    if environment not in settings.ZUPLO_BUCKETS:
        return {}
    if not name or isinstance(error, NotFound):
        return {"environment": environment}
    return {"environment": environment, "name": name, "back": page_of(request, environment, name)}
