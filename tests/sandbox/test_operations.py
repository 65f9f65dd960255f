"""Every operation under the likeliest readings, and the shapes of its answers."""

import re
import zlib
from typing import Any

import pytest
import requests

from sandbox import Sandbox

DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
TEXT_OR_NOTHING = (str, type(None))

# field: (needed, what it must be: a type or types, or a pattern)
Shape = dict[str, tuple[bool, Any]]
BUCKET: Shape = {
    "id": (True, r"bckt_[A-Za-z0-9]{32}"),
    "name": (True, r"[a-z0-9-]{5,128}"),
    "createdOn": (True, DATE),
    "updatedOn": (True, DATE),
    "description": (False, TEXT_OR_NOTHING),
    "isRetrievable": (True, bool),
    "tags": (False, dict),
}
KEY: Shape = {
    "id": (True, r"key_[A-Za-z0-9]{24}"),
    "createdOn": (True, DATE),
    "updatedOn": (True, DATE),
    "description": (False, TEXT_OR_NOTHING),
    "expiresOn": (False, TEXT_OR_NOTHING),
    "key": (False, str),
}
MANAGER: Shape = {
    "id": (True, r"eusr_[A-Za-z0-9]{24}"),
    "createdOn": (True, DATE),
    "email": (True, str),
    "sub": (True, str),
}
CONSUMER: Shape = {
    "id": (True, r"csmr_[A-Za-z0-9]{24}"),
    "name": (True, r"[a-z0-9-]{1,128}"),
    "createdOn": (True, DATE),
    "updatedOn": (True, DATE),
    "description": (False, TEXT_OR_NOTHING),
    "tags": (False, dict),
    "metadata": (False, dict),
    "managers": (False, list),
    "managerInvites": (False, list),
    "apiKeys": (False, list),
}
PROBLEM: Shape = {
    "type": (True, r"https://httpproblems\.com/http-status/\d{3}"),
    "title": (True, str),
    "status": (True, int),
    "detail": (True, str),
    "instance": (True, str),
    "trace": (True, dict),
}


def fits(document: dict[str, Any], shape: Shape) -> bool:
    """True if the document has the shape; an AssertionError says where it has not."""
    assert set(document) <= set(shape), f"unknown fields {set(document) - set(shape)}"
    for field, (needed, rule) in shape.items():
        assert field in document or not needed, f"{field} is missing"
        if field not in document:
            continue
        value = document[field]
        good = re.fullmatch(rule, value) if isinstance(rule, str) else isinstance(value, rule)
        assert good, f"{field} is {value!r}"
    for key in document.get("apiKeys", ()):
        fits(key, KEY)
    for manager in document.get("managers", ()):
        fits(manager, MANAGER)
    return True


def test_the_buckets_of_a_project_say_what_they_are_for(call, sandbox):
    listed = {bucket["name"]: bucket for bucket in call("GET", call.buckets).json()["data"]}
    assert {name: bucket["tags"]["environmentType"] for name, bucket in listed.items()} == {
        "zprj-demo-production": "PRODUCTION",
        "zprj-demo-preview": "PREVIEW",
        "zprj-demo-working-copy": "WORKING_COPY",
    }
    bucket = listed[sandbox.bucket]
    assert bucket["tags"] | {"environmentType": ""} == {
        "account": sandbox.account,
        "project": "demo",
        "environmentType": "",
    }
    assert bucket["description"] == "Keys of demo, production"


def test_buckets_come_and_go(call, sandbox):
    listed = call("GET", call.buckets).json()["data"]
    assert {bucket["name"] for bucket in listed} == {
        "zprj-demo-production",
        "zprj-demo-preview",
        "zprj-demo-working-copy",
    }
    assert all(fits(bucket, BUCKET) for bucket in listed)

    made = call("POST", call.buckets, {"name": "another", "description": "mine", "tags": {"a": "b"}})
    assert made.status_code == 200
    assert fits(made.json(), BUCKET)
    assert made.json()["tags"] == {"a": "b"}
    assert call("POST", call.buckets, {"name": "another"}).status_code == 409
    assert call("POST", call.buckets, {"name": "No"}).status_code == 400

    path = f"{call.buckets}/another"
    assert call("GET", path).json() == made.json()
    changed = call("PATCH", path, {"description": "ours", "tags": {}}).json()
    assert changed["description"] == "ours"
    assert changed["tags"] == {}
    assert call("POST", f"{path}/consumers", {"name": "inside"}).status_code == 200
    assert call("DELETE", path).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert call(method, path, None if method == "GET" else {}).status_code == 404


def test_a_consumer_is_created_with_people_and_keys(call, sandbox):
    answer = call(
        "POST",
        "",
        {
            "name": "acme",
            "description": "Acme Ltd",
            "tags": {"org": "o-42"},
            "metadata": {"plan": "pro", "orgId": 1234},
            "managers": [{"email": "ann@acme.test", "sub": "portal|42"}],
            "apiKeys": [
                {"id": "ignored", "description": "CI", "expiresOn": "2030-01-01T00:00:00+02:00"},
                {"key": "a-value-of-our-own-choice-0123456789"},
            ],
        },
        params={"with-api-key": "true"},
    )
    document = answer.json()
    assert answer.status_code == 200
    assert fits(document, CONSUMER)
    assert document["metadata"] == {"plan": "pro", "orgId": 1234}
    assert [manager["email"] for manager in document["managers"]] == ["ann@acme.test"]
    first, own, plain = document["apiKeys"]
    assert first["description"] == "CI"
    assert first["expiresOn"] == "2029-12-31T22:00:00.000Z"
    assert own["key"] == "a-value-of-our-own-choice-0123456789"
    assert plain["expiresOn"] is None
    assert "description" not in plain
    assert sandbox.keys("acme")
    assert sandbox.consumer("acme")["metadata"]["orgId"] == 1234


def test_a_consumer_without_keys_says_nothing_of_keys(call):
    document = call("POST", "", {"name": "bare"}).json()
    assert fits(document, CONSUMER)
    assert "apiKeys" not in document
    assert document["managers"] == []


def test_addresses_are_invited(call, sandbox):
    document = call("POST", "", {"name": "acme", "managers": ["ann@acme.test"]}).json()
    assert document["managers"] == []
    assert document["managerInvites"][0]["email"] == "ann@acme.test"
    assert call("GET", "acme/managers").json()["data"] == []
    assert call("DELETE", f"acme/managers/{document['managerInvites'][0]['id']}").status_code == 204
    assert sandbox.consumer("acme")["managerInvites"] == []


def test_a_key_ends_in_the_checksum_of_its_middle(call, acme):
    key = call("POST", "acme/keys", {}).json()["key"]
    prefix, middle, checksum = key.split("_")
    assert prefix == "zpka"
    assert re.fullmatch("[0-9a-f]{32}", middle)
    assert checksum == f"{zlib.crc32(middle.encode()):08x}"


def test_a_consumer_is_read_with_what_was_asked_for(call, acme):
    plain = call("GET", "acme").json()
    assert fits(plain, CONSUMER)
    assert {"apiKeys", "managers", "managerInvites"}.isdisjoint(plain)
    full = call(
        "GET",
        "acme",
        params={
            "include-api-keys": "true",
            "include-managers": "true",
            "include-manager-invites": "true",
            "key-format": "visible",
        },
    ).json()
    assert fits(full, CONSUMER)
    assert full["managerInvites"][0]["email"] == "cat@acme.test"
    assert {m["email"] for m in full["managers"]} == {"ann@acme.test", "ben@acme.test"}
    assert {k["key"] for k in full["apiKeys"]} == {k["key"] for k in acme["apiKeys"]}
    masked = call("GET", "acme", params={"include-api-keys": "true", "key-format": "masked"}).json()
    assert {k["key"] for k in masked["apiKeys"]} == {"****" + k["key"][-8:] for k in acme["apiKeys"]}
    none = call("GET", "acme", params={"include-api-keys": "true", "key-format": "none"}).json()
    assert all("key" not in key for key in none["apiKeys"])


def test_consumers_are_listed_by_page_address_and_tag(call, sandbox):
    for number in range(5):
        sandbox.add_consumer(
            f"c{number}",
            managers=["ann@acme.test"] if number % 2 else ["ben@acme.test"],
            tags={"org": "odd" if number % 2 else "even", "kind": "x"},
            created=f"2026-01-0{number + 1}T00:00:00.000Z",
        )
    whole = call("GET").json()
    assert [c["name"] for c in whole["data"]] == ["c4", "c3", "c2", "c1", "c0"]
    assert (whole["limit"], whole["offset"]) == (1000, 0)
    assert "total" not in whole
    assert all(fits(c, CONSUMER) for c in whole["data"])

    page = call("GET", params={"limit": "2", "offset": "3"}).json()
    assert [c["name"] for c in page["data"]] == ["c1", "c0"]
    assert (page["limit"], page["offset"]) == (2, 3)
    assert call("GET", params={"limit": "5000"}).json()["limit"] == 1000

    def names(**params: str) -> list[str]:
        return [c["name"] for c in call("GET", params=params).json()["data"]]

    assert names(**{"manager-email": "ANN@acme.test"}) == ["c3", "c1"]
    assert names(**{"manager-email": "zoe@acme.test"}) == []
    assert names(**{"tag.org": "even"}) == ["c4", "c2", "c0"]
    assert names(**{"tag.org": "even", "tag.kind": "y"}) == []
    assert names(**{"tag.org": "odd", "manager-email": "ann@acme.test"}) == ["c3", "c1"]


def test_a_consumer_is_changed(call, acme):
    answer = call("PATCH", "acme", {"description": "Acme", "metadata": {"plan": "free"}, "name": "no", "id": "no"})
    document = answer.json()
    assert fits(document, CONSUMER)
    assert document["id"] == acme["id"]
    assert document["name"] == "acme"
    assert document["description"] == "Acme"
    assert document["metadata"] == {"plan": "free"}
    assert document["tags"] == {"org": "acme"}
    assert document["updatedOn"] > acme["updatedOn"]
    assert call("PATCH", "acme", {"description": None}).json().get("description") is None


def test_a_deleted_consumer_takes_its_keys_along(call, sandbox, acme):
    assert call("DELETE", "acme").status_code == 204
    assert sandbox.consumer("acme") is None
    assert not sandbox.authorizes(acme["apiKeys"][0]["key"])
    assert call("DELETE", "acme").status_code == call("GET", "acme").status_code == 404
    assert call("POST", "", {"name": "acme"}).status_code == 200


def test_keys_come_and_go(call, sandbox, acme):
    listed = call("GET", "acme/keys", params={"limit": "1", "offset": "1", "key-format": "visible"}).json()
    assert listed["data"][0]["key"] == acme["apiKeys"][0]["key"]
    assert listed["limit"] == 1
    assert all(fits(key, KEY) for key in listed["data"])

    made = call("POST", "acme/keys", {"description": "New", "expiresOn": "2030-01-01"}).json()
    assert fits(made, KEY)
    assert made["expiresOn"] == "2030-01-01T00:00:00.000Z"
    assert call("POST", "acme/keys").json()["expiresOn"] is None
    path = f"acme/keys/{made['id']}"
    assert call("GET", path, params={"key-format": "visible"}).json() == made
    changed = call("PATCH", path, {"expiresOn": "2031-01-01T00:00:00Z", "description": "Newer"}).json()
    assert changed["expiresOn"] == "2031-01-01T00:00:00.000Z"
    assert changed["description"] == "Newer"
    assert sandbox.authorizes(made["key"])
    assert call("DELETE", path).status_code == 204
    assert not sandbox.authorizes(made["key"])
    for method in ("GET", "PATCH", "DELETE"):
        assert call(method, path, None if method == "GET" else {}).status_code == 404


def test_a_key_of_another_consumer_is_not_found(call, sandbox, acme):
    other = sandbox.add_consumer("globex", keys=[{}])["apiKeys"][0]["id"]
    for method in ("GET", "PATCH", "DELETE"):
        assert call(method, f"acme/keys/{other}", None if method == "GET" else {}).status_code == 404
    assert len(sandbox.keys("globex")) == 1


def test_a_key_value_can_be_chosen_once(call, sandbox, acme):
    value = "chosen-by-the-caller-once"
    assert call("POST", "acme/keys", {"key": value}).json()["key"] == value
    assert call("POST", "acme/keys", {"key": value}).status_code == 409
    first = acme["apiKeys"][0]["id"]
    assert call("PATCH", f"acme/keys/{first}", {"key": value}).status_code == 409
    assert call("PATCH", f"acme/keys/{first}", {"key": "another-chosen-value"}).status_code == 200
    assert sandbox.authorizes("another-chosen-value")


def test_keys_are_made_in_bulk_or_not_at_all(call, sandbox, acme):
    for path in ("acme/keys/$bulk", "acme/keys/%24bulk"):
        made = call("POST", path, [{"description": "a"}, {}]).json()["data"]
        assert len(made) == 2
        assert all(fits(key, KEY) for key in made)
    assert call("POST", "acme/keys/$bulk", []).json() == {"data": []}
    before = len(sandbox.keys("acme"))
    assert call("POST", "acme/keys/$bulk", [{}, {"expiresOn": "soon"}]).status_code == 400
    assert call("POST", "acme/keys/$bulk", [{"key": "twice"}, {"key": "twice"}]).status_code == 409
    assert call("POST", "acme/keys/$bulk", {}).status_code == 400
    assert len(sandbox.keys("acme")) == before


def test_managers_come_and_go(call, sandbox, acme):
    listed = call("GET", "acme/managers", params={"limit": "1"}).json()
    assert len(listed["data"]) == 1
    assert fits(listed["data"][0], MANAGER)
    assert listed["limit"] == 1
    made = call("POST", "acme/managers", {"email": "dan@acme.test", "sub": "portal|7"}).json()
    assert fits(made, MANAGER)
    assert call("POST", "acme/managers", {"email": "DAN@acme.test", "sub": "portal|7"}).json() == made
    assert call("DELETE", f"acme/managers/{made['id']}").status_code == 204
    assert call("DELETE", f"acme/managers/{made['id']}").status_code == 404
    assert {m["email"] for m in sandbox.consumer("acme")["managers"]} == {"ann@acme.test", "ben@acme.test"}


def test_rolling_ends_lasting_keys_and_adds_one(call, sandbox, acme):
    answer = call("POST", "acme/roll-key", {"expiresOn": "2030-01-01T00:00:00.000Z"})
    assert answer.status_code == 204
    assert answer.content == b""
    ci, laptop, new = sandbox.keys("acme")
    assert ci["expiresOn"] == "2030-01-01T00:00:00.000Z"
    assert laptop["expiresOn"] == "2999-01-01T00:00:00.000Z"
    assert new["expiresOn"] is None
    assert sandbox.authorizes(new["key"])


def test_the_account_says_who_it_is(call):
    assert call("GET", "/v1/who-am-i").json() == {"sub": "apikey|sandbox", "account": "acme-account"}


def test_a_gateway_hears_the_truth_at_once(call, sandbox, acme):
    bucket_id = call("GET", f"{call.buckets}/{sandbox.bucket}").json()["id"]
    ci, laptop = acme["apiKeys"]

    def verdict(key: str, **where: str) -> dict[str, Any]:
        where = where or {"bucketName": sandbox.bucket}
        headers = {"authorization": "Bearer anything"}
        return call("POST", "/v3/key-auth/validate", {"key": key, **where}, headers=headers).json()

    good = {"authorized": True, "id": ci["id"], "name": "acme", "metadata": {"plan": "pro"}}
    assert verdict(ci["key"]) == verdict(ci["key"], bucketId=bucket_id) == good
    assert verdict(ci["key"], bucketName="zprj-demo-preview") == {"authorized": False}
    assert verdict("unknown") == verdict(ci["key"], bucketName="no-such") == {"authorized": False}
    call("PATCH", f"acme/keys/{ci['id']}", {"expiresOn": "2020-01-01T00:00:00Z"})
    call("DELETE", f"acme/keys/{laptop['id']}")
    assert verdict(ci["key"]) == verdict(laptop["key"]) == {"authorized": False}


@pytest.mark.parametrize("headers", [{"authorization": ""}, {"authorization": "Bearer no"}, {"authorization": "x"}])
def test_the_bearer_must_be_right(call, acme, headers):
    for path in ("/v1/who-am-i", "acme", call.buckets):
        answer = call("GET", path, headers=headers)
        assert answer.status_code == 401
        assert fits(answer.json(), PROBLEM)


def test_what_is_not_there_is_a_problem_with_a_trace(call, acme):
    for path in (
        "nobody",
        "acme/keys/key_x",
        "/nowhere",
        "/",
        "/v1/accounts/other/key-buckets",
        f"{call.buckets}/x",
    ):
        answer = call("GET", path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert fits(answer.json(), PROBLEM)
        assert answer.json()["trace"]["requestId"]
    for method, path in (("POST", "nobody/keys"), ("POST", "nobody/roll-key"), ("GET", "nobody/keys")):
        body = {"expiresOn": "2030-01-01"} if method == "POST" else None
        assert call(method, path, body).status_code == 404


def test_other_methods_are_told_the_allowed_ones(call, acme):
    answer = call("PUT", "acme", {})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, PATCH"
    assert call("GET", "acme/roll-key").headers["allow"] == "POST"
    head = call("HEAD", "acme")
    assert head.status_code == 405
    assert head.content == b""


def test_every_answer_says_it_is_the_sandbox(call, acme):
    for method, path in (("GET", "acme"), ("DELETE", "acme"), ("GET", "/nowhere"), ("GET", "/_sandbox")):
        assert call(method, path).headers["x-sandbox"] == "1"


def test_dots_in_the_path_are_followed_as_a_javascript_server_would(call, sandbox, acme):
    """A client that lets `..` through as a name reaches the bucket itself: better here than there."""
    with_dots = f"{call.consumers}/%2e%2e"
    request = call.session.prepare_request(requests.Request("GET", sandbox.url))
    request.url = sandbox.url + with_dots
    request.headers["authorization"] = f"Bearer {sandbox.token}"
    assert call.session.send(request, timeout=5).json()["name"] == sandbox.bucket


def test_what_python_shows_looks_past_the_switches(sandbox: Sandbox):
    sandbox.set(mask="short", null_style="absent", retrievable="refused")
    stored = sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": None}])
    assert stored == sandbox.consumer("acme") == sandbox.consumers()[0]
    assert stored["apiKeys"] == sandbox.keys("acme")
    assert sandbox.authorizes(stored["apiKeys"][0]["key"])
    assert stored["apiKeys"][0]["expiresOn"] is None
    assert stored["description"] is None
    assert not sandbox.authorizes(stored["apiKeys"][0]["key"], bucket="zprj-demo-preview")
    sandbox.set_managers("acme", ["ben@acme.test"])
    assert [m["email"] for m in sandbox.consumer("acme")["managers"]] == ["ben@acme.test"]
    sandbox.remove_consumer("acme")
    assert sandbox.consumers() == []
    assert sandbox.keys("acme") == []
    assert sandbox.consumer("acme") is None
