"""Password forms: allauth's, in the portal's words and without placeholders that repeat them."""

from typing import Any, ClassVar

from allauth.account import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class _PlainLabels:
    labels: ClassVar[dict[str, Promise]] = {}
    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = self.labels.get(name, field.label)


class _NewPasswordLabels(_PlainLabels):
    labels: ClassVar[dict[str, Promise]] = {
        "oldpassword": _("Current password"),
        "password1": _("New password"),
        "password2": _("New password (again)"),
    }


class SetPasswordForm(_PlainLabels, forms.SetPasswordForm):
    pass


class ChangePasswordForm(_NewPasswordLabels, forms.ChangePasswordForm):
    pass


class ResetPasswordKeyForm(_NewPasswordLabels, forms.ResetPasswordKeyForm):
    pass
