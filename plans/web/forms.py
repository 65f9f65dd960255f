"""Forms for customers: plans."""

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from keys.web.forms import KeylessField, OnceForm, readable

NOW, LATER = "now", "later"


class SeenForm(OnceForm):
    """About a plan as it was when the form was opened."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)


class ChangeForm(SeenForm):
    """A change of plan; when it comes is asked only where neither order nor price tells an upgrade."""

    when = forms.ChoiceField(
        label=_("When"),
        widget=forms.RadioSelect,
        choices=[(NOW, _("Right away")), (LATER, _("At the end of the billing period"))],
        initial=LATER,
    )

    def __init__(self, data: QueryDict | None = None, *, url: str = "", asks_when: bool = False) -> None:
        super().__init__(data, url=url)
        if not asks_when and "when" not in self.data:  # sent again, it is the same form, whatever is asked by now
            del self.fields["when"]

    @property
    def at_once(self) -> bool | None:
        when = self.cleaned_data.get("when")
        return None if when is None else when == NOW


class CancelForm(SeenForm):
    """Done only by whoever types the name of the plan."""

    plan_name = KeylessField(max_length=600, error_messages={"required": _("That isn't the plan's name.")})

    def __init__(self, data: QueryDict | None = None, *, url: str = "", expected: str) -> None:
        super().__init__(data, url=url)
        self.expected = expected
        self.fields["plan_name"].label = _("Type “%(plan)s” to confirm") % {"plan": expected}
        self.fields["plan_name"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_plan_name(self) -> str:
        typed: str = self.cleaned_data["plan_name"]
        if " ".join(typed.split()).casefold() != " ".join(self.expected.split()).casefold():
            raise ValidationError(_("That isn't the plan's name."), code="other")
        return typed


class RequestForm(OnceForm):
    """Ask for a plan, with a few words for whoever decides."""

    words = KeylessField(
        label=_("Message (optional)"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean_words(self) -> str:
        words: str = " ".join(self.cleaned_data["words"].split())
        readable(words)
        return words
