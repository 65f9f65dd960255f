"""One-time codes by mail: three attempts each, and worth nothing once the account has changed.

allauth counts wrong tries in the session, where those of one moment do not see each other. Here each try is counted
in the shared cache before the code is looked at, and the session is told the true number.
"""

from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.forms import (
    ConfirmEmailVerificationCodeForm,
    ConfirmLoginCodeForm,
    ConfirmPasswordResetCodeForm,
    ResetPasswordForm,
)
from allauth.core import context
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from keys import counter
from portal.models import User

SECONDS = 10 * 60
TRIES = 3
LOGIN, PROOF, RESET = "account_login", "account_email_verification_code", "account_password_reset_verification"
"""Session keys of allauth, each with the state of what was asked for."""


def count_attempt(request: HttpRequest, asked_at: float) -> int:
    """Count this attempt at the code that the browser asked for then, and return how many there have been."""
    which = salted_hmac("portal.codes", f"{request.session.session_key} {asked_at}", algorithm="sha256").hexdigest()
    return counter.count(f"code:{which}", SECONDS)


class _CountsAttempts:
    """Form mixin that counts attempts. allauth's state in the session is one object, which its views change later."""

    def clean_code(self) -> str:
        state = self.state_in(context.request.session)
        tried = count_attempt(context.request, state["at"])
        state["failed_attempts"] = max(state["failed_attempts"], tried - 1)
        if tried > TRIES:
            raise get_adapter().validation_error("incorrect_code")
        return str(super().clean_code())  # type: ignore[misc]

    def state_in(self, session: Any) -> dict[str, Any]:
        raise NotImplementedError


class LoginCodeForm(_CountsAttempts, ConfirmLoginCodeForm):
    def state_in(self, session: Any) -> dict[str, Any]:
        stages = session[LOGIN]["state"]["stages"]
        return cast(dict[str, Any], stages["login_by_code"]["data"])

    def clean_code(self) -> str:
        code = super().clean_code()
        if not User.objects.filter(pk=self.state_in(context.request.session)["user_id"]).exists():
            raise get_adapter().validation_error("incorrect_code")  # deleted since, or made anew for an admin
        return code


class ProofCodeForm(_CountsAttempts, ConfirmEmailVerificationCodeForm):
    def state_in(self, session: Any) -> dict[str, Any]:
        return cast(dict[str, Any], session[PROOF])


class ResetCodeForm(_CountsAttempts, ConfirmPasswordResetCodeForm):
    def state_in(self, session: Any) -> dict[str, Any]:
        return cast(dict[str, Any], session[RESET])


# A reset that is under way


class ResetForm(ResetPasswordForm):
    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email = str(super().save(request, **kwargs))
        bind_reset(request)
        return email


def bind_reset(request: HttpRequest) -> None:
    """Tie the reset that this browser has begun to the account as it is now: whatever ends sessions ends it too."""
    if user := _user_of_reset(request):
        request.session[RESET] = request.session[RESET] | {"account": user.get_session_auth_hash()}


def reset_has_ended(request: HttpRequest) -> bool:
    """True if the account has changed since, or its address was taken off; then the reset is forgotten."""
    state = request.session.get(RESET) or {}
    if "user_id" not in state:
        return False
    user = _user_of_reset(request)
    if user and constant_time_compare(state.get("account", ""), user.get_session_auth_hash()):
        return False
    del request.session[RESET]
    return True


def _user_of_reset(request: HttpRequest) -> User | None:
    state = request.session.get(RESET) or {}
    if "user_id" not in state:
        return None
    found = User.objects.filter(pk=state["user_id"], emailaddress__email=state["email"])
    return found.first()
