"""Removed addresses: what becomes of one that its owner no longer wants on the account."""

import re

import pytest
from allauth.account.models import EmailAddress
from bs4 import BeautifulSoup

from tests.helpers.people import passes

pytestmark = pytest.mark.django_db

EMAIL = "/accounts/email/"


@pytest.fixture
def anns(make_person, client_of):
    return client_of(make_person("ann@acme.test", "ann@old.test"))


def question(client) -> str:
    (path,) = re.findall(r'href="(/accounts/email/\d+/remove/)"', client.get(EMAIL).text)
    return path


def test_an_address_is_taken_off_after_a_question_only(anns):
    assert "action_remove" not in anns.get(EMAIL).text
    page = BeautifulSoup(anns.get(question(anns)).text, "html.parser")
    assert page.h2.text == "Remove ann@old.test?"
    assert "can't sign in with it" in page.text
    assert EmailAddress.objects.count() == 2
    form = page.find("form", action=EMAIL)
    anns.post(EMAIL, {field["name"]: field.get("value", "") for field in form.select("[name]")})
    assert [one.email for one in EmailAddress.objects.all()] == ["ann@acme.test"]


def test_the_primary_address_stands_first(make_person, client_of):
    page = client_of(make_person("zoe@acme.test", "ann@old.test")).get(EMAIL)
    rows = BeautifulSoup(page.text, "html.parser").select(".row strong")
    assert [row.text for row in rows] == ["zoe@acme.test", "ann@old.test"]


def test_of_an_unproved_address_nothing_is_lost(anns):
    EmailAddress.objects.filter(email="ann@old.test").update(verified=False)
    assert "It was never confirmed" in anns.get(question(anns)).text


def test_nobody_is_asked_about_the_primary_address_or_one_of_somebody_else(anns, mallory_client):
    path = question(anns)
    primary = EmailAddress.objects.get(email="ann@acme.test")
    assert anns.get(f"/accounts/email/{primary.pk}/remove/").status_code == 404
    assert mallory_client.get(path).status_code == 404
    assert anns.post(path).status_code == 405


def test_the_proof_comes_before_the_question(anns):
    path = question(anns)
    passes(anns, proof=16)
    assert anns.get(path).headers["Location"].startswith("/accounts/step-up/?next=")
