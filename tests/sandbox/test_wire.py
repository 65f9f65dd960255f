"""Malformed, oversized and concurrent requests; and the journal and control endpoint."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import Sandbox

SURROGATE = '"\\ud800"'


def raw(sandbox: Sandbox, text: bytes) -> bytes:
    """Everything the sandbox says to the bytes until it closes."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "", {}, "name"),
        ("POST", "", {"name": "x" * 129}, "name"),
        ("POST", "", {"name": 5}, "name"),
        ("POST", "", {"name": "new\n"}, "name"),
        ("POST", "", {"name": "new", "description": ["x"]}, "description"),
        ("POST", "", {"name": "new", "tags": {"a": 1}}, "tags"),
        ("POST", "", {"name": "new", "tags": {str(n): "x" for n in range(6)}}, "tags"),
        ("POST", "", {"name": "new", "metadata": []}, "metadata"),
        ("POST", "", {"name": "new", "metadata": {"a": "x" * 1000}}, "metadata"),
        ("POST", "", {"name": "new", "managers": "ann@acme.test"}, "managers"),
        ("POST", "", {"name": "new", "managers": ["ann"]}, "managers"),
        (
            "POST",
            "",
            {"name": "new", "managers": ["ann@acme.test", {"email": "b@c.d", "sub": "x"}]},
            "managers",
        ),
        ("POST", "", {"name": "new", "managers": [{"email": "ann@acme.test"}]}, "sub"),
        ("POST", "", {"name": "new", "apiKeys": [5]}, "apiKeys"),
        ("POST", "", [], "body"),
        ("PATCH", "acme", {"tags": "x"}, "tags"),
        ("POST", "acme/keys", {"expiresOn": "tomorrow"}, "expiresOn"),
        ("POST", "acme/keys", {"expiresOn": "2026-02-30T00:00:00Z"}, "expiresOn"),
        ("POST", "acme/keys", {"expiresOn": "2026-02-03T00:00:00"}, "expiresOn"),
        ("POST", "acme/keys", {"expiresOn": "9999-12-31T23:59:59-10:00"}, "expiresOn"),
        ("POST", "acme/keys", {"expiresOn": 5}, "expiresOn"),
        ("POST", "acme/keys", {"key": 5}, "key"),
        ("POST", "acme/keys/$bulk", [[]], "key"),
        ("POST", "acme/managers", {"email": "ann", "sub": "x"}, "email"),
        ("POST", "acme/managers", {"email": "ann@acme.test"}, "sub"),
        ("POST", "acme/roll-key", {}, "expiresOn"),
        ("POST", "/v3/key-auth/validate", {"key": 5}, "key"),
    ],
)
def test_a_wrong_field_is_named(call, sandbox, acme, method, path, body, field):
    before = sandbox.consumers()
    answer = call(method, path, body)
    assert answer.status_code == 400
    assert field in answer.json()["detail"]
    assert sandbox.consumers() == before


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"NaN",
        b'{"metadata": {"a": 1e999}}',
        b'{"metadata": {"a": ' + b"9" * 5000 + b"}}",
        b"[" * 100_000,
        b'{"x": ' * 70 + b"1" + b"}" * 70,
        b'{"description": ' + SURROGATE.encode() + b"}",
        b'{"tags": {' + SURROGATE.encode() + b': "x"}}',
    ],
    ids=[
        "cut",
        "not utf-8",
        "NaN",
        "infinite",
        "5000 digits",
        "deep",
        "too deep",
        "surrogate",
        "surrogate name",
    ],
)
def test_what_is_no_json_is_refused_and_written_down(call, sandbox, acme, body):
    assert call("PATCH", "acme", data=body).status_code == 400
    assert isinstance(sandbox.journal()[-1].body, str)
    assert call("GET", "/_sandbox").json()["journal"]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=x", "limit=", "limit=%C2%B2", "offset=-1", "offset=" + "9" * 30),
        *("key-format=loud&include-api-keys=true", "include-api-keys=yes", "include-managers="),
    ],
)
def test_a_wrong_parameter_is_refused(call, acme, query):
    assert call("GET", f"{call.consumers}?{query}").status_code == 400


def test_odd_texts_in_names_and_parameters_are_just_not_found(call, acme):
    for name in ("%00", "%ff", "a%2Fb", "%F0%9F%98%80", "acme%20", "%ED%A0%80", "%", "'--"):
        assert call("GET", f"{call.consumers}/{name}").status_code == 404
        assert call("GET", f"{call.consumers}?manager-email={name}&tag.{name}={name}").json()["data"] == []


def test_unknown_parameters_and_repeated_ones_do_no_harm(call, sandbox, acme):
    assert call("GET", f"{call.consumers}?limit=1&limit=x&colour=red").json()["limit"] == 1
    assert call("POST", "acme/keys?key-format=none", {}).json()["key"]
    assert call("GET", f"{call.consumers}?tag.org=acme&tag.org=globex").json()["data"] == []


def test_a_large_body_is_refused_and_the_connection_lives_on(call, sandbox, acme):
    assert call("PATCH", "acme", data=b"x" * (2**20 + 1)).status_code == 413
    assert call("PATCH", "acme", data=b" " * (2**20 - 2) + b"{}").status_code == 200
    assert b" 413 " in raw(sandbox, b"POST / HTTP/1.1\r\ncontent-length: 999999999\r\n\r\n")


def test_chunked_bodies_are_read(call, sandbox, acme):
    answer = call("PATCH", "acme", data=iter([b'{"descrip', b'tion": "in parts"}']))
    assert answer.json()["description"] == "in parts"
    assert call("PATCH", "acme", data=iter([b"x" * 600_000] * 2)).status_code == 413


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", b" 400 "),
        (b"GET / HTTP/3\r\n\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\ncontent-length: -5\r\n\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\ncontent-length: abc\r\n\r\n", b" 400 "),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", b" 501 "),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", b" 431 "),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(200)) + b"\r\n", b" 400 "),
        (b"GET http://127.0.0.1/nowhere HTTP/1.1\r\n\r\n", b" 404 "),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", b" 404 "),
        (b"GET /\xff\xfe HTTP/1.1\r\n\r\n", b" 404 "),
        (b"GET / HTTP/1.0\r\n\r\n", b" 404 "),
    ],
)
def test_what_is_hardly_http_is_answered_and_not_with_500(sandbox, text, status):
    assert status in raw(sandbox, text).split(b"\r\n")[0]


def test_half_a_request_is_no_call(sandbox):
    assert raw(sandbox, b"GET / HTTP/1.1\r\nhost: x\r\n") == b""
    assert raw(sandbox, b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc") == b""
    assert sandbox.journal() == []


def test_a_caller_that_waits_for_100_continue_is_asked_to_go_on(sandbox):
    said = raw(sandbox, b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}")
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 ")


def test_requests_in_one_send_are_answered_in_turn(sandbox):
    said = raw(sandbox, b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert said.index(b'"instance":"/a"') < said.index(b'"instance":"/b"')


@pytest.mark.parametrize("on_file", [False, True])
def test_twenty_at_once_each_get_their_own(tmp_path, on_file):
    with Sandbox(db=str(tmp_path / "state.db") if on_file else None) as sandbox:
        sandbox.add_consumer("acme")
        path = f"/v1/accounts/{sandbox.account}/key-buckets/{sandbox.bucket}/consumers/acme/keys"
        body = b"{}"
        text = (
            f"POST {path} HTTP/1.1\r\nauthorization: Bearer {sandbox.token}\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode() + body
        start = threading.Barrier(20)

        def create(_: int) -> str:
            start.wait()
            answers = [raw(sandbox, text) for _ in range(5)]
            assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
            return "".join(json.loads(answer.partition(b"\r\n\r\n")[2])["id"] for answer in answers)

        with ThreadPoolExecutor(20) as pool:
            ids = "".join(pool.map(create, range(20)))
        keys = sandbox.keys("acme")
        assert len(keys) == 100
        assert all(key["id"] in ids for key in keys)
        assert sum(call.committed for call in sandbox.journal()) == 100


def test_one_name_at_once_is_taken_once(call, sandbox):
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: call("POST", "", {"name": "acme"}).status_code, range(10)))
    assert sorted(statuses) == [200] + [409] * 9


def test_the_journal_tells_what_came_and_what_became_of_it(call, sandbox, acme):
    call("GET", "acme", params={"key-format": "masked", "manager-email": "a@b.c"})
    call("POST", "acme/keys", {"description": "x"})
    call("POST", "acme/keys", {"expiresOn": "x"}, headers={"authorization": "Bearer no"})
    read, made, refused = sandbox.journal()
    assert (read.method, read.path) == ("GET", f"{call.consumers}/acme")
    assert read.query == "key-format=masked&manager-email=a%40b.c"
    assert read.params["manager-email"] == "a@b.c"
    assert read.body is None
    assert read.status == 200
    assert read.authorized
    assert not read.committed
    assert made.body == {"description": "x"}
    assert made.committed
    assert not refused.authorized
    assert refused.status == 401
    assert not refused.committed
    assert read.time <= made.time <= refused.time

    told = call("GET", "/_sandbox").json()["journal"]
    assert [entry["status"] for entry in told] == [200, 200, 401]
    assert set(told[0]) == {
        *("time", "method", "path", "query", "body", "authorized", "status", "fault", "committed"),
        "request_id",
    }
    assert "journal" not in call("GET", "/_sandbox?journal=0").json()
    assert call.control(clear=["journal"]).json()["journal"] == [] == sandbox.journal()


def test_the_journal_keeps_the_last_ten_thousand(sandbox):
    text = b"GET /a HTTP/1.1\r\n\r\n" * 10_001 + b"GET /last HTTP/1.1\r\nconnection: close\r\n\r\n"
    reading = ThreadPoolExecutor(1).submit(raw, sandbox, text)
    assert reading.result().count(b"x-sandbox: 1") == 10_002
    calls = sandbox.journal()
    assert len(calls) == 10_000
    assert calls[-1].path == "/last"


def test_the_control_endpoint_resets_and_sets_in_one_go(call, sandbox, acme):
    sandbox.set(mask="long")
    sandbox.fault("*", "*", "drop", times=0)
    told = call.control(reset=True, set={"sort": "id"}, faults=[{"kind": "deep"}]).json()
    assert told["switches"]["mask"] == "stars"
    assert told["switches"]["sort"] == "id"
    assert [fault["kind"] for fault in told["faults"]] == ["deep"]
    assert told["journal"] == []
    assert told["choices"]["mask"]["allowed"] == ["stars", "long", "short"]
    assert "seconds" in told["kinds"]["delay"]["options"]
    assert sandbox.consumers() == []


@pytest.mark.parametrize("wish", [{"sett": {}}, {"set": []}, {"clear": "faults"}, {"clear": [1]}, {"faults": {}}])
def test_a_wrong_wish_is_refused(call, sandbox, wish):
    assert call.control(**wish).status_code == 400
    assert call("PUT", "/_sandbox", {}).status_code == 405
    assert call("POST", "/_sandbox", data="{").status_code == 400
