"""Pages and mails in the reader's language: the browser's, or the one chosen by the switch."""

import uuid

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.test import Client
from django.utils import translation

from sandbox import Sandbox
from tests.helpers.people import sign_in
from tests.helpers.verbs import acme, in_time

pytestmark = pytest.mark.django_db

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


@pytest.fixture(autouse=True)
def english_again():
    """A request leaves its language to whoever comes next in this thread."""
    yield
    translation.deactivate()


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
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    client.raise_request_exception = False
    response = client.get("/fail", headers=GERMAN)
    assert response.status_code == 500
    assert language_of(response) == "de"


# What is said


def words(response) -> str:
    return " ".join(BeautifulSoup(response.text, "html.parser").get_text(" ").split())


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "Create key Rotate all"), ("de", "Schlüssel erstellen Alle rotieren"), ("es", "Crear clave Rotar todas")],
)
def test_the_keys_page_speaks_the_language_in_all_its_parts(
    sandbox: Sandbox, ann_client: Client, language: str, said: str
) -> None:
    acme(sandbox)
    page = words(ann_client.get("/keys/", headers={"Accept-Language": language}))
    assert all(word in page for word in said.split())
    for text in ("Copy", "Reveal", "No expiry", "Access:", "Sign out", "Skip to content"):
        assert (text in page) is (language == "en")


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [
        ("en", "1 expired key", "2 expired keys"),
        ("de", "1 abgelaufener Schlüssel", "2 abgelaufene Schlüssel"),
        ("es", "1 clave caducada", "2 claves caducadas"),
    ],
)
def test_one_and_many_are_said_differently(
    sandbox: Sandbox, ann_client: Client, language: str, one: str, many: str
) -> None:
    for name, number in (("single", 1), ("several", 2)):
        keys = [{"description": "Old", "expiresOn": in_time(days=-3).isoformat()}] * number
        sandbox.add_consumer(name, managers=["ann@acme.test"], keys=keys)
    page = words(ann_client.get("/keys/", headers={"Accept-Language": language}))
    assert one in page
    assert many in page


@pytest.mark.parametrize(
    ("language", "date"), [("en", "2 Mar 2031, 16:05"), ("de", "2. März 2031, 16:05"), ("es", "2 mar 2031, 16:05")]
)
def test_dates_are_written_as_the_language_does(sandbox: Sandbox, ann_client: Client, language: str, date: str) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"expiresOn": "2031-03-02T16:05:00.000Z"}])
    page = words(ann_client.get("/keys/", headers={"Accept-Language": language}))
    assert date in page


@pytest.mark.parametrize(("language", "date"), [("de", "9. Nov. 2099, 10:00 UTC"), ("es", "9 nov 2099, 10:00 UTC")])
def test_dates_in_admin_too(sandbox: Sandbox, sam_client: Client, language: str, date: str) -> None:
    sandbox.add_consumer(
        "acme", keys=[{"createdOn": "2025-11-09T10:00:00.000Z", "expiresOn": "2099-11-09T10:00:00.000Z"}]
    )
    for path in ("", "look/old/?days=1&from=0"):
        page = sam_client.get(f"/admin/keys/consumers/production/{path}", headers={"Accept-Language": language})
        assert date in page.text, path


def test_what_goes_wrong_is_said_in_the_language_too(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.fault("*", "*", "status", status=503, times=0)
    response = ann_client.get("/keys/", headers=GERMAN)
    assert response.status_code == 503
    assert "Der Schlüsseldienst ist nicht erreichbar" in words(response)
    assert "Seite nicht gefunden" in words(ann_client.get("/nowhere/", headers=GERMAN))


def test_a_form_says_what_is_wrong_in_the_language(ann_client: Client) -> None:
    entry = {"password1": "open-sesame-1", "password2": "open-sesame-2"}
    response = ann_client.post("/accounts/password/set/", entry, headers=GERMAN)
    assert "Die beiden Passwörter müssen gleich sein." in words(response)


@pytest.mark.parametrize(
    ("language", "subject", "said"),
    [
        ("de", "Ihr Anmeldecode für", "Er gilt 10 Minuten"),
        ("es", "Su código de inicio de sesión para", "Sirve durante 10 minutos"),
    ],
)
def test_a_mail_speaks_the_language_of_the_page_that_asked_for_it(
    client: Client, ann, language: str, subject: str, said: str
) -> None:
    client.post("/accounts/login/", {"login": "ann@acme.test"}, headers={"Accept-Language": language})
    (message,) = mail.outbox
    assert message.subject.startswith(subject)
    assert said in message.body
    assert "Enter this code" not in message.body


def test_a_mail_to_several_speaks_to_each_in_the_language_last_used_here(sandbox: Sandbox, ann, ben, client_of) -> None:
    """Ann signed in with a German browser, Ben chose Spanish by the switch; Carla was never here."""
    keys = [{"description": "CI"}]
    sandbox.add_consumer("acme", managers=["Ann@acme.test", "ben@acme.test", "carla@acme.test"], keys=keys)
    sign_in(Client(headers=GERMAN), "ann@acme.test")
    ben_client = client_of(ben)
    ben_client.post("/language/", {"language": "es"})
    mail.outbox.clear()
    key_id = sandbox.keys("acme")[0]["id"]
    client_of(ann).post(f"/keys/production/acme/{key_id}/delete/", {"token": str(uuid.uuid4())})
    assert {message.to[0]: message.subject for message in mail.outbox} == {
        "Ann@acme.test": "ann@acme.test hat den Schlüssel CI gelöscht (acme)",
        "ben@acme.test": "ann@acme.test eliminó la clave CI (acme)",
        "carla@acme.test": "ann@acme.test deleted the key CI (acme)",
    }
