"""A bare page behind a sign-in, which the keys page is compared with. Run with bench.bare_settings."""

from django.contrib.auth.decorators import login_required
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path


@login_required
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "bare.html")


def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n")


urlpatterns = [path("", page), path("healthz", alive)]
application = get_wsgi_application()
