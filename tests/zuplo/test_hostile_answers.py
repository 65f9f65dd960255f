"""Answers of any shape from the Developer API: never a failure of ours, nothing rendered but text, no key unasked."""

import logging
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from keys.models import Action, AuditEvent
from sandbox import Sandbox
from sandbox.faults import HOSTILE_TEXT
from sandbox.values import mint_key
from tests.helpers.faults import NIGHTLY
from tests.helpers.invariants import EVERY_VERB, FIRST_KEY, Said, agrees, said, titled, world
from tests.helpers.verbs import FULL_KEY, Verb, acme

pytestmark = pytest.mark.django_db

any_shape = settings(
    max_examples=1_000 if NIGHTLY else 25,
    derandomize=not NIGHTLY,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# What may stand in an answer

HOSTILE = [
    HOSTILE_TEXT,
    "</title></textarea></script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)> ' onmouseover=alert(1) x='",
    "{{7*7}}{% load static %}{# #}",
    "javascript:alert(1)//\u2028\u2029\u0085\ufeff",
    "\u061c\u0645\u0641\u062a\u0627\u062d\u200f\u200e\u202eyek\u2067",
    "\ud800\udfff \x00\x1b[2J\x7f\x9b31m\r\nSet-Cookie: a=b",
    "x" * 100_000,
]
TEXT = st.one_of(st.sampled_from(HOSTILE), st.sampled_from(HOSTILE), st.text(st.characters(), max_size=30))


def shapes(scalars: st.SearchStrategy) -> st.SearchStrategy:
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
    )


NUMBERS = st.one_of(st.integers(), st.just(10**4000), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
SCALARS = st.one_of(st.none(), NUMBERS, TEXT)
ANYTHING = shapes(SCALARS)
NOT_EVEN_JSON = shapes(SCALARS | st.floats())
TIMES = st.sampled_from(
    [
        "2026-01-01T00:00:00.000Z",
        "0001-01-01",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-23:59",
        "2024-02-29T23:59:60Z",
        "2026-W01-1",
        "20260101T000000Z",
        None,
    ]
)
SOUND_TIMES = st.sampled_from(["2026-01-01T00:00:00.000Z", "0001-01-01", "9999-12-31T23:59:59.999999Z"])
IDS = st.sampled_from(["key_1", "key_2", "k"])


def keys(times: st.SearchStrategy, rest: st.SearchStrategy) -> st.SearchStrategy:
    """Keys whose values are full ones, also in lists, where only masks belong."""
    return st.fixed_dictionaries(
        {"id": IDS, "createdOn": times, "key": st.builds(mint_key), "description": rest},
        optional={"expiresOn": times, "updatedOn": rest, "more": ANYTHING},
    )


def consumers(times: st.SearchStrategy, rest: st.SearchStrategy) -> st.SearchStrategy:
    """Consumers that Ann manages, among others."""
    manager = st.fixed_dictionaries({"email": rest}, optional={"sub": rest, "id": ANYTHING})
    managers = st.lists(manager, max_size=3).map(lambda others: [*others, {"email": "ann@acme.test"}])
    return st.fixed_dictionaries(
        {
            "name": st.just("acme"),
            "description": rest,
            "managers": managers,
            "apiKeys": st.lists(keys(times, rest), max_size=4),
        },
        optional={"tags": ANYTHING, "metadata": ANYTHING, "managerInvites": st.just([])},
    )


SOUND = consumers(SOUND_TIMES, TEXT)  # of the right shape, so that all of it is rendered
ODD = st.one_of(NOT_EVEN_JSON, consumers(TIMES | SCALARS, SCALARS), keys(TIMES | SCALARS, SCALARS))


# What must hold

HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe]")


def is_inert(response: HttpResponse) -> None:
    """F2: text is text: no element, attribute or direction of the page comes from upstream."""
    assert response.status_code in {200, 303, 403, 404, 502, 503}
    page = response.content.decode()
    assert not HARMFUL.search(page)
    assert not HARMFUL.search("".join(map(str, response.headers.values())))
    document = BeautifulSoup(page, "html.parser")
    for element in document.find_all(True):
        assert not [name for name in element.attrs if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            assert not str(element.get(name, "")).lower().startswith(("javascript:", "data:", "//"))
    assert all(script.get("src", "").startswith("/static/") for script in document.find_all("script"))
    assert not document.find_all(["img", "iframe", "object", "style"])
    assert "49" not in [part.strip() for part in document.stripped_strings]


def answer(sandbox: Sandbox, method: str, path: str, body: Any, times: int = 0, when: str = "before") -> None:
    """Let these calls be answered with the body, as JSON where it is no text."""
    cache.clear()
    AuditEvent.objects.all().delete()
    sandbox.clear_faults()
    kind = "not_json" if isinstance(body, str) else "wrong_type"
    sandbox.fault(method, path, kind, body="null" if body is None else body, times=times, when=when)


@pytest.fixture(autouse=True)
def unlimited(settings) -> None:
    settings.KEYS_REVEALS_PER_MINUTE = settings.KEYS_CHANGES_PER_MINUTE = 100_000
    settings.KEYS_PER_CONSUMER = 100_000


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_each_text_is_inert_in_every_field(text: str, sandbox: Sandbox, ann_client: Client) -> None:
    """F2: on the page, in every dialog, and in what comes back when one is sent."""
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    (true,) = sandbox.keys("acme")
    more = {"tags": {text: text}, "metadata": {text: [text]}, text: text}
    managers = [{"email": "ann@acme.test", "sub": text}, {"email": text}]
    consumer = {"name": "acme", "description": text, "managers": managers, "apiKeys": [true | {"description": text}]}
    sandbox.fault("GET", "*/consumers", "wrong_type", body={"data": [consumer | more], text: text}, times=0)
    sandbox.fault("GET", "*/consumers/acme", "wrong_type", body=consumer | more, times=0)
    page = ann_client.get("/keys/")
    assert 'data-consumer="acme"' in page.content.decode()
    is_inert(page)
    middle = f"/keys/production/acme/{true['id']}/"
    for word in ("rename", "rotate", "end", "delete"):
        is_inert(ann_client.get(f"{middle}{word}/"))
    for word in ("create", "rename", "rotate-all"):
        is_inert(ann_client.get(f"/keys/production/acme/{word}/"))
    is_inert(ann_client.post(f"{middle}rotate/", {"grace": "1h", "token": str(uuid.uuid4())}))
    is_inert(ann_client.post(f"{middle}reveal/", headers={"HX-Request": "true"}))


@any_shape
@given(found=st.lists(SOUND, min_size=1, max_size=2))
def test_the_page_shows_any_text_as_text(found: list, sandbox: Sandbox, ann_client: Client) -> None:
    """E1, F2: also full keys that nobody asked for are masked."""
    answer(sandbox, "GET", "*/consumers", {"data": found})
    response = ann_client.get("/keys/")
    assert response.status_code == 200
    is_inert(response)
    page = response.content.decode()
    assert 'data-consumer="acme"' in page
    assert not FULL_KEY.search(page)
    for key in found[0]["apiKeys"]:
        assert key["key"] not in page


@any_shape
@given(body=st.one_of(ODD, st.lists(ODD, max_size=3).map(lambda data: {"data": data})))
def test_a_list_of_any_shape_is_no_failure(body: Any, sandbox: Sandbox, ann_client: Client) -> None:
    """G3."""
    answer(sandbox, "GET", "*/consumers", body)
    response = ann_client.get("/keys/")
    is_inert(response)
    assert not FULL_KEY.search(response.content.decode())


FORMS = [verb for verb in EVERY_VERB if not verb.reads and verb is not FIRST_KEY]


@any_shape
@given(body=SOUND | ODD, verb=st.sampled_from(FORMS), htmx=st.booleans())
def test_a_consumer_of_any_shape_is_no_failure(
    body: Any, verb: Verb, htmx: bool, sandbox: Sandbox, ann_client: Client
) -> None:
    """F2, G3: neither in the form nor in what is done when it is sent."""
    sandbox.reset()
    acme(sandbox)
    url = verb.url(sandbox)
    if isinstance(body, dict) and isinstance(body.get("apiKeys"), list) and body["apiKeys"] and verb.on_key:
        body["apiKeys"][0] |= {"id": url.split("/")[4]}
    answer(sandbox, "GET", "*/consumers/acme", body)
    headers = {"HX-Request": "true"} if htmx else {}
    for response in (ann_client.get(url, headers=headers), verb.send(ann_client, url, htmx=htmx)):
        is_inert(response)
        mine = {key["key"] for key in sandbox.keys("acme")}
        assert set(FULL_KEY.findall(response.content.decode())) <= mine
    before = world(sandbox)
    if verb.on_key:
        is_inert(ann_client.post(url.replace(f"{verb.name}/", "reveal/"), headers=headers))
    assert world(sandbox) == before


@any_shape
@given(body=ODD, copy=st.booleans(), htmx=st.booleans())
def test_a_full_key_of_any_shape_is_no_failure(
    body: Any, copy: bool, htmx: bool, sandbox: Sandbox, ann_client: Client
) -> None:
    """C4, E3, G3: what is shown is the key that was asked for, or none."""
    sandbox.reset()
    acme(sandbox)
    answer(sandbox, "GET", "*/keys/*", body)
    verb = EVERY_VERB[copy]
    response = verb.send(ann_client, verb.url(sandbox), htmx=htmx)
    assert response.status_code in {409, 502}
    assert not FULL_KEY.search(response.content.decode())


@any_shape
@given(body=ODD, verb=st.sampled_from([verb for verb in EVERY_VERB if not verb.reads]), done=st.booleans())
def test_an_answer_to_a_write_of_any_shape_is_looked_into(
    body: Any, verb: Verb, done: bool, sandbox: Sandbox, ann_client: Client, mallory_client: Client
) -> None:
    """G3, G5: done is said only of what was done."""
    assume(verb.action != Action.DELETE or body != "")  # that is how a deletion is answered
    sandbox.reset()
    acme(sandbox)
    before = world(sandbox)
    answer(sandbox, verb.calls[1].partition(" ")[0], "*", body, times=1, when="after" if done else "before")
    client = mallory_client if verb is FIRST_KEY else ann_client
    response = verb.send(client, verb.url(sandbox))
    is_inert(response)
    after = world(sandbox)
    assert set(FULL_KEY.findall(response.content.decode())) <= {key["key"] for key in after.keys}
    agrees(response, verb, before, after, sandbox.journal())


@pytest.mark.parametrize(
    "body",
    [
        "[" * 200_000,
        '{"data":' * 50_000,
        '{"data": [' + "[" * 900 + "]" * 900 + "]}",
        "NaN",
        '{"data": [NaN]}',
        '{"data": [-Infinity]}',
        '"' + "x" * 2**20,
        "1" * 5_000,
        "\ufeff{}",
        " ",
        "",
    ],
    ids=lambda body: f"{body[:12]!r}, {len(body)} long",
)
def test_what_is_no_proper_json_is_explained(body: str, sandbox: Sandbox, ann_client: Client) -> None:
    """G2, G3: depth, length and constants that are no JSON."""
    answer(sandbox, "GET", "*", body)
    for url in ("/keys/", "/keys/production/acme/create/"):
        response = ann_client.get(url)
        assert response.status_code == 502
        is_inert(response)


def test_a_thousand_keys_are_shown_by_pages(sandbox: Sandbox, ann_client: Client) -> None:
    """G12, E1: each masked."""
    now = datetime.now(UTC).isoformat()
    some = [{"id": f"key_{number}", "createdOn": now, "key": mint_key()} for number in range(1_000)]
    managers = [{"email": "ann@acme.test"}]
    answer(sandbox, "GET", "*/consumers", {"data": [{"name": "acme", "managers": managers, "apiKeys": some}]})
    seen = set()
    for number in (1, 2, 100):
        page = ann_client.get("/keys/production/acme/", {"page": number}).content.decode()
        seen |= set(re.findall(r'data-key="(\w+)"', page))
        assert not FULL_KEY.search(page)
    assert len(seen) == 30
    assert "Page 100 of 100" in page


ABOUT_OTHERS = {
    Action.REVEAL: "GET */keys/*",
    Action.COPY: "GET */consumers/acme",
    Action.ROTATE: "PATCH */keys/*",
    Action.RENAME: "PATCH */keys/*",
    Action.CHANGE_END: "PATCH */keys/*",
    Action.RENAME_CONSUMER: "PATCH */consumers/acme",
}


@pytest.mark.parametrize("verb", [verb for verb in EVERY_VERB if verb.action in ABOUT_OTHERS], ids=titled)
def test_an_answer_about_something_else_is_refused_and_logged(
    verb: Verb, sandbox: Sandbox, ann_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """C4: a read is refused; after a write the right thing is looked at."""
    caplog.set_level(logging.INFO)
    acme(sandbox)
    method, path = ABOUT_OTHERS[verb.action].split()
    sandbox.fault(method, path, "other_object", times=2 if method == "GET" else 1)
    response = verb.send(ann_client, verb.url(sandbox))
    assert "odd answer" in caplog.text
    assert "about another" in caplog.text
    if method == "GET":
        assert response.status_code == 502
        assert not FULL_KEY.search(response.content.decode())
    else:
        assert said(response) == Said.DONE
