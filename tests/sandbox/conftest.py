"""A sandbox for the session, emptied between tests, and a small client that speaks to it over HTTP."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from sandbox import Sandbox


@dataclass
class Client:
    """Sends what it is told to; `path` begins below the consumers unless it starts with a slash."""

    sandbox: Sandbox
    session: requests.Session

    def __call__(self, method: str, path: str = "", body: Any = None, **options: Any) -> requests.Response:
        headers = {"authorization": f"Bearer {self.sandbox.token}"} | options.pop("headers", {})
        data = options.pop("data", None if body is None else json.dumps(body))
        url = self.sandbox.url + (path if path.startswith("/") else self.consumers + (path and f"/{path}"))
        return self.session.request(
            method, url, data=data, headers=headers, timeout=10, allow_redirects=False, **options
        )

    @property
    def buckets(self) -> str:
        return f"/v1/accounts/{self.sandbox.account}/key-buckets"

    @property
    def consumers(self) -> str:
        return f"{self.buckets}/{self.sandbox.bucket}/consumers"

    def control(self, **wish: Any) -> requests.Response:
        return self("POST", "/_sandbox", wish)


@pytest.fixture(scope="session")
def one_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(one_sandbox: Sandbox) -> Sandbox:
    one_sandbox.reset()
    return one_sandbox


@pytest.fixture
def call(sandbox: Sandbox) -> Iterator[Client]:
    with requests.Session() as session:
        session.trust_env = False
        yield Client(sandbox, session)


@pytest.fixture
def acme(sandbox: Sandbox) -> dict[str, Any]:
    """A consumer with two managers, an invited person and two keys."""
    return sandbox.add_consumer(
        "acme",
        label="Acme Inc",
        managers=["ann@acme.test", "ben@acme.test"],
        invites=["cat@acme.test"],
        tags={"org": "acme"},
        metadata={"plan": "pro"},
        keys=[
            {"description": "CI", "createdOn": "2026-01-01T00:00:00.000Z"},
            {
                "description": "Laptop",
                "createdOn": "2026-01-02T00:00:00.000Z",
                "expiresOn": "2999-01-01T00:00:00.000Z",
            },
        ],
    )
