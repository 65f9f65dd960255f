"""Trying a key: one request of the portal's own to the operator's test route; nobody sees the key."""

import json
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.gateway import Gateway, listening, say
from tests.helpers.people import passes
from tests.helpers.verbs import FULL_KEY, acme

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(settings):
    with listening() as found:
        settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = found.url, "/v1/hello"
        yield found


@pytest.fixture
def key(sandbox: Sandbox) -> dict:
    return acme(sandbox)[0]


def tried(client: Client, key: dict, *, htmx: bool = True, **fields: str):
    url = f"/keys/production/acme/{key['id']}/try/"
    response = client.post(url, fields, headers={"HX-Request": "true"} if htmx else {})
    assert not FULL_KEY.search(response.text)
    return response


def words(response) -> str:
    return " ".join(BeautifulSoup(response.content, "html.parser").get_text(" ").split())


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_it_shows_status_time_and_first_lines(
    htmx: bool, gateway: Gateway, key: dict, sandbox: Sandbox, ann_client: Client
) -> None:
    gateway.answer = lambda request: say(request, b"first\nsecond <b>line</b>")
    response = tried(ann_client, key, htmx=htmx)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert "200 OK" in words(response)
    assert "ms" in words(response)
    assert "The key works." in words(response)
    assert "second <b>line</b>" in words(response)
    assert len(sandbox.journal()) == 2
    (event,) = AuditEvent.objects.all()
    assert (event.action, event.outcome, event.key_id) == (Action.TRY, Outcome.DONE, key["id"])
    ((method, path, headers),) = gateway.heard
    assert (method, path) == ("GET", "/v1/hello")
    assert headers["Authorization"] == f"Bearer {key['key']}"
    assert not {"Cookie", "Referer", "X-Forwarded-For"} & headers.keys()


def test_the_key_goes_into_the_header_that_the_operator_names(
    gateway: Gateway, key: dict, ann_client: Client, settings
) -> None:
    settings.GATEWAY_HEADER = "X-API-Key:"
    tried(ann_client, key)
    ((_, _, headers),) = gateway.heard
    assert headers["X-API-Key"] == key["key"]
    assert "Authorization" not in headers


def test_the_visitor_names_no_address(gateway: Gateway, key: dict, ann_client: Client) -> None:
    """C7: whatever else the form holds."""
    tried(ann_client, key, url="http://127.0.0.1:9/", path="/admin", GATEWAY_TEST_PATH="/admin")
    assert [path for _, path, _ in gateway.heard] == ["/v1/hello"]


def test_an_api_that_repeats_the_key_does_not_show_it(gateway: Gateway, key: dict, ann_client: Client) -> None:
    """E1: also where the answer is cut in the middle of one."""
    value = key["key"].encode()
    for filling in range(0, len(value), 5):
        gateway.answer = lambda request, filling=filling: say(request, b"x" * filling + b" " + (value + b"\n") * 200)
        text = words(tried(ann_client, key))
        assert key["key"][:12] not in text
        assert key["key"][-4:] in text


def test_only_the_beginning_is_read(gateway: Gateway, key: dict, ann_client: Client) -> None:
    """G2: an endless answer costs nothing."""
    ended = threading.Event()

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"many lines\n" * 1000)
        except OSError:
            ended.set()

    gateway.answer = endless
    text = words(tried(ann_client, key))
    assert text.count("many lines") == 12
    assert text.endswith("…")
    assert ended.wait(5)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "accept this key"),
        (403, "refused this request"),
        (429, "too many calls"),
        (404, "succeed. The key may still be fine"),
        (500, "succeed. The key may still be fine"),
    ],
)
def test_a_refusal_is_explained(status: int, sentence: str, gateway: Gateway, key: dict, ann_client: Client) -> None:
    gateway.answer = lambda request: say(request, b"no", status)
    response = tried(ann_client, key)
    assert response.status_code == 200
    assert str(status) in words(response)
    assert sentence in words(response)


def test_a_redirect_is_not_followed(gateway: Gateway, key: dict, ann_client: Client) -> None:
    """E7: the key goes to the operator's route, and nowhere else."""
    gateway.answer = lambda request: say(request, b"", 302, Location=gateway.url + "/elsewhere")
    assert "302 Found" in words(tried(ann_client, key))
    assert [path for _, path, _ in gateway.heard] == ["/v1/hello"]


def test_a_gateway_that_is_down_says_nothing_about_the_key(
    gateway: Gateway, key: dict, ann_client: Client, settings
) -> None:
    settings.GATEWAY_URL = "http://127.0.0.1:9"
    response = tried(ann_client, key)
    assert response.status_code == 200
    assert "couldn't be reached" in words(response)


def test_a_slow_gateway_is_not_waited_for(gateway: Gateway, key: dict, ann_client: Client) -> None:
    """G1: the page ends in time, though a byte comes now and then."""
    over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not over.wait(0.2):
            request.wfile.write(b".")

    gateway.answer = drip
    try:
        assert "took too long" in words(tried(ann_client, key))
    finally:
        over.set()


def test_a_compressed_answer_is_not_unpacked(gateway: Gateway, key: dict, ann_client: Client) -> None:
    gateway.answer = lambda request: say(request, b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    assert "unexpected response" in words(tried(ann_client, key))


def test_it_is_off_where_no_route_is_named(gateway: Gateway, key: dict, ann_client: Client, settings) -> None:
    assert "Try it" in ann_client.get("/keys/").text
    settings.GATEWAY_TEST_PATH = ""
    assert "Try it" not in ann_client.get("/keys/").text
    assert tried(ann_client, key).status_code == 404
    assert gateway.heard == []
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("who", ["mallory", "unverified"])
def test_a_stranger_tries_nothing(who: str, gateway: Gateway, key: dict, client_of, request) -> None:
    """C1, C5: and learns nothing."""
    client = client_of(request.getfixturevalue(who))
    assert tried(client, key, htmx=False).status_code == 404
    assert tried(client, {"id": "none"}, htmx=False).status_code == 404
    assert gateway.heard == []


def test_it_counts_like_a_reveal(gateway: Gateway, key: dict, ann_client: Client, settings) -> None:
    settings.KEYS_REVEALS_PER_MINUTE = 2
    statuses = [tried(ann_client, key).status_code for _ in range(5)]  # a new minute may begin once meanwhile
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    assert len(gateway.heard) == statuses.count(200)
    assert AuditEvent.objects.filter(outcome=Outcome.REFUSED).count() == statuses.count(429)


def test_it_needs_the_same_proof_as_a_reveal(gateway: Gateway, key: dict, ann_client: Client) -> None:
    """B4: afterwards the page with the key is there again."""
    passes(ann_client, proof=121)
    response = tried(ann_client, key)
    assert response["HX-Redirect"] == "/accounts/step-up/?next=%2Fkeys%2Fproduction%2F%23key-" + key["id"]
    assert gateway.heard == []


def test_the_proof_leads_back_to_the_keys_page_if_it_was_tried_there(
    gateway: Gateway, key: dict, ann_client: Client
) -> None:
    page = f"/keys/production/acme/{key['id']}/"
    form = BeautifulSoup(ann_client.get(page).content, "html.parser").select_one("#act")
    sent = {field["name"]: field["value"] for field in form.select("input")}
    passes(ann_client, proof=121)
    assert tried(ann_client, key, **sent)["HX-Redirect"] == f"/accounts/step-up/?{urlencode({'next': page})}"
    assert gateway.heard == []


def test_an_outage_of_the_key_service_is_explained(
    gateway: Gateway, key: dict, sandbox: Sandbox, ann_client: Client
) -> None:
    """H1: nothing is sent to the gateway."""
    sandbox.fault("GET", "*", "drop", times=0)
    response = tried(ann_client, key)
    assert response.status_code == 503
    assert "Nothing was changed" in response.text
    assert gateway.heard == []
    assert AuditEvent.objects.get().outcome == Outcome.FAILED


def test_where_keys_are_hidden_nothing_can_be_tried(
    gateway: Gateway, key: dict, sandbox: Sandbox, ann_client: Client
) -> None:
    """E3: a mask is no key."""
    sandbox.set(retrievable="masked")
    assert tried(ann_client, key).status_code == 409
    assert gateway.heard == []
    assert "Try it" not in ann_client.get("/keys/").text


def test_a_forged_request_tries_nothing(gateway: Gateway, key: dict, ann, client_of) -> None:
    """F4"""
    client = client_of(ann, strict=True)
    assert tried(client, key).status_code == 403
    assert client.get(f"/keys/production/acme/{key['id']}/try/").status_code == 405
    assert gateway.heard == []


def test_the_sandbox_plays_the_api_behind_the_gateway(
    key: dict, sandbox: Sandbox, ann_client: Client, settings
) -> None:
    """As in the demo."""
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = sandbox.url, "/_sandbox/hello"
    assert "Hello, acme!" in words(tried(ann_client, key))
    assert "/_sandbox/hello" not in {call.path for call in sandbox.journal()}


PLANS = "https://portal.test/plans/"
OF_THE_GATEWAY = {
    # What Zuplo's policies say, and the words that it comes to; None has no link to the plans.
    (403, 'API Key has exceeded the allowed limit for "api_requests" meter.'): "are used up",
    (429, "Quota exceeded for meters 'requests'"): "are used up",
    (403, 'The required "x" entitlement is not allowed or its quota has been exhausted.'): "doesn't include this",
    (403, 'API Key does not have "x" meter provided by the subscription.'): "doesn't include this",
    (403, 'API Key does not have access to "x" meter.'): "doesn't include this",
    (403, "Subscription entitlements are not available."): "doesn't include this",
    (403, "Payment has not been made."): "a payment for its plan hasn't been made",
    (403, "Payment is overdue. Please update your payment method."): "a payment for its plan hasn't been made",
    (403, "Subscription payment status is not available."): "a payment for its plan hasn't been made",
    (403, "Subscription access has been blocked by the administrator."): "access was blocked",
    (403, "API Key has an expired subscription."): "no active plan",
    (403, "API Key is invalid or does not have access to the API"): "no active plan",
}


@pytest.mark.parametrize(("status", "detail"), OF_THE_GATEWAY)
def test_a_refusal_for_the_plan_is_told_from_one_for_the_key(
    status: int, detail: str, gateway: Gateway, key: dict, ann_client: Client, settings
) -> None:
    gateway.answer = lambda request: say(request, json.dumps({"detail": detail}).encode(), status)
    response = tried(ann_client, key)
    assert OF_THE_GATEWAY[status, detail] in words(response)
    assert "accept this key" not in words(response)
    assert PLANS not in response.text
    settings.PLANS_URL = PLANS
    assert f'href="{PLANS}"' in tried(ann_client, key).text
    settings.PLANS_URL, settings.PLANS = "", "portal"
    assert 'href="/plans/"' in tried(ann_client, key).text, "where urls.py has plans, they need not be named once more"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("detail", ["Authorization Failed", "API Key has expired."])
def test_a_refusal_for_the_key_does_not_send_people_to_the_plans(
    status: int, detail: str, gateway: Gateway, key: dict, ann_client: Client, settings
) -> None:
    settings.PLANS_URL = PLANS
    gateway.answer = lambda request: say(request, json.dumps({"detail": detail}).encode(), status)
    response = tried(ann_client, key)
    assert "accept this key" in words(response)
    assert PLANS not in response.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 3000, b"[]", b"42", b'{"detail": null}', b'{"detail": ["payment"]}', b"\xff"]
)
def test_a_refusal_without_a_usable_detail_goes_by_its_status(
    body: bytes, gateway: Gateway, key: dict, ann_client: Client
) -> None:
    gateway.answer = lambda request: say(request, body, 403)
    response = tried(ann_client, key)
    assert response.status_code == 200
    assert "refused this request" in words(response)
