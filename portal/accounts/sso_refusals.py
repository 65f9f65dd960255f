"""Refused sign-ins by a provider: a log line, a figure, and a page that says what to do."""

import logging
import re
from typing import Any
from urllib.parse import unquote_plus

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.providers.base import AuthError, Provider
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from portal.accounts.oidc.refusals import SignInRefused

logger = logging.getLogger(__name__)

AGAIN = {"login_required", "interaction_required", "account_selection_required", "consent_required"}
"""The person has something to do at the provider (OpenID Connect Core 1.0, 3.1.2.6)."""
OUTDATED = {"state_lost", "invalid_grant", "bad_verification_code"}  # the last one is GitHub's
LATER = {"unreachable", "temporarily_unavailable", "server_error", "http_500", "http_502", "http_503", "http_504"}
SETTINGS = {
    "invalid_client",
    "unauthorized_client",
    "invalid_request",
    "invalid_scope",
    "unsupported_response_type",
    "unsupported_grant_type",
    "access_denied",
    "incorrect_client_credentials",
    "redirect_uri_mismatch",
    "http_401",
    "http_403",
    "http_404",
    "issuer_mismatch",
    "nonce_mismatch",
    "azp_mismatch",
    "sub_mismatch",
    "invalid_sub",
    "invalid_id_token",
    "invalid_userinfo",
    "no_common_method",
    "no_code",
}
MALFORMED = "malformed"
KNOWN = AGAIN | OUTDATED | LATER | SETTINGS | {MALFORMED}
"""The codes that are shown and counted by name; any other is a stranger's word, and only in the log."""


def refuse(
    request: HttpRequest, provider: Provider, error: str, exception: Exception | None, facts: dict[str, Any]
) -> None:
    """Stop allauth's error page for ours; whoever turned back at the provider goes on to the page for that."""
    refusal = _refusal(request, exception, facts)
    if error == AuthError.CANCELLED:
        record(provider.sub_id, refusal)
    else:
        raise ImmediateHttpResponse(page(request, provider.sub_id, provider.name, refusal, status=401))


def record(provider_id: str, refusal: SignInRefused) -> None:
    if settings.METRICS_TOKEN:
        from portal.observability import metrics

        metrics.count_refused_sign_in(provider_id, refusal.stage, refusal.code if refusal.code in KNOWN else "other")
    told = {"provider": provider_id, "stage": refusal.stage, "error": refusal.code, "description": refusal.description}
    logger.warning("Sign-in by %s was refused at %s", provider_id, refusal, extra={"facts": told})


def page(request: HttpRequest, provider_id: str, name: str, refusal: SignInRefused, status: int) -> HttpResponse:
    record(provider_id, refusal)
    context = {"advice": _advice(refusal.code, name), "code": refusal.code if refusal.code in KNOWN else ""}
    return render(request, "socialaccount/authentication_error.html", context, status=status)


def _refusal(request: HttpRequest, exception: Exception | None, facts: dict[str, Any]) -> SignInRefused:
    if isinstance(exception, SignInRefused):
        return exception
    if exception is not None:
        return _by_google_or_github(exception)
    if error := request.GET.get("error"):
        return SignInRefused("authorization", error, request.GET.get("error_description"))
    if facts.get("state") is None:
        return SignInRefused("state", "state_lost", "Begun in another browser, used before, or too long ago.")
    return SignInRefused("authorization", "no_code")


def _by_google_or_github(exception: Exception) -> SignInRefused:
    """Refusal in allauth's own flow: the code is posted, and the person asked for by GET."""
    if isinstance(exception, OSError):  # as every failure of requests is
        request, response = (getattr(exception, name, None) for name in ("request", "response"))
        stage = "userinfo" if getattr(request, "method", "") == "GET" else "token"
        code = "unreachable" if response is None else f"http_{response.status_code}"
        return SignInRefused(stage, code, type(exception).__name__)
    told = {name: _quoted(name, str(exception)) for name in ("error", "error_description")}
    return SignInRefused("token", told["error"] or MALFORMED, told["error_description"] or type(exception).__name__)


def _quoted(name: str, answer: str) -> str:
    """A value of the answer that allauth quotes as it came: JSON from Google, a form from GitHub."""
    found = re.search(rf"\b{name}(?:=|\"\s*:\s*\")([^\"&']+)", answer)
    return unquote_plus(found[1]) if found else ""


def _advice(code: str, provider: str) -> str:
    told = {"provider": provider}
    if code in AGAIN:
        words = _("%(provider)s needs you to sign in or agree there first. Try again and finish the steps there.")
    elif code in OUTDATED:
        words = _("This sign-in took too long, or was started in another browser. Start again from here.")
    elif code in LATER:
        words = _("%(provider)s isn't answering. Try again in a few minutes.")
    elif code == MALFORMED:
        words = _("Your provider sent an unexpected answer. Try again, or choose another way.")
    else:
        words = _(
            "Signing in with %(provider)s isn't set up correctly."
            " Trying again won't help: contact support and mention the reference below."
        )
    return words % told
