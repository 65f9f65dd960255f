"""The addresses that providers know the portal by: allauth's own, so that nobody has to register them anew."""

from django.urls import path

from portal.accounts.oidc import views

urlpatterns = [
    path("oidc/<slug:provider_id>/login/", views.login, name="openid_connect_login"),
    path("oidc/<slug:provider_id>/login/callback/", views.callback, name="openid_connect_callback"),
]
