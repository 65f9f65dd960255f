"""The forms that take a new password: allauth's, without placeholders that say the label once more."""

from typing import Any

from allauth.account import forms


class WithoutPlaceholders:
    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class SetPasswordForm(WithoutPlaceholders, forms.SetPasswordForm):
    pass


class ChangePasswordForm(WithoutPlaceholders, forms.ChangePasswordForm):
    pass


class ResetPasswordKeyForm(WithoutPlaceholders, forms.ResetPasswordKeyForm):
    pass
