"""Providers come from the environment alone, or the start stops with a sentence; and what Google and GitHub say."""

import pytest
from allauth.socialaccount.adapter import get_adapter

from tests.portal.test_settings import PRODUCTION, refusal, settings_of

OIDC = {
    "OIDC_PROVIDERS": "acme",
    "OIDC_ACME_ISSUER": "https://acme.eu.auth0.com/",
    "OIDC_ACME_CLIENT_ID": "portal",
    "OIDC_ACME_CLIENT_SECRET": "hush",
}


def test_providers_come_from_the_environment_alone(tmp_path):
    file = tmp_path / "secret"
    file.write_text("from-a-file\n")
    partner = {
        "OIDC_PARTNER_ISSUER": "https://login.partner.example",
        "OIDC_PARTNER_CLIENT_ID": "p",
        "OIDC_PARTNER_CLIENT_SECRET_FILE": str(file),
        "OIDC_PARTNER_NAME": "Partner & Co",
    }
    google = {"GOOGLE_CLIENT_ID": "g", "GOOGLE_CLIENT_SECRET": "s"}
    made = settings_of(**PRODUCTION | OIDC | partner | google | {"OIDC_PROVIDERS": "acme, partner"})
    found = made["SOCIALACCOUNT_PROVIDERS"]
    assert found.keys() == {"openid_connect", "google"}
    first, second = found["openid_connect"]["APPS"]
    assert first["name"] == "Acme"
    assert first["settings"] == {"server_url": "https://acme.eu.auth0.com"}
    assert (second["provider_id"], second["name"], second["secret"]) == ("partner", "Partner & Co", "from-a-file")
    assert settings_of(**PRODUCTION)["SOCIALACCOUNT_PROVIDERS"] == {}


@pytest.mark.parametrize("method", ["basic", "post"])
def test_how_the_client_proves_itself_may_be_said(method):
    for written in (method, f"client_secret_{method}"):
        made = settings_of(**PRODUCTION | OIDC | {"OIDC_ACME_TOKEN_AUTH": written})
        (app,) = made["SOCIALACCOUNT_PROVIDERS"]["openid_connect"]["APPS"]
        assert app["settings"]["token_auth_method"] == f"client_secret_{method}"


def test_a_provider_that_gives_no_number_twice_may_be_named_so():
    made = settings_of(**PRODUCTION | OIDC | {"OIDC_ACME_STABLE_SUB": "1"})
    (app,) = made["SOCIALACCOUNT_PROVIDERS"]["openid_connect"]["APPS"]
    assert app["settings"]["stable_sub"] is True


def test_two_providers_have_two_clients():
    partner = {"OIDC_PARTNER_ISSUER": "https://p.example", "OIDC_PARTNER_CLIENT_SECRET": "s"}
    two = PRODUCTION | OIDC | partner | {"OIDC_PROVIDERS": "acme,partner"}
    assert "another provider's too" in refusal(**two, OIDC_PARTNER_CLIENT_ID="portal")
    settings_of(**two, OIDC_PARTNER_CLIENT_ID="portal-2")


def test_domains_are_bound_to_one_provider_each():
    google = {"GOOGLE_CLIENT_ID": "g", "GOOGLE_CLIENT_SECRET": "s", "GOOGLE_DOMAINS": "home.example"}
    made = settings_of(**PRODUCTION | OIDC | google | {"OIDC_ACME_DOMAINS": "acme.com, Sub.Acme.com"})
    assert made["PROVIDER_DOMAINS"] == {"acme.com": "acme", "sub.acme.com": "acme", "home.example": "google"}
    assert "bound to acme already" in refusal(**PRODUCTION | OIDC | google | {"OIDC_ACME_DOMAINS": "home.example"})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"OIDC_ACME_ISSUER": None}, "OIDC_ACME_ISSUER is not set"),
        ({"OIDC_ACME_ISSUER": "http://acme.example"}, "OIDC_ACME_ISSUER is not encrypted."),
        ({"OIDC_ACME_CLIENT_SECRET": None}, "OIDC_ACME_CLIENT_ID and OIDC_ACME_CLIENT_SECRET must both be set."),
        ({"OIDC_PROVIDERS": "Acme"}, "OIDC_PROVIDERS is malformed."),
        ({"OIDC_PROVIDERS": "acme,acme"}, "OIDC_PROVIDERS names acme twice"),
        ({"OIDC_PROVIDERS": "google"}, "OIDC_PROVIDERS names google twice, or the name is taken."),
        ({"OIDC_ACME_NAME": "a\nb"}, "OIDC_ACME_NAME is malformed."),
        ({"GOOGLE_CLIENT_ID": "g"}, "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET belong together."),
        ({"GITHUB_CLIENT_SECRET": "s"}, "GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET belong together."),
        ({"OIDC_PROVIDERS": None, "LOCAL_SIGN_IN": "0"}, "LOCAL_SIGN_IN is off and there is no provider"),
        ({"OIDC_ACME_TOKEN_AUTH": "private_key_jwt"}, "OIDC_ACME_TOKEN_AUTH is malformed."),
        ({"OIDC_ACME_DOMAINS": "@acme.com"}, "OIDC_ACME_DOMAINS is malformed."),
        ({"OIDC_ACME_DOMAINS": "acme.com,ACME.com"}, "OIDC_ACME_DOMAINS names acme.com twice"),
        ({"GITHUB_DOMAINS": "acme.com"}, "GITHUB_DOMAINS is set, and there is no client"),
        ({"SIGN_UP_DOMAINS": "*.acme.com"}, "SIGN_UP_DOMAINS is malformed."),
        ({"STEP_UP_MINUTES": "0"}, "STEP_UP_MINUTES is '0'."),
        ({"SESSION_IDLE_MINUTES": "soon"}, "SESSION_IDLE_MINUTES is 'soon'."),
    ],
)
def test_a_wrong_or_half_provider_stops_the_start(wrong, sentence):
    assert refusal(**PRODUCTION | OIDC | wrong).startswith(sentence)


@pytest.mark.django_db
def test_an_address_that_google_or_github_does_not_vouch_for_is_not_believed(settings, rf):
    """A6: allauth turns Google's claim into a truth value first, and "false" is a word."""
    apps = {"APPS": [{"client_id": "c", "secret": "s"}]}
    settings.SOCIALACCOUNT_PROVIDERS = {"google": apps, "github": apps}
    request = rf.get("/")
    google, github = (get_adapter().get_provider(request, name) for name in ("google", "github"))
    for value, believed in ((True, True), (False, False), ("true", False), ("false", False), (None, False), (1, False)):
        login = google.sociallogin_from_response(request, {"sub": "1", "email": "a@b.test", "email_verified": value})
        assert [address.verified for address in login.email_addresses] == [believed]
        emails = [
            {"email": "first@b.test", "primary": True, "verified": value},
            {"email": "second@b.test", "primary": False, "verified": True},
        ]
        login = github.sociallogin_from_response(request, {"id": 1, "email": "first@b.test", "emails": emails})
        found = {address.email for address in login.email_addresses if address.verified}
        assert found == {"second@b.test"} | ({"first@b.test"} if believed else set())
        assert login.user.email == ("first@b.test" if believed else "second@b.test")
