"""URL routes of the site; `/healthz` and `/readyz` are answered before it, by `portal.middleware.screen_request`."""

from allauth.account import views as allauth
from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from portal import languages, styleguide
from portal import views as portal_views
from portal.accounts import email_codes, step_up, views
from portal.branding import accent, icon
from portal.support.views import stop

# One way to sign in, with its throttles, for staff too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", portal_views.home, name="home"),
    path("keys/", include("keys.urls")),
    path("language/", languages.choose, name="language"),
    path("theme.css", accent.theme_css, name="theme"),
    path("support/stop/", stop, name="support_stop"),
    path("icon.svg", icon.icon_svg, name="icon"),
    path("static/<path:name>", portal_views.file_of_another_version),
    path("styleguide/", styleguide.page, name="styleguide"),
    path("plans/", include("plans.urls")),
    path("accounts/step-up/", step_up.ask, name="step_up"),
    path("accounts/step-up/code/", step_up.by_code, name="step_up_code"),
    # Under allauth's names and addresses, before allauth.
    path("accounts/login/", portal_views.for_visitors(views.keeping_next(allauth.login)), name="account_login"),
    path(
        "accounts/login/code/confirm/",
        views.keeping_next(email_codes.for_code(email_codes.LOGIN)(allauth.confirm_login_code)),
        name="account_confirm_login_code",
    ),
    path(
        "accounts/login/code/",
        RedirectView.as_view(pattern_name="account_login", query_string=True),
        name="account_request_login_code",
    ),
    path(
        "accounts/signup/",
        portal_views.for_visitors(views.keeping_next(allauth.signup)),
        name="account_signup",
    ),
    path(
        "accounts/confirm-email/",
        email_codes.for_code(email_codes.PROOF)(allauth.email_verification_sent),
        name="account_email_verification_sent",
    ),
    path(
        "accounts/password/reset/confirm/",
        email_codes.for_code(email_codes.RESET)(allauth.confirm_password_reset_code),
        name="account_confirm_password_reset_code",
    ),
    path("accounts/2fa/webauthn/", RedirectView.as_view(pattern_name="mfa_index"), name="mfa_list_webauthn"),
    path("accounts/2fa/webauthn/add/", views.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path("accounts/mails/<str:token>/", views.more_mails, name="more_mails"),
    path("accounts/sessions/", views.devices, name="usersessions_list"),
    path("accounts/sessions/<int:pk>/end/", views.end_device, name="end_device"),
    path("accounts/email/<int:pk>/remove/", views.remove_address, name="remove_address"),
    path("accounts/3rdparty/", views.connections, name="socialaccount_connections"),
    path("accounts/delete/", views.delete, name="account_delete"),
    path("accounts/", include("allauth.urls")),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/keys/", include("keys.staff.urls", namespace="service")),
    path("admin/", admin.site.urls),
]
handler400 = "portal.views.bad_request"
handler403 = "portal.views.permission_denied"
handler404 = "portal.views.not_found"
handler500 = "portal.views.server_error"
