"""Test server: the portal as it is shipped, under gunicorn in processes of its own, for measurements and tests."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import requests

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")

# Run as a process of its own, in the portal's environment: makes people, and prints a session cookie for each.
SIGN_IN = """
import json, sys
import django
django.setup()
from allauth.account.models import EmailAddress
from django.conf import settings
from django.test import Client
from portal.models import User

cookies = {}
for email in sys.argv[1:]:
    user, _ = User.objects.get_or_create(email=email)
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    session = client.session  # of which Django's client only knows the digest
    session.cycle_key()
    cookies[email] = getattr(session.session_key, "secret", session.session_key)  # itself, of older versions
print(json.dumps([settings.SESSION_COOKIE_NAME, cookies]))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **values: str) -> dict[str, str]:
    """Environment of the portal: a development machine with these values, and nothing of the caller's."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    told = {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DEBUG": "1",
        "DATABASE_URL": f"sqlite:///{folder / 'portal.sqlite3'}",
        "PYTHONUNBUFFERED": "1",
    }
    return kept | told | values


@dataclass(eq=False)
class Portal:
    """One gunicorn with its workers. As a context manager it serves inside the block."""

    folder: Path
    environment: dict[str, str]
    options: list[str] = field(default_factory=list)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    root: Path = ROOT

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "portal.log").read_text()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def manage(self, *arguments: str) -> str:
        return self._python("manage.py", *arguments)

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "--config", str(self.root / "gunicorn.conf.py")]
        # The socket is handed over: a port that was only found to be free may be somebody else's a moment later.
        held = socket.create_server(("127.0.0.1", self.port))
        self.port = held.getsockname()[1]
        with held, (self.folder / "portal.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--bind", f"fd://{held.fileno()}", *self.options],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[held.fileno()],
            )
        self.until_it_answers()

    def until_it_answers(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process and self.process.poll() is None:
            with suppress(requests.RequestException):
                if requests.get(f"{self.url}/healthz", timeout=2).ok:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"The portal does not answer: {self.log[-2000:]}")

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # at once: SIGTERM waits for kept connections
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def workers(self) -> list[int]:
        assert self.process is not None
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def sign_in(self, emails: Iterable[str]) -> dict[str, requests.Session]:
        """A browser for each person, signed in; people are made as needed."""
        name, cookies = json.loads(self._python("-c", SIGN_IN, *emails))
        return {email: browser({name: cookie}) for email, cookie in cookies.items()}

    def _python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments[:2]} failed: {done.stderr[-2000:]}")
        return done.stdout


def browser(cookies: dict[str, Any] | None = None) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    for name, value in (cookies or {}).items():
        session.cookies.set(name, value, domain="127.0.0.1", path="/")  # as if the portal had set it
    return session
