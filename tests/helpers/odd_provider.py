"""An OpenID Connect provider on loopback of which a test bends single answers, to what real servers were seen to do."""

import base64
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
import requests
from django.http import HttpResponse
from django.test import Client

from tests.helpers.oidc_provider import LOGIN, leaves_for

BASIC, POST = "client_secret_basic", "client_secret_post"
NULL: Any = object()
"""An entry that is null, and not left out."""
SECRET = "a secret: of %41 & + signs"
SIGNING = "only the provider needs to know what it signs with"


@dataclass
class OddProvider:
    issuer: str = ""
    taken: str = BASIC  # the one method that the client was registered with
    config: dict[str, Any] = field(default_factory=dict)  # None takes an entry away
    claims: dict[str, Any] = field(default_factory=dict)  # of the ID token, beside what is needed
    userinfo: Any = None  # beside sub; "jwt" in place of JSON, if `signed`; None: sub alone
    signed: bool = False
    refusal: dict[str, str] = field(default_factory=dict)  # sent back instead of a code
    names_itself: bool = False  # in what it sends back, by RFC 9207
    tokens_beside: dict[str, Any] = field(default_factory=dict)  # in the answer of the token endpoint
    wants_nonce: bool = False
    nonces: dict[str, str] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)  # the methods, in order
    dislikes: str = ""  # what it says of each request of a client that it knows
    unknown: tuple[int, str] = (401, "invalid_client")  # what a client that is not believed is told

    def lets_in(self, client: Client, *, next: str = "") -> HttpResponse:
        """The portal's answer to the browser that comes back from here, where everybody is 42."""
        start = LOGIN + (f"?next={next}" if next else "")
        answer = requests.get(leaves_for(client, start), allow_redirects=False, timeout=10)
        back = urlsplit(answer.headers["Location"])
        return client.get(f"{back.path}?{back.query}")

    def settings(self, **app: Any) -> dict[str, Any]:
        app = {"provider_id": "acme", "name": "Acme account", "client_id": "portal:1", "secret": SECRET} | app
        app["settings"] = {"server_url": self.issuer} | app.get("settings", {})
        return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}

    def discovery(self) -> dict[str, Any]:
        names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        found = {name: f"{self.issuer}/{name.partition('_')[0]}" for name in names}
        found |= {"issuer": self.issuer, "token_endpoint_auth_methods_supported": [POST, BASIC]}
        wanted = {name: value for name, value in (found | self.config).items() if value is not None}
        return {name: None if value is NULL else value for name, value in wanted.items()}

    def authorized(self, asked: dict[str, str]) -> str:
        answer = self.refusal or {"code": f"code-{len(self.nonces)}"}
        if self.wants_nonce and "nonce" not in asked:
            answer = {"error": "invalid_request", "error_description": "Missing nonce"}
        if self.names_itself:
            answer = answer | {"iss": self.issuer}
        self.nonces[answer.get("code", "")] = asked.get("nonce", "")
        return f"{asked['redirect_uri']}?{urlencode(answer | {'state': asked['state']})}"

    def tokens(self, form: dict[str, str], header: str) -> tuple[int, dict[str, Any]]:
        if header.startswith("Basic "):
            method = BASIC
            pair = base64.b64decode(header.removeprefix("Basic ")).decode()
            client, secret = map(unquote_plus, pair.split(":"))
        else:
            method, client, secret = POST, form.get("client_id"), form.get("client_secret")
        self.tried.append(method)
        if method != self.taken or (client, secret) != ("portal:1", SECRET):
            return self.unknown[0], {"error": self.unknown[1], "error_description": "client authentication failed"}
        if self.dislikes:
            return 400, {"error": "invalid_request", "error_description": self.dislikes}
        nonce = self.nonces.pop(form["code"], None)
        if nonce is None:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "portal:1", "sub": "42", "iat": now, "exp": now + 60, "nonce": nonce}
        id_token = signed(claims | self.claims)
        told = {"access_token": "an-access-token", "token_type": "Bearer", "id_token": id_token}
        return 200, told | self.tokens_beside

    def told(self) -> tuple[str, bytes]:
        told = {"sub": "42"} | (self.userinfo or {})
        if not self.signed:
            return "application/json", json.dumps(told).encode()
        claims = {"iss": self.issuer, "aud": "portal:1"} | told
        return "application/jwt; charset=utf-8", signed(claims).encode()


def signed(claims: dict[str, Any]) -> str:
    """A JWT of any claims; `jwt.encode` refuses some of what others send."""
    return jwt.PyJWS().encode(json.dumps(claims).encode(), SIGNING, algorithm="HS256")


class _Handler(http.server.BaseHTTPRequestHandler):
    provider: OddProvider

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/authorization":
            self._answer(302, location=self.provider.authorized(dict(parse_qsl(query))))
        elif path == "/userinfo":
            kind, body = self.provider.told()
            self._answer(200, body, kind)
        elif path == "/jwks":
            self._answer(200, b'{"keys": [{"kty": "RSA", "alg": "RS256"}]}')
        else:
            self._answer(200, json.dumps(self.provider.discovery()).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        status, answer = self.provider.tokens(form, self.headers.get("Authorization", ""))
        self._answer(status, json.dumps(answer).encode())

    def _answer(self, status: int, body: bytes = b"", kind: str = "application/json", location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@contextmanager
def running_odd_provider() -> Iterator[OddProvider]:
    provider = OddProvider()
    handler = type("Handler", (_Handler,), {"provider": provider})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield provider
        server.shutdown()
