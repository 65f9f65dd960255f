"""Rules that hold for every verb: who may, what is refused, what is recorded, how many calls it takes."""

import re
import uuid
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys.models import AuditEvent, Outcome
from portal.models import User
from sandbox import Sandbox
from tests.helpers.faults import forget
from tests.helpers.people import csrf_token
from tests.helpers.verbs import CHANGES, FULL_KEY, MAKING, PEOPLE, READINGS, VERBS, Verb, acme, by_action, new_keys

ClientOf = Callable[..., Client]

pytestmark = pytest.mark.django_db
every_verb = pytest.mark.parametrize("verb", [*VERBS, *PEOPLE], ids=by_action)
every_change = pytest.mark.parametrize("verb", [*CHANGES, *PEOPLE], ids=by_action)


def calls_made(sandbox: Sandbox) -> list[str]:
    return [f"{call.method} {call.path.partition(sandbox.bucket + '/')[2]}" for call in sandbox.journal()]


@every_verb
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_manager_may(verb: Verb, htmx: bool, sandbox: Sandbox, ann_client: Client) -> None:
    """And it takes no more calls and statements than the floor says; the row in the audit log holds no secret."""
    before = acme(sandbox)
    url = verb.url(sandbox)
    with CaptureQueriesContext(connection) as queries:
        response = verb.send(ann_client, url, htmx=htmx)
    assert response.status_code == (200 if htmx or verb.reads or verb in MAKING else 303)
    about_the_log = [query["sql"].split()[0] for query in queries if '"keys_auditevent"' in query["sql"]]
    assert about_the_log.count("INSERT") + about_the_log.count("UPDATE") == verb.writes
    # What lists do not show yet; what others changed while the lock was waited for; for the card, what was replaced.
    # To keep a key, that is asked before as well.
    assert about_the_log.count("SELECT") <= (4 if verb.name == "keep" else 3)
    assert {"must-revalidate", "private"} <= set(response["Cache-Control"].split(", "))
    assert "no-store" in response["Cache-Control"]
    assert {"HX-Request", "Cookie"} <= set(response["Vary"].split(", "))
    after = sandbox.keys("acme")
    assert verb.done(before, after)
    made = calls_made(sandbox)
    assert len(made) == len(verb.calls)
    assert all(map(fnmatchcase, made, verb.calls)), made
    shown = set(FULL_KEY.findall(response.content.decode()))
    if verb.reads:
        assert shown == {before[0]["key"]}
    else:
        assert shown == {key["key"] for key in new_keys(before, after)}
    event = AuditEvent.objects.get()
    assert (event.action, event.outcome) == (verb.action, Outcome.DONE)
    assert (event.email, event.environment, event.consumer) == ("ann@acme.test", "production", "acme")
    assert event.address == "127.0.0.1"
    assert event.reference == response["X-Request-ID"]
    assert event.ended_at >= event.started_at
    assert event.lock is None
    assert not FULL_KEY.search(str(event.__dict__))


@every_verb
def test_a_fellow_manager_may(verb: Verb, sandbox: Sandbox, ben_client: Client) -> None:
    before = acme(sandbox)
    assert verb.send(ben_client, verb.url(sandbox)).status_code in {200, 303}
    assert verb.done(before, sandbox.keys("acme"))


@every_verb
@pytest.mark.parametrize("who", ["mallory", "unverified"])
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_stranger_may_not_even_know(
    verb: Verb, htmx: bool, who: str, sandbox: Sandbox, client_of: ClientOf, request: pytest.FixtureRequest
) -> None:
    """C1, C5: a stranger, an unproved address and an absent consumer get the same answer, and nothing is done."""
    client = client_of(request.getfixturevalue(who))
    before = acme(sandbox)
    theirs = verb.send(client, verb.url(sandbox), htmx=htmx)
    absent = verb.send(client, verb.url(sandbox, consumer="nobody"), htmx=htmx)
    assert theirs.status_code == absent.status_code == 404
    assert without_tokens(theirs) == without_tokens(absent)
    if not htmx:  # no fragment has an address that cannot be
        malformed = verb.send(client, verb.url(sandbox, consumer="%2e%2e"))
        assert (malformed.status_code, without_tokens(malformed)) == (404, without_tokens(absent))
    assert sandbox.keys("acme") == before
    assert {call.method for call in sandbox.journal()} <= {"GET"}
    assert not any("visible" in call.query for call in sandbox.journal())
    assert set(AuditEvent.objects.values_list("outcome", flat=True)) == {Outcome.REFUSED}


def without_tokens(response: object) -> str:
    """The page without what differs in every answer: CSRF tokens and the reference."""
    page = response.content.decode()  # type: ignore[attr-defined]
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
    return page.replace(response["X-Request-ID"], "")  # type: ignore[index]


@every_verb
def test_a_key_of_another_consumer_is_not_there(verb: Verb, sandbox: Sandbox, mallory_client: Client) -> None:
    """C3: an id counts only within the consumer's own list, also under a path of one's own."""
    before = acme(sandbox)
    sandbox.add_consumer("mall", managers=["mallory@evil.test"])
    response = verb.send(mallory_client, verb.url(sandbox).replace("/acme/", "/mall/"))
    assert sandbox.keys("acme") == before
    if verb.on_key:
        assert response.status_code == 404
        assert [call.path.rpartition("/")[2] for call in sandbox.journal()] == ["mall"]


@every_verb
def test_nobody_signed_in_is_asked_to_sign_in(verb: Verb, sandbox: Sandbox, client: Client) -> None:
    before = acme(sandbox)
    response = verb.send(client, verb.url(sandbox))
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/keys/production/"
    assert verb.send(client, verb.url(sandbox), htmx=True)["HX-Redirect"].startswith("/accounts/login/?next=")
    assert sandbox.journal() == []
    assert sandbox.keys("acme") == before


@every_verb
def test_a_forged_request_is_refused(verb: Verb, sandbox: Sandbox, ann: User, client_of: ClientOf) -> None:
    """F4: without the token of the form, or from elsewhere, nothing happens."""
    before, client = acme(sandbox), client_of(ann, strict=True)
    url = verb.url(sandbox)
    assert verb.send(client, url).status_code == 403
    assert client.put(url).status_code in {403, 405}
    token = csrf_token(client.get("/keys/"))
    form = verb.fields | {"token": str(uuid.uuid4()), "csrfmiddlewaretoken": token}
    for origin in ("https://evil.test", "null"):
        assert client.post(url, form, headers={"Origin": origin}).status_code == 403
    assert sandbox.keys("acme") == before
    assert all(call.method == "GET" for call in sandbox.journal())
    assert not AuditEvent.objects.exists()
    assert client.post(url, form).status_code in {200, 303}


@every_verb
@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_looking_changes_nothing(verb: Verb, header: str, sandbox: Sandbox, ann_client: Client) -> None:
    """F4: a GET or HEAD that holds the whole form neither, whatever method it claims to be."""
    before = acme(sandbox)
    form = verb.fields | {"token": str(uuid.uuid4()), "_method": "POST"}
    for method in (ann_client.get, ann_client.head):
        for headers in ({}, {header: "POST"}):
            response = method(verb.url(sandbox), form, headers=headers)
            assert response.status_code == (405 if verb.reads else 200)
            assert not verb.reads or response["Allow"] == "POST"
            assert not FULL_KEY.search(response.text)
    assert sandbox.keys("acme") == before
    assert all(call.method == "GET" for call in sandbox.journal())
    assert not AuditEvent.objects.exists()


@every_change
def test_the_form_itself_passes(verb: Verb, sandbox: Sandbox, ann: User, client_of: ClientOf) -> None:
    """The form as it stands in the page, with its tokens and choices, is accepted with CSRF checks on."""
    before, client = acme(sandbox), client_of(ann, strict=True)
    url = verb.url(sandbox)
    page = BeautifulSoup(client.get(url).content, "html.parser")
    form = next(form for form in page.find_all("form") if form.get("action") == url)
    fields = {field["name"]: field.get("value", "") for field in form.select("input[type=hidden]")}
    response = client.post(url, verb.fields | fields)
    assert response.status_code in {200, 303}
    assert verb.done(before, sandbox.keys("acme"))


@every_verb
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_an_outage_is_explained(verb: Verb, htmx: bool, sandbox: Sandbox, ann_client: Client) -> None:
    """H1: what happened, whether anything changed, what to do, and a reference; nothing is sent that writes."""
    before = acme(sandbox)
    sandbox.fault("GET", "*", "drop", times=0)
    response = verb.send(ann_client, verb.url(sandbox), htmx=htmx)
    assert response.status_code == 503
    page = response.content.decode()
    assert 'role="alert"' in page
    for sentence in ("respond as expected", "Nothing was changed", "Try again", response["X-Request-ID"]):
        assert sentence in page
    assert sandbox.keys("acme") == before
    assert {call.method for call in sandbox.journal()} == {"GET"}
    assert AuditEvent.objects.get().outcome == Outcome.FAILED


@every_change
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_form_sent_twice_is_done_once(verb: Verb, htmx: bool, sandbox: Sandbox, ann_client: Client) -> None:
    """G6: the second answer is the first one's result."""
    before = acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    first = verb.send(ann_client, url, token, htmx)
    after = sandbox.keys("acme")
    sandbox.clear_journal()
    second = verb.send(ann_client, url, token, htmx)
    assert verb.done(before, after)
    assert sandbox.keys("acme") == after
    assert all(call.method == "GET" for call in sandbox.journal())
    assert second.status_code == first.status_code
    assert FULL_KEY.findall(second.content.decode()) == FULL_KEY.findall(first.content.decode())


@every_change
def test_somebody_elses_token_shows_nothing(
    verb: Verb, sandbox: Sandbox, ann_client: Client, ben_client: Client
) -> None:
    acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    verb.send(ann_client, url, token)
    after = sandbox.keys("acme")
    response = verb.send(ben_client, url, token)
    assert response.status_code == 403
    assert not FULL_KEY.search(response.content.decode())
    assert sandbox.keys("acme") == after


@every_verb
def test_it_holds_under_every_reading(verb: Verb, sandbox: Sandbox, ann_client: Client, subtests) -> None:
    """However the open questions about the Developer API are answered, the verb does the same."""
    for switch, reading in READINGS:
        with subtests.test(switch=switch, reading=reading):
            forget(sandbox)
            before = acme(sandbox)
            sandbox.set(**{switch: reading})
            response = verb.send(ann_client, verb.url(sandbox))
            page = response.content.decode()
            if switch == "retrievable" and verb.reads:
                assert response.status_code == 409
                assert "be shown" in page
                assert not FULL_KEY.search(page)
                continue
            assert response.status_code in {200, 303}
            after = sandbox.keys("acme")
            assert verb.done(before, after)
            if verb in MAKING:
                (new,) = new_keys(before, after)
                assert set(FULL_KEY.findall(page)) == {new["key"]}
