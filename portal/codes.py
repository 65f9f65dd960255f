"""Mailed codes, wherever one is typed in: three tries, and worth nothing once the account has changed.

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
from allauth.account.internal.flows.email_verification_by_code import EMAIL_VERIFICATION_CODE_SESSION_KEY
from allauth.account.internal.flows.password_reset_by_code import PASSWORD_RESET_VERIFICATION_SESSION_KEY as RESET
from allauth.account.internal.stagekit import LOGIN_SESSION_KEY
from allauth.account.internal.userkit import str_to_user_id
from allauth.core import context
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from portal.models import User

SECONDS = 10 * 60
TRIES = 3


def tries(request: HttpRequest, asked_at: float) -> int:
    """Count one more try at the code that this browser asked for then, and say the how manieth it is."""
    which = salted_hmac("portal.codes", f"{request.session.session_key} {asked_at}", algorithm="sha256").hexdigest()
    counter = f"code:{which}"
    cache.add(counter, 0, timeout=SECONDS)
    try:
        return int(cache.incr(counter))
    except ValueError:  # forgotten between the two calls
        return 1


class _Counted:
    """What allauth keeps of a code is one object in the session, which its views change after this form."""

    def clean_code(self) -> str:
        state = self.state_in(context.request.session)
        tried = tries(context.request, state["at"])
        state["failed_attempts"] = max(state["failed_attempts"], tried - 1)
        if tried > TRIES:
            raise get_adapter().validation_error("incorrect_code")
        return str(super().clean_code())  # type: ignore[misc]

    def state_in(self, session: Any) -> dict[str, Any]:
        raise NotImplementedError


class LoginCodeForm(_Counted, ConfirmLoginCodeForm):
    def state_in(self, session: Any) -> dict[str, Any]:
        stages = session[LOGIN_SESSION_KEY]["state"]["stages"]
        return cast(dict[str, Any], stages["login_by_code"]["data"])


class ProofCodeForm(_Counted, ConfirmEmailVerificationCodeForm):
    def state_in(self, session: Any) -> dict[str, Any]:
        return cast(dict[str, Any], session[EMAIL_VERIFICATION_CODE_SESSION_KEY])


class ResetCodeForm(_Counted, ConfirmPasswordResetCodeForm):
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
    """Whether the account has changed since, or its address was taken off; then the reset is forgotten."""
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
    found = User.objects.filter(pk=str_to_user_id(state["user_id"]), emailaddress__email=state["email"])
    return found.first()
