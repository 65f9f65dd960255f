"""What a gateway asks: keys and their subscriptions, usage, counters and reports; with any bearer."""

from typing import Any

import pytest

EVENT = {"type": "api_requests", "specversion": "1.0", "source": "monetization-policy", "data": {"total": 1}}


@pytest.fixture
def subscription(sandbox) -> str:
    sandbox.metering.add_plans()
    sandbox.add_consumer("acme", metadata={"plan": "free"}, keys=[{}, {"expiresOn": "2020-01-01T00:00:00.000Z"}])
    return str(sandbox.metering.subscribe("acme", "free"))


@pytest.fixture
def ask(call, sandbox):
    """A question as the gateway puts it, with a bearer of its own."""

    def ask(path: str, body: Any = None, method: str = "POST", **headers: str):
        path = path if path.startswith("/") else f"/v3/metering/{sandbox.metering.bucket_id()}/{path}"
        return call(method, path, body, headers={"authorization": "Bearer gateway"} | headers)

    return ask


def event(subscription: str, event_id: str, **more: Any) -> dict[str, Any]:
    return EVENT | {"id": event_id, "subject": "acme", "subscription": subscription} | more


# Keys


def test_a_key_comes_with_its_consumer_and_the_running_subscription(ask, sandbox, subscription):
    key, ended = sandbox.keys("acme")
    document = ask("validate-api-key", {"apiKey": key["key"]}).json()
    assert (document["id"], document["expiresOn"]) == (key["id"], None)
    assert document["consumer"] == {
        "id": sandbox.consumer("acme")["id"],
        "name": "acme",
        "metadata": {"plan": "free"},
    }
    told = document["subscription"]
    assert (told["id"], told["plan"]["key"], told["status"]) == (subscription, "free", "active")
    assert told["entitlements"]["api_requests"] == {"hasAccess": True, "balance": 1000, "usage": 0, "overage": 0}
    assert told["paymentStatus"]["status"] == "not_required"
    assert (told["maxPaymentOverdueDays"], told["accessBlocked"]) == (3, False)
    for value in (ended["key"], "nobody's", ""):
        answer = ask("validate-api-key", {"apiKey": value})
        assert (answer.status_code, answer.json()) == (200, {"subscription": None})


def test_without_a_running_subscription_there_is_none_to_tell(ask, call, sandbox, subscription):
    value = sandbox.keys("acme")[0]["key"]
    call("POST", f"/v3/metering/{sandbox.metering.bucket_id()}/subscriptions/{subscription}/cancel", {})
    document = ask("validate-api-key", {"apiKey": value}).json()
    assert document["subscription"] is None
    assert document["consumer"]["name"] == "acme"


def test_features_that_are_not_metered_are_among_the_entitlements(ask, sandbox, subscription):
    sandbox.metering.subscribe("acme", "business")
    document = ask("validate-api-key", {"apiKey": sandbox.keys("acme")[0]["key"]}).json()
    support = document["subscription"]["entitlements"]["priority_support"]
    assert (support["hasAccess"], support["balance"]) == (True, 0)


def test_a_block_and_a_payment_are_told(ask, sandbox, subscription):
    sandbox.metering.block(subscription)
    failed = {"status": "failed", "isFirstPayment": False, "lastPaymentFailedAt": "2026-01-01T00:00:00Z"}
    sandbox.metering.set_payment(subscription, **failed)
    told = ask("validate-api-key", {"apiKey": sandbox.keys("acme")[0]["key"]}).json()["subscription"]
    assert told["accessBlocked"] is True
    assert told["paymentStatus"] == failed


def test_an_unknown_bucket_is_never_a_404(ask):
    for path, body in (("validate-api-key", {"apiKey": "x"}), ("events", [])):
        assert ask(f"/v3/metering/bckt_nobody/{path}", body).status_code == 401


def test_the_journal_knows_the_request_by_the_gateways_own_number(ask, sandbox):
    ask("validate-api-key", {"apiKey": "x"}, **{"zp-rid": "rid-1"})
    assert sandbox.journal()[-1].request_id == "rid-1"


# Usage


def test_an_event_counts_once_however_often_it_comes(ask, sandbox, subscription):
    for _ in range(3):
        assert ask("events", [event(subscription, "e1")]).status_code == 204
    ask("events", [event(subscription, "e2", data={"total": 2.5})])
    assert sandbox.metering.used(subscription)["api_requests"]["usage"] == 3.5


@pytest.mark.parametrize(
    "odd",
    [
        42,
        {},
        {"data": 1},
        {"data": {"total": 0}},
        {"data": {"total": -1}},
        {"data": {"total": "1"}},
        {"data": {"total": True}},
        {"subscription": "nobody"},
        {"type": None},
        {"id": 7},
    ],
)
def test_what_is_not_understood_is_passed_over_and_the_rest_counts(ask, sandbox, subscription, odd):
    odd = event(subscription, "odd") | odd if isinstance(odd, dict) and odd else odd
    assert ask("events", [odd, event(subscription, "good")]).status_code == 204
    assert sandbox.metering.used(subscription)["api_requests"]["usage"] == 1


def test_usage_that_arrives_after_the_end_belongs_to_the_subscription_that_ended(ask, sandbox, subscription):
    ask("events", [event(subscription, "before")])
    other = sandbox.metering.subscribe("acme", "business")
    ask("events", [event(subscription, "after")])
    assert sandbox.metering.used(subscription)["api_requests"]["usage"] == 2
    assert sandbox.metering.used(other)["api_requests"]["usage"] == 0


def test_a_hard_limit_can_be_overrun(ask, sandbox, subscription):
    ask("events", [event(subscription, "all", data={"total": 1000})])
    ask("events", [event(subscription, "one more")])
    left = sandbox.metering.used(subscription)["api_requests"]
    assert (left["hasAccess"], left["balance"], left["overage"]) == (False, 0, 1)


# Counters and quotas


def test_a_counter_counts_until_its_time_is_over(ask, sandbox):
    wish = {"incrBy": 1, "expire": 60, "key": "rate-limit/p/user-acme"}
    assert [ask("/rate-limit", wish).json()["count"] for _ in range(3)] == [1, 2, 3]
    assert 0 < ask("/rate-limit", wish | {"key": "other"}).json()["ttlSeconds"] <= 60
    sandbox.metering.move_clock(seconds=61)
    assert ask("/rate-limit", wish).json()["count"] == 1
    assert ask("/rate-limit", wish | {"expire": "soon"}).status_code == 400
    assert ask("/rate-limit", {"expire": 60}).status_code == 400


def test_limits_are_checked_without_counting_and_counted_apart(ask):
    check = {"limits": [{"key": "a", "ttlSeconds": 60, "limit": 5}]}
    assert ask("/rate-limits/check", check).json() == {"data": [{"key": "a", "count": 0}]}
    count = {"limits": [{"key": "a", "ttlSeconds": 60, "increment": 2}]}
    assert ask("/rate-limits/increment", count).json() == {"data": [{"key": "a", "count": 2}]}
    assert ask("/rate-limits/check", check).json() == {"data": [{"key": "a", "count": 2}]}
    assert ask("/rate-limits/check", {"limits": "all"}).status_code == 400


def test_a_quota_begins_empty_and_is_full_again_in_the_next_period(ask, sandbox):
    fresh = ask("/quota/abc", method="GET").json()
    assert fresh["meters"] == {}
    assert fresh["anchorDate"]
    wish = {"config": {"period": "monthly", "anchorDate": ""}, "increments": {"requests": 1}}
    ask("/quota/abc", wish)
    assert ask("/quota/abc", wish).json()["meters"] == {"requests": 2}
    assert ask("/quota/abc", method="GET").json()["meters"] == {"requests": 2}
    sandbox.metering.move_clock(days=32)
    assert ask("/quota/abc", method="GET").json()["meters"] == {}
    assert ask("/quota/abc", wish).json()["meters"] == {"requests": 1}
    assert ask("/quota/abc", wish | {"config": {"period": "yearly"}}).status_code == 400


def test_reports_are_taken(ask):
    assert ask("/v1/runtime/telemetry", [{}]).status_code == 202
    assert ask("/v1/runtime/audit-events", {"events": []}).status_code == 202
