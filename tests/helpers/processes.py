"""Helpers of process tests: a portal in production's settings, what people do, and how to wait for what comes of it."""

import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from bench.serving import ROOT, Portal, environment

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CSRF = "c" * 32
PARTS = ("manage.py", "gunicorn.conf.py", "portal", "keys", "plans", "templates", "static", "locale", "bench")
SECRET = secrets.token_urlsafe(60)


def install(root: Path, mark: str = "") -> Path:
    """A copy of the portal with its static files collected; with a mark each of ours is another file than without."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, root / part)
    for file in [*root.glob("static/keys/js/*.js"), *root.glob("static/keys/css/*.css")] if mark else []:
        end = f'"{mark}";' if file.suffix == ".js" else f"/* {mark} */"  # a bundle leaves comments out
        file.write_text(f"{file.read_text()}\n{end}\n")
    # Without libraries that no page of these tests loads: to pack them takes longer than all the rest.
    ignored = ("vendor", "ext", "htmx-4*", "htmax-4*")
    in_production(root, root).manage(
        "collectstatic", "--noinput", "--verbosity=0", *(f"--ignore={one}" for one in ignored)
    )
    return root


def in_production(root: Path, folder: Path, **values: str) -> Portal:
    """The portal of that copy in production's settings, not yet started; what it keeps and says is in the folder."""
    told = {
        "DEBUG": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "TRUSTED_PROXY_COUNT": "1",
        "SECRET_KEY": SECRET,
        "EMAIL_URL": "dummymail://",
        "ZUPLO_ACCOUNT": "none",
        "ZUPLO_BUCKET": "none",
        "ZUPLO_API_KEY": "none",
        "DATABASE_URL": f"sqlite:///{folder}/portal.sqlite3",
    }
    return Portal(folder, environment(folder, **told | values), root=root)


def post(person: requests.Session, url: str, form: dict[str, str] | None = None, **options: Any) -> requests.Response:
    person.cookies.set("csrftoken", CSRF, domain="127.0.0.1", path="/")
    sent = (form or {}) | {"csrfmiddlewaretoken": CSRF}
    return person.post(url, sent, timeout=options.pop("timeout", 60), allow_redirects=False, **options)


def rows(portal: Portal, code: str) -> Any:
    """Value of an expression over the portal's rows, evaluated in a process of its own."""
    words = f"import json; from keys.models import *; from datetime import *; print(json.dumps({code}, default=str))"
    return json.loads(portal.manage("shell", "--verbosity=0", "--command", words))


@dataclass
class AtOnce:
    """Things that many people do at the same moment, each in a thread."""

    results: list[Any] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def start(cls, actions: list[Callable[[], Any]]) -> "AtOnce":
        self, gate = cls([None] * len(actions)), threading.Barrier(len(actions))

        def run(number: int, action: Callable[[], Any]) -> None:
            gate.wait(120)
            try:
                self.results[number] = action()
            except requests.RequestException as problem:
                self.results[number] = problem

        self.threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(actions)]
        for thread in self.threads:
            thread.start()
        return self

    @property
    def waiting(self) -> int:
        return sum(thread.is_alive() for thread in self.threads)

    def all(self, seconds: float = 120) -> list[Any]:
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
        assert not self.waiting, f"{self.waiting} are still waiting"
        return self.results


def until(come_true: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait for something to be true, and answer it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := come_true():
            return value
        time.sleep(0.05)
    raise AssertionError(f"This did not come true in {seconds} seconds: {come_true.__name__}")
