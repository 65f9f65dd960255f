"""allauth account adapter: how people sign in, its mails, and a limit on guessed passwords."""

import logging
from smtplib import SMTPException
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from allauth.account import signals
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from keys import counter
from keys.web.forms import keyless
from keys.web.time_zones import time_zone_of
from portal.accounts import allauth_texts, company_domains, email_codes, mail_limits, mfa, user_agents
from portal.mail import outbox
from portal.models import User

logger = logging.getLogger(__name__)

OPENING = "opening"
"""Session key: the account's session hash when the sign-in began."""
GUESSES, GUESS_SECONDS = 5, 5 * 60
"""Lockout: as many wrong passwords in so much time close an account; `login_failed` says it of an address."""


class AccountAdapter(DefaultAccountAdapter):
    """Account adapter: mails name the portal and link to PORTAL_URL, whatever Host the request names."""

    error_messages = (
        DefaultAccountAdapter.error_messages
        | allauth_texts.ACCOUNT
        | {
            "domain_not_welcome": _(
                "Only addresses of certain companies can have an account here, and yours isn't one of them."
            ),
        }
    )

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.LOCAL_SIGN_UP and settings.LOCAL_SIGN_IN)

    def clean_email(self, email: str) -> str:
        """Refuse a pasted key, and invisible characters, which Django lets pass within a domain."""
        if not email.isprintable():
            raise ValidationError(validate_email.message, validate_email.code)
        keyless(email)
        return cast(str, super().clean_email(email))

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        try:
            with transaction.atomic():
                return cast(User, super().save_user(request, user, form, commit))
        except IntegrityError as problem:  # the same address, from another window, since the form was checked
            raise ImmediateHttpResponse(redirect(request.get_full_path())) from problem

    # What is asked for before something that matters is ours to say, see `step_up` and `middleware`

    def is_reauthentication_required(self, *, app: str, **_kwargs: Any) -> bool:
        """Never by allauth: it lets people without a password through."""
        return False

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The strongest first, and nothing weaker than what the person has set up; a mailbox everybody has."""
        ways = {way["id"]: way for way in super().get_reauthentication_methods(user)}
        if mfa.has_second_factor(user):
            by_code = (
                gettext("Use an authenticator app or a recovery code")
                if mfa.has_app(user)
                else gettext("Use a recovery code")
            )
            wanted = {"mfa_reauthenticate:webauthn": gettext("Use a passkey"), "mfa_reauthenticate": by_code}
        else:
            wanted = {"reauthenticate": gettext("Use your password")}
        found = [ways[name] | {"description": words} for name, words in wanted.items() if name in ways]
        if not mfa.has_second_factor(user):
            words = gettext("Use an emailed code")
            found.append({"id": "step_up_code", "description": words, "url": reverse("step_up_code")})
        return found

    # Mail

    def render_mail(
        self, template_prefix: str, email: Any, context: dict[str, Any], headers: dict[str, str] | None = None
    ) -> EmailMessage:
        if "code" in context:
            headers = (headers or {}) | {outbox.LIFETIME: str(settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT)}
        with timezone.override(time_zone_of(self.request)):
            return cast(EmailMessage, super().render_mail(template_prefix, email, context, headers))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail that the person is waiting for; where that fails, say so and change nothing."""
        if template_prefix in mail_limits.ASKED_FOR:
            context = context | mail_limits.check(self.request, email)
        try:
            super().send_mail(template_prefix, email, context | mail_context(context))
        except (SMTPException, OSError) as problem:
            logger.exception("A mail could not be sent (%s).", template_prefix)
            words = _("We couldn't send the email. Try again in a few minutes.")
            messages.error(self.request, words)
            raise ImmediateHttpResponse(redirect(self.request.get_full_path())) from problem

    def send_notification_mail(self, template_prefix: str, user: AbstractBaseUser, *args: Any, **kwargs: Any) -> None:
        """Tell of a change. It has been made, so trouble with the mail does not undo or hide it."""
        try:
            super().send_notification_mail(template_prefix, user, *args, **kwargs)
        except ImmediateHttpResponse:
            logger.error("Nobody was told of a change to account %s (%s).", user.pk, template_prefix)

    def add_message(self, request: HttpRequest, level: int, *args: Any, message: Any = None, **kwargs: Any) -> None:
        """Show a message, but for "too many": of a code, `email_codes` says so on a page that offers a new one."""
        if message != self.error_messages["too_many_login_attempts"]:
            super().add_message(request, level, *args, message=message, **kwargs)

    # Guesses at passwords are counted for the address as it is typed, whoever may have it, and for the account. Only
    # the first count is ever told: "too many" at an address that was not guessed at would tell whose else it is.

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        super().pre_authenticate(request, **credentials)
        guesses = _guess_counter_at(credentials)
        if counter.count(guesses, GUESS_SECONDS) > GUESSES:
            User().set_password(credentials.get("password"))  # takes as long as a look at the real one
            raise self.validation_error("email_password_mismatch")
        counter.restart(guesses, GUESS_SECONDS)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        user = cast("AbstractBaseUser | None", super().authenticate(request, **credentials))
        if user:
            counter.uncount(_guess_counter_at(credentials))
        return user

    # A sign-in takes several steps; what ends sessions meanwhile ends it too

    def pre_login(self, request: HttpRequest, user: Any, **facts: Any) -> HttpResponse | None:
        sociallogin = (facts["signal_kwargs"] or {}).get("sociallogin")
        if provider := company_domains.required_provider(request, user, sociallogin):
            request.session.pop(email_codes.LOGIN, None)
            return company_domains.redirect_to_provider(request, provider)
        request.session[OPENING] = user.get_session_auth_hash()
        return cast("HttpResponse | None", super().pre_login(request, user, **facts))

    def login(self, request: HttpRequest, user: Any) -> None:
        if not constant_time_compare(request.session.pop(OPENING, ""), user.get_session_auth_hash()):
            request.session.flush()
            messages.error(request, _("Your account has changed since you started. Start again."))
            raise ImmediateHttpResponse(redirect("account_login"))
        super().login(request, user)

    def is_safe_url(self, url: str) -> bool:
        """Open-redirect check: `next` may lead to this site, under the one name that people know it by."""
        return url_has_allowed_host_and_scheme(url, {urlsplit(settings.PORTAL_URL).netloc})


def _guess_counter_at(credentials: dict[str, Any]) -> str:
    """Cache key of guesses at this address: with the account that has proved it, by whichever address."""
    email = str(credentials.get("email", "")).lower()
    account = EmailAddress.objects.filter(email=email, verified=True).values_list("user_id", flat=True).first()
    return _guess_counter(account or email)


def _guess_counter(account: object) -> str:
    return f"guesses:{salted_hmac('portal.identity', str(account), algorithm='sha256').hexdigest()}"


@receiver(signals.password_reset)
def reset_guesses(user: User, **_kwargs: object) -> None:
    counter.reset(_guess_counter(user.pk))


def mail_context(context: dict[str, Any]) -> dict[str, Any]:
    """Template context of every mail; links that allauth made of the request point to PORTAL_URL."""
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
        "browser": user_agents.device_name(str(context.get("user_agent", ""))),
    }


# Whose an account is
