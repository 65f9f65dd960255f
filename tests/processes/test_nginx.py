"""A real nginx in front of the portal, with the example of the docs as it stands: only names and ports are replaced."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from bs4 import BeautifulSoup
from requests.adapters import HTTPAdapter

from bench.serving import ROOT, Portal, free_port
from sandbox import Sandbox
from tests.helpers.processes import NGINX, in_production, rows, until

pytestmark = pytest.mark.nginx
CLIENT = "127.0.0.2"
"""The address that browsers of these tests come from; nginx comes to the portal from 127.0.0.1."""


TOKEN = "a-token-for-figures-only"


class From(HTTPAdapter):
    """Connects from an address of this machine."""

    def init_poolmanager(self, *args, **options) -> None:
        super().init_poolmanager(*args, source_address=(CLIENT, 0), **options)


@dataclass
class Browser:
    """Somebody who opens pages and sends the forms on them, as a browser does."""

    url: str
    certificate: Path

    def __post_init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env, self.session.verify = False, str(self.certificate)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, From())

    def get(self, path: str, **options) -> requests.Response:
        return self.session.get(self.url + path, timeout=30, **options)

    def send(self, page: requests.Response, action: str, **entries: str) -> requests.Response:
        """Send the form whose address, or whose button's, ends so: what it holds already, and these entries."""
        html = BeautifulSoup(page.text, "html.parser")
        button = html.select_one(f'[formaction$="{action}"]')
        form = html.select_one(f"#{button['form']}" if button else f'form[action$="{action}"]')
        url = button["formaction"] if button else form["action"]
        held = {field["name"]: field.get("value", "") for field in form.select("input[type=hidden]")}
        return self.session.post(self.url + url, held | entries, headers=self.origin, timeout=30)

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": self.url}


@dataclass
class Site:
    portal: Portal
    plain: str
    url: str
    certificate: Path
    mails: Path

    @property
    def browser(self) -> Browser:
        """A new one each time."""
        return Browser(self.url, self.certificate)

    def code(self) -> str:
        """The code of the mail."""
        text = until(lambda: next((file.read_text() for file in self.mails.iterdir()), None))
        found = re.search(r"(?m)^ *([A-Z0-9]{3,5}-[A-Z0-9]{3,5}) *$", text)
        assert found, text
        return found[1]


@pytest.fixture(scope="module")
def site(shipped: Path, empty_sqlite: Path, tmp_path_factory, running_sandbox: Sandbox) -> Iterator[Site]:
    folder, plain, port = tmp_path_factory.mktemp("nginx"), free_port(), free_port()
    mails, certificate = folder / "mails", folder / "fullchain.pem"
    mails.mkdir()
    told = {
        "PORTAL_URL": f"https://127.0.0.1:{port}",
        "EMAIL_URL": f"filemail:///{mails}",
        "METRICS_TOKEN": TOKEN,
        "ZUPLO_API_URL": running_sandbox.url,
        "ZUPLO_ACCOUNT": running_sandbox.account,
        "ZUPLO_BUCKET": running_sandbox.bucket,
        "ZUPLO_API_KEY": running_sandbox.token,
    }
    shutil.copy(empty_sqlite, folder / "portal.sqlite3")
    portal = in_production(shipped, folder, **told)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=portal"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "privkey.pem", "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    with portal, nginx(folder, portal.port, plain, port):
        yield Site(portal, f"http://127.0.0.1:{plain}", told["PORTAL_URL"], certificate, mails)


@contextmanager
def nginx(folder: Path, portal: int, plain: int, port: int) -> Iterator[None]:
    """nginx with the example; one process, which keeps its files in the folder."""
    example = (ROOT / "docs/examples/nginx.conf").read_text()
    example = re.sub(r"(?m)^ *listen \[::\].*\n", "", example)
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("https://portal.example.com$", f"https://127.0.0.1:{port}$"),
        ("server_name portal.example.com;", "server_name 127.0.0.1;"),
        ("/etc/ssl/portal/", f"{folder}/"),
        ("http://127.0.0.1:8000;", f"http://127.0.0.1:{portal};"),
    ):
        assert old in example
        example = example.replace(old, new)
    (folder / "portal.conf").write_text(example)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    around = f"pid {folder}/pid; daemon off; master_process off; events {{}}"
    http = f"access_log off; {folders} include {folder}/portal.conf;"
    (folder / "nginx.conf").write_text(f"{around} http {{ {http} }}")
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen([NGINX, "-e", "stderr", "-c", folder / "nginx.conf"], stderr=log)
    try:
        until(lambda: process.poll() is not None or answers(plain))
        assert process.poll() is None, (folder / "nginx.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/", allow_redirects=False, timeout=5).status_code == 301
    except requests.RequestException:
        return False


def test_somebody_signs_in_and_sees_a_key_behind_nginx(site: Site, upstream: Sandbox) -> None:
    upstream.add_consumer("acme", label="Acme Inc", managers=["eve@acme.test"], keys=[{"description": "CI"}])
    (key,) = upstream.keys("acme")
    ann = site.browser
    first = requests.get(f"{site.plain}/keys/?tab=1", allow_redirects=False, timeout=30)
    assert first.headers["Location"] == f"{ann.url}/keys/?tab=1"
    page = ann.get("/accounts/signup/")
    page = ann.send(page, "/accounts/signup/", email="eve@acme.test")
    assert page.status_code == 200, page.text
    page = ann.send(page, "/accounts/login/code/confirm/", code=site.code())
    assert page.url == f"{ann.url}/keys/"
    assert "Acme Inc" in page.text
    assert key["key"] not in page.text
    ann.session.headers["X-Forwarded-For"] = "198.51.100.7"  # hearsay
    shown = ann.send(page, f"/{key['id']}/reveal/")
    assert key["key"] in shown.text
    assert "no-store" in shown.headers["Cache-Control"]
    assert "max-age=31536000" in shown.headers["Strict-Transport-Security"]
    assert rows(site.portal, "[event.address for event in AuditEvent.objects.filter(action='key:reveal')]") == [CLIENT]


def test_nobody_says_himself_where_he_comes_from(site: Site) -> None:
    told = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "http", "X-Real-IP": "198.51.100.8"}
    page = site.browser.get("/accounts/login/", headers=told, allow_redirects=False)
    assert page.status_code == 200, "it came by https, whatever it says"
    hosts = requests.get(f"{site.url}/", headers={"Host": "evil.test"}, verify=str(site.certificate), timeout=30)
    assert hosts.status_code == 400


@pytest.mark.parametrize(("size", "by"), [(200_000, "portal"), (2_000_000, "nginx")])
def test_a_large_upload_is_refused_before_anything_reads_it(site: Site, size: int, by: str) -> None:
    ann = site.browser
    answer = ann.session.post(f"{ann.url}/accounts/login/", {"login": "x" * size}, headers=ann.origin, timeout=30)
    assert answer.status_code == 413
    assert ("data-error" in answer.text) is (by == "portal")
    assert ann.get("/accounts/login/").status_code == 200


def test_files_come_compressed_and_may_be_kept_and_figures_do_not_come(site: Site) -> None:
    ann = site.browser
    page = ann.get("/")
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(files) >= 5
    for file in files:
        answer = ann.get(file)
        assert answer.status_code == 200, file
        assert "immutable" in answer.headers["Cache-Control"]
        if file.endswith(("css", "js")):
            assert answer.headers["Content-Encoding"] in {"br", "gzip"}
    figures = ann.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (figures.status_code, "portal_" in figures.text) == (404, False)
    assert ann.get("/healthz").text.strip() == "ok"


def test_while_the_portal_is_away_nginx_says_so_and_after_that_all_is_well(site: Site) -> None:
    port = site.portal.port
    site.portal.stop()
    assert site.browser.get("/").status_code == 502
    site.portal.start()
    assert site.portal.port == port
    assert site.browser.get("/").status_code == 200
