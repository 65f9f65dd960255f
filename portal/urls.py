"""Every address of the site; `/healthz` and `/readyz` are answered before it, by `portal.middleware.health`."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from portal import theme, views

# One way to sign in, with its throttles, for staff too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", views.home, name="home"),
    path("theme.css", theme.theme_css, name="theme"),
    path("keys/", include("keys.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/", admin.site.urls),
]
handler500 = "portal.views.server_error"
