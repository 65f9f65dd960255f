"""Identity, on top of allauth: how people sign in, and whose an address is."""

import logging
from smtplib import SMTPException
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from allauth.account import signals
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.fields import PasswordField
from allauth.account.forms import LoginForm, SignupForm
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
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
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal import browsers, codes, company, outbox, second_factor, sessions, tries
from portal.models import User

logger = logging.getLogger(__name__)

BY_CREDENTIAL = "by_credential"
"""Which account this session has opened by something that was set up there before."""
OPENING = "opening"
"""What the account was like, for this purpose, when the sign-in began."""
GUESSES, GUESS_SECONDS = 5, 5 * 60
"""As many wrong passwords in so much time close an account to further ones; `login_failed` says it of an address."""


class SignInForm(LoginForm):
    """Asks for an address; whoever has set a password may give it, everyone else gets a code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"] = PasswordField(
            label=_("Password"), required=False, autocomplete="current-password", show_reset_help=True
        )

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        response: HttpResponse = super().login(request, redirect_url)
        if request.user.is_authenticated:
            sessions.limit(request, request.user)  # allauth gave it a length that each change renews
        return response


class SignUpForm(SignupForm):
    """Takes an address of the operator's choice only."""

    def clean_email(self) -> str:
        email = cast(str, super().clean_email())
        if not domain_is_welcome(email):
            raise get_adapter().validation_error("domain_not_welcome")
        return email


def domain_is_welcome(email: str) -> bool:
    """Whether somebody with this address may make an account."""
    return not settings.SIGN_UP_DOMAINS or email.rpartition("@")[2].lower() in settings.SIGN_UP_DOMAINS


class AccountAdapter(DefaultAccountAdapter):
    """Mails that name the portal and point to it, wherever the request says that it went."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "domain_not_welcome": _("Accounts are for addresses of certain companies only. Yours is not among them."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.LOCAL_SIGN_UP and settings.LOCAL_SIGN_IN)

    def clean_email(self, email: str) -> str:
        """Django lets signs that nobody sees pass within a domain; no mail reaches such an address."""
        if not email.isprintable():
            raise ValidationError(validate_email.message, validate_email.code)
        return cast(str, super().clean_email(email))

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        try:
            with transaction.atomic():
                return cast(User, super().save_user(request, user, form, commit))
        except IntegrityError as problem:  # the same address, from another window, since the form was checked
            raise ImmediateHttpResponse(redirect(request.get_full_path())) from problem

    # What is asked for before something that matters is ours to say, see `portal.step_up` and `portal.guard`

    def is_reauthentication_required(self, *, app: str, **_kwargs: Any) -> bool:
        """Never by allauth: it lets people without a password through."""
        return False

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The strongest first, and nothing weaker than what the person has set up; a mailbox everybody has."""
        ways = {way["id"]: way for way in super().get_reauthentication_methods(user)}
        if second_factor.has_second_factor(user):
            wanted = {
                "mfa_reauthenticate:webauthn": gettext("Use a passkey"),
                "mfa_reauthenticate": gettext("Use an authenticator app or a recovery code"),
            }
        else:
            wanted = {"reauthenticate": gettext("Use your password")}
        found = [ways[name] | {"description": words} for name, words in wanted.items() if name in ways]
        if not second_factor.has_second_factor(user):
            words = gettext("Use a mailed code")
            found.append({"id": "step_up_code", "description": words, "url": reverse("step_up_code")})
        return found

    # Mail

    def render_mail(
        self, template_prefix: str, email: Any, context: dict[str, Any], headers: dict[str, str] | None = None
    ) -> EmailMessage:
        if "code" in context:
            headers = (headers or {}) | {outbox.LIFETIME: str(settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT)}
        return cast(EmailMessage, super().render_mail(template_prefix, email, context, headers))

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

    # Guesses at passwords are counted for the address as it is typed, whoever may have it, and for the account. Only
    # the first count is ever told: "too many" at an address that was not guessed at would tell whose else it is.

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        super().pre_authenticate(request, **credentials)
        guesses = _guesses_at(credentials)
        if tries.count(guesses, GUESS_SECONDS) > GUESSES:
            User().set_password(credentials.get("password"))  # takes as long as a look at the real one
            raise self.validation_error("email_password_mismatch")
        tries.wait_anew(guesses, GUESS_SECONDS)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        user = cast("AbstractBaseUser | None", super().authenticate(request, **credentials))
        if user:
            tries.take_back(_guesses_at(credentials))
        return user

    # A sign-in takes several steps; what ends sessions meanwhile ends it too

    def pre_login(self, request: HttpRequest, user: Any, **facts: Any) -> HttpResponse | None:
        sociallogin = (facts["signal_kwargs"] or {}).get("sociallogin")
        if provider := company.other_way_in(request, user, sociallogin):
            request.session.pop(codes.LOGIN, None)
            return company.lead_to(request, provider)
        request.session[OPENING] = user.get_session_auth_hash()
        return cast("HttpResponse | None", super().pre_login(request, user, **facts))

    def login(self, request: HttpRequest, user: Any) -> None:
        if not constant_time_compare(request.session.pop(OPENING, ""), user.get_session_auth_hash()):
            request.session.flush()
            messages.error(request, _("The account has changed since you asked. Please begin again."))
            raise ImmediateHttpResponse(redirect("account_login"))
        super().login(request, user)

    def is_safe_url(self, url: str) -> bool:
        """Where `next` may lead: to this site, under the one name that people know it by."""
        return url_has_allowed_host_and_scheme(url, {urlsplit(settings.PORTAL_URL).netloc})


def _guesses_at(credentials: dict[str, Any]) -> str:
    """Where guesses at this address are counted: with the account that has proved it, by whichever address."""
    email = str(credentials.get("email", "")).lower()
    account = EmailAddress.objects.filter(email=email, verified=True).values_list("user_id", flat=True).first()
    return _guesses(account or email)


def _guesses(account: object) -> str:
    return f"guesses:{salted_hmac('portal.identity', str(account), algorithm='sha256').hexdigest()}"


@receiver(signals.password_reset)
def forgive_guesses(user: User, **_kwargs: object) -> None:
    tries.forget(_guesses(user.pk))


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
        "sign_up_is_open": settings.LOCAL_SIGN_UP and settings.LOCAL_SIGN_IN,
        "browser": browsers.device_name(str(context.get("user_agent", ""))),
    }


# Whose an account is


@receiver(signals.user_signed_up)
def remember_who_signed_up(request: HttpRequest, user: User, **_kwargs: object) -> None:
    request.session[sessions.SIGNED_UP] = user.pk


@receiver(signals.authentication_step_completed)
def remember_what_was_used(request: HttpRequest, user: User, method: str, **_kwargs: object) -> None:
    if method in {"password", "socialaccount", "mfa"}:
        request.session[BY_CREDENTIAL] = user.pk


@receiver(signals.email_confirmed)
def whoever_proves_an_address(request: HttpRequest, email_address: EmailAddress, **_kwargs: object) -> None:
    """Give an account to whoever proves its first address, and let nobody else add further ones.

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
        if user.pk not in (request.session.get(sessions.SIGNED_UP), request.session.get(BY_CREDENTIAL)):
            evict_strangers(user)
            codes.bind_reset(request)  # the proof may have been that of a reset, which goes on
    else:
        email_address.delete()
        request.session.flush()
        messages.error(request, _("There is no account with this address yet. Please sign up."))
        raise ImmediateHttpResponse(redirect("account_signup"))


def evict_strangers(user: User) -> None:
    """Take away every way into the account that was set up before anybody had proved to own its address."""
    social, _by_model = SocialAccount.objects.filter(user=user).delete()
    factors, _by_model = Authenticator.objects.filter(user=user).delete()
    if user.has_usable_password() or social or factors:
        user.set_unusable_password()
        user.save(update_fields=["password"])
        user.end_sessions()


@receiver(signals.email_removed)
def tell_the_removed_address(request: HttpRequest, user: User, email_address: EmailAddress, **_kwargs: object) -> None:
    """allauth tells the primary address; whoever loses an address should hear of it there as well."""
    if email_address.verified:
        told = {"deleted_email": email_address.email}
        get_adapter(request).send_notification_mail("account/email/email_deleted", user, told, email_address.email)
