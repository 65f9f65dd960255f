"""The portal's addresses, one that fails as nobody foresaw, and one that nobody may open."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal.urls import handler500
from portal.urls import urlpatterns as portal_urls

__all__ = ["handler500", "urlpatterns"]


def fail(request: HttpRequest) -> HttpResponse:
    key = "zpka_" + "ab" * 16 + "_" + "12" * 4
    raise RuntimeError(f"Odd thing {key}\n2026-01-01 00:00:00,000 INFO forged\x1b[31m")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


urlpatterns = [path("fail", fail), path("forbidden", forbidden), *portal_urls]
