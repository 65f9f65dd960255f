"""Every kind of fault, before and after the work, on the wire and in the journal."""

import gzip
import http.client
import json
import threading
import time
from contextlib import closing, suppress
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from sandbox.faults import KINDS

LIST = {"manager-email": "ann@acme.test", "include-managers": "true", "include-api-keys": "true"}


def last(sandbox: Sandbox) -> Any:
    return sandbox.journal()[-1]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", [kind for kind, about in KINDS.items() if not about.works])
def test_the_work_is_done_or_not_as_was_wished(call, sandbox, acme, kind, when):
    options = {"redirect": {"location": "/"}, "oversized": {"bytes": 1000}, "gzip_bomb": {"bytes": 1000}}
    sandbox.fault("POST", "*/keys", kind, when=when, **options.get(kind, {}))
    try:
        call("POST", "acme/keys", {})
    except requests.RequestException:
        assert kind in ("drop", "truncated")
    assert len(sandbox.keys("acme")) == (3 if when == "after" else 2)
    assert (last(sandbox).fault, last(sandbox).committed) == (kind, when == "after")
    assert call("POST", "acme/keys", {}).status_code == 200
    assert last(sandbox).fault is None


@pytest.mark.parametrize("kind", [kind for kind, about in KINDS.items() if about.works])
def test_the_work_is_done_whenever_the_answer_needs_it(call, sandbox, acme, kind):
    options = {"delay": {"seconds": 0}, "drip": {"interval": 0}}
    sandbox.fault("POST", "*/keys", kind, **options.get(kind, {}))
    assert call("POST", "acme/keys", {}).status_code == 200
    assert len(sandbox.keys("acme")) == (4 if kind == "doubled" else 3)
    assert (last(sandbox).fault, last(sandbox).committed) == (kind, True)


def test_a_fault_hits_the_nth_matching_call_and_so_many_after_it(call, sandbox, acme):
    fault = sandbox.fault("GET", "*/consumers/acme", "status", nth=2, times=2, status=503)
    assert [call("GET", "acme").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert call("GET", "acme/keys").status_code == call("PATCH", "acme", {}).status_code == 200
    assert (fault.seen, fault.used) == (5, 2)


def test_a_fault_for_ever_ends_when_it_is_cleared(call, sandbox, acme):
    sandbox.fault("*", "*", "status", times=0, status=500)
    assert {call("GET", "acme").status_code for _ in range(5)} == {500}
    sandbox.clear_faults()
    assert call("GET", "acme").ok


def test_faults_are_armed_over_http(call, sandbox, acme):
    armed = call.control(faults=[{"method": "GET", "path": "*/acme", "kind": "status", "status": 418}]).json()
    assert armed["faults"][0] | {"seen": 0} == {
        "method": "GET",
        "path": "*/acme",
        "kind": "status",
        "when": "before",
        "nth": 1,
        "times": 1,
        "status": 418,
        "retry_after": None,
        "body": None,
        "seen": 0,
        "used": 0,
    }
    assert call("GET", "acme").status_code == 418
    assert call.control(clear=["faults"]).json()["faults"] == []


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"kind": "nonsense"}, "delay"),
        ({"kind": "drop", "seconds": 1}, "no option 'seconds'"),
        ({"kind": "delay", "seconds": "long"}, "seconds"),
        ({"kind": "redirect"}, "location"),
        ({"kind": "status", "status": 99}, "status"),
        ({"kind": "drop", "when": "during"}, "before, after"),
        ({"kind": "drop", "nth": 0}, "nth"),
        ({"kind": "drop", "path": 7}, "path"),
        ({"kind": "drip", "headers": "yes"}, "headers"),
        ({"kind": "odd_object", "lacks": "yes"}, "lacks"),
        ({"kind": "odd_object", "object": "bucket"}, "consumer, key, manager"),
        ({"kind": ["drop"]}, ""),
    ],
)
def test_a_wrong_fault_is_refused_with_what_is_allowed(call, sandbox, spec, named):
    answer = call.control(faults=[{"kind": "drop"}, spec])
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert call("GET", "/_sandbox").json()["faults"] == []


def test_a_status_comes_with_retry_after_and_body_as_given(call, sandbox, acme):
    sandbox.fault("GET", "*", "status", status=429, retry_after="soon", body={"message": "slow"})
    sandbox.fault("GET", "*", "status", nth=2, status=502, body="<html>")
    first, second = call("GET", "acme"), call("GET", "acme")
    assert first.headers["retry-after"] == "soon"
    assert first.json() == {"message": "slow"}
    assert second.status_code == 502
    assert second.text == "<html>"
    sandbox.fault("GET", "*", "status", status=204)
    assert call("GET", "acme").content == b""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_holds_the_call_and_the_journal_has_it_meanwhile(call, sandbox, acme, when):
    def post() -> None:
        with suppress(requests.ConnectionError):  # it is let go in the end
            call("POST", "acme/keys", {})

    sandbox.fault("POST", "*/keys", "delay", when=when, seconds=300)
    thread = threading.Thread(target=post)
    thread.start()
    while not sandbox.journal() or (when == "after" and not last(sandbox).committed):
        time.sleep(0.01)
    assert thread.is_alive()
    assert last(sandbox).committed == (when == "after")
    sandbox.reset()
    thread.join()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_call_is_done_and_answered_after_its_delay(call, sandbox, acme, when):
    sandbox.fault("POST", "*/keys", "delay", when=when, seconds=0.05)
    began = time.monotonic()
    assert call("POST", "acme/keys", {}).status_code == 200
    assert time.monotonic() - began >= 0.05
    assert last(sandbox).committed
    assert len(sandbox.keys("acme")) == 3


def test_a_dropped_call_has_no_status(call, sandbox, acme):
    sandbox.fault("GET", "*", "drop")
    with pytest.raises(requests.ConnectionError):
        call("GET", "acme")
    assert last(sandbox).status is None


def test_a_truncated_body_ends_early(call, sandbox, acme):
    sandbox.fault("GET", "*", "truncated", when="after", missing=7)
    host = sandbox.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(host, timeout=5)) as connection:
        headers = {"authorization": f"Bearer {sandbox.token}"}
        connection.request("GET", f"{call.consumers}/acme", headers=headers)
        with pytest.raises(http.client.IncompleteRead) as error, connection.getresponse() as answer:
            answer.read()
    assert error.value.expected == 7
    assert json.loads(error.value.partial)["name"] == "acme"


def test_a_body_is_no_json_or_of_another_type(call, sandbox, acme):
    sandbox.fault("GET", "*", "not_json")
    answer = call("GET", "acme")
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.startswith("<!doctype")
    sandbox.fault("GET", "*", "wrong_type", body={"data": 5})
    assert call("GET", "acme").json() == {"data": 5}
    sandbox.fault("GET", "*", "wrong_type", when="after", times=2)
    assert call("GET", "acme").json()["name"] == 42
    assert call("GET").json()["data"] == "a list"


def test_an_oversized_body_is_as_large_as_it_says(call, sandbox):
    sandbox.fault("GET", "*", "oversized", bytes=3 * 2**20 + 5)
    answer = call("GET")
    assert len(answer.content) == 3 * 2**20 + 5
    assert answer.json()["data"]
    sandbox.fault("GET", "*", "oversized")
    with call("GET", stream=True) as answer:
        assert answer.headers["content-length"] == str(32 * 2**20)


def test_a_gzip_bomb_unpacks_to_far_more_than_it_weighs(call, sandbox):
    sandbox.fault("GET", "*", "gzip_bomb", bytes=8 * 2**20)
    with call("GET", stream=True) as answer:
        packed = answer.raw.read(decode_content=False)
    unpacked = gzip.decompress(packed)
    assert len(unpacked) == 8 * 2**20 + 2
    assert len(packed) * 100 < len(unpacked)
    assert json.loads(unpacked) == {}


def test_deep_json_breaks_a_recursive_parser(call, sandbox):
    sandbox.fault("GET", "*", "deep")
    text = call("GET").text
    assert text.startswith("[[[[")
    assert len(text) == 200_000
    with pytest.raises(RecursionError):
        json.loads(text)


def test_hostile_text_is_in_every_field_that_may_hold_text(call, sandbox, acme):
    sandbox.fault("GET", "*", "hostile", times=0)
    consumer = call("GET", params=LIST).json()["data"][0]
    assert consumer["name"] == "acme"
    assert consumer["id"] == acme["id"]
    ann, *_ = sorted(m["email"] for m in consumer["managers"] if "<" not in m["email"])
    assert ann == "ann@acme.test"
    assert any("<script>" in m["email"] for m in consumer["managers"])
    key = consumer["apiKeys"][0]
    texts = [
        consumer["description"],
        consumer["tags"]["org"],
        consumer["metadata"]["plan"],
        key["description"],
    ]
    for text in texts:
        assert "<script>" in text
        assert "\u202e" in text
        assert "\x1b" in text
        assert "\ud800" in text
    assert key["expiresOn"] is None or "<" not in key["expiresOn"]
    sandbox.clear_faults()
    sandbox.fault("GET", "*", "hostile", text="&amp;")
    assert call("GET", "nobody").json()["detail"].endswith("&amp;")


@pytest.mark.parametrize("headers", [False, True])
def test_a_drip_is_whole_in_the_end(call, sandbox, acme, headers):
    sandbox.fault("GET", "*", "drip", interval=0.0005, headers=headers)
    began = time.monotonic()
    assert call("GET", "acme").json()["name"] == "acme"
    assert time.monotonic() - began > 0.05


def test_a_redirect_leads_elsewhere(call, sandbox, acme):
    sandbox.fault("GET", "*", "redirect", location="http://127.0.0.1:1/x", status=307)
    answer = call("GET", "acme")
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://127.0.0.1:1/x"


def test_an_ignored_filter_lists_strangers(call, sandbox, acme):
    sandbox.add_consumer("globex", managers=["zoe@globex.test"])
    sandbox.fault("GET", "*", "filter_ignored")
    assert {c["name"] for c in call("GET", params=LIST).json()["data"]} == {"acme", "globex"}
    assert "manager-email=" in last(sandbox).query
    assert [c["name"] for c in call("GET", params=LIST).json()["data"]] == ["acme"]


def test_a_stale_read_misses_the_last_write(call, sandbox, acme):
    sandbox.fault("GET", "*/keys", "stale", times=2)
    call("POST", "acme/keys", {})
    call("POST", "acme/keys", {})
    assert [len(call("GET", "acme/keys").json()["data"]) for _ in range(3)] == [3, 3, 4]


def test_a_stale_read_shows_the_state_of_so_many_seconds_ago(call, sandbox, acme):
    sandbox.fault("GET", "*/keys", "stale", times=3, seconds=3600)
    call("POST", "acme/keys", {})
    sandbox.add_consumer("globex")
    call("POST", "acme/keys", {})
    assert [len(call("GET", "acme/keys").json()["data"]) for _ in range(3)] == [2, 2, 2]
    sandbox.fault("GET", "*/keys", "stale", times=0, seconds=0.01)
    time.sleep(0.02)  # however much longer that takes, the state of so long ago is the present one
    assert len(call("GET", "acme/keys").json()["data"]) == 4


def test_a_doubled_creation_answers_the_first(call, sandbox, acme):
    sandbox.fault("POST", "*/keys", "doubled")
    answered = call("POST", "acme/keys", {"description": "twice"}).json()["id"]
    made = [key["id"] for key in sandbox.keys("acme") if key["description"] == "twice"]
    assert len(made) == 2
    assert answered == made[0]


def test_an_answer_may_be_about_another_object(call, sandbox, acme):
    sandbox.fault("GET", "*", "other_object", times=0)
    other = call("GET", "acme", params=LIST | {"key-format": "visible"}).json()
    assert other["id"] != acme["id"]
    assert other["name"] == "not-acme"
    assert other["apiKeys"][0]["key"] not in {key["key"] for key in acme["apiKeys"]}
    key = acme["apiKeys"][0]["id"]
    assert call("GET", f"acme/keys/{key}").json()["id"] != key
    assert call("GET").json()["data"][0]["id"] == acme["id"]
    assert call("GET", "nobody").status_code == 404


def test_one_object_of_an_answer_may_be_odd(call, sandbox, acme):
    def read(kind, **options):
        sandbox.fault("GET", "*", "odd_object", object=kind, **options)
        return call("GET", params=LIST | {"include-managers": "true"}).json()["data"][0]

    assert [key.get("description") for key in read("key", value=5)["apiKeys"]][-1] == 5
    assert read("consumer", field="name", value="org.example")["name"] == "org.example"
    assert "apiKeys" not in read("consumer", field="apiKeys", lacks=True)
    assert [one["email"] for one in read("manager", field="email", value=None)["managers"]][-1] is None
    assert call("GET", params=LIST).json()["data"][0]["apiKeys"][-1]["description"] != 5


def test_held_calls_end_with_a_reset_without_doing_their_work(call, sandbox, acme):
    sandbox.fault("POST", "*", "delay", seconds=60)
    errors: list[Exception] = []

    def post() -> None:
        try:
            call("POST", "", {"name": "late"})
        except requests.RequestException as error:
            errors.append(error)

    thread = threading.Thread(target=post)
    thread.start()
    while not sandbox.journal():
        time.sleep(0.005)
    sandbox.reset()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert errors
    assert sandbox.consumers() == []


@pytest.mark.parametrize(("kind", "options"), [("delay", {"seconds": 600}), ("drip", {"interval": 60})])
def test_no_thread_outlives_the_server(kind, options):
    before = set(threading.enumerate())
    sandbox = Sandbox()
    sandbox.start()
    sandbox.fault("*", "*", kind, times=0, **options)
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
    connection.request("GET", "/v1/who-am-i", headers={"authorization": f"Bearer {sandbox.token}"})
    while not sandbox.journal():
        time.sleep(0.005)
    sandbox.stop()
    assert set(threading.enumerate()) <= before  # of those that were there, some may have ended as well
    connection.close()
