"""Translation markers: texts of allauth that the portal's catalogs say in their own way.

allauth addresses German readers by "Du", and leaves some of these in English. What is marked here is found by
`make messages`, and the portal's catalogs go before those of its libraries.
"""

from django.utils.translation import gettext_noop as _

WORDS = [
    _(
        "An account already exists with this email address."
        " Please sign in to that account first, then connect your %s account."
    ),
    _("Be patient, you are sending too many requests."),
    _("Please select only one."),
    _("Please type your current password."),
    _("The email address and/or password you specified are not correct."),
    _("The new value must be different from the current one."),
    _("The third-party account is already connected to a different account."),
    _("This account is currently inactive."),
    _("Too many failed login attempts. Try again later."),
    _("You cannot activate two-factor authentication until you have verified your email address."),
    _("You cannot add an email address to an account protected by two-factor authentication."),
    _("You cannot add more than %d email addresses."),
    _("You cannot deactivate two-factor authentication."),
    _("You cannot disconnect your last remaining third-party account."),
    _("You cannot generate recovery codes without having two-factor authentication enabled."),
    _("You cannot remove your primary email address."),
    _("You must type the same password each time."),
    _("Your account has no password set up."),
    _("Your account has no verified email address."),
    _("Your primary email address must be verified."),
]
