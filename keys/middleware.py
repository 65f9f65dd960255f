"""Middleware of the keys app: no key in a URL, error pages for failed key operations, sign-in for whole pages.

A host project takes `KeysMiddleware`, which is all of it; middleware of the portal's own holds the parts.
"""

import contextlib
import logging
import re
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
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
    StepUpNeeded,
)
from keys.http import Request
from keys.redaction import ends_for_keys
from keys.web.answers import finish_copy_later
from keys.web.listing import page_at, place_of
from keys.web.portal_or_admin import ADMIN, in_admin, page_of, render_here

logger = logging.getLogger(__name__)

SHOWN_BY_RELOADING = (ChangedMeanwhile, ApiRefused, DoneBefore, NotFound, OutcomeUnknown)
"""Errors that the same form, sent once more, would only bring again; their advice is to look at the page."""

COPIES = {"copy": "key", "copy_request": "request"}
"""Names of the addresses that answer with a key to be copied, each with what is copied unless a form is named."""

TRIES_COOKIE = "tries"
WAITS = (5, 10, 20, 40, 60)
"""Seconds after which a page tries again by itself: ever longer, then each minute."""
TRIES_AT_MOST = 20
"""After these the page stays, as nobody seems to look: each try would keep the session alive."""


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
    messages.warning(request, _("You've been signed out. Nothing was changed. Please sign in again."))
    return HttpResponseClientRedirect(f"{target}?{urlencode({'next': page})}")


def redirect_to_step_up(request: Request, error: StepUpNeeded) -> HttpResponse:
    """Step-up redirect of the whole page, never of a dialog; it leads back to where the action is offered again."""
    logger.info("asked for a proof: %s", error)
    request.session[INTERRUPTED] = str(error.wish)
    back = request.get_full_path() if request.method == "GET" else request.path + place_of(request).query
    match = request.resolver_match
    if match and match.url_name == "keep" and request.POST.get("grace") == "now":
        back += ("&" if "?" in back else "?") + "grace=now"
    if match and match.url_name in {"reveal", "try", *COPIES}:  # these have no form to come back to, but a row
        name, key_id = match.kwargs["name"], match.kwargs["key_id"]
        back = page_at(request, match.kwargs["environment"], name).replace(f"#consumer-{name}", f"#key-{key_id}")
        is_copy = match.url_name in COPIES and not in_admin(request)
        if is_copy or request.POST.get("from") == "key":
            back = reverse("keys:key", kwargs=match.kwargs, current_app=ADMIN if in_admin(request) else None)
        if is_copy:
            finish_copy_later(request, back, request.POST.get("form") or COPIES[match.url_name])
    url = f"{resolve_url(settings.KEYS_STEP_UP_URL)}?{urlencode({'next': back})}"
    return HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url, status=303)


def error_response(request: Request, error: ApiError) -> HttpResponse:
    """Error page: what happened, whether anything changed, what to do next, and a reference that is in the log."""
    logger.warning("answered %s: %s: %s", error.status, type(error).__name__, error)
    if isinstance(error, NotFound) and not request.htmx and not in_admin(request):
        # What is not this person's looks the same as an address that does not exist.
        return page_not_found(request, error)
    tries_again = _seconds_to_next_try(request, error)
    context = {
        "is_error": True,
        "title": error.title,
        "text": error.text,
        "changed": error.changed if request.method == "POST" else "",
        "advice": "" if error.retry_after or tries_again else error.advice,
        "retry_after": error.retry_after,
        "tries_again": tries_again,
        "may_reload": isinstance(error, SHOWN_BY_RELOADING),
        "may_pass": not isinstance(error, NotAllowed),
        "reference": getattr(request, "reference", "") if error.is_for_support else "",
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
    if tries_again:
        _try_again(request, response, tries_again)
    add_never_cache_headers(response)
    return response


def _seconds_to_next_try(request: Request, error: ApiError) -> int:
    """Back-off: in how many seconds the page tries again by itself; 0 where it does not.

    Only one that was asked for, so that nothing is sent twice; not in Django admin, where a page may be a long search.
    """
    tried = _tries(request)
    if request.method != "GET" or request.htmx or in_admin(request):
        return 0
    if not error.passes_by_itself or tried >= TRIES_AT_MOST:
        return 0
    return max(WAITS[min(tried, len(WAITS) - 1)], error.retry_after or 0)


def _tries(request: Request) -> int:
    counted = request.COOKIES.get(TRIES_COOKIE, "")
    return int(counted) if re.fullmatch(r"[0-9]{1,2}", counted) else 0


def _try_again(request: Request, response: HttpResponse, seconds: int) -> None:
    """By a header, which needs no script; the count is the browser's, and forgotten soon after the last try."""
    response["Refresh"] = str(seconds)
    response.set_cookie(
        TRIES_COOKIE,
        str(_tries(request) + 1),
        max_age=2 * seconds + WAITS[-1],
        path=request.path,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def _where(request: Request, error: ApiError) -> dict[str, str]:
    """The environment and the consumer that a page of Django admin was about, for the way back to them."""
    parts = request.resolver_match.kwargs if request.resolver_match else {}
    environment, name = parts.get("environment", ""), parts.get("name", "")
    if environment not in settings.ZUPLO_BUCKETS:
        return {}
    if not name or isinstance(error, NotFound):
        return {"environment": environment}
    return {"environment": environment, "name": name, "back": page_of(request, environment, name)}
