"""Sign-in and sign-up forms: one flow from an address by its code, whether it has an account yet or not."""

from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.fields import PasswordField
from allauth.account.forms import LoginForm, SignupForm
from allauth.account.signals import user_signed_up
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.ratelimit import respond_429
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from keys.web.forms import keyless
from portal.accounts import sessions
from portal.models import User


class SignInForm(LoginForm):
    """Sign-in by address; whoever has set a password may give it, everyone else gets a code.

    An address without an account gets one, unproved, and the same code in the same mail: where accounts are to be had,
    nothing tells who has one already. It is undone where the mail is one too many.
    """

    user: User | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"] = PasswordField(
            label=_("Password"), required=False, autocomplete="current-password", show_reset_help=True
        )

    def clean_login(self) -> str:
        keyless(self.cleaned_data["login"])
        return cast(str, super().clean_login())

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        with transaction.atomic():
            if not self.user:
                self.user = make_account(request, self.cleaned_data["login"])
            response: HttpResponse = super().login(request, redirect_url)
        if request.user.is_authenticated:
            sessions.limit(request, request.user)  # allauth gave it a length that each change renews
        return response


class SignUpForm(SignupForm):
    """Sign-up takes an address of the operator's choice only; then it is signing in."""

    def clean_email(self) -> str:
        email = cast(str, super().clean_email())
        if not domain_is_welcome(email):
            raise get_adapter().validation_error("domain_not_welcome")
        return email

    def try_save(self, request: HttpRequest) -> tuple[None, HttpResponse]:
        signing_in = SignInForm({"login": self.cleaned_data["email"]}, request=request)
        if not signing_in.is_valid():
            raise ImmediateHttpResponse(respond_429(request))
        return None, signing_in.login(request, get_next_redirect_url(request))


def make_account(request: HttpRequest, email: str) -> User | None:
    """Make an account whose address is still to be proved; None where none is to be had, or there is one."""
    form = SignUpForm({"email": email})
    if not get_adapter().is_open_for_signup(request) or not form.is_valid() or form.account_already_exists:
        return None
    user = cast(User, form.save(request))
    user_signed_up.send(User, request=request, user=user)
    return user


def sign_in_trouble(email: str) -> str:
    """Why such an address may not lead in, told by its domain alone: nothing is said of who has an account."""
    if domain_is_welcome(email):
        return ""
    return gettext("Only addresses of certain companies can have an account here, and this isn't one of them.")


def domain_is_welcome(email: str) -> bool:
    """True if somebody with this address may make an account."""
    return not settings.SIGN_UP_DOMAINS or email.rpartition("@")[2].lower() in settings.SIGN_UP_DOMAINS
