"""Plans, usage and subscriptions: each operation under the likeliest readings, periods and the clock."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.metering.periods import after, period_around, read_duration
from sandbox.metering.samples import METER, fee, metered, plan

ULID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"


@pytest.fixture
def v3(call, sandbox):
    """Calls below the bucket's part of the v3 operations."""

    def v3(method: str, path: str, body: Any = None, **options: Any):
        return call(method, f"/v3/metering/{sandbox.metering.bucket_id()}/{path}", body, **options)

    return v3


@pytest.fixture
def plans(sandbox: Sandbox) -> None:
    """Free, pro with a trial, business; and Acme, which has a consumer with a key."""
    sandbox.metering.add_plans()
    sandbox.add_consumer("acme", metadata={"plan": "pro"}, keys=[{}])


@pytest.fixture
def acme_customer(v3, plans) -> dict[str, Any]:
    body = {
        "key": "team-1",
        "name": "Acme Inc",
        "primaryEmail": "ann@acme.test",
        "usageAttribution": {"subjectKeys": ["acme"]},
    }
    answer = v3("POST", "customers", body)
    assert answer.status_code == 201
    return dict(answer.json())


def subscribed(v3, plan_key: str = "free", **more: Any) -> dict[str, Any]:
    answer = v3("POST", "subscriptions", {"plan": {"key": plan_key}, "customerKey": "team-1", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


# The catalogue


def test_meters_features_and_plans_come_and_go(v3):
    meter = v3("POST", "meters", METER)
    assert meter.status_code == 201
    assert re.fullmatch(ULID, meter.json()["id"])
    assert v3("POST", "meters", METER).status_code == 409
    assert v3("GET", "meters").json() == [meter.json()]
    assert v3("GET", "meters/api_requests").json() == v3("GET", f"meters/{meter.json()['id']}").json()
    assert v3("PUT", "meters/api_requests", {"name": "Calls"}).json()["name"] == "Calls"

    feature = v3("POST", "features", {"key": "api_requests", "name": "Requests", "meterSlug": "api_requests"})
    assert feature.status_code == 201
    assert v3("GET", "features").json() == [feature.json()]
    paged = v3("GET", "features", params={"page": "1", "pageSize": "10"}).json()
    assert paged == {"items": [feature.json()], "page": 1, "pageSize": 10, "totalCount": 1}

    draft = v3("POST", "plans", plan("free", "Free", metered(1000))).json()
    assert (draft["version"], draft["status"]) == (1, "draft")
    assert v3("PUT", f"plans/{draft['id']}", {"name": "Free of charge"}).json()["name"] == "Free of charge"
    assert v3("POST", f"plans/{draft['id']}/publish", {}).json()["status"] == "active"
    assert v3("PUT", f"plans/{draft['id']}", {"name": "Other"}).status_code == 409
    second = v3("POST", "plans", plan("free", "Free", metered(500))).json()
    assert second["version"] == 2
    v3("POST", f"plans/{second['id']}/publish", {})
    active = v3("GET", "plans", params={"status": "active"}).json()["items"]
    assert [one["id"] for one in active] == [second["id"]], "a version takes the place of the one before"
    assert v3("POST", f"plans/{second['id']}/archive", {}).json()["status"] == "archived"
    assert v3("DELETE", f"plans/{second['id']}").status_code == 204
    assert v3("GET", f"plans/{second['id']}").status_code == 404
    assert len(v3("GET", "plans", params={"includeDeleted": "true"}).json()["items"]) == 2

    assert v3("DELETE", f"features/{feature.json()['id']}").status_code == 204
    assert v3("GET", "features").json() == []
    assert v3("DELETE", "meters/api_requests").status_code == 204
    assert v3("GET", "meters/api_requests").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("meters", {**METER, "slug": "API requests"}, "slug"),
        ("meters", {**METER, "aggregation": "MEDIAN"}, "aggregation"),
        ("meters", {"slug": "x", "aggregation": "SUM"}, "eventType"),
        ("features", {"key": "A B", "name": "x"}, "key"),
        ("features", {"key": "a"}, "name"),
        ("plans", {"name": "x"}, "key"),
        ("plans", plan("x", "X", billingCadence="1 month"), "billingCadence"),
        ("plans", plan("x", "X", phases=[]), "phases"),
        ("plans", plan("x", "X", phases=[{"key": "a", "rateCards": []}, {"key": "b", "rateCards": []}]), "duration"),
        ("plan-invites", {"email": "ann", "planId": "x"}, "email"),
        ("customers", {"key": "x"}, "name"),
        ("customers", {"name": "x", "usageAttribution": {"subjectKeys": [1]}}, "subjectKeys"),
        ("subscriptions", {"plan": {"key": "free"}}, "customerId"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_with_the_field_that_is_wrong(v3, path, body, named):
    answer = v3("POST", path, body)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]


def test_lists_of_plans_are_paged_and_filtered(v3, plans):
    whole = v3("GET", "plans").json()
    assert [one["key"] for one in whole["items"]] == ["free", "pro", "business"]
    assert whole["totalCount"] == 3
    second = v3("GET", "plans", params={"page": "2", "pageSize": "2"}).json()
    assert ([one["key"] for one in second["items"]], second["totalCount"]) == (["business"], 3)
    assert [one["key"] for one in v3("GET", "plans", params={"key": "pro"}).json()["items"]] == ["pro"]
    assert v3("GET", "plans", params={"order": "DESC"}).json()["items"][0]["key"] == "business"
    assert v3("GET", "plans", params={"page": "0"}).status_code == 400


def test_prices_are_texts_and_times_carry_microseconds(v3, plans):
    pro = v3("GET", "plans", params={"key": "pro"}).json()["items"][0]
    assert pro["phases"][1]["rateCards"][0]["price"]["amount"] == "49.00"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", pro["createdAt"])


def test_the_configuration_has_defaults_and_keeps_what_is_not_sent(v3):
    usual = v3("GET", "monetization-configuration").json()
    assert usual["planOrder"] == []
    assert usual["maxPaymentOverdueDays"] == 3
    v3("PUT", "monetization-configuration", {"planOrder": ["free", "pro"]})
    assert v3("PUT", "monetization-configuration", {"maxPaymentOverdueDays": 7}).json() == usual | {
        "planOrder": ["free", "pro"],
        "maxPaymentOverdueDays": 7,
    }
    assert v3("PUT", "monetization-configuration", {"planOrder": "free"}).status_code == 400
    assert v3("DELETE", "monetization-configuration").status_code == 204
    assert v3("GET", "monetization-configuration").json() == usual


def test_people_are_invited_to_a_plan(v3, plans, sandbox):
    pro = v3("GET", "plans", params={"key": "pro"}).json()["items"][0]
    made = v3("POST", "plan-invites", {"email": "ann@acme.test", "planId": pro["id"]})
    assert made.status_code == 201
    assert sandbox.metering.invites() == [("ann@acme.test", pro["id"])]
    assert v3("POST", "plan-invites", {"email": "ann@acme.test", "planId": "x"}).status_code == 404
    assert v3("DELETE", f"plan-invites/{made.json()['id']}").status_code == 204
    assert sandbox.metering.invites() == []


def test_a_bucket_goes_by_its_id_here_and_the_bearer_is_asked_for(call, sandbox):
    bucket_id = sandbox.metering.bucket_id()
    assert call("GET", f"/v3/metering/{bucket_id}/plans").ok
    assert call("GET", f"/v3/metering/{sandbox.bucket}/plans").status_code == 400
    assert call("GET", "/v3/metering/bckt_nobody/plans").status_code == 404
    for path in ("plans", "subscriptions"):
        wrong = call("GET", f"/v3/metering/{bucket_id}/{path}", headers={"authorization": "Bearer other"})
        assert wrong.status_code in (401, 405)
    assert call("POST", f"/v3/metering/{bucket_id}/plans", {}, headers={"authorization": "Bearer x"}).status_code == 401


# Customers and subscriptions


def test_a_customer_is_made_once_and_found_by_key_and_id(v3, acme_customer):
    assert v3("POST", "customers", {"key": "team-1", "name": "Again"}).status_code == 409
    found = v3("GET", "customers", params={"key": "team-1"}).json()["items"]
    assert found == [acme_customer]
    assert v3("GET", "customers/team-1").json() == v3("GET", f"customers/{acme_customer['id']}").json()
    assert v3("GET", "customers/nobody").status_code == 404


def test_one_subscription_at_a_time(v3, acme_customer):
    made = subscribed(v3)
    assert made["status"] == "active"
    assert made["customerId"] == acme_customer["id"]
    assert made["plan"]["key"] == "free"
    again = {"plan": {"key": "pro"}, "customerKey": "team-1"}
    assert v3("POST", "subscriptions", again).status_code == 409
    v3("PUT", "monetization-configuration", {"multipleSubscriptionsEnabled": True})
    assert v3("POST", "subscriptions", again).status_code == 201
    listed = v3("GET", "customers/team-1/subscriptions").json()["items"]
    assert [one["plan"]["key"] for one in listed] == ["pro", "free"]


def test_an_unknown_plan_or_customer_is_refused(v3, acme_customer):
    assert v3("POST", "subscriptions", {"plan": {"key": "gold"}, "customerKey": "team-1"}).status_code == 400
    assert v3("POST", "subscriptions", {"plan": {"key": "free"}, "customerKey": "nobody"}).status_code == 404


def test_an_upgrade_closes_one_subscription_and_opens_the_next(v3, acme_customer, sandbox):
    old = subscribed(v3)
    sandbox.metering.use(old["id"], 1000)
    assert sandbox.metering.used(old["id"])["api_requests"]["hasAccess"] is False
    both = v3("POST", f"subscriptions/{old['id']}/change", {"timing": "immediate", "plan": {"key": "business"}}).json()
    assert (both["current"]["status"], both["next"]["status"]) == ("inactive", "active")
    assert both["next"]["annotations"] == {"subscription.previous.id": old["id"]}
    fresh = sandbox.metering.used(both["next"]["id"])["api_requests"]
    assert fresh == {"hasAccess": True, "balance": 500_000, "usage": 0, "overage": 0}
    assert v3("POST", f"subscriptions/{old['id']}/change", {"plan": {"key": "pro"}}).status_code == 409


def test_a_downgrade_waits_for_the_next_billing_cycle(v3, acme_customer, sandbox):
    old = subscribed(v3, "business")
    end = old["alignment"]["currentAlignedBillingPeriod"]["to"]
    wish = {"timing": "next_billing_cycle", "plan": {"key": "free"}}
    both = v3("POST", f"subscriptions/{old['id']}/change", wish).json()
    assert (both["current"]["status"], both["next"]["status"]) == ("canceled", "scheduled")
    assert both["current"]["activeTo"] == both["next"]["activeFrom"] == end
    assert v3("POST", f"subscriptions/{old['id']}/change", wish).status_code == 409, "one change at a time"
    assert v3("POST", f"subscriptions/{old['id']}/unschedule-cancelation").status_code == 409
    sandbox.metering.move_clock(days=32)
    listed = v3("GET", "customers/team-1/subscriptions").json()["items"]
    assert [(one["plan"]["key"], one["status"]) for one in listed] == [("free", "active"), ("business", "inactive")]


def test_a_downgrade_can_be_taken_back(v3, acme_customer):
    old = subscribed(v3, "business")
    both = v3(
        "POST", f"subscriptions/{old['id']}/change", {"timing": "next_billing_cycle", "plan": {"key": "free"}}
    ).json()
    assert v3("POST", f"subscriptions/{both['next']['id']}/cancel", {}).json()["status"] == "inactive"
    resumed = v3("POST", f"subscriptions/{old['id']}/unschedule-cancelation")
    assert (resumed.status_code, resumed.json()["status"], resumed.json()["activeTo"]) == (200, "active", None)


def test_a_paid_subscription_is_canceled_at_the_end_of_its_period_and_can_be_resumed(v3, acme_customer, sandbox):
    one = subscribed(v3, "business")
    canceled = v3("POST", f"subscriptions/{one['id']}/cancel", {"timing": "next_billing_cycle"}).json()
    assert canceled["status"] == "canceled"
    assert sandbox.metering.used(one["id"])["api_requests"]["hasAccess"], "access goes on until then"
    assert v3("POST", "subscriptions", {"plan": {"key": "free"}, "customerKey": "team-1"}).status_code == 409
    assert v3("POST", f"subscriptions/{one['id']}/unschedule-cancelation").json()["status"] == "active"
    v3("POST", f"subscriptions/{one['id']}/cancel", {"timing": "next_billing_cycle"})
    sandbox.metering.move_clock(days=32)
    assert v3("POST", f"subscriptions/{one['id']}/unschedule-cancelation").status_code == 409
    assert sandbox.metering.used(one["id"])["api_requests"]["hasAccess"] is False
    subscribed(v3)


@pytest.mark.parametrize("plan_key", ["free", "pro"])
def test_what_costs_nothing_ends_at_once_or_not_at_all(v3, acme_customer, plan_key):
    one = subscribed(v3, plan_key)  # pro begins with its trial
    assert v3("POST", f"subscriptions/{one['id']}/cancel", {"timing": "next_billing_cycle"}).status_code == 400
    assert v3("POST", f"subscriptions/{one['id']}/cancel", {}).json()["status"] == "inactive"
    assert v3("POST", f"subscriptions/{one['id']}/cancel", {}).status_code == 409


def test_a_subscription_ends_at_a_date(v3, acme_customer):
    one, end = subscribed(v3, "business"), "2999-01-01T00:00:00Z"
    assert v3("POST", f"subscriptions/{one['id']}/cancel", {"timing": end}).json()["activeTo"] == end
    assert v3("POST", f"subscriptions/{one['id']}/cancel", {"timing": "soon"}).status_code == 400


def test_a_trial_gives_way_to_the_paid_phase(v3, acme_customer, sandbox):
    one = subscribed(v3, "pro")
    assert sandbox.metering.used(one["id"])["api_requests"]["balance"] == 1000
    sandbox.metering.use(one["id"], 700)
    sandbox.metering.move_clock(days=15)
    left = sandbox.metering.used(one["id"])
    assert left["api_requests"] == {"hasAccess": True, "balance": 50_000, "usage": 0, "overage": 0}
    assert left["history_days"]["config"] == "30"


def test_a_soft_limit_goes_on_and_a_hard_one_ends(v3, acme_customer, sandbox):
    one = subscribed(v3, "pro")
    sandbox.metering.move_clock(days=15)
    sandbox.metering.use(one["id"], 50_001.5)
    assert sandbox.metering.used(one["id"])["api_requests"] == {
        "hasAccess": True,
        "balance": 0,
        "usage": 50_001.5,
        "overage": 1.5,
    }
    hard = v3("POST", f"subscriptions/{one['id']}/change", {"timing": "immediate", "plan": {"key": "free"}}).json()
    sandbox.metering.use(hard["next"]["id"], 1003)
    left = sandbox.metering.used(hard["next"]["id"])["api_requests"]
    assert left == {"hasAccess": False, "balance": 0, "usage": 1003, "overage": 3}


def test_the_quota_is_full_again_in_the_next_period(v3, acme_customer, sandbox):
    one = subscribed(v3)
    sandbox.metering.use(one["id"], 1000)
    sandbox.metering.move_clock(days=32)
    assert sandbox.metering.used(one["id"])["api_requests"]["usage"] == 0
    access = v3("GET", f"subscriptions/{one['id']}/access").json()
    assert access["entitlements"]["api_requests"]["hasAccess"] is True
    assert access["paymentStatus"] == {"status": "not_required", "isFirstPayment": False}


def test_the_credit_is_what_was_paid_and_not_used(v3, acme_customer, sandbox):
    one = subscribed(v3, "business")
    path = f"subscriptions/{one['id']}/change/estimate-credit"
    wish = {"timing": "immediate", "plan": {"key": "free"}}
    assert v3("POST", path, wish).json() == {"creditAmount": "249.00", "currency": "USD"}
    sandbox.metering.use(one["id"], 250_000)
    assert v3("POST", path, wish).json()["creditAmount"] == "124.50", "half the quota is used, if hardly any time"
    sandbox.metering.move_clock(days=27)
    assert Decimal(v3("POST", path, wish).json()["creditAmount"]) < 35
    assert v3("POST", path, wish | {"timing": "next_billing_cycle"}).json()["creditAmount"] == "0.00"
    listed = v3("GET", "customers/team-1/subscriptions").json()["items"]
    assert [each["status"] for each in listed] == ["active"], "an estimate changes nothing"


def test_usage_is_queried_by_day_and_subscription(v3, acme_customer, sandbox):
    one, today = subscribed(v3), sandbox.metering.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for days, number in ((-2, 5), (-1, 7), (-1, 1), (0, 2)):
        sandbox.metering.use(one["id"], number, at=today + timedelta(days=days))
    wish = {"filterSubscription": [one["id"]], "windowSize": "DAY"}
    found = v3("POST", "meters/api_requests/query", wish).json()
    assert [row["value"] for row in found["data"]] == [5, 8, 2]
    assert found["data"][0]["windowEnd"] == found["data"][1]["windowStart"]
    assert v3("GET", "meters/api_requests/query", params={"windowSize": "DAY"}).json()["data"] == found["data"]
    assert v3("POST", "meters/api_requests/query", wish | {"filterSubscription": []}).json()["data"] == []
    total = v3("POST", "meters/api_requests/query", {"filterSubscription": [one["id"]]}).json()["data"]
    assert [row["value"] for row in total] == [15]
    assert v3("POST", "meters/api_requests/query", wish | {"windowSize": "YEAR"}).status_code == 400


def test_the_sandbox_forgets_all_of_it_with_a_reset(v3, acme_customer, sandbox):
    subscribed(v3)
    sandbox.metering.move_clock(days=100)
    sandbox.reset()
    assert sandbox.metering.customers() == []
    assert abs(sandbox.metering.now() - datetime.now(UTC)) < timedelta(hours=1)


def test_the_clock_moves_by_http_and_keys_end_by_it(call, sandbox, acme):
    in_an_hour = (sandbox.metering.now() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    key = call("POST", "acme/keys", {"expiresOn": in_an_hour}).json()["key"]
    assert sandbox.authorizes(key)
    assert call.control(clock=7200).json()["clock"] == 7200
    assert not sandbox.authorizes(key)
    assert call.control(clock="later").status_code == 400
    assert call.control(clock=10**12).status_code == 400


# Periods


@pytest.mark.parametrize("text", ["", "P", "PT", "1M", "P1X", "P0D", "P1M1Y", "P-1M", "P1.5D"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)


def test_months_are_counted_from_the_anchor_and_never_drift():
    anchor = datetime(2026, 1, 31, tzinfo=UTC)
    month = read_duration("P1M")
    assert [after(anchor, month, number).day for number in range(5)] == [31, 28, 31, 30, 31]
    assert period_around(anchor, month, datetime(2026, 3, 30, tzinfo=UTC)) == (
        datetime(2026, 2, 28, tzinfo=UTC),
        datetime(2026, 3, 31, tzinfo=UTC),
    )
    before = period_around(anchor, month, datetime(2025, 12, 1, tzinfo=UTC))
    assert before == (datetime(2025, 11, 30, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize("length", ["P1D", "P2W", "P1M", "P3M", "P1Y", "PT1H", "P1M1D"])
def test_each_moment_is_in_one_period(length):
    anchor = datetime(2024, 2, 29, 12, tzinfo=UTC)
    for hours in range(-5000, 5000, 97):
        moment = anchor + timedelta(hours=hours)
        start, end = period_around(anchor, read_duration(length), moment)
        assert start <= moment < end


def test_the_samples_have_somebody_who_used_up_the_quota():
    with Sandbox() as seeded:
        seeded.seed()
        (mobile,) = seeded.metering.subscriptions("acme-mobile")
        assert seeded.metering.used(mobile["id"])["api_requests"]["hasAccess"] is False
        (acme,) = seeded.metering.subscriptions("acme")
        assert 0 < seeded.metering.used(acme["id"])["api_requests"]["usage"] < 50_000


def test_a_fee_and_a_meter_make_a_plan_that_costs_something(v3, sandbox):
    sandbox.metering.add_plans(plan("basic", "Basic", fee("5.00"), metered(10)))
    sandbox.add_consumer("acme")
    one = sandbox.metering.subscribe("acme", "basic")
    sandbox.metering.set_payment(one, status="failed", isFirstPayment=False)
    assert v3("GET", f"subscriptions/{one}/access").json()["paymentStatus"]["status"] == "failed"
