"""Views that are not about keys: home, and the last resort."""

import logging
import mimetypes
import re

from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from keys.http import Request
from keys.zuplo import circuit_breaker
from portal.context_processors import site

logger = logging.getLogger(__name__)


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


def server_error(request: Request) -> HttpResponse:
    """500 page for what nobody foresaw; it asks neither session nor database, which may be the trouble."""
    try:
        page = render_to_string("500.html", site(request))
    except Exception:  # there must be an answer
        logger.exception("The error page itself failed.")
        return HttpResponse(
            f"Something went wrong. Reference: {request.reference}\n", status=500, content_type="text/plain"
        )
    return HttpResponse(page, status=500)
