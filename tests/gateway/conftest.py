"""Zuplo's own gateway in front of the sandbox, started once; each test has a consumer of its own."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import requests

from sandbox import Sandbox
from sandbox.metering.samples import fee, metered, plan, switched_on
from tests.helpers import zuplo
from tests.helpers.zuplo import Gateway

PORTAL = "https://portal.test"
SMALL = 3  # calls that the small plan includes

_numbers = count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.gateway)
            item.add_marker(pytest.mark.xdist_group("gateway"))  # one for all workers: each takes 300 MB


@pytest.fixture(scope="session")
def home() -> Path:
    return zuplo.install()


@pytest.fixture(scope="session")
def account() -> Iterator[Sandbox]:
    """One for all tests, never emptied: the gateway knows its bucket by an id that a reset would change."""
    with Sandbox() as sandbox:
        support = switched_on("priority_support", "Priority support")
        sandbox.metering.add_plans(
            plan("small", "Small", metered(SMALL)),
            plan("large", "Large", metered(1000), support),
            plan("paid", "Paid", fee("10.00"), metered(10_000), support),
        )
        yield sandbox


@pytest.fixture
def sandbox(account: Sandbox, settings) -> Iterator[Sandbox]:
    settings.ZUPLO_API_URL = account.url
    settings.ZUPLO_ACCOUNT = account.account
    settings.ZUPLO_BUCKETS = {"production": account.bucket}
    settings.ZUPLO_API_KEY = account.token
    yield account
    account.clear_faults()


@pytest.fixture
def plans(sandbox: Sandbox, settings) -> None:
    """PLANS=zuplo."""
    settings.PLANS, settings.KEYS_PANELS = "zuplo", "plans.web.panels.PlanPanels"


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="session")
def gateway(home: Path, account: Sandbox, tmp_path_factory) -> Iterator[Gateway]:
    settings = {
        "PORTAL_URL": PORTAL,
        "ZUPLO_SERVICE_BUCKET_ID": account.metering.bucket_id(),
        "__ZUPLO_EDGE_API_URL": account.url,
        "__ZUPLO_REDIS_URL": account.url,
        "__ZUPLO_REMOTE_LOG_URL": account.url,
        "__ZUPLO_AUTH_API_JWT": "the-gateways-own",
    }
    with Gateway(home, tmp_path_factory.mktemp("gateway"), settings) as gateway:
        yield gateway


@pytest.fixture
def consumer(sandbox: Sandbox) -> Callable[..., str]:
    """Makes a consumer that Ann manages, with as many keys as wished, and perhaps a plan; answers its name."""

    def consumer(plan: str = "", keys: int = 1, **more: object) -> str:
        name = f"acme-{next(_numbers)}"
        keys_of_it = [{"description": f"Key {number}"} for number in range(keys)]
        sandbox.add_consumer(name, label=name.title(), managers=["ann@acme.test"], keys=keys_of_it, **more)
        if plan:
            sandbox.metering.subscribe(name, plan)
        return name

    return consumer
