"""manage.py check_provider tells an operator what works with the providers, and never a secret."""

from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.helpers.odd_provider import BASIC, POST, SECRET, OddProvider, running_odd_provider

CALLBACK = "  callback to register: http://127.0.0.1:8000/accounts/oidc/acme/login/callback/"


@pytest.fixture
def odd(settings) -> Iterator[OddProvider]:
    with running_odd_provider() as provider:
        settings.SOCIALACCOUNT_PROVIDERS = provider.settings()
        yield provider


def checked(*names: str) -> tuple[list[str], str]:
    """The lines, and the sentence of the failure."""
    out = StringIO()
    try:
        call_command("check_provider", *names, stdout=out)
    except CommandError as problem:
        return out.getvalue().splitlines(), str(problem)
    return out.getvalue().splitlines(), ""


def test_discovery_keys_and_methods_are_each_told(odd):
    odd.taken = POST
    lines, failure = checked("acme")
    assert lines == [
        f"acme: Acme account at {odd.issuer}",
        "  discovery: ok",
        "  keys: ok, 1 (RS256)",
        f"  {BASIC}: refused, invalid_client: client authentication failed",
        f"  {POST}: ok",
        CALLBACK,
    ]
    assert failure == ""


def test_a_wrong_secret_is_found_before_anybody_signs_in(odd, settings):
    settings.SOCIALACCOUNT_PROVIDERS = odd.settings(secret=SECRET + "!")
    lines, failure = checked()
    assert "  client: FAILED, compare OIDC_ACME_CLIENT_ID and OIDC_ACME_CLIENT_SECRET" in lines
    assert failure == "Nobody can sign in by a provider that failed here."
    assert SECRET not in "".join(lines)


def test_a_client_that_is_denied_in_auth0s_words_is_found_too(odd, settings):
    odd.unknown = (401, "access_denied")
    settings.SOCIALACCOUNT_PROVIDERS = odd.settings(secret=SECRET + "!")
    lines, failure = checked()
    assert f"  {BASIC}: refused, access_denied: client authentication failed" in lines
    assert failure


def test_another_issuer_is_found(odd):
    odd.config = {"issuer": "https://login.acme.test"}
    lines, failure = checked()
    assert lines[1].startswith("  discovery: FAILED, issuer_mismatch: It calls itself https://login.acme.test.")
    assert failure


def test_a_dead_provider_is_found(settings):
    settings.SOCIALACCOUNT_PROVIDERS = OddProvider("http://127.0.0.1:9").settings()
    lines, failure = checked()
    assert lines[1] == "  discovery: FAILED, unreachable: ConnectionError"
    assert failure


def test_missing_keys_and_userinfo_are_told_and_fail_nothing(odd):
    odd.config = {"jwks_uri": None, "userinfo_endpoint": None}
    lines, failure = checked()
    assert lines[1:3] == [
        "  discovery: ok, without userinfo",
        "  keys: not to be had (unreachable: MissingSchema), and not needed",
    ]
    assert failure == ""


def test_no_method_in_common_is_found(odd):
    odd.config = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}
    lines, failure = checked()
    assert "  client: FAILED, the provider lists neither client_secret_basic nor client_secret_post" in lines
    assert failure


def test_a_provider_that_nobody_has_named_is_said_to_be_none(odd):
    assert checked("partner") == ([], "OIDC_PROVIDERS names acme.")
