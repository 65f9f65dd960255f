"""H3: the managers of a consumer read what was done to its keys, by whom, and with what outcome; nobody else does."""

import csv
import io
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.access import Actor
from keys.audit import history, sentences
from keys.audit.csv_export import harmless_cell
from keys.errors import RateLimited
from keys.management.commands.prune_audit import BATCH
from keys.models import Action, AuditEvent, Outcome, VisitEnd
from tests.helpers.verbs import CHANGES, FULL_KEY, VERBS, Verb, acme, by_action, done_words

pytestmark = pytest.mark.django_db
PAGE, CSV = "/keys/activity/production/", "/keys/activity/production.csv"
every_verb = pytest.mark.parametrize("verb", VERBS, ids=by_action)


def happened(person, consumer: str = "acme", action: str = Action.ROTATE, **more) -> AuditEvent:
    facts = {"environment": "production", "outcome": Outcome.DONE, "key_label": "CI", "key_ending": "1a2b"}
    return AuditEvent.objects.create(user=person, email=person.email, consumer=consumer, action=action, **facts | more)


def rows(client: Client, url: str = PAGE) -> list[str]:
    """The events on the page as texts."""
    page = BeautifulSoup(client.get(url).content, "html.parser")
    return [" ".join(row.get_text(" ").split()) for row in page.select("[data-event]")]


def table(client: Client, url: str = CSV) -> list[dict[str, str]]:
    answer = client.get(url)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


# Who reads what


@every_verb
def test_a_manager_reads_what_was_done(verb: Verb, sandbox, ann_client, ben_client):
    """H3: with the key, the outcome and the address; also what a fellow manager did; and never a key."""
    keys = acme(sandbox)
    verb.send(ann_client, verb.url(sandbox))
    for client in (ann_client, ben_client):
        (row,) = rows(client)
        assert done_words(verb.action) in row
        assert "ann@acme.test" in row
        assert "Acme" in row
        assert "127.0.0.1" in row
        assert ("(you)" in row) is (client is ann_client)
        if verb.on_key:
            assert f"CI ••••{keys[0]['key'][-4:]}" in row
        assert not FULL_KEY.search(client.get(PAGE).text)
        (line,) = table(client)
        assert (line["Who"], line["Outcome"], line["Environment"]) == ("ann@acme.test", "Done", "production")
        assert not FULL_KEY.search(str(line))


def test_a_stranger_reads_nothing(sandbox, ann, ann_client, mallory_client):
    """H3, C5"""
    acme(sandbox)
    happened(ann)
    assert rows(mallory_client) == table(mallory_client) == []
    theirs, absent = (mallory_client.get(PAGE, {"consumer": name}) for name in ("acme", "nobody"))
    assert theirs.status_code == absent.status_code == mallory_client.get(CSV, {"consumer": "acme"}).status_code == 404
    assert theirs.text == absent.text


def test_an_unproved_address_reads_nothing(sandbox, unverified, client_of):
    """H3, A1"""
    acme(sandbox)
    happened(unverified, consumer="acme")
    assert rows(client_of(unverified)) == []
    assert sandbox.journal() == []


def test_who_is_no_longer_manager_reads_nothing_of_that_consumer(sandbox, ann, ben, ben_client):
    """H3, C6: not even what he did there himself. Those who stay go on reading it."""
    acme(sandbox)
    sandbox.add_consumer("globex", managers=["ben@acme.test"])
    happened(ben)
    happened(ben, consumer="globex", key_label="Mine")
    assert len(rows(ben_client)) == 2
    manager = next(one for one in sandbox.consumer("acme")["managers"] if one["email"] == "ben@acme.test")
    remove_manager(sandbox, "acme", manager["id"])
    (row,) = rows(ben_client)
    assert "Mine" in row
    assert len(table(ben_client)) == 1


def remove_manager(sandbox, consumer: str, manager: str) -> None:
    import urllib.request

    url = f"{sandbox.url}/v1/accounts/{sandbox.account}/key-buckets/{sandbox.bucket}/consumers/{consumer}"
    request = urllib.request.Request(  # noqa: S310, our own sandbox
        f"{url}/managers/{manager}", method="DELETE", headers={"Authorization": f"Bearer {sandbox.token}"}
    )
    urllib.request.urlopen(request).close()  # noqa: S310


def test_a_consumer_that_has_the_name_of_a_deleted_one_does_not_have_its_history(sandbox, ann, ben, ben_client, sam):
    acme(sandbox)
    deletion = {"action": Action.DELETE_CONSUMER, "staff": sam, "staff_email": sam.email}
    before, then = timezone.now() - timedelta(minutes=9), timezone.now() - timedelta(minutes=5)
    happened(ann, action=Action.REVEAL, address="198.51.100.7", started_at=before)
    happened(sam, **deletion, outcome=Outcome.REFUSED, started_at=then)
    assert len(rows(ben_client)) == 2
    happened(sam, **deletion, started_at=then)
    happened(ben, action=Action.CREATE, key_label="Mine")
    (row,) = rows(ben_client)
    assert "Mine" in row
    assert len(table(ben_client)) == 1


def test_environments_are_apart(two_environments, ann, ann_client):
    acme(two_environments)
    happened(ann)
    happened(ann, environment="preview", key_label="Elsewhere")
    assert ["Elsewhere" in row for row in rows(ann_client)] == [False]
    page = ann_client.get("/keys/activity/")
    assert 'href="/keys/activity/preview/"' in page.text
    assert 'href="/keys/activity/production/" aria-current="page"' in page.text
    assert ann_client.get("/keys/activity/nowhere/").status_code == 404
    assert ann_client.get("/keys/activity/nowhere.csv").status_code == 404


def test_what_strangers_only_tried_is_not_told(sandbox, ann_client, mallory_client):
    """H3: nobody fills the history of others, or learns who knocked; colleagues of one's own are told."""
    acme(sandbox)
    for verb in CHANGES:
        verb.send(mallory_client, verb.url(sandbox))
    sandbox.fault("GET", "*", "drop", times=0)
    CHANGES[0].send(mallory_client, CHANGES[0].url(sandbox))
    sandbox.clear_faults()
    assert {event.email for event in AuditEvent.objects.all()} == {"mallory@evil.test"}
    assert rows(ann_client) == []


def test_what_failed_behind_the_gate_is_told_with_its_outcome(sandbox, ann_client, ben_client):
    acme(sandbox)
    delete = next(verb for verb in CHANGES if verb.action == Action.DELETE)
    sandbox.fault("DELETE", "*", "status", status=400)
    delete.send(ann_client, delete.url(sandbox))
    (row,) = rows(ben_client)
    assert "ann@acme.test tried to delete the key: CI ••••" in row
    assert "Not done The key service couldn't do it. Nothing was changed." in row


def test_ones_own_refused_tries_are_told(sandbox, ann_client, ben_client, settings):
    settings.KEYS_PER_CONSUMER = 1
    acme(sandbox)
    create = next(verb for verb in CHANGES if verb.action == Action.CREATE)
    create.send(ann_client, create.url(sandbox))
    (row,) = rows(ann_client)
    assert "tried to create a key Refused Acme Inc can have 1 key." in row
    assert table(ann_client)[0]["Details"] == "Acme Inc can have 1 key."
    assert rows(ben_client) == []


def test_a_rotation_names_both_keys(sandbox, ann_client):
    acme(sandbox)
    rotate = next(verb for verb in CHANGES if verb.action == Action.ROTATE)
    rotate.send(ann_client, rotate.url(sandbox))
    old, new = (key["key"][-4:] for key in sandbox.keys("acme") if key["description"] == "CI")
    assert f"••••{old}" in rows(ann_client)[0]
    assert f"••••{new}" in rows(ann_client)[0]
    assert table(ann_client)[0]["New key ends with"] == new
    assert "Old key works until " in rows(ann_client)[0]
    assert table(ann_client)[0]["Details"].startswith("Old key works until ")


def links(client: Client, url: str = PAGE) -> dict[str, str]:
    """The keys that the newest event leads to."""
    event = BeautifulSoup(client.get(url).content, "html.parser").select_one("[data-event]")
    return {link["href"].split("/")[-2]: " ".join(link.parent.get_text(" ").split()) for link in event.select("a")}


def test_each_line_leads_to_its_keys_and_says_which_are_gone(sandbox, ann_client):
    acme(sandbox)
    rotate = next(verb for verb in CHANGES if verb.action == Action.ROTATE)
    rotate.send(ann_client, rotate.url(sandbox))
    old, new = (key for key in sandbox.keys("acme") if key["description"] == "CI")
    assert set(links(ann_client)) == {old["id"], new["id"]}
    assert "deleted" not in rows(ann_client)[0]
    page = f"/keys/production/acme/{new['id']}/"
    assert f">CI <code>••••{old['key'][-4:]}</code></a>" in ann_client.get(page).text, "the other key alone is a link"
    ann_client.post(f"{page}delete/", {"token": str(uuid.uuid4())})
    deletion, rotation = rows(ann_client)
    assert f"New key CI ••••{new['key'][-4:]} deleted" in rotation
    assert deletion.count("deleted") == 1, "that it is gone is what this one tells"
    for key_id in links(ann_client):
        assert ann_client.get(f"/keys/production/acme/{key_id}/").status_code == 200


def test_of_a_key_that_may_not_be_readable_it_is_not_said_that_it_is_gone(sandbox, ann, ann_client):
    acme(sandbox)
    happened(ann, action=Action.REVEAL, key_id="key_Gone")
    assert "deleted" in rows(ann_client)[0]
    sandbox.fault("GET", "*", "odd_object", object="key", times=0, field="id", value="../keys")
    assert "deleted" not in rows(ann_client)[0]


def test_of_a_rotation_of_all_keys_each_is_named(sandbox, ann_client):
    keys = acme(sandbox)
    rotate_all = next(verb for verb in CHANGES if verb.action == Action.ROTATE_ALL)
    rotate_all.send(ann_client, rotate_all.url(sandbox))
    (row,), (line,) = rows(ann_client), table(ann_client)
    for key in keys:
        name = f"{key['description']} ••••{key['key'][-4:]}"
        assert name in row
        assert name in line["Details"]
    assert "Old keys work until " in row
    assert {key["id"] for key in sandbox.keys("acme")} == set(links(ann_client))


def test_of_very_many_keys_rotated_together_some_are_named(sandbox, ann, ann_client):
    acme(sandbox)
    names = {f"key_{number}": [f"Key {number}", "1a2b"] for number in range(23)}
    happened(ann, action=Action.ROTATE_ALL, facts={"names": names})
    assert "and 3 more" in rows(ann_client)[0]
    assert len(links(ann_client)) == history.NAMED_AT_MOST
    assert "and 3 more" in table(ann_client)[0]["Details"]


def test_a_refusal_before_the_gate_tells_nothing_to_others(sandbox, ann_client, mallory_client, settings):
    """H3: its reason is on record, and does not make it one of the consumer's events."""
    settings.KEYS_REVEALS_PER_MINUTE = 0
    acme(sandbox)
    VERBS[0].send(mallory_client, VERBS[0].url(sandbox))
    assert AuditEvent.objects.get().facts == {"refusal": str(RateLimited.text), "bare": True}
    assert rows(ann_client) == []
    assert str(RateLimited.text) not in mallory_client.get(PAGE).text


@pytest.mark.parametrize(
    ("action", "facts", "words"),
    [
        (Action.ADD_MANAGER, {"address": "carla@acme.test"}, "carla@acme.test"),
        (Action.REMOVE_MANAGER, {"address": "carla@acme.test"}, "carla@acme.test"),
        (Action.RENAME, {"label": "Build"}, "New name: Build"),
        (Action.RENAME_CONSUMER, {"label": "Acme Ltd"}, "New name: Acme Ltd"),
        (Action.CHANGE_END, {"ends": "2026-11-20T09:27:00+00:00"}, "Expired 20 Nov 2026, 09:27 UTC"),
        (Action.CHANGE_END, {"ends": "2126-11-20T09:27:00+00:00"}, "Expires 20 Nov 2126, 09:27 UTC"),
        (Action.CHANGE_END, {}, ""),
        (
            Action.ROTATE_ALL,
            {"old": {"a": "2026-11-19T09:00:00+00:00", "b": "2026-11-20T09:27:00+00:00"}},
            "Old keys expired 20 Nov 2026, 09:27 UTC",
        ),
        (Action.DELETE, {}, ""),
    ],
)
def test_it_is_told_what_a_change_came_to(action, facts, words, sandbox, ann, ann_client):
    acme(sandbox)
    happened(ann, action=action, facts=facts, started_at=timezone.now() - timedelta(minutes=5))
    assert words in rows(ann_client)[0]
    assert table(ann_client)[0]["Details"] == words


def test_an_expiry_that_was_not_set_is_not_told(sandbox, ann, ann_client):
    acme(sandbox)
    happened(ann, action=Action.CHANGE_END, outcome=Outcome.FAILED, facts={"ends": "2126-11-20T09:27:00+00:00"})
    assert "2126" not in rows(ann_client)[0]


def test_of_an_old_key_that_may_go_on_no_end_is_told(sandbox, ann, ann_client):
    acme(sandbox)
    happened(ann, outcome=Outcome.PARTLY, facts={"old": {"a": "2026-11-26T09:27:00+00:00"}})
    assert "works until" not in rows(ann_client)[0]
    assert table(ann_client)[0]["Details"] == "The new key works, but the old one didn't get its new expiry."


# Support and admins


@pytest.fixture
def visit(sandbox, ann, make_person, client_of):
    """A colleague looked as Ann, and tried to reveal a key."""
    acme(sandbox)
    clerk = make_person("clerk@portal.test", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "support_user"]))
    browser = client_of(clerk)
    browser.post(f"/admin/portal/user/{ann.pk}/support/", {"reason": "Ticket 7"})
    VERBS[0].send(browser, VERBS[0].url(sandbox))
    browser.post("/support/stop/")
    return browser


def test_the_customer_reads_of_support_with_the_reason(visit, ann_client):
    """H3, D4: from the beginning to the end; where the colleague sits is not told."""
    ended, tried, began = rows(ann_client)
    for row in (ended, tried, began):
        assert "Support (clerk@portal.test)" in row
        assert "Reason: Ticket 7" in row
        assert "(you)" not in row
        assert "127.0.0.1" not in row
    assert "Support (clerk@portal.test) opened your page" in began
    assert "tried to reveal the key Refused Support can't do this" in tried
    assert "Support (clerk@portal.test) closed your page" in ended
    assert "Ended by them" in ended
    assert {(line["Who"], line["Reason"], line["IP address"]) for line in table(ann_client)} == {
        ("Support (clerk@portal.test)", "Ticket 7", "")
    }


def test_a_fellow_manager_reads_what_support_tried_with_their_keys_and_not_the_visit(visit, ben_client):
    """H3: the visit was to Ann's account."""
    (row,) = rows(ben_client)
    assert "tried to reveal the key Refused Support can't do this" in row
    assert "Support (clerk@portal.test)" in row
    assert "ann@acme.test" not in row


def test_what_an_admin_did_is_shown_as_support(sandbox, ann, sam, ann_client):
    """H3"""
    acme(sandbox)
    happened(sam, staff=sam, staff_email=sam.email, action=Action.DELETE, reason="Leaked")
    (row,) = rows(ann_client)
    assert "Support (sam@portal.test)" in row
    assert "Leaked" in row


# Filters and pages


def test_it_is_filtered_by_consumer_and_kind(sandbox, ann, sam, ann_client):
    acme(sandbox)
    sandbox.add_consumer("globex", managers=["ann@acme.test"])
    for consumer in ("acme", "globex"):
        for action in (Action.REVEAL, Action.ROTATE, Action.DELETE):
            happened(ann, consumer, action, key_label=consumer)
    happened(sam, "acme", Action.DELETE, staff=sam, staff_email=sam.email)
    assert len(rows(ann_client)) == 7
    assert len(rows(ann_client, PAGE + "?consumer=globex")) == 3
    assert len(rows(ann_client, PAGE + "?kind=shown")) == 2
    assert len(rows(ann_client, PAGE + "?kind=ended&consumer=acme")) == 2
    assert len(rows(ann_client, PAGE + "?kind=staff")) == 1
    assert len(rows(ann_client, PAGE + "?kind=nonsense")) == 7
    assert len(table(ann_client, CSV + "?kind=ended&consumer=acme")) == 2
    answer = ann_client.get(PAGE + "?consumer=&kind=made", headers={"HX-Request": "true"})
    assert answer["HX-Push-Url"] == PAGE + "?kind=made"
    assert ann_client.get(PAGE + "?consumer=&kind=", headers={"HX-Request": "true"})["HX-Push-Url"] == PAGE
    assert "HX-Push-Url" not in ann_client.get(PAGE + "?kind=made")
    page = ann_client.get(PAGE + "?kind=managers")
    assert "Nothing matches" in page.text
    assert f'href="{CSV}?kind=managers"' in page.text


def test_every_action_is_of_one_kind():
    kinds = [action for _words, actions in history.KINDS.values() for action in actions]
    assert sorted(kinds) == sorted(Action)


@pytest.mark.parametrize("same_time", [False, True])
def test_it_is_paged_without_gaps_or_repeats(same_time, sandbox, ann, ann_client):
    """Also where many events have the very same time."""
    acme(sandbox)
    now = timezone.now()
    for number in range(120):
        at = now if same_time else now - timedelta(seconds=number // 3)
        happened(ann, key_label=f"Key {number:03}", started_at=at)
    url, seen, pages = PAGE, [], 0
    while url:
        answer = ann_client.get(url)
        page = BeautifulSoup(answer.content, "html.parser")
        seen += [row.get_text() for row in page.select(".event-what")]
        older = page.select_one('a[rel="next"]')
        url, pages = (older["href"] if older else ""), pages + 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == 120
    assert len(table(ann_client)) == 120


def test_a_page_that_nobody_linked_to_is_the_first(sandbox, ann, ann_client):
    acme(sandbox)
    happened(ann)
    for place in ("x", "-", "1-", "-1", "9" * 30 + "-1", "1" * 5000 + "-1", "99999999999999999-" + "9" * 40):
        assert ann_client.get(PAGE, {"after": place}).status_code == 200
    assert len(rows(ann_client, PAGE + "?after=nonsense")) == 1


def test_the_page_costs_few_queries_however_long_the_history(sandbox, ann, ann_client):
    acme(sandbox)
    with CaptureQueriesContext(connection) as with_none:
        ann_client.get(PAGE)
    AuditEvent.objects.bulk_create(
        AuditEvent(
            user=ann,
            email=ann.email,
            consumer="acme",
            action=action,
            environment="production",
            key_id=f"key_{number}",
            key_ending="1a2b",
            facts={"new": f"key_{number + 1}", "new_ending": "3c4d", "address": "zoe@acme.test"},
            outcome=Outcome.DONE,
            started_at=timezone.now() - timedelta(minutes=5),
        )
        for number in range(30)
        for action in Action
        if action not in {Action.DELETE_CONSUMER, Action.SUPPORT}
    )
    for name in ("", "?kind=made&consumer=acme"):
        with CaptureQueriesContext(connection) as queries:
            ann_client.get(PAGE + name)
        assert len(queries) <= len(with_none) < 12
    assert not any("COUNT(" in query["sql"] for query in queries)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by what the tables hold; these are empty")
def test_the_database_finds_it_by_indexes(ann):
    """And reads one consumer's history in order, without sorting it."""
    actor = Actor(user_id=ann.pk, emails=("ann@acme.test",))
    plan = history.of_manager(actor, "production", ["acme", "globex"])[:51].explain()
    assert "audit_by_consumer" in plan
    assert "SCAN" not in plan
    plan = history.after_cursor(history.of_consumer(actor, "production", "acme"), "1700000000000000-5")[:51].explain()
    assert "audit_by_consumer" in plan
    assert "TEMP B-TREE FOR ORDER BY" not in plan


# States


def test_an_empty_history_says_what_will_stand_there(sandbox, ann_client):
    acme(sandbox)
    page = ann_client.get(PAGE).text
    assert "Nothing has happened yet" in page
    assert "Download CSV" not in page


def test_an_outage_is_no_empty_history(sandbox, ann, ann_client):
    """C1, H1: whose history it is only the key service knows."""
    acme(sandbox)
    happened(ann)
    sandbox.fault("GET", "*", "drop", times=0)
    for url in (PAGE, CSV):
        answer = ann_client.get(url)
        assert answer.status_code == 503
        assert "The key service is unavailable" in answer.text
        assert "1a2b" not in answer.text


def test_it_is_found_from_the_keys_page_and_the_menu(sandbox, ann_client):
    acme(sandbox)
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert [link["href"] for link in page.find_all("a") if "history" in link.text.lower()] == ["/keys/activity/", PAGE]


def test_whoever_is_not_signed_in_is_asked_to(client):
    for url in (PAGE, CSV, "/keys/activity/"):
        assert client.get(url)["Location"] == f"/accounts/login/?next={url}"


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(method, ann_client):
    for url in (PAGE, CSV):
        assert getattr(ann_client, method)(url).status_code == 405


def test_hostile_labels_are_shown_as_text(sandbox, ann, ann_client):
    """F2: in the page and in a spreadsheet."""
    acme(sandbox)
    happened(ann, key_label='<script>alert(1)</script>=1"', reason="", facts={"new_ending": "+1"})
    happened(ann, key_label='=HYPERLINK("http://evil.test")')
    page = ann_client.get(PAGE).text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;" in page
    first, second = table(ann_client)
    assert first["Key"] == '\'=HYPERLINK("http://evil.test")'
    assert second["New key ends with"] == "'+1"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1", "|x", "%x"])
def test_no_cell_is_a_formula(text):
    assert harmless_cell(text).startswith("'")
    assert harmless_cell(f"Laptop;{text}").startswith("Laptop;'")  # the end of a cell where commas are none
    assert harmless_cell("Build 7=x; y") == "Build 7=x; y"
    assert harmless_cell("") == ""


def test_the_file_is_no_page_and_is_not_kept(sandbox, ann, ann_client):
    """E4"""
    acme(sandbox)
    answer = ann_client.get(CSV)
    assert answer["Content-Disposition"] == 'attachment; filename="api-keys-production.csv"'
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "no-store" in answer["Cache-Control"]
    assert answer.streaming


# What becomes of old events


def test_old_events_are_forgotten_and_open_changes_never(ann, settings):
    """Changes of which nobody knows how they ended may still matter; a look at a key can never be settled."""
    settings.AUDIT_DAYS = 400
    old = timezone.now() - timedelta(days=401)
    for number in range(3):
        happened(ann, started_at=old - timedelta(days=number))
    happened(ann, started_at=old, action=Action.REVEAL, outcome=Outcome.UNCONFIRMED)
    kept = [
        happened(ann, started_at=old, outcome=Outcome.UNCONFIRMED),
        happened(ann, started_at=old, outcome=Outcome.STARTED),
        happened(ann, started_at=timezone.now() - timedelta(days=399)),
    ]
    said = io.StringIO()
    call_command("prune_audit", stdout=said)
    assert "4 events" in said.getvalue()
    assert set(AuditEvent.objects.all()) == set(kept)


def test_they_are_forgotten_in_small_steps(ann):
    old = timezone.now() - timedelta(days=500)
    AuditEvent.objects.bulk_create(
        AuditEvent(email="x", action=Action.REVEAL, outcome=Outcome.DONE, environment="production", started_at=old)
        for _ in range(2 * BATCH + 5)
    )
    with CaptureQueriesContext(connection) as queries:
        call_command("prune_audit", stdout=io.StringIO())
    assert sum(query["sql"].startswith("DELETE") for query in queries) == 3
    assert not AuditEvent.objects.exists()


def test_every_action_has_a_sentence_and_a_phrase():
    """A visit that did not come about has none: nobody else hears of it."""
    assert set(sentences.DONE_SENTENCES) == set(Action)
    assert set(Action) - set(sentences.TRIES) == {Action.PROVIDER_ADDRESS, Action.PROVIDER_CODE, Action.SUPPORT_ENDED}


def test_how_a_visit_ended_is_said_in_words():
    assert all(str(how.label) for how in VisitEnd)


def test_places_are_exact_to_the_microsecond(ann):
    at = datetime(2026, 1, 1, 12, 0, 0, 123457, tzinfo=UTC)
    first, second = (happened(ann, started_at=at, token=uuid.uuid4()) for _ in range(2))
    assert list(history.after_cursor(AuditEvent.objects.all(), history.cursor_of(second))) == [first]
    assert list(history.after_cursor(AuditEvent.objects.all(), history.cursor_of(first))) == []
