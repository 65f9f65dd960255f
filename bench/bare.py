"""Baseline: a bare page behind a sign-in, to compare the keys page with, alone and with a call of the Developer API.

Run with bench.bare_settings.
"""

from functools import cache

import requests
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from sandbox import ACCOUNT, BUCKET


@login_required
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "bare.html")


@login_required
def page_with_call(request: HttpRequest) -> HttpResponse:
    """The least that any page about somebody's keys can do: the list is asked for, and not even read."""
    bucket = f"{settings.ZUPLO_API_URL}/v1/accounts/{ACCOUNT}/key-buckets/{BUCKET}"
    wish = {"manager-email": request.user.get_username(), "include-api-keys": "true", "key-format": "masked"}
    headers = {"Authorization": f"Bearer {settings.ZUPLO_API_KEY}"}
    _session().get(f"{bucket}/consumers", params=wish, headers=headers, timeout=10).raise_for_status()
    return page(request)


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # to look for proxies in the environment takes as long as the rest
    return session


def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n")


urlpatterns = [path("", page), path("call", page_with_call), path("healthz", alive)]
application = get_wsgi_application()
