"""The way to an OpenID Connect provider and back: allauth's views, with the portal's adapter."""

from typing import cast

from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.http import Http404, HttpRequest, HttpResponse

from portal.accounts.oidc.adapter import OpenIDConnectAdapter


def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _by(OAuth2LoginView, request, provider_id)


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _by(OAuth2CallbackView, request, provider_id)


def _by(view: type[OAuth2LoginView | OAuth2CallbackView], request: HttpRequest, provider_id: str) -> HttpResponse:
    try:
        return cast(HttpResponse, view.adapter_view(OpenIDConnectAdapter(request, provider_id))(request))
    except SocialApp.DoesNotExist as problem:
        raise Http404 from problem
