"""Every state has a page: what cannot be shown, or not like this, is said in words."""

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from pytest_django.fixtures import Settings

from sandbox import Sandbox
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db


def text_of(response) -> str:
    return " ".join(BeautifulSoup(response.content, "html.parser").main.get_text(" ").split())


@pytest.mark.parametrize("verb", ["reveal", "copy", "try"])
def test_the_address_of_a_button_is_explained(verb: str, sandbox: Sandbox, ann_client: Client) -> None:
    """H1, C5: as when it was opened from the history."""
    key = acme(sandbox)[0]
    response = ann_client.get(f"/keys/production/acme/{key['id']}/{verb}/")
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert "belongs to a button" in text_of(response)
    assert "/keys/" in {link["href"] for link in BeautifulSoup(response.content, "html.parser").main.find_all("a")}
    assert "no-store" in response["Cache-Control"]
    assert sandbox.journal() == []


def test_a_wrong_method_is_explained_to_visitors_too(client: Client) -> None:
    response = client.post("/")
    assert response.status_code == 405
    assert "This address is not a page" in text_of(response)
    assert not response.cookies


def test_what_is_too_large_is_explained_on_a_page(client: Client, settings: Settings) -> None:
    """F6"""
    settings.PORTAL_NAME = "Acme Keys"
    response = client.post("/accounts/login/", {"login": "x" * 70_000})
    assert response.status_code == 413
    assert "too large" in text_of(response)
    assert "Acme Keys" in response.text
    assert response["X-Request-ID"] in response.text


@pytest.mark.parametrize("address", ["/nowhere", "/keys/production/acme/no/no/no/", "/keys/staging/"])
def test_the_demo_shows_what_customers_see(address: str, ann_client: Client, settings: Settings) -> None:
    """And not Django's list of addresses, which debug mode would show."""
    customers_see = ann_client.get(address)
    settings.DEBUG = True
    response = ann_client.get(address)
    assert response.status_code == customers_see.status_code == 404
    assert response.content == customers_see.content
    assert "Page not found" in text_of(response)


def test_an_address_without_its_last_slash_still_leads_on(ann_client: Client, settings: Settings) -> None:
    settings.DEBUG = True
    assert ann_client.get("/keys").headers["Location"] == "/keys/"


def test_the_style_guide_is_for_developers(client: Client, settings: Settings) -> None:
    assert client.get("/styleguide/").status_code == 404
    settings.DEBUG = True
    response = client.get("/styleguide/")
    assert response.status_code == 200
    page = BeautifulSoup(response.content, "html.parser")
    ids = [element["id"] for element in page.find_all(id=True)]
    assert [one.get_text() for one in page.select("[data-consumer=watched] button")] == ["People"]
    assert "Replaced by" in page.select_one("[data-consumer=acme]").get_text()
    assert {id_ for id_ in ids if id_.startswith("consumer-")} == {
        "consumer-acme",
        "consumer-empty",
        "consumer-watched",
    }
