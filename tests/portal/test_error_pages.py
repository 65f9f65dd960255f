"""Every state has a page: what cannot be shown, or not like this, is said in words."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django.core.cache import cache
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
    assert "There's no page here" in text_of(response)
    assert not response.cookies


def test_what_is_too_large_is_explained_on_a_page(client: Client, settings: Settings) -> None:
    """F6"""
    settings.PORTAL_NAME = "Acme Keys"
    response = client.post("/accounts/login/", {"login": "x" * 70_000})
    assert response.status_code == 413
    assert "too long" in text_of(response)
    assert "Acme Keys" in response.text


# The frame of the site: header, account and language


def frame(response) -> tuple[bool, str, bool]:
    """Whether there is a header with the brand; who is said to be there; whether the language can be chosen."""
    page = BeautifulSoup(response.content, "html.parser")
    menu = page.select_one("header .menu-name")
    return bool(page.select_one("header .brand")), menu.text if menu else "", bool(page.select_one("footer .languages"))


MANY_FIELDS = "a&" * 1001
FAILURES = {
    "forbidden": ("/forbidden", 403),
    "not found": ("/nowhere", 404),
    "wrong method": ("/keys/production/acme/x/reveal/", 405),
    "unreadable": (f"/accounts/password/reset/?{MANY_FIELDS}", 400),
    "failed": ("/fail", 500),
}


@pytest.mark.parametrize(("address", "status"), FAILURES.values(), ids=FAILURES)
def test_an_error_page_keeps_the_frame_of_the_site(address, status, ann, client_of, settings) -> None:
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    for person, named in ((None, ""), (ann, "ann@acme.test")):
        client = client_of(person)
        client.raise_request_exception = False
        if person and status == 500:
            address = "/fail-knowing-who"
        response = client.get(address)
        assert response.status_code == status
        assert frame(response) == (True, named, True)


@pytest.mark.parametrize(
    ("address", "status", "strict"),
    [
        ("/keys/production/acme/x/reveal/", 404, False),
        ("/nowhere", 404, False),
        ("/keys/production/acme/x/reveal/", 403, True),
    ],
    ids=["a key of somebody else's", "no page", "without a token"],
)
def test_an_error_in_answer_to_a_form_keeps_it_too(address, status, strict, ann, client_of, sandbox) -> None:
    response = client_of(ann, strict=strict).post(address)
    assert (response.status_code, frame(response)) == (status, (True, "ann@acme.test", True))


def test_an_outage_in_answer_to_a_form_keeps_it_too(ann_client: Client, settings: Settings) -> None:
    response = ann_client.post("/keys/production/acme/x/reveal/")
    assert (response.status_code, frame(response)) == (503, (True, "ann@acme.test", True))


@pytest.mark.parametrize("address", ["/forbidden", "/accounts/inactive/"])
def test_a_page_that_sends_people_to_support_leads_there(address: str, client: Client, settings: Settings) -> None:
    settings.ROOT_URLCONF, settings.PORTAL_SUPPORT_URL = "tests.helpers.failing_urls", "https://help.acme.test/"
    page = BeautifulSoup(client.get(address).content, "html.parser")
    assert "contact support" in page.main.text
    assert page.main.find("a", href=settings.PORTAL_SUPPORT_URL)


def test_a_failure_that_has_not_asked_who_is_there_does_not_either(ann_client: Client, settings: Settings) -> None:
    """The session or the database may be the trouble."""
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    ann_client.raise_request_exception = False
    response = ann_client.get("/fail")
    assert frame(response) == (True, "", True)
    assert "/accounts/login/" not in response.text, "who is signed in is not told to sign in"


def test_a_failure_of_the_frame_itself_still_has_a_page(client: Client, settings: Settings, tmp_path: Path) -> None:
    """As where an operator's own base.html is broken."""
    (tmp_path / "base.html").write_text("{% url 'nowhere' %}")
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]
    client.raise_request_exception = False
    response = client.get("/fail")
    assert response.status_code == 500
    assert "Something went wrong on our side" in text_of(response)
    assert response["X-Request-ID"] in response.text


def test_a_request_for_another_host_or_too_large_has_a_frame_without_account(ann_client: Client) -> None:
    """Refused before anybody is known."""
    ann_client.raise_request_exception = False
    for response in (ann_client.get("/", headers={"host": "evil.test"}), ann_client.post("/", {"x": "x" * 70_000})):
        assert frame(response)[:2] == (True, "")


def test_an_error_page_in_django_admin_leads_to_the_portal(sandbox: Sandbox, sam_client: Client, client_of) -> None:
    """There the names of the key pages mean those of the API Key Service."""
    acme(sandbox)
    place = "/admin/keys/consumer/production/acme"
    answers = [sam_client.get(f"{place}/key_1/reveal/"), client_of(strict=True).post(f"{place}/rename/")]
    for response, status in zip(answers, (405, 403), strict=True):
        assert response.status_code == status
        assert not [
            link
            for link in BeautifulSoup(response.content, "html.parser").select("main a, nav a")
            if link["href"].startswith("/admin/")
        ]


def test_what_is_not_there_makes_no_token(sandbox: Sandbox, ann_client: Client, sam_client: Client) -> None:
    """A 404 is the same whatever is missing, and without a form it needs none."""
    for client, path in ((ann_client, "/keys/production/elsewhere/"), (sam_client, "/nowhere/")):
        client.cookies.pop("csrftoken", None)
        response = client.get(path)
        assert response.status_code == 404
        assert "csrftoken" not in response.cookies


# An outage passes; the page looks for itself


@pytest.fixture
def outage(sandbox: Sandbox) -> Sandbox:
    acme(sandbox)
    sandbox.fault("*", "*", "status", status=503, times=0)
    return sandbox


def test_a_page_of_an_outage_tries_again_by_itself_ever_later(outage: Sandbox, ann_client: Client) -> None:
    waits = []
    for _ in range(7):
        cache.clear()  # else the circuit breaker would answer
        response = ann_client.get("/keys/")
        assert response.status_code == 503
        waits.append(int(response["Refresh"]))
        assert f"tries again by itself in {waits[-1]} seconds" in text_of(response)
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    outage.clear_faults()
    cache.clear()
    assert "Refresh" not in ann_client.get("/keys/")


def test_it_gives_up_where_nobody_seems_to_look(outage: Sandbox, ann_client: Client) -> None:
    ann_client.cookies["tries"] = "20"
    response = ann_client.get("/keys/")
    assert "Refresh" not in response
    assert "by itself" not in response.text
    ann_client.cookies["tries"] = "many"
    assert ann_client.get("/keys/")["Refresh"] == "5"


def test_it_waits_as_long_as_it_is_told_to(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    sandbox.fault("*", "*", "status", status=503, times=0, retry_after="30")
    response = ann_client.get("/keys/")
    assert response["Retry-After"] == response["Refresh"] == "30"


def test_what_was_sent_is_never_sent_again_by_itself(outage: Sandbox, ann_client: Client, sam_client: Client) -> None:
    """G4: nor does a fragment, or a search of Django admin."""
    sent = ann_client.post("/keys/production/acme/rename/", {"label": "New"})
    part = ann_client.get("/keys/production/acme/rename/", headers={"HX-Request": "true"})
    admin = sam_client.get("/admin/keys/consumer/production/acme/")
    for response in (sent, part, admin):
        assert response.status_code == 503
        assert "Refresh" not in response
        assert not response.cookies.get("tries")


# A reference is for what support can look up


def test_what_a_person_did_has_no_reference(sandbox: Sandbox, ann_client: Client, settings: Settings) -> None:
    acme(sandbox)
    settings.KEYS_PER_CONSUMER = 1
    refused = ann_client.get("/keys/production/acme/create/")
    gone = ann_client.post("/keys/production/acme/no-such-key/rename/", {"label": "x"}, headers={"HX-Request": "true"})
    for response, status in ((refused, 403), (gone, 404)):
        assert response.status_code == status
        assert "Reference" not in response.text


def test_a_refusal_that_came_from_an_odd_answer_has_one(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    sandbox.fault("GET", "*", "odd_object", object="consumer", times=0, field="managers", value="none")
    response = ann_client.post("/keys/production/acme/rename/", {"label": "x"}, headers={"HX-Request": "true"})
    assert response.status_code == 404
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
    assert "eplaced by" in page.select_one("[data-consumer=acme]").get_text()
    assert {id_ for id_ in ids if id_.startswith("consumer-")} == {
        "consumer-acme",
        "consumer-empty",
        "consumer-watched",
    }
