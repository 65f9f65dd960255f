"""Signing in by Google and by GitHub, played by a local server: what is believed of the addresses that they tell."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter
from bs4 import BeautifulSoup
from django.core import mail
from django.http import HttpResponse
from django.test import Client

from tests.helpers.people import PROVE, last_code, signed_in_as

pytestmark = pytest.mark.django_db

KELVIN = "\N{KELVIN SIGN}"
CLIENT = {"OAUTH_PKCE_ENABLED": True, "APPS": [{"client_id": "portal", "secret": "secret"}]}


@dataclass
class Company:
    """Answers each path with what it is told to; a text as it is, and with a status if that is not 200."""

    answers: dict[str, Any] = field(default_factory=dict)

    def lets_in(self, client: Client, name: str, answer: str = "code=code") -> HttpResponse:
        leaving = client.post(f"/accounts/{name}/login/")
        target = BeautifulSoup(leaving.text, "html.parser").select_one("main a.button")["href"]
        state = parse_qs(urlsplit(target).query)["state"][0]
        return client.get(f"/accounts/{name}/login/callback/?{answer}&state={state}")


@pytest.fixture
def company(settings, monkeypatch) -> Iterator[Company]:
    """allauth knows where both are; for a test they are here."""
    company = Company({"/token": {"access_token": "token", "token_type": "bearer"}})
    settings.SOCIALACCOUNT_PROVIDERS = {"google": CLIENT, "github": CLIENT}

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = company.answers[self.path]
            status, told = found if isinstance(found, tuple) else (200, found)
            body = told.encode() if isinstance(told, str) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(told, str) else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}"
        for adapter, addresses in (
            (GitHubOAuth2Adapter, {"access_token_url": "/token", "profile_url": "/user", "emails_url": "/emails"}),
            (GoogleOAuth2Adapter, {"access_token_url": "/token", "identity_url": "/userinfo"}),
        ):
            for name, path in addresses.items():
                monkeypatch.setattr(adapter, name, here + path)
        yield company
        server.shutdown()


def github_tells(company: Company, *emails: tuple[str, object]) -> None:
    company.answers["/user"] = {"id": 7, "login": "kate", "name": "Kate", "email": emails[0][0]}
    company.answers["/emails"] = [
        {"email": email, "verified": verified, "primary": not number} for number, (email, verified) in enumerate(emails)
    ]


def google_tells(company: Company, way: str, email: str, verified: object) -> None:
    if way == "id token":
        claims = {"iss": "https://accounts.google.com", "aud": "portal", "exp": 4e9, "iat": 1, "sub": "7"}
        token = jwt.encode(claims | {"email": email, "email_verified": verified}, "k" * 32, algorithm="HS256")
        company.answers["/token"] |= {"id_token": token}
    company.answers["/userinfo"] = {"id": "7", "email": email, "verified_email": verified}


def test_every_address_that_github_vouches_for_is_proved(company, client):
    """A6"""
    github_tells(company, ("Kate@acme.test", True), ("kate@home.test", True), ("kate@evil.test", "true"))
    company.lets_in(client, "github")
    assert signed_in_as(client) == "kate@acme.test"
    proved = EmailAddress.objects.filter(verified=True).values_list("email", flat=True)
    assert set(proved) == {"kate@acme.test", "kate@home.test"}
    assert not EmailAddress.objects.filter(email="kate@evil.test").exists()
    assert not SocialToken.objects.exists()
    assert SocialAccount.objects.get().extra_data == {"email": "kate@acme.test", "vouched": True}


def test_a_number_of_github_which_it_gives_nobody_else_is_believed_in_new_browsers(company, client):
    github_tells(company, ("kate@acme.test", False))
    company.lets_in(client, "github")
    client.post(PROVE, {"code": last_code()})
    browser = Client()
    company.lets_in(browser, "github")
    assert signed_in_as(browser) == "kate@acme.test"


def test_nobody_brings_more_addresses_from_github_than_an_account_may_have(company, client):
    """Each of them is one more question to the Developer API, for every page."""
    github_tells(company, *((f"kate+{number}@acme.test", True) for number in range(30)))
    company.answers["/emails"].reverse()
    company.lets_in(client, "github")
    assert signed_in_as(client) == "kate+0@acme.test"
    assert EmailAddress.objects.count() == 10


@pytest.mark.parametrize("email", [f"{KELVIN}ate@acme.test", "kate@acme.test\ud800"])
def test_a_look_alike_at_github_proves_nothing(company, client, email):
    """A4, A6"""
    github_tells(company, (email, True))
    company.lets_in(client, "github")
    assert signed_in_as(client) is None
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_a_look_alike_beside_an_own_address_is_left_out(company, client):
    """A4, A6"""
    github_tells(company, (f"{KELVIN}ate@acme.test", True), ("own@home.test", True))
    company.lets_in(client, "github")
    assert signed_in_as(client) == "own@home.test"
    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["own@home.test"]


@pytest.mark.parametrize("way", ["id token", "userinfo"])
class TestGoogle:
    def test_an_address_that_it_vouches_for_is_proved(self, company, client, way):
        """A6"""
        google_tells(company, way, "Kate@acme.test", True)
        company.lets_in(client, "google")
        assert signed_in_as(client) == "kate@acme.test"
        assert EmailAddress.objects.get().verified
        assert SocialAccount.objects.get().uid == "7"
        assert SocialAccount.objects.get().extra_data == {"email": "kate@acme.test", "vouched": True}

    @pytest.mark.parametrize(
        ("email", "verified"), [(f"{KELVIN}ate@acme.test", True), ("kate@acme.test", "false"), ("kate@acme.test", 1)]
    )
    def test_what_it_does_not_vouch_for_to_the_letter_is_not(self, company, client, way, email, verified):
        """A4, A6"""
        google_tells(company, way, email, verified)
        assert company.lets_in(client, "google").headers["Location"] == PROVE
        assert signed_in_as(client) is None
        assert mail.outbox[-1].to == ["kate@acme.test"]
        assert not EmailAddress.objects.filter(verified=True).exists()


# Why not


def refused(answer: HttpResponse, log, name: str, stage: str, code: str, description: str = "") -> str:
    """The log says it under the reference of the page, and nothing that was secret."""
    (line,) = [line for line in log.text.splitlines() if "was refused" in line]
    assert f"Sign-in by {name} was refused at {stage}: {code}" in line
    assert description in line
    assert answer["X-Request-ID"] in line
    assert "secret" not in log.text
    return str(answer.text)


@pytest.mark.parametrize("name", ["google", "github"])
class TestRefusals:
    def test_a_lost_state_is_said(self, company, client, log, name):
        answer = client.get(f"/accounts/{name}/login/callback/?code=1&state=2")
        assert "Start again from here" in refused(answer, log, name, "state", "state_lost")
        assert answer["X-Request-ID"] in answer.text

    def test_turning_back_there_is_noted_and_no_error(self, company, client, log, name):
        answer = company.lets_in(client, name, "error=access_denied&error_description=The+user+has+denied+it")
        refused(answer, log, name, "authorization", "access_denied", "The user has denied it")
        assert "You cancelled" in client.get(answer["Location"]).text

    @pytest.mark.parametrize(
        ("path", "told", "stage", "code", "description", "advice"),
        [
            (
                "/token",
                (400, {"error": "invalid_grant", "error_description": "Bad Request: used"}),
                *("token", "invalid_grant", "Bad Request: used", "Start again from here"),
            ),
            (
                "/token",
                "error=bad_verification_code&error_description=The+code+passed+is+incorrect+or+expired.",
                *("token", "bad_verification_code", "incorrect or expired.", "Start again from here"),
            ),
            (
                "/token",
                {"error": "incorrect_client_credentials"},
                *("token", "incorrect_client_credentials", "", "isn&#x27;t set up correctly"),
            ),
            ("/token", (401, "<html>no</html>"), "token", "malformed", "", "unexpected answer"),
            ("/token", {}, "token", "malformed", "", "unexpected answer"),
        ],
    )
    def test_what_its_token_endpoint_says_is_said(
        self, company, client, log, name, path, told, stage, code, description, advice
    ):
        company.answers[path] = told
        assert advice in refused(company.lets_in(client, name), log, name, stage, code, description)
        assert signed_in_as(client) is None

    @pytest.mark.parametrize("told", [[], 7, {}, {"id": 7, "email": 5, "verified_email": True}])
    def test_nonsense_about_the_person_is_explained(self, company, client, log, name, told):
        company.answers |= {"/user": told, "/userinfo": told, "/emails": [{"email": 5}]}
        answer = company.lets_in(client, name)
        assert answer.status_code == 502
        assert "unexpected answer" in refused(answer, log, name, "answer", "malformed")
        assert signed_in_as(client) is None


@pytest.mark.parametrize(("status", "advice"), [(503, "isn&#x27;t answering"), (403, "isn&#x27;t set up")])
def test_github_that_does_not_tell_of_the_person_is_said(company, client, log, status, advice):
    company.answers["/user"] = (status, {"message": "no"})
    assert advice in refused(company.lets_in(client, "github"), log, "github", "userinfo", f"http_{status}")


def test_a_provider_that_is_down_is_said(company, client, log, monkeypatch):
    monkeypatch.setattr(GitHubOAuth2Adapter, "access_token_url", "http://127.0.0.1:9/token")
    page = refused(company.lets_in(client, "github"), log, "github", "token", "unreachable", "ConnectionError")
    assert "isn&#x27;t answering" in page
