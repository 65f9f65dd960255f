"""Form fields for staff: tags, metadata and lists of addresses, one to a line."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from keys.web.forms import AddressField, KeylessField, check_address, keyless, plain_address, readable

# zuplo.com/docs: articles/limits. A kilobyte is read as the smaller of its two meanings.
TAGS_AT_MOST = 5


METADATA_BYTES = 1000


MANAGERS_AT_MOST = 20


_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")


class TagsField(KeylessField):
    """Lines like `plan=pro`, cleaned to a dictionary."""

    widget = forms.Textarea({"rows": 3, "spellcheck": "false"})
    shown: Mapping[str, str] = {}
    """Tags as the form was opened: lines that are still so stay as they are, whatever upstream let in."""

    def clean(self, value: Any) -> dict[str, str]:
        found: dict[str, str] = {}
        kept = {f"{name}={text}".strip(): (name, text) for name, text in self.shown.items()}
        for line in filter(str.strip, super().clean(value).splitlines()):
            if pair := kept.get(line.strip()):
                found.update([pair])
                continue
            name, _equals, text = (part.strip() for part in line.partition("="))
            if not name or not text:
                raise ValidationError(_("“%(line)s”: write one tag per line, as name=value."), "form", {"line": line})
            if name in found:
                raise ValidationError(_("The tag %(name)s appears twice."), "twice", {"name": name})
            readable(line.strip())
            found[name] = text
        if len(found) > TAGS_AT_MOST:
            raise ValidationError(
                _("You can have at most %(most)d tags; these are %(number)d."),
                "many",
                {"most": TAGS_AT_MOST, "number": len(found)},
            )
        return found

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, Mapping) else value


class MetadataField(KeylessField):
    """A JSON object, cleaned to a dictionary."""

    widget = forms.Textarea({"rows": 6, "spellcheck": "false"})

    def clean(self, value: Any) -> dict[str, Any]:
        text = super().clean(value) or ""
        try:
            found = json.loads(text or "{}", parse_constant=_refuse, object_pairs_hook=_each_once)
            # What is left over of JSON in Python, an endless number or half a sign, is no JSON to others.
            size = len(json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
        except (ValueError, RecursionError) as problem:
            raise ValidationError(
                _("This isn't valid JSON: %(problem)s."), "json", {"problem": _where(problem)}
            ) from None
        keyless(json.dumps(found, ensure_ascii=False))  # also one that was spelled with escapes
        if not isinstance(found, dict):
            raise ValidationError(_('Write a JSON object, as in {"plan": "pro"}.'), "object")
        if _NUL.search(text):  # PostgreSQL keeps none
            raise ValidationError(_("Remove control characters and invisible characters."), "unreadable")
        if size > METADATA_BYTES:
            raise ValidationError(
                _("You can have at most %(most)d bytes; these are %(size)d."),
                "large",
                {"most": METADATA_BYTES, "size": size},
            )
        return found

    def prepare_value(self, value: Any) -> Any:
        return as_json(value) if isinstance(value, Mapping) else value


class AddressesField(KeylessField):
    """Email addresses, one a line, cleaned to a list. In lower case, as people sign in with them."""

    widget = forms.Textarea({"rows": 3, "spellcheck": "false", "autocapitalize": "none"})

    def clean(self, value: Any) -> list[str]:
        found = list(dict.fromkeys(plain_address(text) for text in re.split(r"[\s,;]+", super().clean(value)) if text))
        for address in found:
            check_address(address)
        if len(found) > MANAGERS_AT_MOST:
            raise ValidationError(_("Add at most %(most)d managers at once."), "many", {"most": MANAGERS_AT_MOST})
        return found


KEYLESS: dict[type[models.Field], dict[str, Any]] = {
    models.CharField: {"form_class": KeylessField},
    models.TextField: {"form_class": KeylessField},
    models.EmailField: {"form_class": AddressField},
}
"""`formfield_overrides` of an admin for models: no text that is typed there may hold a key."""


def as_json(value: Any) -> str:
    """For people to read; what does not show, or turns the direction of writing, is spelled out."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _where(problem: Exception) -> str:
    if isinstance(problem, json.JSONDecodeError):
        return gettext("line %(line)d, character %(column)d") % {"line": problem.lineno, "column": problem.colno}
    return gettext("nested too deeply") if isinstance(problem, RecursionError) else str(problem)
