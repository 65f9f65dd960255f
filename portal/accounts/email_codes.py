"""One-time codes by mail: three attempts each, ten minutes, and worth nothing once the account has changed.

allauth counts wrong tries in the session, where those of one moment do not see each other. Here each try is counted
in the shared cache before the code is looked at, and the session is told the true number. After the last one, or too
late, allauth leads back to the beginning without a word; here a page offers a new code. And one that is sent anew has
its own time and tries, where allauth gives it what is left of the first one's.
"""

import functools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.forms import (
    ConfirmEmailVerificationCodeForm,
    ConfirmLoginCodeForm,
    ConfirmPasswordResetCodeForm,
    ResetPasswordForm,
)
from allauth.account.utils import get_next_redirect_url
from allauth.core import context
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from keys import counter
from keys.times import clock
from keys.web.time_zones import time_zone_of
from portal.models import User

MINUTES = 10
SECONDS = MINUTES * 60
TRIES = 3
LOGIN, PROOF, RESET = "account_login", "account_email_verification_code", "account_password_reset_verification"
"""Session keys of allauth, each with the state of what was asked for."""


def count_attempt(request: HttpRequest, asked_at: float) -> int:
    """Count this attempt at the code that the browser asked for then, and return how many there have been."""
    which = salted_hmac("portal.codes", f"{request.session.session_key} {asked_at}", algorithm="sha256").hexdigest()
    return counter.count(f"code:{which}", SECONDS)


def is_over(state: dict[str, Any]) -> bool:
    return bool(time.time() - state["at"] > SECONDS)


def wrong_code(tried: int, *, is_newer: bool) -> ValidationError:
    """Form error of a wrong code: whether an older one may have been meant, and how many tries are left."""
    words = [_("That code isn't right.")]
    if is_newer:
        words.append(_("Only the newest one works."))
    if (left := TRIES - tried) > 0:
        words.append(ngettext("You have %(left)s try left.", "You have %(left)s tries left.", left) % {"left": left})
    return ValidationError(" ".join(words), code="incorrect_code")


class Entry:
    """Context of the page of a code: until when it works, and whether it took the place of another."""

    minutes = MINUTES

    def __init__(self, request: HttpRequest, state: dict[str, Any]) -> None:
        self.is_newer = bool(state.get("resend_count"))
        with timezone.override(time_zone_of(request)):
            self.until = clock(datetime.fromtimestamp(state["at"] + SECONDS, UTC))


class _CountsAttempts:
    """Form mixin that counts attempts. allauth's state in the session is one object, which its views change later."""

    key: str

    def clean_code(self) -> str:
        state = self._state
        # The greater of both: the cache sees tries of the same moment, the session those that a cache forgot.
        tried = max(count_attempt(context.request, state["at"]), state["failed_attempts"] + 1)
        state["failed_attempts"] = tried - 1
        try:
            if tried > TRIES:
                raise get_adapter().validation_error("incorrect_code")
            code = str(super().clean_code())  # type: ignore[misc]
            if not self.is_alive():
                raise get_adapter().validation_error("incorrect_code")
            return code
        except ValidationError as problem:
            if problem.code != "incorrect_code":
                raise
            raise wrong_code(tried, is_newer=bool(state["resend_count"])) from problem

    @property
    def entry(self) -> Entry:
        return Entry(context.request, self._state)

    @property
    def _state(self) -> dict[str, Any]:
        return cast(dict[str, Any], state_of(context.request, self.key))

    def is_alive(self) -> bool:
        """False if the account is gone that the code was for."""
        return True


class LoginCodeForm(_CountsAttempts, ConfirmLoginCodeForm):
    key = LOGIN

    def is_alive(self) -> bool:
        # Deleted since, or made anew for an admin.
        return User.objects.filter(pk=self._state["user_id"]).exists()


class ProofCodeForm(_CountsAttempts, ConfirmEmailVerificationCodeForm):
    key = PROOF


class ResetCodeForm(_CountsAttempts, ConfirmPasswordResetCodeForm):
    key = RESET


def state_of(request: HttpRequest, key: str) -> dict[str, Any] | None:
    """allauth's state of the code that this browser has asked for."""
    state: dict[str, Any] | None = request.session.get(key)
    if state and key == LOGIN:  # that of a whole sign-in, of which the code is one stage
        stages = state["state"].get("stages", {})
        return stages["login_by_code"].get("data") or None if stages.get("current") == "login_by_code" else None
    return state


STARTS = {
    LOGIN: ("account_login", "login"),
    PROOF: ("account_email", "email"),
    RESET: ("account_reset_password", "email"),
}
"""Where a code is asked for: the URL's name, and the field for the address."""


def for_code(key: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """View decorator: offer a new code where one is over, and give one that was sent anew its own time and tries."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @functools.wraps(view)
        def answered(request: HttpRequest) -> HttpResponse:
            state = state_of(request, key)
            if state is None or "code_confirmed" in state:
                return view(request)
            before, has_expired = dict(state), is_over(state)
            try:
                response = view(request)
            finally:
                _after_resending(request, key, before)
            if has_expired or state["failed_attempts"] >= TRIES:
                return _offer_a_new_code(request, key, before["email"], has_expired=has_expired)
            return response

        return answered

    return decorate


def _after_resending(request: HttpRequest, key: str, before: dict[str, Any]) -> None:
    """Begin anew with a new code. One that could not be mailed counts for nothing: the one before still works."""
    state = state_of(request, key)
    if not state or state.get("code") == before.get("code"):
        return
    if state["resend_count"] > before["resend_count"]:
        state |= {"at": time.time(), "failed_attempts": 0}
        if key == LOGIN:
            request.session[LOGIN]["initiated_at"] = state["at"]
    else:
        state["code"] = before["code"]
    request.session.modified = True


def _offer_a_new_code(request: HttpRequest, key: str, email: str, *, has_expired: bool) -> HttpResponse:
    url_name, field = STARTS[key]
    is_closed = (key == LOGIN and not settings.LOCAL_SIGN_IN) or (key == PROOF and not request.user.is_authenticated)
    told = {"email": email, "field": field, "start": "" if is_closed else reverse(url_name), "minutes": MINUTES}
    told |= {"has_expired": has_expired, "next": get_next_redirect_url(request)}
    return render(request, "account/code_over.html", told)


# A reset that is under way


class ResetForm(ResetPasswordForm):
    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        before = state_of(request, RESET)
        email = str(super().save(request, **kwargs))
        bind_reset(request)
        state = state_of(request, RESET)
        if before and state and before["email"] == state["email"] and not is_over(before):
            request.session[RESET] = state | {"resend_count": before["resend_count"] + 1}
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
