"""Step-up middleware: before a view is called, what must have been proved for it, and whether it is open at all."""

import logging
from collections.abc import Callable
from typing import cast

from allauth.socialaccount.adapter import get_adapter as get_social_adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import ResolverMatch, reverse
from django.utils.translation import gettext as _

from keys.access import INTERRUPTED
from portal.accounts import company_domains, email_codes, mfa, sso, sso_refusals, step_up
from portal.accounts.oidc.refusals import SignInRefused

logger = logging.getLogger(__name__)

GET_AND_POST, POST = ("GET", "HEAD", "POST"), ("POST",)

PROVED = {
    "account_change_password": POST,
    "account_set_password": POST,
    "account_email": POST,
    "account_email_verification_sent": POST,
    "remove_address": GET_AND_POST,
    "account_delete": POST,
    "mfa_activate_totp": GET_AND_POST,
    "mfa_deactivate_totp": GET_AND_POST,
    "mfa_add_webauthn": GET_AND_POST,
    "mfa_edit_webauthn": POST,
    "mfa_remove_webauthn": POST,
    "mfa_generate_recovery_codes": POST,
    "mfa_view_recovery_codes": GET_AND_POST,
    "mfa_download_recovery_codes": GET_AND_POST,
    "socialaccount_connections": POST,
}
"""Views that need a step-up of a few minutes ago: changes to the account, and what shows its secrets."""

WHILE_SIGNING_UP = "account_email_verification_sent"
"""The view among these that is not only for people who are signed in."""

LOCAL = {
    "account_signup",
    "account_confirm_login_code",
    "account_reset_password",
    "account_confirm_password_reset_code",
    "account_complete_password_reset",
    "account_change_password",
    "account_set_password",
    "mfa_login_webauthn",
}
"""Local sign-in views, closed where people sign in by a provider only."""

ASKING_FOR = {
    "account_login": "login",
    "account_signup": "email",
    "account_reset_password": "email",
}
"""Forms that ask who somebody is, each with the field that says it."""

RESET_STEPS = {"account_confirm_password_reset_code", "account_complete_password_reset"}
PROVIDERS = sso.LOGINS | {name.replace("_login", "_callback") for name in sso.LOGINS}
GetResponse = Callable[[HttpRequest], HttpResponse]


class RequireStepUp:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return sso.redirect_by_page(request, self.get_response(request))

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponse | None:
        match = cast(ResolverMatch, request.resolver_match)
        name = match.url_name or ""
        if match.route.startswith("admin/"):
            return self._admin(request)
        if match.route.startswith("accounts/") and request.method not in GET_AND_POST:
            return HttpResponseNotAllowed(GET_AND_POST)  # Django's own views would take PUT for POST
        if name in RESET_STEPS and email_codes.reset_has_ended(request):
            messages.error(request, _("Your account has changed since you started. Start again."))
            return redirect("account_reset_password")
        if name in PROVIDERS or name == "google_login_by_token":
            return self._provider(request, name)
        if not settings.LOCAL_SIGN_IN and self._is_local(request, name):
            return redirect("account_login")
        if (field := ASKING_FOR.get(name)) and (provider := company_domains.provider_for(request.POST.get(field, ""))):
            return company_domains.redirect_to_provider(request, provider)
        if name in PROVED and name != WHILE_SIGNING_UP and not request.user.is_authenticated:
            return redirect_to_login(request.path)  # allauth would keep what was sent, and do it after a proof
        if request.method in PROVED.get(name, ()):
            return self._proof(request, request.path)
        return None

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        """502 page: a provider that is down, or answers nonsense, is not a failure of the portal."""
        match = request.resolver_match
        if match is None or match.url_name not in PROVIDERS or isinstance(problem, DatabaseError):
            return None
        if not isinstance(problem, SignInRefused):
            logger.error("Signing in by a provider failed: %r", problem, exc_info=problem)
            problem = SignInRefused("answer", "malformed", type(problem).__name__)
        name = match.kwargs.get("provider_id") or match.url_name.partition("_")[0]
        provider = get_social_adapter(request).get_provider(request, name)
        return sso_refusals.page(request, provider.sub_id, provider.name, problem, status=502)

    def _admin(self, request: HttpRequest) -> HttpResponse | None:
        if request.user.is_authenticated and mfa.must_set_up_second_factor(request.user):
            messages.warning(request, _("Staff need a second factor. Add a passkey or an authenticator app."))
            return redirect("mfa_index")
        return None

    def _provider(self, request: HttpRequest, name: str) -> HttpResponse | None:
        """Providers that the operator has set up; to connect one is a change to the account."""
        provider = name.removesuffix("_login").removesuffix("_callback")
        if provider not in settings.SOCIALACCOUNT_PROVIDERS:
            raise Http404
        if name.endswith("_login") and "connect" in (request.GET.get("process"), request.POST.get("process")):
            return self._proof(request, reverse("socialaccount_connections"))
        return None

    def _is_local(self, request: HttpRequest, name: str) -> bool:
        if name == "account_confirm_login_code" and company_domains.PENDING in request.session:
            return False  # the proof of an account that a provider is to be joined with
        return name in LOCAL or (name == "account_login" and request.method == "POST")

    def _proof(self, request: HttpRequest, back: str) -> HttpResponse | None:
        """Redirect to step-up, if the last proof was too long ago. Whoever is not signed in is not concerned."""
        minutes = min(step_up.ACCOUNT_MINUTES, settings.STEP_UP_MINUTES)
        if not request.user.is_authenticated or step_up.is_proved(request, minutes):
            return None
        request.session.pop(INTERRUPTED, None)  # an older wish, which this proof is not for
        return redirect(step_up.url_for(back))
