"""Forms for customers; a form offers these fields, and nothing else can be changed."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from keys import refusals
from keys.conf import settings
from keys.redaction import is_readable, without_keys
from keys.times import LATEST, day, exact, local, zone, zone_name

LABEL_LENGTH = 100
LIFETIMES = {"7": _("7 days"), "30": _("30 days"), "60": _("60 days"), "90": _("90 days")}
ON_A_DATE = "date"
NEVER = "never"
GRACES = {
    "now": (timedelta(0), _("Now")),
    "1h": (timedelta(hours=1), _("In 1 hour")),
    "24h": (timedelta(hours=24), _("In 24 hours")),
    "3d": (timedelta(days=3), _("In 3 days")),
    "7d": (timedelta(days=7), _("In 7 days")),
    "14d": (timedelta(days=14), _("In 14 days")),
}
MINUTES = "%Y-%m-%dT%H:%M"
# "Now" lies a little in the past, so that it has come by every clock.
A_MOMENT = timedelta(minutes=1)


class MistakenField(forms.BoundField):
    """Form field that takes the focus where it is the first with a mistake: for pages, which come without a script."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        attrs = super().build_widget_attrs(attrs, widget)
        is_first = self is next((field for field in self.form.visible_fields() if field.errors), None)
        return attrs | {"autofocus": True} if is_first and not self.use_fieldset else attrs


class OnceForm(forms.Form):
    """Idempotent form: carried out once, however often it is sent."""

    bound_field_class = MistakenField
    token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, data: QueryDict | None = None, *, url: str = "") -> None:
        super().__init__(data)
        self.url = url

    def clean_token(self) -> uuid.UUID:
        """Idempotency key of this very wish: with other words, or at another URL, the same form is another one."""
        said = sorted((name, self.data.get(name, "")) for name in self.fields)
        return uuid.uuid5(self.cleaned_data["token"], repr((self.url, said)))


def readable(value: str) -> None:
    if not is_readable(value):
        raise ValidationError(_("Remove control characters and invisible characters."), code="unreadable")


def keyless(value: str) -> None:
    if without_keys(value) != value:
        raise ValidationError(_("This looks like it contains a key. Remove it: others can read this text."), code="key")


class KeylessField(forms.CharField):
    """Free text without keys: one that was pasted into it is refused, and not even shown again."""

    default_validators = [keyless]

    def bound_data(self, data: Any, initial: Any) -> Any:
        return without_keys(super().bound_data(data, initial) or "")


class WordsField(KeylessField):
    """Words on one line, which others read in lists, logs and mails."""

    default_validators = [readable, keyless]


class AddressField(KeylessField, forms.EmailField):
    default_validators = [keyless, validate_email]
    default_error_messages = {"required": _("Enter an email address.")}


class LabelField(WordsField):
    shown = ""
    """Text as the form was opened. It may be sent again as it is, whatever upstream let in."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=LABEL_LENGTH, **options)

    def clean(self, value: Any) -> Any:
        return self.shown if self.shown and str(value).strip() == self.shown.strip() else super().clean(value)


def label_field(help_text: Any = "") -> LabelField:
    return LabelField(label=_("Label"), help_text=help_text, error_messages={"required": _("Enter a label.")})


class LabelForm(OnceForm):
    label = label_field()
    shown = KeylessField(widget=forms.HiddenInput, required=False, strip=False)

    def __init__(self, data: QueryDict | None = None, *, url: str = "") -> None:
        super().__init__(data, url=url)
        label = self.fields["label"]
        assert isinstance(label, LabelField)  # noqa: S101, for the type checker
        label.shown = data.get("shown", "") if data else ""

    def shows(self, label: str) -> None:
        self.initial.update(label=label, shown=label)

    @property
    def new_label(self) -> str | None:
        """Changed label; None if it is what was shown: then the label stays as it is upstream."""
        label: str = self.cleaned_data["label"]
        return None if label == self.cleaned_data["shown"] else label


class ZonedForm(OnceForm):
    """Form that times are typed into: they mean the zone in which it was opened, which the form says."""

    zone = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, data: QueryDict | None = None, *, url: str = "") -> None:
        super().__init__(data, url=url)
        self.initial["zone"] = zone_name()
        opened_in = data.get("zone") if data else None
        self.time_zone = zone(opened_in) if opened_in else timezone.get_current_timezone()

    def full_clean(self) -> None:
        with timezone.override(self.time_zone):
            super().full_clean()

    @property
    def last_day(self) -> date:
        return timezone.localdate(timezone=self.time_zone) + timedelta(days=settings.KEYS_LONGEST_DAYS)

    def _check_last(self, chosen: date) -> None:
        if chosen > self.last_day:
            words = _("The latest possible expiry is %(day)s.")
            raise ValidationError(words, "far", {"day": date_format(self.last_day)})


class ExpiryForm(ZonedForm):
    """Form that asks when a new key expires: after a time, at the end of a day, or never."""

    ends = forms.ChoiceField(label=_("Expires"), widget=forms.RadioSelect, initial="90")
    ends_on = forms.DateField(
        label=_("Date"),
        required=False,
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, data: QueryDict | None = None, *, url: str = "") -> None:
        super().__init__(data, url=url)
        today = timezone.now()
        lasting = [(days, on_day(name, today + timedelta(days=int(days)))) for days, name in LIFETIMES.items()]
        field = self.fields["ends"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101, for the type checker
        field.choices = [*lasting, (ON_A_DATE, _("On a date")), (NEVER, _("Never"))]
        on = self.fields["ends_on"]
        on.help_text = format_lazy(_("The key works until the end of this day ({zone})."), zone=str(self.time_zone))
        on.widget.attrs.update(
            min=timezone.localdate(timezone=self.time_zone).isoformat(), max=self.last_day.isoformat()
        )

    def clean_ends_on(self) -> date | None:
        chosen: date | None = self.cleaned_data["ends_on"]
        if self.cleaned_data.get("ends") != ON_A_DATE:
            return None
        if chosen is None:
            raise ValidationError(_("Choose a date."), code="required")
        if chosen < timezone.localdate():
            raise ValidationError(_("This day is in the past (%(zone)s)."), "past", {"zone": str(self.time_zone)})
        self._check_last(chosen)
        return chosen

    @property
    def key_ends(self) -> datetime | None:
        """None is never."""
        ends = self.cleaned_data["ends"] or NEVER
        if ends == NEVER:
            return None
        if ends == ON_A_DATE:
            return datetime.combine(self.cleaned_data["ends_on"], time(23, 59, 59), self.time_zone)
        return timezone.now() + timedelta(days=int(ends))


class CreateForm(ExpiryForm):
    label = label_field(_("Where the key is used, such as “Production server”."))
    field_order: Sequence[str] = ("label", "ends", "ends_on")


class RotateForm(OnceForm):
    offers = list(GRACES)
    grace = forms.ChoiceField(label=_("The old key expires"), widget=forms.RadioSelect, initial="24h")

    def __init__(self, data: QueryDict | None = None, *, url: str = "") -> None:
        super().__init__(data, url=url)
        self._offer(list(GRACES))

    def _offer(self, codes: list[str], *last: tuple[str, SafeString]) -> None:
        now = timezone.now()
        field = self.fields["grace"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101, for the type checker
        earlier = [
            (code, at_moment(name, now + grace) if grace else with_moment(name, refusals.choice()))
            for code, (grace, name) in GRACES.items()
            if code in codes
        ]
        field.choices = [*earlier, *last]

    def offer_until(self, end: datetime | None) -> None:
        """Offer no time later than the key's own end, which comes in the place of the first one that would be."""
        now = timezone.now()
        late = [code for code, (grace, _name) in GRACES.items() if grace and end and now + grace >= end]
        if not late or end is None:
            self._offer(self.offers)
            return
        itself = at_moment(_("When it expires anyway"), end)
        self._offer([code for code in self.offers if code not in late], (late[0], itself))
        if self.fields["grace"].initial in late:
            self.initial["grace"] = late[0]

    @property
    def old_ends(self) -> datetime:
        grace, _name = GRACES[self.cleaned_data["grace"]]
        return timezone.now() + (grace or -A_MOMENT)


class KeepForm(RotateForm):
    """A later or earlier end for a key that was replaced. Now is asked for by a button of its own."""

    offers = [code for code, (grace, _name) in GRACES.items() if grace]


class RotateAllForm(RotateForm, ExpiryForm):
    new = forms.ChoiceField(
        label=_("New keys"),
        widget=forms.RadioSelect,
        choices=[("each", _("One for each old key, with its label")), ("one", _("One for all, without a label"))],
        initial="each",
        required=False,
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    """Version mark of the keys as the form was opened; whoever sends none of it takes them as they are."""

    def __init__(self, data: QueryDict | None = None, *, url: str = "") -> None:
        super().__init__(data, url=url)
        self.fields["grace"].label = _("The old keys expire")
        self.fields["ends"].label = _("The new keys expire")
        # What is not sent at all is as it was before these could be chosen: one key without an end.
        self.fields["ends"].required = False


class EndForm(ZonedForm):
    ends_on = forms.DateTimeField(
        widget=forms.DateTimeInput({"type": "datetime-local"}, format=MINUTES),
    )
    shown = forms.CharField(widget=forms.HiddenInput, required=False)
    """End as the form was opened with, which may be sent again however far away. `check_last` knows if it is so."""

    def __init__(self, data: QueryDict | None = None, *, url: str = "") -> None:
        super().__init__(data, url=url)
        self.fields["ends_on"].label = format_lazy(_("Expires ({zone})"), zone=str(self.time_zone))
        self.fields["ends_on"].widget.attrs["max"] = f"{self.last_day.isoformat()}T23:59"

    def shows(self, ends: datetime | None) -> None:
        """Bounds of the field: now, and the end as it is."""
        bounds = self.fields["ends_on"].widget.attrs
        bounds["min"] = local(timezone.now()).strftime(MINUTES)
        if ends:
            here = local(ends).replace(tzinfo=None)
            self.initial.update(ends_on=here, shown=here.strftime(MINUTES))
            bounds["max"] = here.strftime(MINUTES)

    def clean_ends_on(self) -> datetime:
        """A time that has just passed means now: forms are filled in slowly."""
        ends: datetime = self.cleaned_data["ends_on"]
        if ends < timezone.now() - timedelta(hours=1):
            raise ValidationError(_("This time is in the past (%(zone)s)."), "past", {"zone": str(self.time_zone)})
        shown = self.data.get("shown", "")
        if self.data.get("ends_on") != shown or ends > LATEST:
            self._check_last(local(ends).date())
            if shown and f"{local(ends):{MINUTES}}" > shown:
                raise ValidationError(_("A key can't be extended. Create or rotate a key instead."), "later")
        return ends


class ManagerForm(OnceForm):
    email = AddressField(label=_("Email address"), max_length=254, widget=forms.EmailInput({"autocapitalize": "none"}))

    def clean_email(self) -> str:
        address = plain_address(self.cleaned_data["email"])
        check_address(address)
        return address


class AccessRequestForm(forms.Form):
    consumer = WordsField(
        label=_("Consumer name, or last 4 characters of a key"),
        max_length=128,
        widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


def plain_address(text: str) -> str:
    """The address with its ASCII letters in lower case, as accounts have it; others are left as they are."""
    return "".join(sign.lower() if sign.isascii() else sign for sign in text.strip())


def check_address(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError:
        raise ValidationError(_("“%(text)s” isn't an email address."), "email", {"text": address}) from None
    if not address.isprintable():  # in an address even what a script needs would be somebody else's
        raise ValidationError(_("Remove control characters and invisible characters."), "unreadable")


def with_moment(name: Any, moment: str) -> SafeString:
    return format_html('{} <span class="choice-moment">{}</span>', name, moment)


def _on_day(name: Any, moment: datetime) -> SafeString:
    return with_moment(name, day(moment))


def _at_moment(name: Any, moment: datetime) -> SafeString:
    return with_moment(name, exact(moment))


# Written as the choices are shown, not as one of them is sent.
on_day, at_moment = lazy(_on_day, SafeString), lazy(_at_moment, SafeString)
