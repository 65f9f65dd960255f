"""Views that are not about keys: home, and the last resorts."""

import functools
import logging
import mimetypes
import re
from collections.abc import Callable

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views import csrf, defaults
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from keys.http import Request
from keys.zuplo import circuit_breaker
from portal.context_processors import site

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponse]


def for_visitors(view: View) -> View:
    """View decorator: a page for anybody is compressed, and the back/forward cache may keep it.

    Whoever has no session yet is shown nothing personal, and no secret that a compressed answer's length could tell:
    Django masks the token of a form anew each time. All others get `no-store`, see `response_headers`.
    """
    compressed = gzip_page(view)

    @functools.wraps(view)
    def answered(request: HttpRequest) -> HttpResponse:
        if request.method not in {"GET", "HEAD"} or settings.SESSION_COOKIE_NAME in request.COOKIES:
            return view(request)
        response = compressed(request)
        if response.status_code == 200 and not request.session.modified:
            response["Cache-Control"] = "private, no-cache"
            patch_vary_headers(response, ["Cookie", "HX-Request"])
        return response

    return answered


@for_visitors
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", {"service": circuit_breaker.state()})


@require_safe
def file_of_another_version(request: HttpRequest, name: str) -> FileResponse:
    """Static file that a page of the version before or after this one names, as this version has it.

    While a new version is rolled out, a page comes from one machine and its files from another, which knows the same
    file by another digest. WhiteNoise serves what is known here; nothing else is kept in any cache.
    """
    found = re.fullmatch(r"(.+)\.[0-9a-f]{12}(\.[a-z0-9]+)", name)
    stored = getattr(staticfiles_storage, "hashed_files", {}).get(found[1] + found[2]) if found else None
    if not stored:
        raise Http404
    kind = mimetypes.guess_type(stored)[0] or "application/octet-stream"
    answer = FileResponse(staticfiles_storage.open(stored), content_type=kind)
    answer["Cache-Control"] = "no-store"
    return answer


def _in_the_portal(request: Request) -> None:
    """Namespace of what an error page links to: also at an address of Django admin, where `keys` means its own."""
    request.current_app = "keys"


def not_found(request: Request, exception: Exception) -> HttpResponse:
    _in_the_portal(request)
    return defaults.page_not_found(request, exception)


def permission_denied(request: Request, exception: Exception) -> HttpResponse:
    _in_the_portal(request)
    return defaults.permission_denied(request, exception)


def csrf_failure(request: Request, reason: str = "") -> HttpResponse:
    _in_the_portal(request)
    return csrf.csrf_failure(request, reason)


def bad_request(request: Request, exception: Exception) -> HttpResponse:
    """400 page, for whoever is there, if the request came as far as that."""
    return _failure(request, "400.html", 400, knows_who=hasattr(request, "user"))


def server_error(request: Request) -> HttpResponse:
    """500 page for what nobody foresaw; it asks neither session nor database, which may be the trouble."""
    is_visitor = settings.SESSION_COOKIE_NAME not in request.COOKIES
    knows_who = hasattr(request, "user") and (is_visitor or request.signed_in is not None)
    return _failure(request, "500.html", 500, knows_who=knows_who)


def _failure(request: Request, template: str, status: int, *, knows_who: bool) -> HttpResponse:
    """The page with the frame of the site; without account if that is not known, or the frame fails; then plain."""
    _in_the_portal(request)
    for shell in ("base.html", "_shell.html") if knows_who else ("_shell.html",):
        try:
            # A request gives the template all that pages have, some of it by a look at the session.
            whole = request if shell == "base.html" else None
            context = {"shell": shell} if whole else site(request) | {"shell": shell, "request": request}
            return HttpResponse(render_to_string(template, context, whole), status=status)
        except Exception:  # there must be an answer
            logger.exception("The error page itself failed.")
    words = f"Something went wrong. Reference: {request.reference}\n"
    return HttpResponse(words, status=status, content_type="text/plain")
