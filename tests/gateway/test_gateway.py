"""What the portal promises, kept by the vendor's own gateway."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from sandbox import Sandbox
from tests.gateway.conftest import PORTAL, SMALL
from tests.helpers.processes import until
from tests.helpers.verbs import FULL_KEY
from tests.helpers.zuplo import Gateway

pytestmark = pytest.mark.django_db

MEMORY = 60.0
PATIENCE = 30.0  # how much longer than its memory a busy machine may take


def post(client: Client, url: str, **fields: str):
    return client.post(url, fields | {"token": str(uuid.uuid4())})


def created(client: Client, name: str) -> str:
    """A key made on the portal's page, and read from its answer."""
    response = post(client, f"/keys/production/{name}/create/", label="Made here", ends="never")
    found = FULL_KEY.search(response.text)
    assert found, response.status_code
    return found[0]


def running(sandbox: Sandbox, name: str) -> dict[str, Any]:
    return next(one for one in sandbox.metering.subscriptions(name) if one["status"] in {"active", "canceled"})


def usage(sandbox: Sandbox, subscription: str) -> dict[str, Any]:
    return dict(sandbox.metering.used(subscription)["api_requests"])


def test_a_key_made_in_the_portal_works_at_once(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client
) -> None:
    """On both kinds of routes, also where it was refused a moment ago: refusals are not remembered."""
    name = consumer("large")
    assert gateway.ask("/hello", "not a key").status == 401
    value = created(ann_client, name)
    for path in ("/hello", "/v1/reports", "/v1/support", "/v1/limited"):
        answer = gateway.ask(path, value)
        assert (answer.status, answer.document) == (200, {"message": f"Hello, {name}!"}), path


def test_an_event_that_was_answered_500_is_counted_once(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client
) -> None:
    """Done or not before the 500: the gateway sends it again under the same id."""
    name = consumer("large")
    value, subscription = created(ann_client, name), running(sandbox, name)["id"]
    sandbox.clear_journal()
    sandbox.fault("POST", "/v3/metering/*/events", "status", status=500, when="after")
    sandbox.fault("POST", "/v3/metering/*/events", "drop", when="before", nth=2)
    assert gateway.ask("/v1/reports", value).status == 200

    def tries() -> list[Any]:
        found = [call for call in sandbox.journal() if call.path.endswith("/events")]
        return [call.status for call in found if call.body[0]["subscription"] == subscription]

    until(lambda: tries() == [500, None, 204])
    assert usage(sandbox, subscription)["usage"] == 1


@pytest.mark.parametrize(
    ("payment", "detail"),
    [
        ({"status": "pending", "isFirstPayment": True}, "Payment has not been made."),
        (
            {"status": "failed", "isFirstPayment": False, "lastPaymentFailedAt": "2026-01-01T00:00:00Z"},
            "Payment is overdue. Please update your payment method.",
        ),
    ],
    ids=["first", "overdue"],
)
def test_a_payment_opens_the_door_on_the_next_call(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client, payment, detail
) -> None:
    name = consumer("large")
    value, subscription = created(ann_client, name), running(sandbox, name)["id"]
    sandbox.metering.set_payment(subscription, **payment)
    refused = gateway.ask("/v1/reports", value)
    assert (refused.status, refused.detail) == (403, detail)
    assert refused.document["link"] == f"{PORTAL}/plans/"
    sandbox.metering.set_payment(subscription, status="paid", isFirstPayment=False)
    assert gateway.ask("/v1/reports", value).status == 200


def test_what_a_plan_does_not_include_is_refused(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client
) -> None:
    name = consumer("small")
    refused = gateway.ask("/v1/support", created(ann_client, name))
    assert refused.status == 403
    assert '"priority_support" entitlement' in refused.detail
    assert refused.document["link"] == f"{PORTAL}/plans/"


def test_plans_in_the_consumers_metadata_limit_too(
    gateway: Gateway, consumer: Callable[..., str], ann_client: Client
) -> None:
    """An unknown plan, or none, gets the least."""
    for metadata, allowed in (({"plan": "free"}, 10), ({"plan": "gold"}, 10), ({}, 10), ({"plan": "pro"}, 100)):
        value = created(ann_client, consumer(metadata=metadata))
        answers = [gateway.ask("/v1/limited", value) for _ in range(11)]
        assert [answer.status for answer in answers] == [200] * 10 + [200 if allowed > 10 else 429], metadata
        assert allowed > 10 or answers[-1].document["link"] == f"{PORTAL}/plans/"


def test_the_scheme_counts_in_this_very_case(
    gateway: Gateway, consumer: Callable[..., str], ann_client: Client
) -> None:
    """Why GATEWAY_HEADER with "bearer" is refused at the start."""
    value = created(ann_client, consumer("large"))
    assert gateway.ask("/hello", value).status == 200
    assert gateway.ask("/hello", value, scheme="bearer").status == 401


@pytest.mark.parametrize(
    ("route", "plan", "words"),
    [
        ("/hello", "", "The key works."),
        ("/v1/reports", "large", "The key works."),
        ("/v1/reports", "small", "the calls in its plan are used up"),
        ("/v1/support", "small", "its plan doesn't include this"),
        ("/v1/reports", "", "it has no active plan"),
    ],
    ids=["a route of keys", "a plan", "used up", "not included", "no plan"],
)
def test_try_it_says_what_the_gateway_means(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client, settings, route, plan, words
) -> None:
    name = consumer(plan)
    if plan == "small":
        sandbox.metering.use(running(sandbox, name)["id"], SMALL)
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = gateway.url, route
    settings.PLANS_URL = f"{PORTAL}/plans/"
    tried = post(ann_client, f"/keys/production/{name}/{sandbox.keys(name)[0]['id']}/try/").text
    assert escape(words) in " ".join(tried.split())
    assert (f'href="{PORTAL}/plans/"' in tried) == ("works" not in words)


# What is let in stays in for a minute


def test_a_key_that_was_ended_works_for_up_to_a_minute_on_routes_that_let_it_in(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client, sam_client: Client
) -> None:
    """Rotated now, ended now, all rotated now, a leak, deleted: all alike, and waited for once, together."""
    names = {verb: consumer("large") for verb in ("rotate", "end", "rotate-all", "leak", "delete")}
    keys = {verb: sandbox.keys(name)[0] for verb, name in names.items()}
    for key in keys.values():
        assert gateway.ask("/hello", key["key"]).status == 200
        assert gateway.ask("/v1/reports", key["key"]).status == 200
    let_in = time.monotonic()

    for verb, name in names.items():
        end_now(verb, name, keys[verb], ann_client, sam_client)
    assert [verb for verb, key in keys.items() if sandbox.authorizes(key["key"])] == []
    for verb, key in keys.items():
        assert gateway.ask("/hello", key["key"]).status == 200, verb
        assert gateway.ask("/v1/reports", key["key"]).status == 200, verb
        assert gateway.ask("/v1/support", key["key"]).status == 403, "a policy that had not let it in asks at once"

    def refused() -> bool:
        with ThreadPoolExecutor(len(keys)) as pool:
            pairs = list(pool.map(both_routes, keys.values()))
        return pairs == [(401, 403)] * len(keys)

    def both_routes(key: dict[str, Any]) -> tuple[int, int]:
        return gateway.ask("/hello", key["key"]).status, gateway.ask("/v1/reports", key["key"]).status

    until(refused, MEMORY + PATIENCE - (time.monotonic() - let_in))


def end_now(verb: str, name: str, key: dict[str, Any], ann_client: Client, sam_client: Client) -> None:
    url = f"/keys/production/{name}/{key['id']}"
    match verb:
        case "rotate":
            response = post(ann_client, f"{url}/rotate/", grace="now")
        case "end":
            response = post(ann_client, f"{url}/end/", ends_on=f"{datetime.now(UTC):%Y-%m-%dT%H:%M}")
        case "rotate-all":
            response = post(ann_client, f"/keys/production/{name}/rotate-all/", grace="now")
        case "leak":
            form = {"when": "now", "tell": "on", "found": "In a public repository"}
            response = post(sam_client, f"/admin/keys/consumer/production/{name}/{key['id']}/leaked/", **form)
        case _:
            response = post(ann_client, f"{url}/delete/")
    page = (
        response
        if response.status_code == 200
        else (sam_client if verb == "leak" else ann_client).get(response["Location"])
    )
    assert "The gateway refuses it within a minute." in " ".join(page.text.split()), verb
