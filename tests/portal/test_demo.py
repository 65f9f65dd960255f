"""`make demo` as a newcomer has it: one command, two servers, a printed sign-in, and Ctrl-C ends it all."""

import html
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 240  # seconds: a busy machine is no fault of the demo
# What a shell may know of somebody's production: none of it may be touched.
DANGEROUS = {
    "DATABASE_URL": "postgres://portal@127.0.0.1:9/production",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "EMAIL_URL": "smtp://127.0.0.1:9",
    "ZUPLO_API_URL": "http://127.0.0.1:9",
    "ZUPLO_ACCOUNT": "production",
    "ZUPLO_BUCKET": "zprj-production",
    "ZUPLO_API_KEY": "token-of-production",
    "ALLOWED_HOSTS": "portal.example.com",
    "SECRET_KEY": "not-used",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """The demo as a process, and what it says."""

    def __init__(self, state: Path, port: int | str, sandbox_port: int | str) -> None:
        self.port, self.sandbox_port = port, sandbox_port
        self.said = ""
        options = ["--state", str(state), "--port", str(port), "--sandbox-port", str(sandbox_port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portal.demo", *options],
            cwd=ROOT,
            env=os.environ | DANGEROUS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.said += line

    def says(self, pattern: str) -> re.Match[str]:
        """Wait for words."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := re.search(pattern, self.said):
                return found
            if self.process.poll() is not None:
                self._reader.join(PATIENCE)
                if found := re.search(pattern, self.said):
                    return found
                break
            time.sleep(0.05)
        raise AssertionError(f"The demo never said {pattern!r}, but: {self.said}")

    def children(self) -> dict[str, int]:
        """Its processes, by the name of what they run."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    status, command = (folder / "status").read_text(), (folder / "cmdline").read_text()
                except OSError:
                    continue
                if f"\nPPid:\t{self.process.pid}\n" in status:
                    found[command.split("\0")[2]] = int(folder.name)
        return found

    def ends(self) -> int:
        code = self.process.wait(timeout=PATIENCE)
        self._reader.join(PATIENCE)
        self.process.stdout.close()
        return code


@pytest.fixture
def start(tmp_path):
    demos: list[Demo] = []

    def start(port=None, sandbox_port=None) -> Demo:
        demos.append(Demo(tmp_path / "state", port or free_port(), sandbox_port or free_port()))
        return demos[-1]

    yield start
    for demo in demos:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.ends()


def listens(port) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def sign_in(url: str, email: str, password: str = "") -> requests.Session:
    browser = requests.Session()
    browser.trust_env = False
    form = browser.get(f"{url}/accounts/login/", timeout=PATIENCE).text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    entry = {"login": email, "password": password, "csrfmiddlewaretoken": token}
    browser.post(f"{url}/accounts/login/", entry, headers={"Referer": url}, timeout=PATIENCE)
    return browser


def test_a_newcomer_signs_in_as_printed_and_ctrl_c_ends_both_servers(start):
    demo = start()
    url = demo.says(r"The portal is ready:\s+(http://127\.0\.0\.1:\d+)/")[1]
    demo.says("Ctrl-C")
    password = demo.says(r"ann@acme\.test\s+(\S+)")[1]
    for email in ("ben@acme.test", "new@startup.test", "sam@portal.test"):
        assert re.search(rf"{email}\s+{password}\s", demo.said)

    ann = sign_in(url, "ann@acme.test", password)
    page = ann.get(f"{url}/keys/", timeout=PATIENCE)
    assert page.status_code == 200
    assert set(re.findall(r'data-consumer="([\w-]+)"', page.text)) == {"acme", "acme-mobile", "globex"}
    assert len(set(re.findall(r'data-key="([\w]+)"', page.text))) == 6
    assert not re.search(r"zpka_[0-9a-f]{32}", page.text)
    assert len(re.findall(r'hx-get="/plans/[^"]+/panel/"', page.text)) == 3, "cards ask for plans never looked at"
    (panel,) = re.findall(r'hx-get="(/plans/[^"]+/acme-mobile/panel/)"', page.text)
    words = " ".join(ann.get(url + panel, timeout=PATIENCE).text.split())
    assert "1,000 of 1,000 used (100%)" in words
    assert "Used up. Calls are refused until you upgrade" in words
    plans = requests.get(f"{url}/plans/", timeout=PATIENCE).text
    assert {"Free", "Pro", "Business"} <= set(re.findall(r"<strong>(\w+)</strong>", plans))
    assert ann.get(f"{url}/static/keys/css/tokens.css", timeout=PATIENCE).status_code == 200
    assert sign_in(url, "sam@portal.test", password).get(f"{url}/admin/", timeout=PATIENCE).status_code == 200

    by_code = sign_in(url, "ben@acme.test")
    code = demo.says(r"Code for ben@acme\.test: ([A-Z]{4}-[A-Z]{4})")[1]
    page = f"{url}/accounts/login/code/confirm/"
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', by_code.get(page, timeout=PATIENCE).text)[1]
    done = by_code.post(page, {"code": code, "csrfmiddlewaretoken": token}, headers={"Referer": url}, timeout=PATIENCE)
    assert set(re.findall(r'data-consumer="([\w-]+)"', done.text)) == {"acme", "globex"}

    named = demo.says(r"Passkeys need .* (http://localhost:\d+)/")[1]
    by_name = sign_in(named, "ann@acme.test", password)
    page = by_name.get(f"{named}/accounts/2fa/webauthn/add/", timeout=PATIENCE)
    assert page.url == f"{named}/accounts/2fa/webauthn/add/"
    assert re.search(r'"rp": \{[^}]*"id": "localhost"', html.unescape(page.text))  # browsers take no address for it

    ready = requests.get(f"{url}/readyz", timeout=PATIENCE)
    assert (ready.status_code, ready.text) == (200, "database ok\ncache ok\nkey service ok\n")
    assert demo.children().keys() == {"sandbox", "gunicorn"}
    demo.process.send_signal(signal.SIGINT)
    assert demo.ends() == 0
    assert not listens(demo.port)
    assert not listens(demo.sandbox_port)
    assert "Traceback" not in demo.said

    again = start(demo.port, demo.sandbox_port)
    again.says("Ctrl-C")
    assert ann.get(f"{url}/keys/", timeout=PATIENCE).url == f"{url}/keys/"  # still signed in
    again.process.terminate()
    assert again.ends() == 0
    assert not listens(again.port)


def test_when_the_sandbox_dies_the_portal_goes_too(start):
    demo = start()
    demo.says("Ctrl-C")
    os.kill(demo.children()["sandbox"], signal.SIGKILL)
    assert demo.ends() == 1
    assert "The sandbox has ended by itself" in demo.said
    assert not listens(demo.port)


@pytest.mark.parametrize("which", ["PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_said_before_anything_starts(start, tmp_path, which):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        demo = start(**{"port" if which == "PORT" else "sandbox_port": number})
        assert demo.ends() == 1
    assert demo.said.strip() == f"Port {number} is taken. Choose another: make demo {which}=..."
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("ports", "sentence"),
    [
        (("8000a", 8001), "PORT is '8000a'. Use a number from 1 to 65535."),
        ((8000, 70000), "SANDBOX_PORT is '70000'. Use a number from 1 to 65535."),
        ((8000, 8000), "PORT and SANDBOX_PORT are both 8000. Give each its own."),
    ],
)
def test_an_impossible_port_is_said(start, ports, sentence):
    demo = start(*ports)
    assert demo.ends() == 1
    assert demo.said.strip() == sentence
