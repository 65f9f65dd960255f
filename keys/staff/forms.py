"""Forms for staff. The limits of the Developer API are checked and said before anything is sent."""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from keys import refusals
from keys.redaction import without_keys
from keys.staff.fields import AddressesField, MetadataField, TagsField
from keys.staff.search.fingerprint import SHORTEST
from keys.tolerance import may_be_value
from keys.types import NAME, Consumer
from keys.web.forms import (
    A_MOMENT,
    CreateForm,
    EndForm,
    KeylessField,
    LabelField,
    MistakenField,
    OnceForm,
    label_field,
    readable,
    with_moment,
)

NO_KEY = "none"
_NEW_NAME = re.compile(r"[a-z0-9-]{1,128}")


class ConsumerForm(OnceForm):
    label = label_field(_("What managers see. You can change it at any time."))
    tags = TagsField(
        label=_("Tags"),
        required=False,
        help_text=_("Up to 5, one per line, as name=value. The portal and your tools can filter by them."),
    )
    metadata = MetadataField(
        label=_("Metadata"),
        required=False,
        help_text=_("A JSON object of up to 1,000 bytes. The gateway's policies see it as request.user.data."),
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, data: QueryDict | None = None, *, url: str = "", consumer: Consumer) -> None:
        super().__init__(data, url=url)
        self.consumer = consumer
        self.initial.update(_parts(consumer), seen=_fingerprint(consumer))
        for name in ("label", "tags"):
            self.fields[name].shown = getattr(consumer, name)  # type: ignore[attr-defined]

    def clean_seen(self) -> str:
        """Optimistic concurrency: no change is written over unseen. Where all is as wanted, it was sent before."""
        is_so = all(may_be_value(part, self.cleaned_data.get(name)) for name, part in _parts(self.consumer).items())
        if self.cleaned_data["seen"] != _fingerprint(self.consumer) and not is_so:
            raise ValidationError("changed", "changed")
        return str(self.cleaned_data["seen"])

    @property
    def is_outdated(self) -> bool:
        return self.has_error("seen")

    @property
    def wanted(self) -> dict[str, Any]:
        """The fields that differ from what is there."""
        before = _parts(self.consumer)
        return {field: self.cleaned_data[field] for field in before if self.cleaned_data[field] != before[field]}


class NewConsumerForm(CreateForm):
    name = KeylessField(
        label=_("Name"),
        required=False,
        max_length=128,
        help_text=_(
            "Lowercase letters, digits and hyphens. You can't change it later. If left empty, it's made from the label."
        ),
    )
    managers = AddressesField(
        label=_("Managers"),
        required=False,
        help_text=_(
            "Email addresses, one per line. Anyone who signs in with one of these can see and change the keys."
        ),
    )
    invite = forms.BooleanField(
        label=_("Invite them through Zuplo instead of adding them"),
        required=False,
        help_text=_("Until they accept the invitation, this portal might not find them."),
    )
    tags = TagsField(label=_("Tags"), required=False, help_text=ConsumerForm.base_fields["tags"].help_text)
    metadata = MetadataField(
        label=_("Metadata"), required=False, help_text=ConsumerForm.base_fields["metadata"].help_text
    )
    key_label = LabelField(label=_("Key label"), required=False)

    field_order = ("label", "name", "managers", "invite", "tags", "metadata", "ends", "ends_on", "key_label")

    def __init__(self, data: QueryDict | None = None, *, url: str = "") -> None:
        super().__init__(data, url=url)
        self.fields["label"].help_text = _("Who it is: a company, a team or a project.")
        ends = self.fields["ends"]
        assert isinstance(ends, forms.ChoiceField)  # noqa: S101, for the type checker
        ends.label, ends.initial = _("First key expires"), NO_KEY
        ends.choices = [(NO_KEY, _("No key yet")), *cast(Iterable[tuple[str, Any]], ends.choices)]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if name and not _NEW_NAME.fullmatch(name):
            raise ValidationError(_("Use only lowercase letters a to z, digits and hyphens."), "name")
        return name or _name_of(self.cleaned_data.get("label", ""))

    def clean_key_label(self) -> str:
        label = str(self.cleaned_data["key_label"])
        if self.has_key and not label:
            raise ValidationError(_("Say where the key is used."), "required")
        return label

    @property
    def has_key(self) -> bool:
        return bool(self.cleaned_data.get("ends", NO_KEY) != NO_KEY)


class DeleteForm(OnceForm):
    typed = KeylessField(label=_("Name"), required=False, widget=forms.TextInput({"autocomplete": "off"}))

    def __init__(self, data: QueryDict | None = None, *, url: str = "", name: str) -> None:
        super().__init__(data, url=url)
        self.name = name

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"] != self.name:
            raise ValidationError(_("That isn't its name. Nothing was deleted."), "name")
        return self.name


class FilterForm(forms.Form):
    """Filters that the Developer API itself offers."""

    bound_field_class = MistakenField
    manager = forms.CharField(label=_("Manager"), required=False, max_length=254)
    tag = forms.CharField(
        label=_("Tag"), required=False, max_length=300, widget=forms.TextInput({"placeholder": "name=value"})
    )
    name = forms.CharField(label=_("Exact name"), required=False, max_length=128)

    def clean_tag(self) -> tuple[str, str] | None:
        text = str(self.cleaned_data["tag"])
        name, _equals, value = (part.strip() for part in text.partition("="))
        if text and not (name and value):
            raise ValidationError(_("Write a tag as name=value."), "form")
        return (name, value) if text else None

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name and not NAME.fullmatch(name):
            raise ValidationError(_("That can't be a name: names have only letters, digits and hyphens."), "name")
        return name


class FindKeyForm(forms.Form):
    """Asks for a leaked key, which is never put into a page again."""

    bound_field_class = MistakenField
    value = forms.CharField(
        label=_("Key, or its last characters"),
        max_length=512,
        widget=forms.PasswordInput({"autocomplete": "off", "spellcheck": "false"}, render_value=False),
    )

    def clean_value(self) -> str:
        value = re.sub(r"^bearer\s+", "", self.cleaned_data["value"].strip().strip("\"'`"), flags=re.I)
        if len(value) < SHORTEST or not re.fullmatch(r"[!-~]+", value):
            raise ValidationError(
                _("Paste the key, or at least its last %(number)d characters, without spaces."),
                "short",
                {"number": SHORTEST},
            )
        return str(value)


class LeakForm(EndForm):
    NOW, LATER = "now", "later"

    when = forms.ChoiceField(label=_("The key expires"), widget=forms.RadioSelect, initial=NOW)
    tell = forms.BooleanField(label=_("Email all managers that it leaked"), required=False, initial=True)
    found = forms.CharField(
        label=_("Where it was found"),
        required=False,
        max_length=500,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("Managers read this. Say where and when, but leave out the key itself."),
    )

    field_order = ("when", "ends_on", "tell", "found")

    def __init__(self, data: QueryDict | None = None, *, url: str = "", ending: str) -> None:
        super().__init__(data, url=url)
        self.ending = ending
        when = self.fields["when"]
        assert isinstance(when, forms.ChoiceField)  # noqa: S101, for the type checker
        when.choices = [(self.NOW, with_moment(_("Now"), refusals.choice())), (self.LATER, _("At a set time"))]
        self.fields["ends_on"].required = data is not None and data.get("when") == self.LATER
        self.fields["ends_on"].label = format_lazy(_("Time ({zone})"), zone=str(self.time_zone))

    def clean_ends_on(self) -> datetime:
        if self.cleaned_data.get("when") != self.LATER:
            return timezone.now() - A_MOMENT
        return super().clean_ends_on()

    def clean_found(self) -> str:
        """It is mailed and kept, so the key must not be in it; nor is it shown again in the form."""
        words = self.cleaned_data["found"].split()
        found = " ".join(words)
        if any(map(self._may_be_the_key, words)):
            kept = (gettext("[key]") if self._may_be_the_key(word) else word for word in words)
            self.data = {**dict(self.data.items()), "found": " ".join(kept)}
            raise ValidationError(
                _("This looks like it contains the key. Remove it: the text is sent by email."), "key"
            )
        readable(found)
        if self.cleaned_data.get("tell") and not found:
            raise ValidationError(_("Say where it was found, so managers know where to look."), "required")
        return found if self.cleaned_data.get("tell") else ""

    def _may_be_the_key(self, word: str) -> bool:
        is_long = len(word) > 20 and bool(self.ending) and self.ending in word
        return is_long or without_keys(word) != word


def _name_of(label: str) -> str:
    """A slug of the label with a random part: unique, and people still know it by it."""
    words = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:60]
    return "-".join(filter(None, [words, secrets.token_hex(4)]))


def _parts(consumer: Consumer) -> dict[str, Any]:
    return {"label": consumer.label, "tags": dict(consumer.tags), "metadata": dict(consumer.metadata)}


def _fingerprint(consumer: Consumer) -> str:
    return hashlib.sha256(json.dumps(_parts(consumer), sort_keys=True).encode()).hexdigest()
