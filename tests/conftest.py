"""People, a sandbox and clients for every test. Nothing of the portal is patched: settings point it at the sandbox.

Ann manages, Ben shares, Mallory is a stranger, Sam is staff; one person has not proved his address.
"""

import gc
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.template import Template
from django.test import Client
from django.utils import translation
from playwright.sync_api import Browser, sync_playwright

from sandbox import Sandbox
from tests.helpers import oidc_provider, processes, zuplo
from tests.helpers.people import let_in

NOWHERE = "http://127.0.0.1:9"  # nothing listens on the discard port
RENDER = Template._render  # before Django puts its own there for tests


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT], config.stash[COUNTED] = {}, Counter()
    database, cache_settings = django_settings.DATABASES["default"], django_settings.CACHES["default"]
    if "sqlite" in database["ENGINE"]:
        # A file: threads of a live server lock each other out of a database in memory. One for each process, in a
        # folder of its own: what SQLite leaves beside a file would be taken for part of the next one of that name.
        folder = tempfile.TemporaryDirectory(prefix="portal-test-")
        config.add_cleanup(folder.cleanup)
        database["TEST"] = {**database.get("TEST", {}), "NAME": f"{folder.name}/portal.sqlite3"}
    worker = getattr(config, "workerinput", None)
    if worker and "LOCATION" in cache_settings:
        # Redis counts its databases; pytest-django names those of PostgreSQL by the worker. 1 is for `processes`.
        number = 2 + int(worker["workerid"].removeprefix("gw"))
        cache_settings["LOCATION"] = f"{cache_settings['LOCATION'].partition('?')[0]}?db={number}"
    # Static files as they stand in the folders; production's are collected.
    django_settings.WHITENOISE_AUTOREFRESH = django_settings.WHITENOISE_USE_FINDERS = True
    # No scan stops because the machine is busy.
    django_settings.KEYS_SCAN_SECONDS = 600.0
    # pytest keeps the log, and shows that of a test that fails: nothing else need be written of it.
    logging.getLogger().handlers.clear()
    # No test speaks to anything outside, or hashes passwords slowly.
    django_settings.ZUPLO_API_URL, django_settings.ZUPLO_API_KEY = NOWHERE, "no-token-of-anybody"
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True, scope="session")
def no_copies_of_contexts(django_test_environment):
    """Templates are rendered as in production: no `response.context`, for which Django copies each one's context."""
    Template._render = RENDER


@pytest.fixture(autouse=True)
def alone():
    """No test remembers another one, nor the language of its last reader."""
    cache.clear()
    translation.deactivate()
    _forget_probes()


def _forget_probes() -> None:
    from portal.observability.health import PROBES

    for probe in PROBES:
        probe.asking = None


# The Developer API


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox, settings) -> Sandbox:
    """An empty account of the Developer API, which the portal uses."""
    running_sandbox.reset()
    settings.ZUPLO_API_URL = running_sandbox.url
    settings.ZUPLO_ACCOUNT = running_sandbox.account
    settings.ZUPLO_BUCKETS = {"production": running_sandbox.bucket}
    settings.ZUPLO_API_KEY = running_sandbox.token
    return running_sandbox


@pytest.fixture
def two_environments(sandbox, settings) -> Sandbox:
    settings.ZUPLO_BUCKETS = {"production": sandbox.buckets[0], "preview": sandbox.buckets[1]}
    return sandbox


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log as the portal writes it; the handler is that of all tests, so what is put on it is taken off again."""
    from portal.observability.logs import LineFormatter, RequestIdFilter

    formatter, reference = caplog.handler.formatter, RequestIdFilter()
    caplog.handler.setFormatter(LineFormatter())
    caplog.handler.addFilter(reference)
    caplog.set_level(logging.INFO)
    yield caplog
    caplog.handler.setFormatter(formatter)
    caplog.handler.removeFilter(reference)


# People


@pytest.fixture
def make_person(db) -> Callable:
    """Makes somebody with an address, proved or not, and with further ones."""

    def make(email: str, *more: str, verified: bool = True, **fields: object):
        user = get_user_model().objects.create_user(email, **fields)
        for number, address in enumerate((email, *more)):
            EmailAddress.objects.create(user=user, email=address, verified=verified, primary=not number)
        return user

    return make


@pytest.fixture
def ann(make_person):
    return make_person("ann@acme.test")


@pytest.fixture
def ben(make_person):
    return make_person("ben@acme.test")


@pytest.fixture
def mallory(make_person):
    return make_person("mallory@evil.test")


@pytest.fixture
def unverified(make_person):
    """Somebody who typed in Ann's address, and never proved it."""
    return make_person("ann@acme.test", verified=False)


@pytest.fixture
def sam(make_person):
    return make_person("sam@portal.test", is_staff=True, is_superuser=True)


@pytest.fixture
def app_secret(ann) -> str:
    """Ann has an authenticator app, and recovery codes."""
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    RecoveryCodes.activate(ann)
    return secret


# The provider by which a company's people sign in


@pytest.fixture(scope="session")
def running_provider() -> Iterator[oidc_provider.Provider]:
    with oidc_provider.running_provider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider, settings) -> oidc_provider.Provider:
    settings.SOCIALACCOUNT_PROVIDERS = oidc_provider.settings_for(running_provider)
    return running_provider


# Their browsers


@pytest.fixture
def client_of() -> Callable[..., Client]:
    """A client in which this person is signed in; `strict=True` makes it enforce CSRF."""

    def client_of(person=None, *, strict: bool = False) -> Client:
        client = Client(enforce_csrf_checks=strict)
        if person is not None:
            let_in(client, person)
        return client

    return client_of


@pytest.fixture
def ann_client(ann, client_of) -> Client:
    return client_of(ann)


@pytest.fixture
def ben_client(ben, client_of) -> Client:
    return client_of(ben)


@pytest.fixture
def mallory_client(mallory, client_of) -> Client:
    return client_of(mallory)


@pytest.fixture
def sam_client(sam, client_of) -> Client:
    return client_of(sam)


# What needs more than Python is left out where that is missing, and the run says so


CHROMIUM = Path(os.environ.get("CHROMIUM") or "/usr/bin/chromium")
# The same browser without windows, at half the processor time; only the back/forward cache is missing in it.
HEADLESS_SHELL = Path("/usr/bin/chromium-headless-shell")
LIGHTEST = HEADLESS_SHELL if HEADLESS_SHELL.exists() and not os.environ.get("CHROMIUM") else CHROMIUM
SERVICES = {
    "DATABASE_URL": os.environ.get("TEST_POSTGRES_URL") or os.environ.get("DATABASE_URL", ""),
    "REDIS_URL": os.environ.get("TEST_REDIS_URL") or os.environ.get("REDIS_URL", ""),
    "PGBOUNCER_URL": os.environ.get("PGBOUNCER_URL", ""),
}
# For each marker: what is missing, whether it is there, and whether the run insists on it.
NEEDED = {
    "browser": (
        f"there is no {CHROMIUM}. Install Debian's chromium to run them.",
        CHROMIUM.exists(),
        os.environ.get("BROWSER") == "required",
    ),
    "embedded": (
        "they build a wheel, and install it by uv into new environments. To run them: EMBEDDED=required make test",
        False,
        os.environ.get("EMBEDDED") == "required",
    ),
    "gateway": (
        "Zuplo's gateway is not installed. To run them, from npm (700 MB): GATEWAY=required make test",
        zuplo.is_installed(),
        os.environ.get("GATEWAY") == "required",
    ),
    "gettext": (
        "there is no xgettext. Install Debian's gettext to run them.",
        shutil.which("xgettext") is not None,
        os.environ.get("GETTEXT") == "required",
    ),
    "language": (
        "curl, node, go or php is missing. Install Debian's curl, nodejs, golang-go, php-cli and php-curl to run them.",
        all(map(shutil.which, ("curl", "node", "go", "php"))),
        os.environ.get("LANGUAGES") == "required",
    ),
    "nginx": (
        "there is no nginx or openssl. Install Debian's nginx-light and openssl to run them.",
        processes.NGINX is not None and shutil.which("openssl") is not None,
        os.environ.get("NGINX") == "required",
    ),
    "providers": (
        "they install real OpenID Connect servers by pip and npm. To run them: PROVIDERS=required make test",
        False,
        os.environ.get("PROVIDERS") == "required",
    ),
    "services": (
        "there is no PostgreSQL, PgBouncer or Redis. To run them: .ci/services make test",
        SERVICES["DATABASE_URL"].startswith("postgres") and all(SERVICES.values()),
        os.environ.get("SERVICES") == "required",
    ),
}
LEFT_OUT = pytest.StashKey[dict[str, int]]()
COUNTED = pytest.StashKey[Counter[str]]()


STACK = 70_000  # words
# What takes longest, or waits for other processes most of the time, longest first.
DEAREST = ("processes", "embedded", "providers", "browser", "gateway")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores: a worker that waits for a process or a browser leaves its core to another one."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers take the dearest first, so that they come to the end together."""
    for marker, (_words, there, required) in NEEDED.items():
        left_out = [item for item in items if item.get_closest_marker(marker)]
        if left_out and not there and not required:
            items[:] = [item for item in items if item not in left_out]
            config.hook.pytest_deselected(items=left_out)
            config.stash[LEFT_OUT][marker] = len(left_out)
    if hasattr(config, "workerinput"):
        items.sort(key=_dearest_first)


def _dearest_first(item: pytest.Item) -> int:
    return next((place for place, marker in enumerate(DEAREST) if item.get_closest_marker(marker)), len(DEAREST))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Garbage and stack: what is there by now stays to the end, and the rest is seldom looked through.

    A call that goes deeper than the interpreter's piece of stack maps another one, and unmaps it when it returns: at
    an unlucky depth at each of thousands of calls, which took a fifth of the time. So each test has a piece of its own.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)
    for function in {item.function for item in session.items}:
        function.__code__ = function.__code__.replace(co_stacksize=STACK)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its counts over to the process that writes the summary."""
    if hasattr(session.config, "workeroutput"):
        told = {"left_out": session.config.stash[LEFT_OUT], "counted": dict(session.config.stash[COUNTED])}
        session.config.workeroutput.update(told)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """Every worker collects all tests, and runs some: each tells the same of what is left out, and counts its own."""
    told = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT].update(told.get("left_out", {}))
    node.config.stash[COUNTED].update(told.get("counted", {}))


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    for marker, number in config.stash.get(LEFT_OUT, {}).items():
        words = f"{number} {marker} tests were LEFT OUT: {NEEDED[marker][0]}"
        terminalreporter.write_line(words, yellow=True, bold=True)
    for words, number in config.stash.get(COUNTED, {}).items():
        terminalreporter.write_line(f"{words}: {number}")


@pytest.fixture(scope="session")
def count(request: pytest.FixtureRequest) -> Counter[str]:
    """Counter of what is tried out many times, and of what else is to be known; told at the end of the run."""
    return request.config.stash[COUNTED]


@pytest.fixture(scope="session")
def services() -> dict[str, str]:
    """Where the real PostgreSQL, PgBouncer and Redis are."""
    missing = [name for name, url in SERVICES.items() if not url]
    assert not missing, f"{' and '.join(missing)} not set, and SERVICES=required"
    return SERVICES


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    return CHROMIUM


# The browser, one for all folders: Playwright runs once in a process

# Beside Playwright's own. No page lasts long enough for its scripts to be compiled a second and third time.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--js-flags=--no-opt --no-maglev --single-threaded-gc"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    # Playwright runs an event loop in this thread, which Django takes for asynchronous code.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(LIGHTEST), args=ARGUMENTS)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
