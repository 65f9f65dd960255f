"""Every free text of the project refuses a pasted key: of Zuplo's format, and of the operator's own."""

import importlib

import pytest
from allauth.account.fields import PasswordField
from bs4 import BeautifulSoup
from django import forms
from django.contrib import admin
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client, RequestFactory

from portal.models import OutgoingMail
from sandbox import Sandbox
from sandbox.values import mint_key
from tests.helpers.verbs import acme
from tests.rules.test_imports import ROOT, modules

pytestmark = pytest.mark.django_db

OWN_FORMAT, OWN = "acme-[0-9a-f]{12}", "acme-0123456789ab"
KEYS = [mint_key(), OWN]
OURS = {"keys", "portal", "plans"}
MAY_HOLD_ONE = {
    "FindKeyForm.value": "asks for a leaked key: kept nowhere, and in no page",
    "LeakForm.found": "a check of its own refuses any word that may be the key",
    "FilterForm.manager": "a search: cut out of the address before anything is asked",
    "FilterForm.tag": "the same",
    "FilterForm.name": "the same",
    "FindForm.name": "the same, and nothing but the name of a consumer",
    "WordsForm.words": "the same",
    "AddPasskeyForm.name": "taken out instead: the device keeps the passkey already",
    **dict.fromkeys(
        ("ProviderSignUpForm.email", "ResetForm.email", "SignUpForm.email"),
        "refused by the form as a whole, see below",
    ),
}
"""Texts of ours of which a field by itself refuses no key, with the reason."""


def texts(form: type[forms.BaseForm]) -> dict[str, forms.Field]:
    """The fields that people type words into."""
    return {
        name: field
        for name, field in form.base_fields.items()
        if isinstance(field, forms.CharField)
        and not field.widget.is_hidden
        and not isinstance(field, PasswordField)
        # Mailed codes, and names that accounts do not have here.
        and name not in {"code", "username"}
    }


def descendants(form: type) -> set[type]:
    return {form}.union(*map(descendants, form.__subclasses__()))


def of_ours() -> dict[str, forms.Field]:
    """All fields for words in any form of the project, by the names of form and field."""
    for path in modules("keys") + modules("portal") + modules("plans"):
        if "Form" in path.read_text():
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    ours = [form for form in descendants(forms.Form) if form.__module__.partition(".")[0] in OURS]
    return {f"{form.__name__}.{name}": field for form in ours for name, field in texts(form).items()}


def of_admin(person) -> dict[str, forms.Field]:
    """All fields for words that Django admin offers to a superuser."""
    request = RequestFactory().get("/admin/")
    request.user = person
    found = {}
    for of_model in admin.site._registry.values():
        if not (of_model.has_add_permission(request) or of_model.has_change_permission(request)):
            continue
        for made in [of_model.get_form(request), *_of_inlines(request, of_model)]:
            found |= {f"{made._meta.model.__name__}.{name}": field for name, field in texts(made).items()}
    return found


def _of_inlines(request, of_model: admin.ModelAdmin) -> list[type[forms.BaseForm]]:
    found = [formset.form for formset, _inline in of_model.get_formsets_with_inlines(request)]
    return [form for form in found if hasattr(form, "base_fields")]


def refuses(field: forms.Field, text: str) -> bool:
    try:
        field.clean(text)
    except ValidationError as refusal:
        return "This looks like it contains a key. Remove it: others can read this text." in refusal.messages
    return False


def test_every_form_of_ours_refuses_a_key_in_its_words(settings) -> None:
    """E1, E2: whoever adds a field for words takes a `KeylessField`, or gives a reason above."""
    settings.KEYS_FORMAT = OWN_FORMAT
    found = of_ours()
    assert len(found) > 20
    assert MAY_HOLD_ONE.keys() <= found.keys(), "a reason for what is not there"
    for key in KEYS:
        for text in (key, f"Old: {key}.", f"a={key}"):
            assert {name for name, field in found.items() if not refuses(field, text)} == MAY_HOLD_ONE.keys()


def test_every_field_of_django_admin_refuses_a_key(sam, settings) -> None:
    settings.KEYS_FORMAT, settings.PLANS = OWN_FORMAT, "portal"
    sam.is_superuser = True
    sam.save()
    found = of_admin(sam)
    assert found.keys() >= {"Plan.description", "PlanFeature.words", "Invitation.email", "User.email", "Group.name"}
    assert [name for name, field in found.items() for key in KEYS if not refuses(field, key)] == []


@pytest.mark.parametrize("key", KEYS, ids=["of Zuplo", "of its own"])
@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/accounts/login/", "login"),
        ("/accounts/signup/", "email"),
        ("/accounts/password/reset/", "email"),
        ("/accounts/email/", "email"),
    ],
)
def test_no_address_is_a_key(url: str, field: str, key: str, client: Client, ann_client: Client, settings) -> None:
    """E2: it would stand in the list of mails."""
    settings.KEYS_FORMAT = OWN_FORMAT
    whoever = ann_client if url == "/accounts/email/" else client
    response = whoever.post(url, {field: f"{key}@acme.test", "action_add": ""})
    assert "This looks like it contains a key." in response.text
    assert mail.outbox == []
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize("spelled", ["\\u005f", "_"])
def test_escapes_hide_no_key(spelled: str, settings) -> None:
    """E2: JSON has more than one spelling."""
    key = mint_key().replace("_", spelled)
    assert refuses(of_ours()["ConsumerForm.metadata"], f'{{"ci": "{key}"}}')


@pytest.mark.parametrize("key", KEYS, ids=["of Zuplo", "of its own"])
def test_a_refused_key_is_not_shown_again(key: str, settings) -> None:
    """E1: whatever form it was typed into."""
    settings.KEYS_FORMAT = OWN_FORMAT
    for name, field in of_ours().items():
        if name not in MAY_HOLD_ONE:
            words = field.get_bound_field(forms.Form({"text": f"We use {key}."}), "text")
            assert key not in str(words), name
            assert "We use" in str(words), name


def test_a_key_of_its_own_format_is_shown_nowhere(sandbox: Sandbox, ann_client: Client, settings) -> None:
    """E1: neither in a label that others wrote, nor in an address that was asked for."""
    settings.KEYS_FORMAT = OWN_FORMAT
    acme(sandbox)
    sandbox.add_consumer("old", label=f"Old {OWN}", managers=["ann@acme.test"], keys=[{"description": OWN}])
    page = ann_client.get("/keys/").text
    assert OWN not in page
    assert "Old [key removed]" in BeautifulSoup(page, "html.parser").get_text()
    response = ann_client.get("/keys/", {"find": f"x {OWN}", "page": "1"})
    assert (response.status_code, response.url) == (302, "/keys/?find=x+89ab&page=1")
