"""Real OpenID Connect servers, each as it comes: installed from pinned versions, and run on loopback."""

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from bs4 import BeautifulSoup, Tag
from django.http import HttpResponse
from django.test import Client

from tests.helpers.oidc_provider import LOGIN, leaves_for

FILES = Path(__file__).resolve().parent.parent / "providers"
PORTAL = "http://testserver"
CALLBACK = f"{PORTAL}/accounts/oidc/acme/login/callback/"
SECRET = "a-secret-that-only-this-test-knows"
PASSWORD = "correct horse battery"
PERSON = {"login": "ann", "username": "ann", "password": PASSWORD}
REFUSING = {"deny", "logout"}


def installed(cache: Path) -> Path:
    """The folder that holds the servers, made once for these very versions."""
    pinned = [FILES / name for name in ("requirements.txt", "package.json", "package-lock.json")]
    folder = cache / hashlib.sha256(b"".join(file.read_bytes() for file in pinned)).hexdigest()[:16]
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pip = [folder / "venv/bin/pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "-r", pinned[0]], check=True, capture_output=True)
        for file in pinned[1:]:
            shutil.copy(file, folder)
        npm = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        subprocess.run(npm, cwd=folder, check=True, capture_output=True)
        (folder / "done").touch()
    shutil.copy(FILES / "oidc_provider.mjs", folder)
    return folder


@dataclass
class RealProvider:
    issuer: str
    client_id: str = "portal"
    secret: str = SECRET
    hand_on: Callable[[str], object] = print
    """Gives Ann's user name to somebody with this address."""
    last: int = 0

    def lets_in(self, client: Client) -> HttpResponse:
        """The portal's answer to the browser that comes back from signing in and agreeing there."""
        while int(time.time()) <= self.last:  # canaille makes the same token twice in a second, and fails over it
            time.sleep(0.05)
        answer = client.get(walked_through(leaves_for(client, LOGIN)))
        self.last = int(time.time())
        return answer

    def settings(self) -> dict[str, Any]:
        app = {"provider_id": "acme", "name": "Acme account", "client_id": self.client_id, "secret": self.secret}
        app["settings"] = {"server_url": self.issuer}
        return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}


# A person with a browser


def walked_through(address: str) -> str:
    """The portal's path to which the provider leads Ann back, who fills in each form and agrees to all."""
    session = requests.Session()
    response = session.get(address, allow_redirects=False, timeout=20)
    for _step in range(20):
        for cookie in session.cookies:
            cookie.secure = False  # browsers take loopback for secure, requests does not
        if response.is_redirect:
            address = urljoin(response.url, response.headers["Location"])
            if address.startswith(PORTAL):
                back = urlsplit(address)
                return f"{back.path}?{back.query}"
            response = session.get(address, allow_redirects=False, timeout=20)
            continue
        page = BeautifulSoup(response.text, "html.parser")
        form = next((form for form in page.find_all("form") if form.get("method", "").lower() == "post"), None)
        assert form is not None, f"{response.status_code} {response.url}: {page.get_text(' ', strip=True)[:500]}"
        target = urljoin(response.url, form.get("action") or "")
        response = session.post(target, data=_filled(form), allow_redirects=False, timeout=20)
    raise AssertionError(f"the provider did not lead back, but to {response.url}: {response.text[:500]}")


def _filled(form: Tag) -> dict[str, str]:
    told = {one["name"]: PERSON.get(one["name"], one.get("value", "")) for one in form.select("input[name]")}
    buttons = [one for one in form.select("button[name]") if one.get("value", "").lower() not in REFUSING]
    return told | {one["name"]: one.get("value", "") for one in buttons[:1]}


# The servers


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[Any], port: int, folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    issuer = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(f"{issuer}/.well-known/openid-configuration", server, folder / "log")
            yield issuer
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(f"the provider did not start: {log.read_text()[-2000:]}")


@contextmanager
def oidc_provider(programs: Path, folder: Path, method: str = "") -> Iterator[RealProvider]:
    port = _free_port()
    with _running(["node", programs / "oidc_provider.mjs", str(port), CALLBACK, method], port, folder) as issuer:
        yield RealProvider(issuer)


@contextmanager
def nanoidp(programs: Path, folder: Path) -> Iterator[RealProvider]:
    port, program = _free_port(), programs / "venv/bin/nanoidp"
    issuer = f"http://127.0.0.1:{port}"
    subprocess.run([program, "init", folder / "config"], check=True, capture_output=True)
    file = folder / "config/settings.yaml"
    file.write_text(file.read_text().replace("http://localhost:8000", issuer).replace("port: 8000", f"port: {port}"))
    users = folder / "config/users.yaml"
    users.write_text(
        users.read_text()
        .replace("testuser:", "ann:")
        .replace("test123", PASSWORD)
        .replace("test@example.org", "ann@acme.test")
    )
    with _running([program, "--config", folder / "config"], port, folder):
        yield RealProvider(issuer, "demo-client", "demo-secret")


@contextmanager
def canaille(programs: Path, folder: Path) -> Iterator[RealProvider]:
    port = _free_port()
    config = folder / "canaille.toml"
    environment = {"CANAILLE_CONFIG": str(config), "PATH": "/usr/bin:/bin"}
    program = programs / "venv/bin/canaille"
    create = [program, "jwk", "create", "rsa"]
    made = subprocess.run(create, check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, cwd=folder)
    jwk = ", ".join(f"{name} = {json.dumps(value)}" for name, value in json.loads(made.stdout).items())
    config.write_text(
        f"""
SECRET_KEY = "only for this test"
SERVER_NAME = "127.0.0.1:{port}"
PREFERRED_URL_SCHEME = "http"
[CANAILLE]
DATABASE = "sql"
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/canaille.sqlite"
[CANAILLE_OIDC]
DYNAMIC_CLIENT_REGISTRATION_OPEN = true
ACTIVE_JWKS = [{{ {jwk} }}]
"""
    )
    person = ["--user-name", "ann", "--emails", "ann@acme.test", "--family-name", "Example", "--password", PASSWORD]
    for command in (["install"], ["create", "user", *person]):
        subprocess.run([program, *command], check=True, capture_output=True, env=environment, cwd=folder)
    serve = [programs / "venv/bin/flask", "--app", "canaille:create_app", "run", "--port", str(port)]
    with _running(serve, port, folder, environment) as issuer:
        client = {"client_name": "Portal", "redirect_uris": [CALLBACK], "scope": "openid profile email"}
        # Without these it answers 500 at its authorization endpoint, though RFC 7591 gives both a default.
        client |= {"grant_types": ["authorization_code"], "response_types": ["code"]}
        answer = requests.post(f"{issuer}/oauth/register", json=client, timeout=20)
        assert answer.ok, answer.text
        registered = answer.json()
        set_address = [program, "set", "user", "ann", "--emails"]

        def hand_on(email: str) -> None:
            subprocess.run([*set_address, email], check=True, capture_output=True, env=environment, cwd=folder)

        yield RealProvider(issuer, registered["client_id"], registered["client_secret"], hand_on)
