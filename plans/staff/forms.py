"""Forms for staff: a customer's plan."""

from collections.abc import Iterable

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from keys.conf import settings
from keys.types import NAME
from keys.web.forms import OnceForm, WordsField
from plans.models import RequestState
from plans.types import Plan


class AnswerForm(OnceForm):
    """Approve a request, or refuse it with a sentence."""

    state = forms.ChoiceField(
        label=_("Decision"),
        widget=forms.RadioSelect,
        choices=[(RequestState.APPROVED, _("Approve")), (RequestState.REFUSED, _("Refuse"))],
    )
    answer = WordsField(
        label=_("Your answer"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text=_("Emailed to the customer. Required to refuse."),
    )

    def clean(self) -> None:
        if self.cleaned_data.get("state") == RequestState.REFUSED and not self.cleaned_data.get("answer"):
            self.add_error("answer", ValidationError(_("Say why in a sentence."), code="required"))


class PlanForm(OnceForm):
    """Another plan for a customer, at once, with the reason that stands in the history."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    plan = forms.ChoiceField(label=_("Plan"))
    reason = WordsField(
        label=_("Reason"),
        max_length=200,
        help_text=_("The customer sees it in their history."),
    )

    def __init__(self, data: QueryDict | None = None, *, url: str = "", plans: Iterable[Plan]) -> None:
        super().__init__(data, url=url)
        field = self.fields["plan"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101, for the type checker
        field.choices = [(plan.key, plan.name) for plan in plans]


class FindForm(forms.Form):
    """A consumer by its name."""

    environment = forms.ChoiceField(label=_("Environment"))
    name = forms.RegexField(rf"^{NAME.pattern}$", label=_("Consumer"), strip=True)

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data)
        field = self.fields["environment"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101, for the type checker
        field.choices = [(name, name) for name in settings.ZUPLO_BUCKETS]
