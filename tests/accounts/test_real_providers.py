"""Sign-in by real OpenID Connect servers, each as it comes: npm's oidc-provider, canaille and nanoidp."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from io import StringIO
from pathlib import Path

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from tests.helpers import real_providers
from tests.helpers.people import CONFIRM, PROVE, last_code, signed_in_as
from tests.helpers.real_providers import RealProvider
from tests.helpers.verbs import acme

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.providers,
    pytest.mark.xdist_group("providers"),
]  # one worker installs the servers
BASIC, POST = "client_secret_basic", "client_secret_post"
Run = Callable[..., AbstractContextManager[RealProvider]]


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Path:
    return real_providers.installed(request.config.cache.mkdir("providers"))


@pytest.fixture
def run(programs, tmp_path, settings) -> Run:
    settings.SOCIALACCOUNT_REQUESTS_TIMEOUT = 30  # a busy machine says nothing about these servers

    def run(server: Run, *more: str) -> AbstractContextManager[RealProvider]:
        return server(programs, tmp_path, *more)

    return run


def checked() -> str:
    out = StringIO()
    call_command("check_provider", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(("method", "taken"), [("", BASIC), (BASIC, BASIC), (POST, POST)])
def test_oidc_provider_vouches_for_an_address_whichever_method_its_client_has(run, settings, client, method, taken):
    with run(real_providers.oidc_provider, method) as provider:
        settings.SOCIALACCOUNT_PROVIDERS = provider.settings()
        provider.lets_in(client)
        assert signed_in_as(client) == "ann@acme.test"
        assert mail.outbox == []
        browser = Client()
        provider.lets_in(browser)
        assert signed_in_as(browser) == "ann@acme.test"
        assert f"  {taken}: ok" in checked()


def test_nanoidp_vouches_for_every_address(run, settings, client):
    with run(real_providers.nanoidp) as provider:
        settings.SOCIALACCOUNT_PROVIDERS = provider.settings()
        provider.lets_in(client)
        assert signed_in_as(client) == "ann@acme.test"
        browser = Client()
        provider.lets_in(browser)
        assert signed_in_as(browser) == "ann@acme.test"
        assert f"  {BASIC}: ok" in checked()


def test_canaille_vouches_for_none_and_hands_its_numbers_on(run, settings, client, sandbox):
    """Its `sub` is the user name: a newcomer with a former colleague's name gets nothing that was the colleague's.

    Not by the colleague's address either, which a new browser has to prove.
    """
    acme(sandbox)
    with run(real_providers.canaille) as provider:
        settings.SOCIALACCOUNT_PROVIDERS = provider.settings()
        assert provider.lets_in(client).headers["Location"] == PROVE
        client.post(PROVE, {"code": last_code()})
        assert signed_in_as(client) == "ann@acme.test"
        browser = Client()
        assert provider.lets_in(browser).headers["Location"].startswith(CONFIRM)
        browser.post(CONFIRM, {"code": last_code()})
        assert 'data-consumer="acme"' in browser.get("/keys/").text
        assert f"  {BASIC}: ok" in checked()
        cache.clear()
        provider.hand_on("noa@acme.test")
        newcomer = Client()
        assert provider.lets_in(newcomer).headers["Location"] == PROVE
        assert mail.outbox[-1].to == ["noa@acme.test"]
        newcomer.post(PROVE, {"code": last_code()})
        assert signed_in_as(newcomer) == "noa@acme.test"
        assert 'data-consumer="acme"' not in newcomer.get("/keys/").text
        assert signed_in_as(browser) is None
