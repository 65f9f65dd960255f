"""Views that are not about keys: home, and the last resort."""

import logging

from django.http import HttpRequest, HttpResponse
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
