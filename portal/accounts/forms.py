"""Sign-in and sign-up forms: an address is enough."""

from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.fields import PasswordField
from allauth.account.forms import LoginForm, RequestLoginCodeForm, SignupForm
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from keys.web.forms import keyless
from portal.accounts import sessions


class SignInForm(LoginForm):
    """Sign-in by address; whoever has set a password may give it, everyone else gets a code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"] = PasswordField(
            label=_("Password"), required=False, autocomplete="current-password", show_reset_help=True
        )

    def clean_login(self) -> str:
        keyless(self.cleaned_data["login"])
        return cast(str, super().clean_login())

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        response: HttpResponse = super().login(request, redirect_url)
        if request.user.is_authenticated:
            sessions.limit(request, request.user)  # allauth gave it a length that each change renews
        return response


class CodeRequestForm(RequestLoginCodeForm):
    """Asks for a mailed code."""

    def clean_email(self) -> str:
        keyless(self.cleaned_data["email"])
        return cast(str, super().clean_email())


class SignUpForm(SignupForm):
    """Takes an address of the operator's choice only."""

    def clean_email(self) -> str:
        email = cast(str, super().clean_email())
        if not domain_is_welcome(email):
            raise get_adapter().validation_error("domain_not_welcome")
        return email


def domain_is_welcome(email: str) -> bool:
    """True if somebody with this address may make an account."""
    return not settings.SIGN_UP_DOMAINS or email.rpartition("@")[2].lower() in settings.SIGN_UP_DOMAINS
