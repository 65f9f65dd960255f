"""Pages that take a password say, for password managers, whose it is."""

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from tests.helpers.people import last_code, passes

pytestmark = pytest.mark.django_db
RESET = "/accounts/password/reset/"


def named_in(html: str) -> list[str]:
    """The user names beside the passwords of a page, in the order of its forms."""
    forms = [form for form in BeautifulSoup(html, "html.parser").find_all("form") if form.select("[type=password]")]
    assert forms
    for form in forms:
        (name,) = form.select("input[autocomplete=username]")
        assert name["value"] == "ann@acme.test"
        assert name.has_attr("hidden")
        assert name.sourceline < form.select_one("[type=password]").sourceline
    return [form.select_one("input[autocomplete=username]")["value"] for form in forms]


def test_a_first_password_is_set_for_an_address(ann_client):
    assert named_in(ann_client.get("/accounts/password/set/").text) == ["ann@acme.test"]


def test_a_password_is_changed_and_asked_for_again_for_an_address(ann, client_of):
    ann.set_password("open-sesame")
    ann.save()
    client = client_of(ann)
    assert named_in(client.get("/accounts/password/change/").text)
    passes(client, proof=999)
    assert named_in(client.get("/accounts/step-up/", follow=True).text)


def test_a_refused_password_is_typed_again_where_the_mistake_was(ann_client):
    for password, mistaken in (("1", "password1"), ("a-long-open-sesame", "password2")):
        page = ann_client.post("/accounts/password/set/", {"password1": password, "password2": "another-one"}).text
        assert [field["name"] for field in BeautifulSoup(page, "html.parser").select("[autofocus]")] == [mistaken]


def test_a_password_is_reset_for_an_address(ann):
    client = Client()
    client.post(RESET, {"email": "ann@acme.test"})
    page = client.post(f"{RESET}confirm/", {"code": last_code()}, follow=True)
    assert named_in(page.text)
