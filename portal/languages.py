"""Language preference: the browser's, until somebody chooses another one. Mails follow the last one used."""

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import user_logged_in
from django.conf import settings
from django.db.models import CharField
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from keys.http import Request
from keys.prepared import Blank, Prepared
from keys.web.time_zones import time_zone_of
from portal.models import User

A_YEAR = 60 * 60 * 24 * 365


# Without a token: one would set a cookie for every visitor, and make each "not found" page another one. All that
# another site can do here is change the language.
@csrf_exempt
@require_POST
def choose(request: Request) -> HttpResponse:
    """Set the language cookie, and go back to the page on which it was chosen."""
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
        at_the_keyboard: Any = request.colleague or request.user  # support speaks its own language
        User.objects.filter(pk=at_the_keyboard.pk).update(language=language)
    return response


def _back(request: HttpRequest) -> str:
    page = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return page
    return reverse("home")


@receiver(user_logged_in)
def remember(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    """Store language and time zone of the person, for mails that somebody else brings about."""
    now = {"language": get_language() or "", "time_zone": str(time_zone_of(request))}
    User.objects.filter(pk=user.pk).exclude(**now).update(**now)


def spoken_by(addresses: Iterable[str]) -> dict[str, str]:
    """The languages of those of these addresses that somebody has signed in with."""
    return {email: language for email, language, _zone in _known(addresses) if language}


def time_zones_of(addresses: Iterable[str]) -> dict[str, str]:
    """The time zones of those of these addresses that somebody has signed in with."""
    return {email: zone for email, _language, zone in _known(addresses) if zone}


def _known(addresses: Iterable[str]) -> list[list[str]]:
    lowered = [address.lower() for address in addresses]
    return _HOLDERS.rows(lowered) if lowered else []


_HOLDERS = Prepared(
    lambda names: EmailAddress.objects.filter(
        email__in=[Blank(name, CharField()) for name in names], verified=True
    ).values_list("email", "user__language", "user__time_zone")
)
