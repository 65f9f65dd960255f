"""Account views that allauth has not, or not as the portal needs them."""

import functools
import re
from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.webauthn.views import AddWebAuthnView
from allauth.socialaccount.adapter import get_adapter as get_social_adapter
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.adapter import get_adapter as get_sessions_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts import mail_limits
from portal.accounts.sessions import end_others
from portal.accounts.user_agents import device_name
from portal.models import User

page = require_http_methods(["GET", "HEAD", "POST"])
STEPS = ("account_login", "account_signup", "account_confirm_login_code", "account_request_login_code")
"""Steps of a sign-in, which lead to each other."""


def keeping_next(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """View decorator: `next` goes along where allauth leads to a code asked for before, or back to the beginning."""

    @functools.wraps(view)
    def kept(request: HttpRequest) -> HttpResponse:
        response = view(request)
        target = get_next_redirect_url(request)
        if target and response.headers.get("Location", "") in map(reverse, STEPS):
            response.headers["Location"] += "?" + urlencode({"next": target})
        return response

    return kept


@require_safe
def more_mails(request: HttpRequest, token: str) -> HttpResponse:
    """The link in a mail that was the last for now: whoever opens it reads the mailbox, and may ask for more."""
    if mail_limits.remember_reader(request, token):
        messages.success(request, _("You can ask for a new code now."))
    else:
        messages.error(request, _("This link no longer works. Open the one in the newest email."))
    return redirect("account_login")


@login_required
@page
def devices(request: HttpRequest) -> HttpResponse:
    """List of devices where the person is signed in; the form signs them out everywhere else."""
    user = _user(request)
    if request.method == "POST":
        end_others(request, user)
        messages.success(request, _("All other devices signed out."))
        return redirect("usersessions_list")
    found = sorted(UserSession.objects.purge_and_list(user), key=lambda one: one.last_seen_at, reverse=True)
    listed = [
        {"session": one, "name": device_name(one.user_agent) or _("Unknown browser"), "is_current": one.is_current()}
        for one in sorted(found, key=lambda one: not one.is_current())
    ]
    is_alone = [device["is_current"] for device in listed] == [True]
    return render(request, "usersessions/usersession_list.html", {"devices": listed, "is_alone": is_alone})


@login_required
@require_POST
def end_device(request: HttpRequest, pk: int) -> HttpResponse:
    session = get_object_or_404(UserSession, pk=pk, user=_user(request))
    get_sessions_adapter().end_sessions([session])
    messages.success(request, _("Device signed out."))
    return redirect("usersessions_list")


@login_required
@page
def connections(request: HttpRequest) -> HttpResponse:
    """Connected providers; any may be taken off, for a mailed code always leads in too."""
    user = _user(request)
    accounts = SocialAccount.objects.filter(user=user)
    if request.method == "POST":
        account = get_object_or_404(accounts, pk=_number(request.POST.get("account", "")))
        name = _provider_name(request, account)
        account.delete()
        end_others(request, user)
        get_adapter(request).send_notification_mail(
            "socialaccount/email/account_disconnected", request.user, {"provider": name}
        )
        messages.success(request, _("%(provider)s disconnected.") % {"provider": name})
        return redirect("socialaccount_connections")
    listed = [{"account": account, "name": _provider_name(request, account)} for account in accounts]
    connected = {account.provider for account in accounts}
    providers = sorted(get_social_adapter().list_providers(request), key=lambda one: one.name)
    others = [one for one in providers if one.sub_id not in connected]
    return render(request, "socialaccount/connections.html", {"connections": listed, "others": others})


@login_required
@require_safe
def remove_address(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirmation page before an address is taken off, which allauth's own view then does; the primary one stays."""
    address = get_object_or_404(EmailAddress, pk=pk, user=_user(request), primary=False)
    return render(request, "account/remove_address.html", {"address": address})


def _number(typed: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", typed):
        raise Http404
    return int(typed)


def _provider_name(request: HttpRequest, account: SocialAccount) -> str:
    names = {one.sub_id: one.name for one in get_social_adapter().list_providers(request)}
    return str(names.get(account.provider, account.provider))


@login_required
@page
def delete(request: HttpRequest) -> HttpResponse:
    """Account deletion, with its addresses, passkeys and sessions; keys and the audit log stay as they are."""
    user = _user(request)
    error = ""
    # Django's record of what colleagues did in admin would go with the account.
    keeps_records = user.is_staff or user.is_superuser or LogEntry.objects.filter(user=user).exists()
    if request.method == "POST" and not keeps_records:
        if request.POST.get("sure") == "yes":
            adapter = get_adapter(request)
            for address in EmailAddress.objects.filter(user=user, verified=True):
                adapter.send_notification_mail("account/email/account_deleted", user, email=address.email)
            user.delete()
            logout(request)
            messages.success(request, _("Account deleted."))
            return redirect("home")
        error = _("Tick the box to confirm.")
    status = 403 if keeps_records and request.method == "POST" else 422 if error else 200
    return render(request, "account/delete.html", {"error": error, "keeps_records": keeps_records}, status=status)


def _user(request: HttpRequest) -> User:
    user: Any = request.user
    return User.objects.get(pk=user.pk)


class AddPasskey(AddWebAuthnView):
    """Passkey options: kept on the device, so that it signs in by itself. allauth leaves that to a script."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        options = context["js_data"]["creation_options"]["publicKey"]
        wanted = {**options["authenticatorSelection"], "residentKey": "required", "requireResidentKey": True}
        context["js_data"] = {"creation_options": {"publicKey": {**options, "authenticatorSelection": wanted}}}
        return context
