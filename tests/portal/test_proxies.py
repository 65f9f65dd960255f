"""Proxies in front of the portal: addresses in the forms that they write, and hosts as they pass them on."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from keys.models import AuditEvent
from tests.helpers import oidc_provider

LOGIN = "/accounts/login/"
ELSEWHERE = "203.0.113.9"  # the proxy's own address

pytestmark = pytest.mark.django_db


def address_of(client_of, person, sandbox, **headers: str) -> str:
    """The address that the audit log keeps of a reveal that came with these headers."""
    client_of(person).post("/keys/production/acme/key_1/reveal/", **headers)
    return AuditEvent.objects.latest("pk").address


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),  # Azure
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ('"[2001:db8::7]:4711"', "2001:db8::7"),  # as RFC 7239 quotes it
        ("::ffff:198.51.100.7", "198.51.100.7"),  # a socket for both kinds
        ("[::ffff:198.51.100.7]:4711", "198.51.100.7"),
        ("fe80::7%eth0", "fe80::7"),
        (" 198.51.100.7 ", "198.51.100.7"),
        ("192.0.2.1, 198.51.100.7:4711", "198.51.100.7"),  # the first is the client's own word
        ("unknown", ELSEWHERE),
        ("", ELSEWHERE),
        ("198.51.100.7:", ELSEWHERE),
        ("a proxy, _hidden", ELSEWHERE),
    ],
)
def test_the_client_is_known_in_every_form_that_proxies_write(client_of, ann, sandbox, settings, written, address):
    settings.TRUSTED_PROXY_COUNT = 1
    told = {"HTTP_X_FORWARDED_FOR": written, "REMOTE_ADDR": ELSEWHERE}
    assert address_of(client_of, ann, sandbox, **told) == address


@pytest.mark.parametrize(
    ("peer", "address"),
    [("", "127.0.0.1"), ("::ffff:203.0.113.9", ELSEWHERE), ("fe80::9%eth0", "fe80::9"), (ELSEWHERE, ELSEWHERE)],
)
def test_who_comes_without_a_proxy_is_known_too(client_of, ann, sandbox, peer, address):
    """By a Unix socket there is no address."""
    assert address_of(client_of, ann, sandbox, HTTP_X_FORWARDED_FOR="192.0.2.1", REMOTE_ADDR=peer) == address


def test_people_sign_in_by_a_unix_socket(ann, mailoutbox):
    visitor = Client(REMOTE_ADDR="")
    assert visitor.post(LOGIN, {"login": ann.email}).status_code == 302
    code = re.search(r"^\s*([A-Z0-9]{4}-[A-Z0-9]{4})\s*$", mailoutbox[-1].body, re.MULTILINE)[1]
    assert visitor.post("/accounts/login/code/confirm/", {"code": code})["Location"] == "/keys/"


def test_behind_azure_clients_are_throttled_one_by_one(settings):
    settings.TRUSTED_PROXY_COUNT = 1
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"signup": "1/m/ip"}
    statuses = [
        Client(HTTP_X_FORWARDED_FOR=f"198.51.100.{number}:4711").post(
            "/accounts/signup/", {"email": f"p{number}@a.test"}
        )
        for number in (1, 2, 3, 3)
    ]
    assert [answer.status_code for answer in statuses] == [302, 302, 302, 429]


# A port that the proxy does not pass on


@pytest.fixture(params=["portal.example.test", "portal.example.test:443", "PORTAL.example.test:80"])
def passed_on(request, settings) -> str:
    """The Host header that arrives, of people who typed https://portal.example.test:8443."""
    settings.ALLOWED_HOSTS = ["portal.example.test"]
    settings.PORTAL_URL = "https://portal.example.test:8443"
    return request.param


def test_people_sign_in_where_the_proxy_drops_the_port(passed_on, ann):
    visitor = Client(enforce_csrf_checks=True, HTTP_HOST=passed_on)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', visitor.get(LOGIN, secure=True).text)[1]
    entry = {"login": ann.email, "csrfmiddlewaretoken": token}
    assert visitor.post(LOGIN, entry, secure=True, HTTP_ORIGIN="https://portal.example.test:8443").status_code == 302
    assert visitor.post(LOGIN, entry, secure=True, HTTP_ORIGIN="https://evil.test").status_code == 403
    assert Session.objects.exists()


def test_a_provider_leads_back_to_the_port_that_people_use(passed_on, provider):
    visitor = Client(HTTP_HOST=passed_on)
    leaving = visitor.post(oidc_provider.LOGIN, secure=True).text
    assert "redirect_uri=https%3A%2F%2Fportal.example.test%3A8443%2Faccounts%2F" in leaving


def test_a_host_of_somebody_elses_stays_refused(passed_on):
    assert Client(HTTP_HOST="evil.test:8443").get("/", secure=True).status_code == 400
