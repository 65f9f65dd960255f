"""The wheel, in environments that hold nothing else of ours, inside the project of examples/embedded."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import requests
from bs4 import BeautifulSoup

from bench.serving import KEPT, browser, free_port
from sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "open-sesame"
COMMANDS = """
import sys
import django
django.setup()
from django.core.management import call_command
for command in sys.argv[1:]:
    call_command(*command.split())
"""
NEWEST = "django>=6"
# No Django after 5.2 runs on Python 3.11, so there is no fourth.
COMBINATIONS = {
    "3.13-newest-django": ("3.13", NEWEST),
    "3.13-django-5.2": ("3.13", "django>=5.2,<5.3"),
    "3.11-django-5.2": ("3.11", "django>=5.2,<5.3"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in this folder: those of one environment go to one worker, which alone makes it."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.embedded)
            environment = getattr(item, "callspec", None) and item.callspec.params.get("host")
            item.add_marker(pytest.mark.xdist_group(f"embedded-{environment or 'wheel'}"))


def uv(*arguments: str | Path) -> str:
    program = Path(sys.executable).parent / "uv"
    command = [str(program) if program.exists() else shutil.which("uv") or "uv", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by whichever worker comes first; the others wait for it."""
    of_this_run = tmp_path_factory.getbasetemp()
    folder = (of_this_run.parent if hasattr(request.config, "workerinput") else of_this_run) / "wheel"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(folder.glob("*.whl")):
            uv("build", "--wheel", "--quiet", "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def python(version: str) -> str | None:
    """Interpreter of this version, on the path or of pyenv."""
    pyenv = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    for program in (shutil.which(f"python{version}"), *map(str, reversed(pyenv))):
        if program and subprocess.run([program, "-c", ""], capture_output=True).returncode == 0:
            return program
    return None


@dataclass
class Host:
    """The example, copied to a folder of its own, in an environment of its own. It serves inside the block."""

    folder: Path
    version: str
    django: str
    wheel: Path
    sandbox: Sandbox
    plans: str = "off"
    port: int = field(default_factory=free_port)
    people: dict[str, requests.Session] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def python(self) -> Path:
        return self.folder / "environment" / "bin" / "python"

    @property
    def database(self) -> Path:
        return self.folder / f"plans-{self.plans}.sqlite3"

    @property
    def peopled(self) -> Path:
        """The database as it was before anybody came: passwords are hashed once, as slowly as in production."""
        return self.folder / "peopled.sqlite3"

    @property
    def environment(self) -> dict[str, str]:
        return {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "DATABASE": str(self.database),
            "PLANS": self.plans,
            "ZUPLO_API_URL": self.sandbox.url,
            "ZUPLO_ACCOUNT": self.sandbox.account,
            "ZUPLO_API_KEY": self.sandbox.token,
            "ZUPLO_BUCKET": self.sandbox.buckets[0],
            "ZUPLO_PREVIEW_BUCKET": self.sandbox.buckets[1],
            "DJANGO_SETTINGS_MODULE": "tidewater.settings",
        }

    def install(self, count: Counter[str]) -> None:
        """Where the machine lacks the interpreter, uv downloads one, and the end of the run tells of it."""
        program = python(self.version)
        if program is None:
            count[f"Python {self.version} was not there, and downloaded by uv"] += 1
        uv("venv", "--quiet", "--python", program or self.version, self.python.parent.parent)
        uv("pip", "install", "--quiet", "--python", self.python, f"{self.wheel}[plans]", self.django)
        shutil.copytree(ROOT / "examples" / "embedded", self.folder / "project", dirs_exist_ok=True)
        self.prepare(f"sample_people {PASSWORD}")
        shutil.copy(self.database, self.peopled)

    def prepare(self, *commands: str) -> None:
        """In one process: each of its own takes half a second to begin."""
        self.run("-c", COMMANDS, "check --fail-level=WARNING", "migrate --verbosity=0", *commands)

    @contextmanager
    def serving(self) -> Iterator["Host"]:
        server = self.serve(self.folder / f"server-{self.plans}.log")
        try:
            yield self
        finally:
            server.terminate()
            server.wait(30)

    def run(self, *arguments: str, **variables: str) -> str:
        done = subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder / "project",
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            server = subprocess.Popen(
                [str(self.python), "manage.py", "runserver", "--noreload", "--skip-checks", str(self.port)],
                cwd=self.folder / "project",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        end = time.monotonic() + 60
        while time.monotonic() < end and server.poll() is None:
            with suppress(requests.RequestException):
                if browser().get(f"{self.url}/", timeout=5).ok:
                    return server
            time.sleep(0.1)
        server.kill()
        raise AssertionError(f"The example does not answer:\n{log.read_text()}")

    def sign_in(self, name: str) -> requests.Session:
        """A browser in which this person has signed in by the password, as the example asks for it."""
        if name not in self.people:
            person = browser()
            person.get(f"{self.url}/sign-in/", timeout=30)
            form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": person.cookies["csrftoken"]}
            answer = person.post(f"{self.url}/sign-in/", form, timeout=30, allow_redirects=False)
            assert answer.status_code == 302, answer.text
            self.people[name] = person
        return self.people[name]

    def get(self, name: str, path: str, *, htmx: bool = False) -> requests.Response:
        return self.sign_in(name).get(self.url + path, headers=told(htmx=htmx), timeout=30, allow_redirects=False)

    def post(self, name: str, path: str, form: Mapping[str, str] = {}, *, htmx: bool = False) -> requests.Response:
        person = self.sign_in(name)
        sent = {**form, "csrfmiddlewaretoken": person.cookies["csrftoken"]}
        return person.post(self.url + path, sent, headers=told(htmx=htmx), timeout=30, allow_redirects=False)

    def fill_in(self, name: str, path: str, *, htmx: bool = False, **words: str) -> requests.Response:
        """Send the form that is at this address, as it comes but for these words."""
        page = BeautifulSoup(self.get(name, path, htmx=htmx).text, "html.parser")
        form = page.select_one(f"form[action='{path}']")
        assert form, page
        fields = form.select("input:not([type=radio]), input:checked, input[checked]")
        values = {one["name"]: one.get("value", "") for one in fields if one.get("name")}
        return self.post(name, path, values | words, htmx=htmx)


def told(*, htmx: bool) -> dict[str, str]:
    return {"HX-Request": "true"} if htmx else {}


@pytest.fixture(scope="session", params=list(COMBINATIONS))
def host(
    request, wheel: Path, tmp_path_factory: pytest.TempPathFactory, running_sandbox: Sandbox, count: Counter[str]
) -> Iterator[Host]:
    version, django = COMBINATIONS[request.param]
    host = Host(tmp_path_factory.mktemp("host"), version, django, wheel, running_sandbox)
    host.install(count)
    with host.serving():
        yield host


@pytest.fixture(scope="session")
def planned(host: Host) -> Iterator[Host]:
    """The same project with plans of its own, made in Django admin."""
    with _with_plans(host, "portal") as planned:
        yield planned


@pytest.fixture(scope="session")
def metered(host: Host) -> Iterator[Host]:
    """The same project with plans that Zuplo keeps."""
    with _with_plans(host, "zuplo") as metered:
        yield metered


@contextmanager
def _with_plans(host: Host, plans: str) -> Iterator[Host]:
    other = replace(host, plans=plans, port=free_port(), people={})
    shutil.copy(host.peopled, other.database)
    other.prepare("sample_plans")
    with other.serving():
        yield other


@pytest.fixture
def acme(host: Host, running_sandbox: Sandbox) -> Sandbox:
    """One consumer, which Ann and Ben manage, with two keys; no key has been seen by anybody."""
    running_sandbox.reset()
    keys = [{"description": "Server"}, {"description": "Laptop"}]
    running_sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test", "ben@acme.test"], keys=keys)
    return running_sandbox
