"""Error messages of allauth in the portal's words, for its three adapters.

What is marked here is found by `make messages`; allauth's own catalogs address German readers by "Du", and leave some
of its texts in English.
"""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

ACCOUNT = {
    "account_inactive": _("This account is closed."),
    "cannot_remove_primary_email": _("You can't remove your primary address."),
    "duplicate_email": _("You've already added this address."),
    "email_password_mismatch": _("That email address or password isn't right."),
    "email_taken": _("Another account already uses this address."),
    "enter_current_password": _("That isn't your current password."),
    "incorrect_code": _("That code isn't right."),
    "incorrect_password": _("That password isn't right."),
    "max_email_addresses": _("You can't add more than %d email addresses."),
    "rate_limited": _("Too many requests. Try again in a minute."),
    "same_as_current": _("The new one must be different from the current one."),
    "select_only_one": _("Choose only one."),
    "too_many_login_attempts": _("Too many failed sign-ins. Try again in a few minutes."),
    "unverified_primary_email": _("Confirm your primary address first."),
}
MFA = {
    "add_email_blocked": _("You can't add an email address to an account with a second factor."),
    "cannot_delete_authenticator": _("You can't remove your second factor."),
    "cannot_generate_recovery_codes": _("Set up a passkey or an authenticator app first."),
    "incorrect_code": _("That isn't right. Try again."),  # a code, or a passkey
    "unverified_email": _("Confirm your email address before you set up a second factor."),
}
PROVIDERS = {
    "connected_other": _("It's already connected to another account."),
    "disconnect_last": _("You can't disconnect the last account you can sign in with."),
    "email_taken": _("An account with this address already exists. Sign in to it first, then connect your %s account."),
    "no_password": _("Your account has no password."),
    "no_verified_email": _("Your account has no confirmed email address."),
}

# Said by a form, in English as it stands
WORDS = [gettext_noop("You must type the same password each time.")]
