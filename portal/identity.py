"""Identity, on top of allauth: how people sign in, whose an address is, how long a session lives."""

import logging
from datetime import timedelta
from smtplib import SMTPException
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.fields import PasswordField
from allauth.account.forms import LoginForm
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.db import IntegrityError, transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User

logger = logging.getLogger(__name__)


class SignInForm(LoginForm):
    """Asks for an address; whoever has set a password may give it, everyone else gets a code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"] = PasswordField(
            label=_("Password"), required=False, autocomplete="current-password", show_reset_help=True
        )

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        response: HttpResponse = super().login(request, redirect_url)
        if isinstance(request.user, User):
            limit_session(request, request.user)  # allauth gave it a length that each change renews
        return response


class AccountAdapter(DefaultAccountAdapter):
    """Mails that name the portal and point to it, wherever the request says that it went."""

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        try:
            with transaction.atomic():
                return cast(User, super().save_user(request, user, form, commit))
        except IntegrityError as problem:  # the same address, from another window, since the form was checked
            raise ImmediateHttpResponse(redirect(request.get_full_path())) from problem

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail that the person is waiting for; where that fails, say so and change nothing."""
        try:
            super().send_mail(template_prefix, email, context | mail_context(context))
        except (SMTPException, OSError) as problem:
            logger.exception("A mail could not be sent (%s).", template_prefix)
            words = _("The mail could not be sent. Please try again in a few minutes.")
            messages.error(self.request, words)
            raise ImmediateHttpResponse(redirect(self.request.get_full_path())) from problem

    def send_notification_mail(self, template_prefix: str, user: AbstractBaseUser, *args: Any, **kwargs: Any) -> None:
        """Tell of a change. It has been made, so trouble with the mail does not undo or hide it."""
        try:
            super().send_notification_mail(template_prefix, user, *args, **kwargs)
        except ImmediateHttpResponse:
            logger.error("Nobody was told of a change to account %s (%s).", user.pk, template_prefix)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # allauth's key holds the Host header, whose port the client may choose: a fresh set of tries for each.
        return str(credentials.get("email", "")).lower()


def mail_context(context: dict[str, Any]) -> dict[str, Any]:
    """What every mail may say of the portal; links that allauth made of the request point to PORTAL_URL."""
    links = {
        name: settings.PORTAL_URL + urlsplit(value).path
        for name, value in context.items()
        if name.endswith("_url") and isinstance(value, str)
    }
    return links | {
        "current_site": SimpleNamespace(name=settings.PORTAL_NAME, domain=urlsplit(settings.PORTAL_URL).netloc),
        "portal_name": settings.PORTAL_NAME,
        "portal_url": settings.PORTAL_URL,
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
    }


@receiver(email_confirmed)
def only_its_own_session_adds_an_address(request: HttpRequest, email_address: EmailAddress, **_kwargs: object) -> None:
    """Refuse to prove a further address for an account that another session is signed in to.

    Whoever proves the first address of an account owns it. After that somebody else's code must not open it:
    an address typed in by a stranger would lead its holder into the stranger's account, and his keys with him.
    """
    if request.user.pk == email_address.user_id:
        return
    if not EmailAddress.objects.filter(user=email_address.user, verified=True).exclude(pk=email_address.pk).exists():
        return
    email_address.delete()
    request.session.flush()
    messages.error(request, _("There is no account with this address yet. Please sign up."))
    raise ImmediateHttpResponse(redirect("account_signup"))


@receiver(user_logged_in)
def limit_the_session(request: HttpRequest, user: User, **_kwargs: object) -> None:
    limit_session(request, user)


def limit_session(request: HttpRequest, user: User) -> None:
    """End the session at a fixed time from now, however busy it is; staff see more, so theirs is shorter."""
    hours = min(settings.SESSION_HOURS, settings.STAFF_SESSION_HOURS) if user.is_staff else settings.SESSION_HOURS
    request.session.set_expiry(timezone.now() + timedelta(hours=hours))
