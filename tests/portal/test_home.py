"""The first page says what the portal is, and leads in."""

import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.django_db


def links(response) -> set[str]:
    return {link["href"] for link in BeautifulSoup(response.text, "html.parser").find_all("a", href=True)}


def test_a_visitor_is_led_to_sign_in_and_sign_up(client):
    response = client.get("/")
    assert response.status_code == 200
    assert {"/accounts/login/", "/accounts/signup/"} <= links(response)


def test_a_visitor_leaves_no_trace(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/")
    assert not response.cookies


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/accounts/signup/"])
def test_a_page_for_visitors_is_compressed_and_open_to_the_back_forward_cache(client, client_of, path, ann):
    """It holds nothing personal; a page of somebody with a session is kept nowhere."""
    response = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert {"private", "no-cache"} <= set(response["Cache-Control"].split(", "))
    assert "no-store" not in response["Cache-Control"]
    assert {"Cookie", "Accept-Encoding", "Accept-Language"} <= set(response["Vary"].split(", "))
    assert response.cookies.keys() == ({"csrftoken"} if path != "/" else set()), "only where a form needs one"
    assert not client.get(path).cookies, "and not anew"
    asked = client_of()
    asked.post("/accounts/login/", {"login": "ann@acme.test"})
    for known in (asked, client_of(ann)):
        assert "no-store" in known.get("/", headers={"Accept-Encoding": "gzip"})["Cache-Control"]
    assert "no-store" in client.post(path, {"login": "nonsense"})["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/accounts/signup/"])
def test_a_page_for_visitors_describes_itself(client, path):
    page = BeautifulSoup(client.get(path).text, "html.parser")
    assert len(page.find("meta", {"name": "description"})["content"]) > 40


def test_each_thing_is_said_once(client, settings):
    settings.PORTAL_DOCS_URL = "https://docs.acme.test"
    page = BeautifulSoup(client.get("/").text, "html.parser")
    said = [link.get_text(" ", strip=True) for link in page.select("header a, main a")]
    assert len(said) == len(set(said))


def test_somebody_signed_in_is_led_to_the_keys(ann_client):
    assert "/keys/" in links(ann_client.get("/"))


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/accounts/signup/", "/nowhere/"])
def test_the_operator_names_the_portal_and_its_links(client, settings, path):
    settings.PORTAL_NAME = "Acme <Keys>"
    settings.PORTAL_SUPPORT_URL = "mailto:help@acme.test"
    settings.PORTAL_DOCS_URL = "https://docs.acme.test"
    settings.PORTAL_LOGO_URL = "/static/logo.svg"
    response = client.get(path)
    page = BeautifulSoup(response.text, "html.parser")
    assert "Acme <Keys>" in page.title.text
    assert page.find("a", class_="brand").text.strip() == "Acme <Keys>"
    assert page.find("link", rel="icon")["href"]
    assert {"mailto:help@acme.test", "https://docs.acme.test"} <= links(response)
    assert page.find("img", src="/static/logo.svg")


def test_it_tells_how_the_key_service_is_without_asking_it(client, sandbox, ann_client):
    """Whoever looks costs no call, and waits for nobody."""
    assert "All systems working" in client.get("/").text
    sandbox.fault("GET", "*", "drop", times=0)
    ann_client.get("/keys/")
    assert "key service is slow" in client.get("/").text
    for _ in range(5):
        ann_client.get("/keys/")
    sandbox.clear_journal()
    assert "key service is down" in client.get("/").text
    assert sandbox.journal() == []


def test_it_tells_machines_what_it_is(client, settings):
    settings.PORTAL_NAME, settings.PORTAL_URL = "Acme <Keys>", "https://keys.acme.test"
    page = BeautifulSoup(client.get("/").text, "html.parser")
    told = {tag.get("name") or tag.get("property"): tag["content"] for tag in page.select("meta[content]")}
    assert "Acme <Keys>" in told["description"]
    assert told["og:site_name"] == "Acme <Keys>"
    assert told["og:description"] == told["description"]
    assert told["og:url"] == "https://keys.acme.test/"
    assert told["color-scheme"] == "light dark"
    assert "theme-color" in told
    assert page.find("link", rel="canonical")["href"] == "https://keys.acme.test/"


def test_the_icon_is_made_of_the_name_and_the_accent(client, settings):
    settings.PORTAL_NAME, settings.PORTAL_ACCENT = "Öko <& Co", "#ffd400"
    url = BeautifulSoup(client.get("/").text, "html.parser").find("link", rel="icon")["href"]
    icon = client.get(url)
    assert icon["Content-Type"].startswith("image/svg+xml")
    assert "immutable" in icon["Cache-Control"]
    assert "Ö&lt;" in icon.text
    assert "#ffd400" in icon.text
    assert client.get("/icon.svg").headers["Cache-Control"] == "no-cache"
    settings.PORTAL_NAME = "Other"
    assert client.get(url)["Cache-Control"] == "no-cache"


def test_a_logo_is_the_icon_too(client, settings):
    settings.PORTAL_LOGO_URL = "/static/logo.svg"
    assert '<link rel="icon" href="/static/logo.svg">' in client.get("/").text


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
def test_it_can_only_be_looked_at(client, method):
    response = getattr(client, method)("/")
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"


def test_what_is_not_there_is_said_plainly(client):
    response = client.get("/nowhere")
    assert response.status_code == 404
    assert "<h1>" in response.text


def test_a_failure_nobody_foresaw_names_its_reference(settings, client):
    settings.PORTAL_NAME = "Acme Keys"
    settings.ROOT_URLCONF = "tests.helpers.failing_urls"
    client.raise_request_exception = False
    response = client.get("/fail")
    assert response.status_code == 500
    assert response["X-Request-ID"] in response.text
    assert "zpka_" not in response.text
