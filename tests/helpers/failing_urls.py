"""The portal's addresses, those that fail as nobody foresaw, and one that nobody may open."""

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from keys.redaction import remember_fetched
from portal.urls import handler400, handler403, handler404, handler500
from portal.urls import urlpatterns as portal_urls

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def fail(request: HttpRequest) -> HttpResponse:
    key = "zpka_" + "ab" * 16 + "_" + "12" * 4
    raise RuntimeError(f"Odd thing {key}\n2026-01-01 00:00:00,000 INFO forged\x1b[31m")


def fail_knowing_who(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"Odd thing of {request.user}")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


@csrf_exempt
def fail_with_secrets(request: HttpRequest) -> HttpResponse:
    key, token, own = request.POST["key"], settings.ZUPLO_API_KEY, request.POST["own"]
    remember_fetched(own)
    raise RuntimeError(f"{key} {token} {own} Key (email)=({request.GET['manager-email']}) already exists.")


urlpatterns = [
    path("fail", fail),
    path("fail-with-secrets", fail_with_secrets),
    path("fail-knowing-who", fail_knowing_who),
    path("forbidden", forbidden),
    *portal_urls,
]
