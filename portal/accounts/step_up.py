"""Step-up authentication: prove again who is there before something that matters; it never does the deed itself.

People with a passkey or an authenticator app use one of these; others their password or a mailed code. Whoever
has none of them set up still has a mailbox, so nobody is let through unasked. allauth has the pages for all but
the code; its own rule, by which an account without a password needs no proof, is switched off for ours.
"""

import secrets
import time
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.signals import authentication_step_completed
from allauth.account.utils import get_next_redirect_url
from allauth.decorators import rate_limit
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from keys.access import INTERRUPTED, PROVED_AT
from portal.accounts import email_codes
from portal.accounts.sessions import renew_id

ACCOUNT_MINUTES = 15
"""Minutes that a proof lasts for changes to the account itself, which could lock its owner out."""
STATE = "step_up_code"


def is_proved(request: HttpRequest, minutes: int) -> bool:
    return bool(time.time() - request.session.get(PROVED_AT, 0.0) < minutes * 60)


def url_for(back: str) -> str:
    return f"{reverse(settings.KEYS_STEP_UP_URL)}?{urlencode({'next': back})}"


@receiver(authentication_step_completed)
def prove_after_reauthentication(request: HttpRequest, **facts: Any) -> None:
    if facts.get("reauthenticated"):
        prove(request)


def prove(request: HttpRequest) -> None:
    """Record the proof under a new session id (session fixation), and say what can be done again."""
    request.session[PROVED_AT] = time.time()
    request.session.pop(STATE, None)
    renew_id(request)
    if wish := request.session.pop(INTERRUPTED, ""):
        words = _("Confirmed. You can now %(wish)s.") % {"wish": wish}
    else:
        words = _("Confirmed. You can carry on.")
    messages.success(request, words)


@login_required
@require_http_methods(["GET", "HEAD"])
def ask(request: HttpRequest) -> HttpResponse:
    """Redirect to the strongest method that the person has; its page names the others."""
    ways = get_adapter(request).get_reauthentication_methods(request.user)
    return redirect(f"{ways[0]['url']}?{urlencode({'next': _back(request)})}")


class CodeForm(forms.Form):
    code = forms.CharField(max_length=40)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def by_code(request: HttpRequest) -> HttpResponse:
    """Step-up by a code to the primary address, for those who have no stronger proof."""
    here = f"{reverse('step_up_code')}?{urlencode({'next': _back(request)})}"
    if reverse("step_up_code") not in {way["url"] for way in _ways(request)}:
        return redirect(url_for(_back(request)))
    if request.method != "POST":
        return _page(request, CodeForm())
    if request.POST.get("action") == "send":
        return cast(HttpResponse, send_code(request, here))
    form, state = CodeForm(request.POST), _state(request)
    if state is None:
        messages.error(request, _("That code has expired. Ask for a new one."))
        return redirect(here)
    if form.is_valid():
        tried = max(email_codes.count_attempt(request, state["at"]), state["failed_attempts"] + 1)
        if tried <= email_codes.TRIES and _same(form.cleaned_data["code"], state["code"]):
            prove(request)
            return redirect(_back(request))
        if tried >= email_codes.TRIES:
            request.session.pop(STATE, None)
            messages.error(request, _("Too many wrong codes. Ask for a new one."))
            return redirect(here)
        request.session[STATE] = state | {"failed_attempts": tried}
        form.add_error("code", email_codes.wrong_code(tried, is_newer=bool(state["resend_count"])))
    return _page(request, form, status=422)


@rate_limit(action="step_up")
def send_code(request: HttpRequest, back: str) -> HttpResponse:
    """Mail a new code, in place of any other; which goes on working if this one cannot be mailed."""
    address = _address(request)
    if not address:
        messages.error(request, _("Confirm an email address first."))
        return redirect("account_email")
    adapter, before = get_adapter(request), _state(request)
    code = adapter.generate_login_code()
    adapter.send_mail("account/email/step_up_code", address, {"code": code})
    sent = before["resend_count"] + 1 if before else 0
    now = {"code": code, "at": time.time(), "to": address, "failed_attempts": 0, "resend_count": sent}
    request.session[STATE] = now
    return redirect(back)


def _state(request: HttpRequest) -> dict[str, Any] | None:
    """The code that was asked for in this browser, while it works."""
    state: dict[str, Any] | None = request.session.get(STATE)
    return None if state is None or email_codes.is_over(state) else state


def _address(request: HttpRequest) -> str:
    """Address that the code goes to: the primary one, if it is proved."""
    addresses = EmailAddress.objects.filter(user_id=request.user.pk, verified=True).order_by("-primary")
    return addresses.values_list("email", flat=True).first() or ""


def _page(request: HttpRequest, form: CodeForm, status: int = 200) -> HttpResponse:
    state = _state(request)
    others = [
        way | {"url": f"{way['url']}?{urlencode({'next': _back(request)})}"}
        for way in _ways(request)
        if way["url"] != reverse("step_up_code")
    ]
    context = {
        "form": form,
        "address": _address(request),
        "email": state and state["to"],
        "entry": state and email_codes.Entry(request, state),
        "redirect_field": format_html('<input type="hidden" name="next" value="{}">', _back(request)),
        "reauthentication_alternatives": others,
    }
    return render(request, "account/step_up_code.html", context, status=status)


def _ways(request: HttpRequest) -> list[dict[str, Any]]:
    return list(get_adapter(request).get_reauthentication_methods(request.user))


def _back(request: HttpRequest) -> str:
    """URL to go on to; only a page of this site."""
    return get_next_redirect_url(request) or resolve_url(settings.LOGIN_REDIRECT_URL)


def _same(typed: str, code: str) -> bool:
    plain = "".join(typed.upper().replace("-", "").split())
    return secrets.compare_digest(plain.encode(), code.replace("-", "").encode())
