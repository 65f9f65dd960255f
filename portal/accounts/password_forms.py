"""Password forms: allauth's, in the portal's words and without placeholders that repeat them."""

from typing import Any

from allauth.account import forms
from django.utils.translation import gettext_lazy as _

from keys.web.forms import MistakenField

LABELS = {
    "oldpassword": _("Current password"),
    "password1": _("New password"),
    "password2": _("New password (again)"),
}


class _PlainWords:
    bound_field_class = MistakenField
    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = LABELS[name]
        self.fields["password1"].help_text = _("At least 8 characters, and not a common password.")


class SetPasswordForm(_PlainWords, forms.SetPasswordForm):
    pass


class ChangePasswordForm(_PlainWords, forms.ChangePasswordForm):
    pass


class ResetPasswordKeyForm(_PlainWords, forms.ResetPasswordKeyForm):
    pass
