"""Pages and mails in the reader's language: the browser's, or the one chosen by the switch."""

import pytest
from bs4 import BeautifulSoup
from django.test import Client

pytestmark = pytest.mark.django_db

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def language_of(response) -> str:
    return BeautifulSoup(response.text, "html.parser").html["lang"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("es-MX", "es"),
        ("fr,es;q=0.3", "es"),
        ("fr", "en"),
        ("", "en"),
        ("\x00;q", "en"),
    ],
)
def test_the_browser_chooses_among_the_languages_there_are(client: Client, accepted: str, language: str) -> None:
    response = client.get("/", headers={"Accept-Language": accepted})
    assert language_of(response) == response["Content-Language"] == language
    assert "Accept-Language" in response["Vary"]


def test_the_switch_goes_before_the_browser_and_is_remembered(client: Client) -> None:
    page = "http://testserver/accounts/login/?next=/keys/"
    response = client.post("/language/", {"language": "es"}, headers=GERMAN | {"Referer": page})
    assert (response.status_code, response["Location"]) == (303, page)
    cookie = response.cookies["language"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert int(cookie["max-age"]) > 300 * 24 * 3600
    assert language_of(client.get(page, headers=GERMAN)) == "es"


@pytest.mark.parametrize("page", ["https://evil.test/", "//evil.test", "javascript:alert(1)", ""])
def test_the_switch_leads_to_no_other_site(client: Client, page: str) -> None:
    response = client.post("/language/", {"language": "de"}, headers={"Referer": page})
    assert response["Location"] == "/"


@pytest.mark.parametrize("language", ["fr", "", "de\r\nX: y", "../de", "DE"])
def test_a_language_that_there_is_not_changes_nothing(client: Client, language: str) -> None:
    response = client.post("/language/", {"language": language})
    assert response.status_code == 303
    assert not response.cookies


def test_the_switch_names_each_language_in_itself_and_the_current_one(client: Client) -> None:
    page = BeautifulSoup(client.get("/", headers=GERMAN).text, "html.parser")
    buttons = page.select("form[action='/language/'] button")
    assert [(button["lang"], button.text) for button in buttons] == [
        ("en", "English"),
        ("de", "Deutsch"),
        ("es", "Español"),
    ]
    assert [button.text for button in buttons if button.get("aria-current")] == ["Deutsch"]
    assert not page.select("form[action='/language/'] input")


def test_the_error_page_speaks_the_language_too(client: Client, settings) -> None:
    settings.ROOT_URLCONF = "tests.failing_urls"
    client.raise_request_exception = False
    response = client.get("/fail", headers=GERMAN)
    assert response.status_code == 500
    assert language_of(response) == "de"
