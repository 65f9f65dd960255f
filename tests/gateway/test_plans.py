"""PLANS=zuplo, with Zuplo's gateway: what a customer chooses on the portal's pages is what the next call gets."""

import re
from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from django.core.cache import cache
from django.test import Client

from plans.models import PlanRequest
from sandbox import Sandbox
from tests.gateway.conftest import PORTAL, SMALL
from tests.gateway.test_gateway import created, post, running, usage
from tests.helpers.processes import until
from tests.helpers.verbs import FULL_KEY
from tests.helpers.zuplo import Gateway

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plans")]

USED_UP = 'API Key has exceeded the allowed limit for "api_requests" meter.'
NO_PLAN = "API Key is invalid or does not have access to the API"


def shown(client: Client, name: str) -> str:
    """The words of the page about a consumer's plan, asked anew."""
    cache.clear()
    page = BeautifulSoup(client.get(f"/plans/production/consumer/{name}/").content, "html.parser")
    return " ".join(page.main.get_text(" ").split())


def test_a_newcomer_chooses_a_plan_and_calls_with_its_key(
    gateway: Gateway, sandbox: Sandbox, make_person, client_of
) -> None:
    cleo = client_of(make_person("cleo@new.test"))
    answer = post(cleo, "/plans/production/start/small/", label="Made here", ends="never")
    found = FULL_KEY.search(answer.text)
    assert found, answer.status_code
    (consumer,) = (one for one in sandbox.consumers() if [m["email"] for m in one["managers"]] == ["cleo@new.test"])
    assert gateway.ask("/v1/reports", found[0]).status == 200
    until(lambda: usage(sandbox, running(sandbox, consumer["name"])["id"])["usage"] == 1)
    assert f"1 of {SMALL} used" in shown(cleo, consumer["name"])


def test_usage_is_shown_and_an_upgrade_lets_the_next_call_in(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client
) -> None:
    name = consumer("small")
    first, subscription = created(ann_client, name), running(sandbox, name)["id"]
    assert f"0 of {SMALL} used" in shown(ann_client, name)
    for _ in range(SMALL):
        assert gateway.ask("/v1/reports", first).status == 200
    until(lambda: usage(sandbox, subscription)["usage"] == SMALL)
    words = shown(ann_client, name)
    assert f"{SMALL} of {SMALL} used (100%)" in words
    assert "Used up." in words

    # The gateway remembers the first key's verdict: another key of the consumer shows what is true now.
    second = created(ann_client, name)
    refused = gateway.ask("/v1/reports", second)
    assert (refused.status, refused.detail) == (403, USED_UP)
    assert refused.document["link"] == f"{PORTAL}/plans/"
    assert refused.document["help"].endswith(f"{PORTAL}/plans/")
    assert gateway.ask("/hello", second).status == 200, "a route without plans stays open"

    assert post(ann_client, f"/plans/production/consumer/{name}/change/large/").status_code == 303
    assert gateway.ask("/v1/reports", second).status == 200
    until(lambda: usage(sandbox, running(sandbox, name)["id"])["usage"] == 1)
    assert re.search(r"Large.* 1 of 1,000 used", shown(ann_client, name))


def test_a_canceled_plan_lets_nobody_in_until_another_one_is_chosen(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client
) -> None:
    name = consumer("large")
    value = created(ann_client, name)
    assert post(ann_client, f"/plans/production/consumer/{name}/cancel/", plan_name="Large").status_code == 303
    refused = gateway.ask("/v1/reports", value)
    assert (refused.status, refused.detail) == (403, NO_PLAN)
    assert post(ann_client, f"/plans/production/consumer/{name}/change/small/").status_code == 303
    assert gateway.ask("/v1/reports", value).status == 200


def test_a_plan_that_was_asked_for_opens_the_door_when_it_is_approved(
    gateway: Gateway, sandbox: Sandbox, consumer: Callable[..., str], ann_client: Client, sam_client: Client
) -> None:
    name = consumer()
    value = created(ann_client, name)
    assert post(ann_client, f"/plans/production/consumer/{name}/request/paid/").status_code == 303
    assert gateway.ask("/v1/reports", value).status == 403
    request = PlanRequest.objects.get(consumer=name)
    assert post(sam_client, f"/admin/plans/planrequest/{request.pk}/answer/", state="approved").status_code == 302
    assert running(sandbox, name)["plan"]["key"] == "paid"
    assert gateway.ask("/v1/reports", value).status == 200
