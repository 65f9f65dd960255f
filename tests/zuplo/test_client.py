"""The client of the Developer API on a real socket: bounded in time and size, careful with writes and secrets."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from keys.errors import ApiError, ApiMisconfigured, ApiRefused, ApiUnavailable, NotFound, OddAnswer, OutcomeUnknown
from keys.types import Consumer, Unread
from keys.zuplo.client import PAGES_AT_MOST, DeveloperAPI
from keys.zuplo.transport import Deadline
from sandbox import Sandbox
from tests.helpers.verbs import acme


@pytest.fixture
def api(sandbox: Sandbox) -> DeveloperAPI:
    return DeveloperAPI(sandbox.bucket, Deadline(9.5))


def within(seconds: float, sandbox: Sandbox) -> DeveloperAPI:
    return DeveloperAPI(sandbox.bucket, Deadline(seconds))


def empty(name: str) -> dict[str, object]:
    """A consumer as a read brings it, without managers and keys."""
    return {"name": name, "managers": [], "apiKeys": []}


@contextmanager
def listening(answer: bytes, drip: float = 0) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says the same to everybody, byte for byte if it drips, and keeps what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        heard.append(connection.recv(65536))
                        for start in range(0, len(answer), 1 if drip else len(answer)):
                            connection.sendall(answer[start : start + (1 if drip else len(answer))])
                            time.sleep(drip)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", heard


@pytest.mark.parametrize("kind", ["drip", "delay"])
@pytest.mark.parametrize("options", [{}, {"headers": True}], ids=["body", "headers"])
def test_a_read_ends_with_its_deadline(kind: str, options: dict, sandbox: Sandbox) -> None:
    """G1: a byte now and then does not keep the call alive; the work of the page ends."""
    acme(sandbox)
    faults = {"drip": {"interval": 0.3} | options, "delay": {"seconds": 300}}[kind]
    sandbox.fault("GET", "*", kind, times=0, **faults)
    deadline = Deadline(1.2)
    with pytest.raises(ApiUnavailable):
        DeveloperAPI(sandbox.bucket, deadline).consumer("acme")
    assert deadline.left() > -30  # the whole answer would take minutes
    assert len(sandbox.journal()) == 1


def test_a_write_keeps_time_back_for_a_look(sandbox: Sandbox) -> None:
    acme(sandbox)
    sandbox.fault("POST", "*", "delay", seconds=300)
    deadline = Deadline(2.5)
    with pytest.raises(OutcomeUnknown):
        DeveloperAPI(sandbox.bucket, deadline).create_key("acme", label="New", ends=None)
    assert deadline.left() > 0


@pytest.mark.parametrize("kind", ["oversized", "gzip_bomb", "deep", "not_json", "wrong_type", "truncated", "redirect"])
def test_an_unusable_answer_to_a_read_is_refused(kind: str, sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G2, G3: too long, compressed unasked, too deep, no JSON, another shape, cut short, from elsewhere."""
    acme(sandbox)
    options = {"location": "http://127.0.0.1:9/"} if kind == "redirect" else {}
    sandbox.fault("GET", "*", kind, times=0, **options)
    with pytest.raises((OddAnswer, ApiUnavailable)):
        api.consumer("acme")


@pytest.mark.parametrize(
    "answer",
    [
        b"no http at all",
        b"HTTP/1.1 \xb2 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n\xff\xfe: \x00\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
        b"HTTP/1.1 200 OK\r\nset-cookie: \xff\xfe\x00=1; domain=\xff; expires=Foo, 99\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 999 X\r\ncontent-length: 2\r\n\r\n{}",
    ],
    ids=lambda answer: repr(answer[-40:]),
)
def test_an_answer_that_is_no_proper_http_is_refused(answer: bytes, sandbox: Sandbox, settings) -> None:
    """G3: a write may have been done all the same."""
    with listening(answer) as (url, _heard):
        settings.ZUPLO_API_URL = url
        with pytest.raises((OddAnswer, ApiUnavailable)):
            within(5, sandbox).consumer("acme")
        with pytest.raises(OutcomeUnknown):
            within(5, sandbox).create_key("acme", label="New", ends=None)


@pytest.mark.parametrize("location", ["http://[", "http://a:b:c/", "//", "\u00ff", "http://" + "x" * 300])
def test_a_redirect_to_no_address_is_refused(location: str, sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G3: nobody reads where it leads."""
    acme(sandbox)
    sandbox.fault("*", "*", "redirect", location=location, times=0)
    with pytest.raises(OddAnswer):
        api.consumer("acme")
    with pytest.raises(OutcomeUnknown):
        api.create_key("acme", label="New", ends=None)


def test_a_redirect_is_read_no_further_than_other_answers(sandbox: Sandbox, settings) -> None:
    """G2: it is not followed, and what comes with it has the same limit."""
    piece, sent = b"x" * 2**20, []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\n\r\n")
                while len(sent) < 200:
                    connection.sendall(piece)
                    sent.append(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        settings.ZUPLO_API_URL = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ApiError):
            within(5, sandbox).create_key("acme", label="New", ends=None)
        thread.join()
    assert len(sent) < 50


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "[]",
        '"text"',
        "NaN",
        '{"data": null}',
        '{"data": {}}',
        '{"data": [], "limit": ' + "9" * 5000 + "}",
    ],
)
def test_a_list_of_another_shape_is_refused(body: str, sandbox: Sandbox, api: DeveloperAPI) -> None:
    sandbox.fault("GET", "*", "not_json", body=body, times=0)
    with pytest.raises(OddAnswer):
        api.consumers_of("ann@acme.test")


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "text",
        {"name": "a"},
        {"name": "a", "managers": []},
        {"name": "a", "managers": None, "apiKeys": []},
        {"name": "../keys", "managers": [], "apiKeys": []},
        {"name": "org.example", "managers": [], "apiKeys": []},
        {"name": "a", "managers": [], "apiKeys": "x"},
        {"name": "a", "managers": [], "apiKeys": [], "description": 5},
    ],
    ids=repr,
)
def test_an_entry_of_another_shape_hides_no_other(odd: object, sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G3."""
    acme(sandbox)
    body = {"data": [odd, sandbox.consumer("acme"), odd]}
    sandbox.fault("GET", "*", "wrong_type", body=body, times=0)
    unread, consumer = api.consumers_of("ann@acme.test")
    assert isinstance(unread, Unread)
    assert isinstance(consumer, Consumer)
    assert (consumer.name, consumer.unread) == ("acme", ())


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {"id": "..", "createdOn": "2026-01-01"},
        {"id": "key_1"},
        {"id": "key_1", "createdOn": 5},
        {"id": "key_1", "createdOn": "0001-01-01T00:00:00+23:59"},
        {"id": "key_1", "createdOn": "2026-01-01", "expiresOn": "soon"},
        {"id": "key_1", "createdOn": "2026-01-01", "description": 5},
    ],
    ids=repr,
)
def test_a_key_of_another_shape_hides_no_other(odd: object, sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G3: nor is it taken for absent."""
    acme(sandbox)
    true = sandbox.consumer("acme")
    sandbox.fault("GET", "*", "wrong_type", body=true | {"apiKeys": [odd, *true["apiKeys"]]}, times=0)
    consumer = api.consumer("acme")
    assert len(consumer.keys) == 2
    assert (len(consumer.unread_keys), consumer.live_at_most) == (1, 3)
    with pytest.raises(OddAnswer):
        consumer.key("key_1" if "key_1" in consumer.unread_keys else "key_2")


@pytest.mark.parametrize(
    ("wire", "read"),
    [
        ("2026-01-01T00:00:00z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01t00:00:00.5z", datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-12-31T23:59:60Z", datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2027-01-01T00:59:60.25+01:00", datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_every_time_of_rfc_3339_is_read(wire: str, read: datetime, sandbox: Sandbox, api: DeveloperAPI) -> None:
    """Small letters and leap seconds are in it."""
    acme(sandbox)
    true = sandbox.consumer("acme")
    keys = [key | {"createdOn": wire, "expiresOn": wire} for key in true["apiKeys"]]
    sandbox.fault("GET", "*", "wrong_type", body=true | {"apiKeys": keys}, times=0)
    assert {moment for key in api.consumer("acme").keys for moment in (key.created_on, key.expires_on)} == {read}


def test_only_two_fields_name_managers(sandbox: Sandbox, api: DeveloperAPI) -> None:
    """C2: whatever else speaks of invitations is ignored, of whatever shape it is."""
    acme(sandbox)
    more = {
        "inviteCount": 2,
        "invitations": ["eve@evil.test"],
        "declinedInvites": [{"email": "eve@evil.test"}],
        "manager-invites": {"email": "eve@evil.test"},
        "managerInvites": [{"email": "zoe@acme.test"}],
    }
    sandbox.fault("GET", "*", "wrong_type", body=sandbox.consumer("acme") | more)
    consumer = api.consumer("acme")
    people = [(one.email, one.invited) for one in consumer.managers]
    assert people == [("ann@acme.test", False), ("ben@acme.test", False), ("zoe@acme.test", True)]
    assert consumer.unread == ()


@pytest.mark.parametrize(
    ("sent", "tags", "metadata"),
    [
        ({"tags": {"org": "acme"}, "metadata": {"seats": 5}}, {"org": "acme"}, {"seats": 5}),
        ({"tags": {"org": 5, "x\u202ey": "a\nb"}, "metadata": [1]}, {"x\ufffdy": "a b"}, {}),
        ({"tags": "org", "metadata": None}, {}, {}),
        ({}, {}, {}),
    ],
)
def test_tags_and_metadata_are_taken_as_they_come(
    sent: dict, tags: dict, metadata: dict, sandbox: Sandbox, api: DeveloperAPI
) -> None:
    """F2, G3: they are the operator's own words, and nothing that a page needs."""
    sandbox.fault("GET", "*", "wrong_type", body={"name": "acme", "managers": [], "apiKeys": []} | sent)
    consumer = api.consumer("acme")
    assert (consumer.tags, consumer.metadata) == (tags, metadata)


def test_a_list_that_repeats_itself_ends(sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G12: by a server that knows no offset; each consumer is there once."""
    names = ["acme", "mobile", "acme"]
    sandbox.fault("GET", "*", "wrong_type", body={"data": [empty(name) for name in names]}, times=0)
    assert [consumer.name for consumer in api.consumers_of("ann@acme.test")] == ["acme", "mobile"]
    assert len(sandbox.journal()) == 2


def test_a_list_without_an_end_is_given_up(sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G12: each page brings another consumer, and says that there are more."""
    for number in range(PAGES_AT_MOST + 5):
        body = {"data": [empty(f"team-{number}")], "total": 10**9}
        sandbox.fault("GET", "*", "wrong_type", body=body, nth=number + 1)
    with pytest.raises(OddAnswer):
        api.consumers_of("ann@acme.test")
    assert len(sandbox.journal()) == PAGES_AT_MOST


def test_a_failed_read_is_tried_once_more(sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G4: and no more often."""
    acme(sandbox)
    for status in (500, 502, 503, 504):
        sandbox.clear_journal()
        sandbox.fault("GET", "*", "status", status=status)
        assert api.consumer("acme").name == "acme"
        assert len(sandbox.journal()) == 2
    sandbox.fault("GET", "*", "status", status=502, times=0)
    sandbox.clear_journal()
    with pytest.raises(ApiUnavailable):
        api.consumer("acme")
    assert len(sandbox.journal()) == 2


@pytest.mark.parametrize("kind", ["drop", "status", "truncated", "not_json", "wrong_type", "other_object"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_without_a_usable_answer_is_never_sent_again(
    kind: str, when: str, sandbox: Sandbox, api: DeveloperAPI
) -> None:
    """G4"""
    acme(sandbox)
    sandbox.fault("PATCH", "*", kind, when=when, times=0)
    key = sandbox.keys("acme")[0]
    with pytest.raises(OutcomeUnknown):
        api.rename_key("acme", key["id"], "Build")
    assert len(sandbox.journal()) == 1


def test_a_write_that_never_arrived_was_not_done(sandbox: Sandbox, settings) -> None:
    """Nothing listens there: tried twice, then surely not done."""
    settings.ZUPLO_API_URL = "http://127.0.0.1:9"
    with pytest.raises(ApiUnavailable) as refused:
        within(2, sandbox).create_key("acme", label="New", ends=None)
    assert not isinstance(refused.value, OutcomeUnknown)


def test_a_write_told_to_wait_is_sent_again(sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G4, G8: 429 says that nothing was done."""
    acme(sandbox)
    sandbox.fault("POST", "*", "status", status=429, retry_after="0")
    assert api.create_key("acme", label="New", ends=None).key.label == "New"
    assert [call.status for call in sandbox.journal()] == [429, 200]


@pytest.mark.parametrize(
    ("retry_after", "told"),
    [
        ("3", 3),
        ("30", 30),
        ("99999999999999999999", 3600),
        (timedelta(minutes=5), 300),
        (timedelta(days=9999), 3600),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_long_wait_is_told_and_not_waited_for(
    status: int, retry_after: str | timedelta, told: int, sandbox: Sandbox, api: DeveloperAPI
) -> None:
    """G8: whatever upstream says, nobody is asked to wait for more than an hour, and no worker sleeps."""
    if isinstance(retry_after, timedelta):
        retry_after = format_datetime(datetime.now(UTC) + retry_after, usegmt=True)
    sandbox.fault("*", "*", "status", status=status, retry_after=retry_after, times=0)
    with pytest.raises(ApiUnavailable) as busy:
        api.consumer("acme")
    assert abs(busy.value.retry_after - told) <= 5
    assert len(sandbox.journal()) == 1


@pytest.mark.parametrize("retry_after", ["-5", "soon", "", "NaN", "²"])
def test_a_broken_retry_after_is_no_wait(retry_after: str, sandbox: Sandbox, api: DeveloperAPI) -> None:
    """G8"""
    acme(sandbox)
    sandbox.fault("GET", "*", "status", status=429, retry_after=retry_after.encode("utf-8").decode("latin-1"))
    assert api.consumer("acme").name == "acme"


def test_a_kept_connection_that_was_closed_is_opened_anew(sandbox: Sandbox, api: DeveloperAPI) -> None:
    """Also for a write: it is not sent into a connection that is closed already."""
    acme(sandbox)
    sandbox.fault("GET", "*", "drop", when="after")
    with suppress(ApiError):
        api.consumer("acme")
    assert api.create_key("acme", label="New", ends=None).value


def test_statuses_have_their_meaning(sandbox: Sandbox, api: DeveloperAPI, settings) -> None:
    acme(sandbox)
    with pytest.raises(NotFound):
        api.consumer("nobody")
    sandbox.fault("PATCH", "*", "status", status=422)
    with pytest.raises(ApiRefused) as refused:
        api.rename_consumer("acme", "Acme")
    assert refused.value.code == 422
    settings.ZUPLO_API_KEY = "wrong"
    with pytest.raises(ApiMisconfigured):
        api.consumer("acme")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "%2e%2e", "a?b", "a#b", "", "ä", "a" * 129, "a\n"])
def test_a_path_is_made_of_names_only(name: str, sandbox: Sandbox, api: DeveloperAPI) -> None:
    """F1: what could fold a path or begin a query never leaves."""
    with pytest.raises(NotFound):
        api.consumer(name)
    with pytest.raises(NotFound):
        api.full_key("acme", name)
    assert sandbox.journal() == []


def test_the_token_goes_to_the_api_alone(sandbox: Sandbox, settings, monkeypatch, tmp_path) -> None:
    """E7: redirects are not followed; proxies and .netrc of the environment have no say."""
    with listening(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}") as (elsewhere, heard):
        monkeypatch.setenv("HTTP_PROXY", elsewhere)
        monkeypatch.setenv("ALL_PROXY", elsewhere)
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login other password other\n")
        monkeypatch.setenv("NETRC", str(netrc))
        acme(sandbox)
        assert within(5, sandbox).consumer("acme").name == "acme"
        sandbox.fault("GET", "*", "redirect", location=elsewhere + "/v1", times=0)
        with pytest.raises(OddAnswer):
            within(5, sandbox).consumer("acme")
        assert all(call.authorized for call in sandbox.journal())
        assert heard == []


@pytest.fixture
def strangers_certificate(tmp_path: Path) -> Path:
    """For this machine's own name, and vouched for by nobody."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    file = tmp_path / "certificate.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    return file


def test_the_token_is_not_told_to_who_cannot_prove_to_be_the_api(
    sandbox: Sandbox, settings, strangers_certificate: Path
) -> None:
    """E7: TLS with a checked certificate; nothing was sent, so nothing was done."""
    heard: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(strangers_certificate)
    with socket.create_server(("localhost", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    heard.append(secured.recv(65536))

        threading.Thread(target=serve, daemon=True).start()
        settings.ZUPLO_API_URL = f"https://localhost:{server.getsockname()[1]}"
        with pytest.raises(ApiError):
            within(5, sandbox).consumer("acme")
    assert b"".join(heard) == b""


def test_a_cookie_of_the_api_is_not_kept(sandbox: Sandbox, settings) -> None:
    answer = b"HTTP/1.1 200 OK\r\nset-cookie: a=b; path=/\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
    with listening(answer) as (url, heard):
        settings.ZUPLO_API_URL = url
        within(5, sandbox).who_am_i()
        within(5, sandbox).who_am_i()
    assert len(heard) == 2
    assert b"cookie" not in heard[1].lower()


def test_the_log_holds_neither_token_nor_address(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """E2: also where an error of the HTTP library carries the URL and the headers."""
    caplog.set_level(logging.DEBUG)
    for kind in ("drop", "truncated", "not_json", "status"):
        sandbox.fault("GET", "*", kind, times=2)
        with suppress(ApiError):
            within(5, sandbox).consumers_of("ann+secret@acme.test")
    assert "not answered" in caplog.text
    assert sandbox.token not in caplog.text
    assert "secret" not in caplog.text
