"""Multi-factor authentication: passkeys and authenticator apps, their forms, and who must have one."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.mfa import app_settings
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from keys import counter
from keys.types import as_shown
from keys.web.forms import WordsField
from portal.accounts import allauth_texts
from portal.models import User

STRONG = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
"""Second factors; recovery codes only stand in for one."""


class MFAAdapter(DefaultMFAAdapter):
    """MFA adapter: speaks of the portal by its name, whatever Host the request names."""

    error_messages = DefaultMFAAdapter.error_messages | allauth_texts.MFA

    def get_totp_issuer(self) -> str:
        return str(settings.PORTAL_NAME)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": settings.PORTAL_NAME}

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return _("Passkey %(number)s") % {"number": number}


class _SingleUseCode:
    """Replay protection: a TOTP code is taken once while it is valid; allauth forgets it after half a minute."""

    user: Any
    authenticator: Authenticator

    def clean_code(self) -> str:
        code = str(super().clean_code())  # type: ignore[misc]
        if self.authenticator.type == Authenticator.Type.TOTP:
            digits = "".join(filter(str.isdigit, code))
            seconds = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
            if counter.count(f"app-code:{self.user.pk}:{digits}", seconds) > 1:
                raise get_adapter().validation_error("incorrect_code")
        return code


class _OnlyWhatIsThere:
    """Form mixin: which factors the account has, so that nobody is asked for one that was never set up."""

    user: Any

    @property
    def has_app(self) -> bool:
        return has_app(self.user)

    @property
    def has_passkey(self) -> bool:
        return bool(get_adapter().is_mfa_enabled(self.user, [Authenticator.Type.WEBAUTHN]))


class SecondStepForm(_SingleUseCode, _OnlyWhatIsThere, AuthenticateForm):
    pass


class ProofByCodeForm(_SingleUseCode, _OnlyWhatIsThere, ReauthenticateForm):
    pass


@contextmanager
def _malformed_answers_refused() -> Iterator[None]:
    """Treat malformed passkey answers as wrong ones: the library stumbles over some that no authenticator gives."""
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError, struct.error) as problem:
        raise get_adapter().validation_error("incorrect_code") from problem


class Credential(forms.JSONField):
    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        with _malformed_answers_refused():
            return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return initial  # an answer is good for once


class _ByPasskey:
    def clean_credential(self) -> Authenticator:
        with _malformed_answers_refused():
            return super().clean_credential()  # type: ignore[misc]


class SignInByPasskeyForm(_ByPasskey, LoginWebAuthnForm):
    credential = Credential()


class SecondStepByPasskeyForm(_ByPasskey, AuthenticateWebAuthnForm):
    credential = Credential()


class ProofByPasskeyForm(_ByPasskey, ReauthenticateWebAuthnForm):
    credential = Credential()


class AddPasskeyForm(AddWebAuthnForm):
    """Every security key is made a passkey: it signs in by itself, so it must verify its user."""

    credential = Credential()
    passwordless = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        with _malformed_answers_refused():
            return dict(super().clean())

    def clean_passwordless(self) -> bool:
        return True

    def clean_name(self) -> str:
        """A credential that the device keeps already is not refused for its name, which is cleaned instead."""
        return as_shown(str(super().clean_name()))


class RenamePasskeyForm(EditWebAuthnForm):
    name = WordsField(max_length=100)


def has_second_factor(user: Any) -> bool:
    return bool(get_adapter().is_mfa_enabled(user, STRONG))


def has_app(user: Any) -> bool:
    return bool(get_adapter().is_mfa_enabled(user, [Authenticator.Type.TOTP]))


def after_factor_removed(request: HttpRequest, user: User) -> None:
    """End all sessions after a superuser took a lost factor off, drop the recovery codes, and mail the person."""
    if not has_second_factor(user):
        Authenticator.objects.filter(user=user).delete()  # recovery codes, lost as well perhaps
    user.end_sessions()
    with override(user.language or get_language()):
        get_account_adapter(request).send_notification_mail("mfa/email/taken_off", user)


def must_set_up_second_factor(user: Any) -> bool:
    """True if this colleague has to set up a second factor before Django admin opens."""
    return bool(settings.STAFF_SECOND_FACTOR and user.is_staff and not has_second_factor(user))
