"""Signal receivers: account takeover protection when an address is proved, and mails about removed addresses."""

from typing import cast

from allauth.account import signals
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from keys.models import MutedReminders
from portal.accounts import email_codes, provider_addresses, sessions
from portal.models import User

BY_CREDENTIAL = "by_credential"
"""Session key: the account that this session has opened by something that was set up there before."""


@receiver(signals.user_signed_up)
def remember_sign_up(request: HttpRequest, user: User, **_kwargs: object) -> None:
    request.session[sessions.SIGNED_UP] = user.pk


@receiver(signals.authentication_step_completed)
def remember_credential_used(request: HttpRequest, user: User, method: str, **_kwargs: object) -> None:
    if method in {"password", "socialaccount", "mfa"}:
        request.session[BY_CREDENTIAL] = user.pk


@receiver(signals.email_confirmed)
def claim_account_on_first_confirmation(request: HttpRequest, email_address: EmailAddress, **_kwargs: object) -> None:
    """Pre-hijacking protection: an account is given to whoever proves its first address; nobody else adds further ones.

    Whoever proves the first address of an account owns it, and nothing that somebody else has set up there before
    may open it any more. After that somebody else's code must not open it: an address typed in by a stranger would
    lead its holder into the stranger's account, and his keys with him.
    """
    user = cast(User, email_address.user)
    others = EmailAddress.objects.filter(user=user, verified=True).exclude(pk=email_address.pk)
    if request.user.pk == user.pk:
        if others.exists():
            told = {"added_email": email_address.email}
            for other in others:
                get_adapter(request).send_notification_mail("account/email/email_added", user, told, other.email)
            sessions.end_others(request, user)
    elif not others.exists():
        came_by = (request.session.get(sessions.SIGNED_UP), request.session.get(BY_CREDENTIAL))
        if user.pk not in came_by and not provider_addresses.had_an_owner(user):
            remove_unproved_credentials(user)
            email_codes.bind_reset(request)  # the proof may have been that of a reset, which goes on
            request.session[sessions.SIGNED_UP] = user.pk  # who begins here has no other device to be warned of
    elif request.session.get(BY_CREDENTIAL) != user.pk:
        email_address.delete()
        request.session.flush()
        messages.error(request, _("There's no account with this address yet. Please create one."))
        raise ImmediateHttpResponse(redirect("account_signup"))


def remove_unproved_credentials(user: User) -> None:
    """Remove every credential that was set up before anybody had proved to own the account's address."""
    social, _by_model = SocialAccount.objects.filter(user=user).delete()
    factors, _by_model = Authenticator.objects.filter(user=user).delete()
    if user.has_usable_password() or social or factors:
        user.set_unusable_password()
        user.save(update_fields=["password"])
        user.end_sessions()


@receiver(signals.email_removed)
def mail_removed_address(request: HttpRequest, user: User, email_address: EmailAddress, **_kwargs: object) -> None:
    """Mail to the removed address: allauth tells the primary one, and its holder should hear of it there."""
    if email_address.verified:
        told = {"deleted_email": email_address.email}
        get_adapter(request).send_notification_mail("account/email/email_deleted", user, told, email_address.email)


@receiver(signals.email_removed)
def forget_muted_reminders(user: User, email_address: EmailAddress, **_kwargs: object) -> None:
    """Forget for which consumers the address gets no reminders: its next holder has not chosen that."""
    MutedReminders.objects.filter(user=user, email=email_address.email).delete()
