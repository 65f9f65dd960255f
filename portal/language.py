"""The language of the pages: the browser's, until somebody chooses another one."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

A_YEAR = 60 * 60 * 24 * 365


# Without a token: one would set a cookie for every visitor, and make each "not found" page another one. All that
# another site can do here is change the language.
@csrf_exempt
@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Remember the language in a cookie, and go back to the page on which it was chosen."""
    response = HttpResponseRedirect(_back(request), status=303)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=A_YEAR,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def _back(request: HttpRequest) -> str:
    page = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return page
    return reverse("home")
