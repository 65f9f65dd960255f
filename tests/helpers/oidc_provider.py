"""A real OpenID Connect provider on loopback, and the way through it by the test client."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from bs4 import BeautifulSoup
from django.http import HttpResponse
from django.test import Client

LOGIN = "/accounts/oidc/acme/login/"


@dataclass
class Provider:
    issuer: str

    def knows(self, sub: str, **claims: Any) -> None:
        """Somebody with this account there, of whom it tells these claims."""
        answer = requests.put(f"{self.issuer}/users/{sub}", json=claims, timeout=10)
        answer.raise_for_status()

    def lets_in(self, client: Client, sub: str, *, start: str = LOGIN, next: str = "") -> HttpResponse:
        """The portal's answer to the browser that comes back from signing in there."""
        return client.get(self.way_back(client, sub, start=start, next=next))

    def way_back(self, client: Client, sub: str, *, start: str = LOGIN, next: str = "") -> str:
        target = leaves_for(client, start + (f"?next={next}" if next else ""))
        answer = requests.post(target, data={"sub": sub}, allow_redirects=False, timeout=10)
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"


def leaves_for(client: Client, start: str) -> str:
    """The provider's address to which the portal sends the browser."""
    leaving = client.post(start)
    assert leaving.status_code == 200, leaving
    return str(BeautifulSoup(leaving.text, "html.parser").select_one("main a.button")["href"])


@contextmanager
def running_provider() -> Iterator[Provider]:
    from oidc_provider_mock import run_server_in_thread  # with all of Flask, for those who never sign in by it

    with run_server_in_thread() as server:
        yield Provider(f"http://localhost:{server.server_port}")


def settings_for(provider: Provider, *, two: bool = False, **more: Any) -> dict[str, Any]:
    """As `portal.config.sso_providers.providers` makes them."""
    app = {
        "provider_id": "acme",
        "name": "Acme account",
        "client_id": "portal",
        "secret": "secret",
        "settings": {"server_url": provider.issuer},
    }
    partner = app | {"provider_id": "partner", "name": "Partner account", "client_id": "portal-2"}
    return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app, partner] if two else [app]}} | more
