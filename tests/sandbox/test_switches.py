"""Every switch in every value: each changes the answer as its meaning says."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.switches import SWITCHES

END = "2030-01-01T00:00:00.000Z"
WITH_KEYS = {"include-api-keys": "true"}
VISIBLE = WITH_KEYS | {"key-format": "visible"}


def shown(value: str) -> str:
    """How a key is shown: in full, masked, or not at all."""
    return "none" if value is None else "masked" if "*" in value or "..." in value else "visible"


def first_key(call) -> dict[str, Any]:
    return call("GET", "acme", params=WITH_KEYS).json()["apiKeys"][0]


def paging_required(call, sandbox):
    return call("GET").status_code, call("GET", params={"limit": 1, "offset": 0}).status_code


def total(call, sandbox):
    return [call("GET", path).json().get("total") for path in ("", "acme/keys", "acme/managers", call.buckets)]


def key_format_default(call, sandbox):
    return shown(call("POST", "acme/keys", {}).json().get("key")), shown(first_key(call).get("key"))


def mask(call, sandbox):
    value, masked = sandbox.keys("acme")[-1]["key"], first_key(call)["key"]
    head = "****" if masked.startswith("****") else value[:9] + "..."
    assert masked.startswith(head)
    assert value.endswith(masked.removeprefix(head))
    return head[:4], len(masked.removeprefix(head))


def retrievable(call, sandbox):
    answer = call("GET", "acme", params=VISIBLE)
    is_retrievable = call("GET", f"{call.buckets}/{sandbox.bucket}").json()["isRetrievable"]
    how = shown(answer.json()["apiKeys"][0]["key"]) if answer.ok else answer.status_code
    return how, is_retrievable, shown(call("POST", "acme/keys", {}).json()["key"])


def roll_scope(call, sandbox):
    call("POST", "acme/roll-key", {"expiresOn": END})
    return [key["expiresOn"] for key in sandbox.keys("acme")]


def roll_answer(call, sandbox):
    answer = call("POST", "acme/roll-key", {"expiresOn": END})
    if not answer.content:
        return answer.status_code, None
    document = answer.json()
    assert "key" not in document or document["key"] == sandbox.keys("acme")[-1]["key"]
    return (
        answer.status_code,
        "consumer" if "apiKeys" in document else "key" if "key" in document else document,
    )


def roll_missing_expiry(call, sandbox):
    status = call("POST", "acme/roll-key", {}).status_code
    return status, sandbox.authorizes(sandbox.keys("acme")[1]["key"]), len(sandbox.keys("acme"))


def create_status(call, sandbox):
    return [
        call("POST", path, body).status_code
        for path, body in (
            ("", {"name": "new"}),
            ("acme/keys", {}),
            ("acme/keys/$bulk", [{}]),
            ("acme/managers", {"email": "new@acme.test", "sub": "x"}),
            (call.buckets, {"name": "bucket"}),
        )
    ]


def null_style(call, sandbox):
    sandbox.add_consumer("bare", keys=[{}])
    consumer = call("GET", "bare", params=WITH_KEYS).json()
    key = consumer["apiKeys"][0]
    fields = [*(consumer.get(f, "absent") for f in ("description", "tags", "metadata"))]
    return [*fields, key.get("description", "absent"), key.get("expiresOn", "absent")]


def name_pattern(call, sandbox):
    return [call("POST", "", {"name": name}).status_code for name in ("a-1", "org_1", "org:1", "Org", "a b")]


def duplicate_name(call, sandbox):
    return call("POST", "", {"name": "acme"}).status_code


def keys_of_missing_consumer(call, sandbox):
    answer = call("GET", "nobody/keys")
    return answer.status_code, answer.json().get("data"), call("POST", "nobody/keys", {}).status_code


def guard_mismatch(call, sandbox):
    wrong, right = {"tag.org": "globex"}, {"tag.org": "acme"}
    assert call("GET", "acme", params=right).ok
    statuses = {
        call("GET", "acme", params=wrong).status_code,
        call("DELETE", "acme", params=wrong).status_code,
    }
    assert sandbox.consumer("acme")
    return statuses


def guard_scope(call, sandbox):
    wrong = {"tag.org": "globex"}
    one = call("GET", "acme", params=wrong).status_code
    keys = call("GET", "acme/keys", params=wrong).status_code
    return one, keys, len(call("GET", params=wrong).json()["data"])


def patch_maps(call, sandbox):
    document = call("PATCH", "acme", {"tags": {"a": "b"}, "metadata": {"c": "d"}}).json()
    return document["tags"], document["metadata"]


def patch_null_expiry(call, sandbox):
    ending = sandbox.keys("acme")[2]
    answer = call("PATCH", f"acme/keys/{ending['id']}", {"expiresOn": None})
    return answer.status_code, sandbox.keys("acme")[2]["expiresOn"]


def metadata_types(call, sandbox):
    return [call("PATCH", "acme", {"metadata": m}).status_code for m in ({"n": 1}, {"o": {"p": []}}, {"s": "t"})]


def second_delete(call, sandbox):
    return [call("DELETE", path).status_code for path in ("nobody", "acme/keys/key_x", "acme/managers/eusr_x")]


def sort(call, sandbox):
    for day in (13, 12, 19, 14, 18, 15, 17, 11, 16):  # so many that no order comes about by chance
        sandbox.add_consumer(f"c{day}", created=f"2030-01-{day}T00:00:00.000Z")
    pages = [call("GET", params={"limit": 4, "offset": offset}).json()["data"] for offset in (0, 4, 8)]
    assert len({consumer["id"] for page in pages for consumer in page}) == 10
    rows = call("GET").json()["data"]
    by_age = sorted(rows, key=lambda consumer: consumer["createdOn"])
    orders = {
        "newest": by_age[::-1],
        "oldest": by_age,
        "id": sorted(rows, key=lambda consumer: consumer["id"]),
    }
    return next((name for name, order in orders.items() if rows == order), "shuffled")


def manager_email(call, sandbox):
    sandbox.add_consumer("other", managers=["Dan@acme.test"], invites=["eve@acme.test"])
    return [
        len(call("GET", params={"manager-email": email}).json()["data"])
        for email in ("Dan@acme.test", "dan@acme.test", "eve@acme.test")
    ]


def invite_field(call, sandbox):
    sandbox.add_consumer("other", invites=["eve@acme.test"])
    invites = call("GET", "other", params={"include-manager-invites": "true"}).json().get("managerInvites")
    return invites and (invites[0] if isinstance(invites[0], str) else invites[0]["email"], type(invites[0]))


def unknown_fields(call, sandbox):
    document = call("GET", "acme").json()
    return [document.get("inviteCount"), [one["email"] for one in document.get("declinedInvites", ())]]


def listed_managers(call, sandbox):
    asked = {"include-managers": "true"}
    (listed,), one = call("GET", params=asked).json()["data"], call("GET", "acme", params=asked).json()
    return "managers" in listed, "managers" in one


def kept_labels(call, sandbox):
    return call("POST", "acme/keys", {"description": "Bu\u0308ro in Ulm"}).json()["description"]


def kept_ends(call, sandbox):
    made = call("POST", "acme/keys", {"expiresOn": "2030-01-01T10:20:30.500Z"}).json()
    changed = call("PATCH", f"acme/keys/{made['id']}", {"expiresOn": "2030-01-01T00:00:00.000Z"}).json()
    return made["expiresOn"], changed["expiresOn"]


def duplicate_manager(call, sandbox):
    answer = call("POST", "acme/managers", {"email": "ann@acme.test", "sub": "x"})
    return answer.status_code, len(sandbox.consumer("acme")["managers"])


def error_type(call, sandbox):
    answer = call("GET", "nobody")
    trace = "trace" in answer.json() if "json" in answer.headers["content-type"] else None
    return answer.status_code, answer.headers["content-type"], trace


def rate(call, sandbox):
    statuses = [call("GET", "acme").status_code for _ in range(8)]
    assert call("GET", "/v1/who-am-i").ok
    return 429 in statuses, statuses[:5]


def rate_retry_after(call, sandbox):
    sandbox.set(rate=1)
    limited = next(answer for answer in iter(lambda: call("GET", "acme"), None) if answer.status_code == 429)
    text = limited.headers.get("retry-after")
    if text is None or text.isdigit():
        return text
    return abs((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()) < 5


def edge_ttl(call, sandbox):
    answer = call("POST", "/v3/key-auth/validate", {"key": "x", "bucketName": sandbox.bucket})
    return answer.headers["x-cache-ttl"]


def v3(call, sandbox, method: str, path: str, body: Any = None):
    """A call below the bucket's part of the v3 operations, on a bucket that has plans by then."""
    if not sandbox.metering.has_plans():
        sandbox.metering.add_plans()
        call("POST", f"/v3/metering/{sandbox.metering.bucket_id()}/customers", CUSTOMER)
    return call(method, f"/v3/metering/{sandbox.metering.bucket_id()}/{path}", body)


CUSTOMER = {"key": "team-1", "name": "Acme", "usageAttribution": {"subjectKeys": ["acme"]}}


def subscription(call, sandbox, plan: str):
    return v3(call, sandbox, "POST", "subscriptions", {"plan": {"key": plan}, "customerKey": "team-1"})


def monetization(call, sandbox):
    return v3(call, sandbox, "GET", "plans").status_code


def metering_create_status(call, sandbox):
    return subscription(call, sandbox, "free").status_code


def metering_lists(call, sandbox):
    lists = [v3(call, sandbox, "GET", path).json() for path in ("plans", "meters")]
    return [next(iter(one)) if isinstance(one, dict) else "bare" for one in lists]


def subscription_answer(call, sandbox):
    document = subscription(call, sandbox, "free").json()
    return "bare" if "id" in document else list(document)


def change_answer(call, sandbox):
    v3(call, sandbox, "GET", "plans")
    one = sandbox.metering.subscribe("acme", "free")
    wish = {"timing": "immediate", "plan": {"key": "pro"}}
    return list(v3(call, sandbox, "POST", f"subscriptions/{one}/change", wish).json())


def subscription_consumer(call, sandbox):
    subscription(call, sandbox, "free")
    return sorted(consumer["name"][:4] for consumer in sandbox.consumers())


def duplicate_customer(call, sandbox):
    v3(call, sandbox, "GET", "plans")
    return v3(call, sandbox, "POST", "customers", CUSTOMER).status_code


def cancel_free(call, sandbox):
    one = subscription(call, sandbox, "free").json()["id"]
    return v3(call, sandbox, "POST", f"subscriptions/{one}/cancel", {"timing": "next_billing_cycle"}).status_code


def resume_path(call, sandbox):
    one = subscription(call, sandbox, "business").json()["id"]
    v3(call, sandbox, "POST", f"subscriptions/{one}/cancel", {"timing": "next_billing_cycle"})
    paths = (f"subscriptions/{one}/unschedule-cancelation", f"subscriptions/{one}/restore")
    return [v3(call, sandbox, "POST", path).status_code for path in paths]


def access_shape(call, sandbox):
    one = subscription(call, sandbox, "free").json()["id"]
    document = v3(call, sandbox, "GET", f"subscriptions/{one}/access").json()
    entitlements = document.get("access", document)["entitlements"]
    return len(document), type(entitlements).__name__


def usage_lag(call, sandbox):
    v3(call, sandbox, "GET", "plans")
    one, seen = sandbox.metering.subscribe("acme", "free"), []
    sandbox.metering.use(one, 3)
    for _ in range(2):
        access = v3(call, sandbox, "GET", f"subscriptions/{one}/access").json()
        seen.append(access["entitlements"]["api_requests"]["usage"])
        sandbox.metering.move_clock(seconds=6)
    return seen


def first_payment(call, sandbox):
    kinds = []
    for plan in ("free", "business"):
        one = subscription(call, sandbox, plan).json()["id"]
        kinds.append(v3(call, sandbox, "GET", f"subscriptions/{one}/access").json()["paymentStatus"]["status"])
        v3(call, sandbox, "POST", f"subscriptions/{one}/cancel", {})
    return kinds


def unknown_key(call, sandbox):
    answer = v3(call, sandbox, "POST", "validate-api-key", {"apiKey": "nobody"})
    return answer.status_code, answer.json().get("subscription", "absent")


PAST, FUTURE, LATER = "2020-01-01T00:00:00.000Z", "2040-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"

CASES: dict[Callable[..., Any], dict[str, Any]] = {
    paging_required: {"off": (200, 200), "on": (400, 200)},
    total: {"absent": [None] * 4, "present": [1, 3, 2, 3]},
    key_format_default: {
        "usual": ("visible", "masked"),
        "swapped": ("masked", "visible"),
        "none": ("none", "none"),
    },
    mask: {"stars": ("****", 8), "long": ("zpka", 13), "short": ("zpka", 4)},
    retrievable: {
        "yes": ("visible", True, "visible"),
        "masked": ("masked", False, "visible"),
        "refused": (400, False, "visible"),
    },
    roll_scope: {
        "none_ending": [PAST, END, FUTURE, None],
        "unexpired": [PAST, END, END, None],
        "all": [END, END, END, None],
    },
    roll_answer: {
        "empty": (204, None),
        "object": (200, {}),
        "key": (200, "key"),
        "consumer": (200, "consumer"),
    },
    roll_missing_expiry: {"refused": (400, True, 3), "now": (204, False, 4)},
    create_status: {"200": [200] * 5, "201": [201] * 5},
    null_style: {"mixed": [*["absent"] * 4, None], "absent": ["absent"] * 5, "null": [None] * 5},
    name_pattern: {"strict": [200, 400, 400, 400, 400], "wide": [200, 200, 200, 400, 400]},
    duplicate_name: {"409": 409, "400": 400},
    keys_of_missing_consumer: {"404": (404, None, 404), "empty": (200, [], 404)},
    guard_mismatch: {"404": {404}, "403": {403}, "401": {401}, "400": {400}},
    guard_scope: {"declared": (404, 200, 0), "all": (404, 404, 0), "ignored": (200, 200, 1)},
    patch_maps: {
        "replace": ({"a": "b"}, {"c": "d"}),
        "merge": ({"org": "acme", "a": "b"}, {"plan": "pro", "c": "d"}),
    },
    patch_null_expiry: {"refused": (400, FUTURE), "clears": (200, None), "ignored": (200, FUTURE)},
    metadata_types: {"any": [200, 200, 200], "strings": [400, 400, 200]},
    second_delete: {"404": [404] * 3, "204": [204] * 3},
    sort: {"newest": "newest", "oldest": "oldest", "id": "id", "shuffled": "shuffled"},
    manager_email: {"ignore_case": [1, 1, 0], "case_sensitive": [1, 0, 0], "with_invites": [1, 1, 1]},
    invite_field: {
        "managerInvites": ("eve@acme.test", dict),
        "absent": None,
        "strings": ("eve@acme.test", str),
    },
    unknown_fields: {"absent": [None, []], "present": [2, ["declined@acme.test"]]},
    listed_managers: {"present": (True, True), "absent": (False, True)},
    kept_labels: {"as_sent": "Bu\u0308ro in Ulm", "composed": "B\u00fcro in Ulm", "trimmed": "Bu\u0308ro in U"},
    kept_ends: {
        "as_sent": ("2030-01-01T10:20:30.500Z", END),
        "minutes": ("2030-01-01T10:21:00.000Z", END),
        "days": ("2030-01-02T00:00:00.000Z", END),
    },
    duplicate_manager: {"existing": (200, 2), "409": (409, 2), "second": (200, 3)},
    error_type: {
        "problem": (404, "application/problem+json", True),
        "json": (404, "application/json", False),
        "text": (502, "text/plain", None),
    },
    rate: {"off": (False, [200] * 5), "5": (True, [200] * 5)},
    rate_retry_after: {"seconds": "1", "date": True, "none": None},
    edge_ttl: {"60": "60", "0": "0"},
    monetization: {"on": 200, "403": 403},
    metering_create_status: {"201": 201, "200": 200},
    metering_lists: {"items": ["items", "bare"], "data": ["data", "bare"], "bare": ["bare", "bare"]},
    subscription_answer: {"bare": "bare", "wrapped": ["subscription"], "empty": []},
    change_answer: {"both": ["current", "next"], "next": ["next"], "empty": []},
    subscription_consumer: {"existing": ["acme"], "created": ["acme", "sub-"]},
    duplicate_customer: {"409": 409, "200": 200},
    cancel_free: {"400": 400, "409": 409, "422": 422},
    resume_path: {"unschedule-cancelation": [200, 404], "restore": [404, 200]},
    access_shape: {"usage": (5, "dict"), "entitlements": (1, "dict"), "list": (1, "list")},
    usage_lag: {"none": [3, 3], "5": [0, 3]},
    first_payment: {"paid": ["not_required", "paid"], "pending": ["not_required", "pending"]},
    unknown_key: {"null": (200, None), "401": (401, "absent")},
}

ALL = [(ask, value, expected) for ask, values in CASES.items() for value, expected in values.items()]


@pytest.mark.parametrize(("ask", "value", "expected"), ALL, ids=[f"{a.__name__}={v}" for a, v, _ in ALL])
def test_each_reading_shows_in_the_answer(call, sandbox: Sandbox, ask, value, expected):
    sandbox.add_consumer(
        "acme",
        managers=["ann@acme.test", "ben@acme.test"],
        invites=["cat@acme.test"],
        tags={"org": "acme"},
        metadata={"plan": "pro"},
        keys=[
            {"createdOn": "2019-01-01T00:00:00.000Z", "expiresOn": PAST},
            {"createdOn": "2019-01-02T00:00:00.000Z"},
            {"createdOn": "2019-01-03T00:00:00.000Z", "expiresOn": FUTURE},
        ],
        created="2019-01-01T00:00:00.000Z",
    )
    assert call.control(set={ask.__name__: value}).json()["switches"][ask.__name__] == value
    assert ask(call, sandbox) == expected


def test_every_switch_and_value_has_a_case():
    cases = {(ask.__name__, "<n>" if value == "5" else value) for ask, value, _ in ALL}
    assert cases == {(switch.name, value) for switch in SWITCHES.values() for value in switch.allowed}


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("colour", "red", "roll_scope"),
        ("roll_scope", "some", "none_ending, unexpired, all"),
        ("rate", "0", "<n>"),
    ],
)
def test_a_wrong_switch_is_refused_with_the_allowed_ones(call, sandbox, name, value, named):
    answer = call.control(set={"mask": "long", name: value})
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert sandbox.switches["mask"] == "stars"
    with pytest.raises(ValueError, match=named.split(",")[0]):
        sandbox.set(**{name: value})


def test_a_guard_that_does_not_fit_never_counts_as_deleted(call, sandbox, acme):
    sandbox.set(second_delete=204)
    assert call("DELETE", "acme", params={"tag.org": "globex"}).status_code == 404
    assert sandbox.consumer("acme")


def test_a_reset_goes_back_to_the_readings_of_the_start():
    with Sandbox(switches={"sort": "oldest"}) as sandbox:
        sandbox.set(sort="id", mask="long")
        sandbox.add_consumer("acme")
        sandbox.reset()
        assert sandbox.switches["sort"] == "oldest"
        assert sandbox.switches["mask"] == "stars"
        assert sandbox.consumers() == []
        assert sandbox.consumers(bucket="zprj-demo-preview") == []
