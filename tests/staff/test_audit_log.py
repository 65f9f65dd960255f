"""The audit log in Django admin, and what a person's own page leads to."""

import csv
import io

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys.models import Action, AuditEvent, Outcome
from keys.staff.audit_log import COLUMNS, CappedPaginator
from tests.helpers.staff import ACME, permit
from tests.helpers.verbs import FULL_KEY, VERBS, acme
from tests.keys.test_history import happened

pytestmark = pytest.mark.django_db
LOG, EXPORT = "/admin/keys/auditevent/", "/admin/keys/auditevent/export/"


@pytest.fixture
def auditor(make_person):
    person = make_person("auditor@portal.test", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename="view_auditevent"))
    return person


@pytest.fixture
def browser(auditor, client_of):
    return client_of(auditor)


def listed(browser, **query: str) -> list[str]:
    page = BeautifulSoup(browser.get(LOG, query).content, "html.parser")
    return [" ".join(row.get_text(" ").split()) for row in page.select("#result_list tbody tr")]


def exported(browser, **query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(browser.get(EXPORT, query).getvalue().decode("utf-8-sig"))))


# Who may


def test_it_takes_a_permission_of_its_own(ann, make_person, client_of, browser):
    """C8"""
    event = happened(ann)
    other = make_person("other@portal.test", is_staff=True)
    other.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    for path in (LOG, EXPORT, f"{LOG}{event.pk}/change/"):
        refused = client_of(other).get(path)
        assert refused.status_code == 403
        assert "ask an administrator" in refused.text
        assert 'href="/admin/"' in refused.text
        assert client_of(ann).get(path).status_code == 302
        assert browser.get(path).status_code == 200
    assert "Audit log" not in client_of(other).get(f"/admin/portal/user/{ann.pk}/change/").text


@pytest.mark.parametrize("who", ["auditor", "sam"])
def test_nobody_writes_in_it(who, request, ann, client_of):
    """H2: no permission changes or deletes what is on record, not even a superuser's."""
    event = happened(ann)
    browser = client_of(request.getfixturevalue(who))
    assert browser.get(f"{LOG}add/").status_code == 403
    assert browser.post(f"{LOG}{event.pk}/change/", {"email": "other@evil.test"}).status_code == 403
    assert browser.post(f"{LOG}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    browser.post(LOG, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"})
    assert browser.post(EXPORT).status_code == 405
    event.refresh_from_db()
    assert event.email == "ann@acme.test"


# What is in it


def test_it_says_who_did_what_for_whom_and_holds_no_secret(browser, sandbox, ann, ann_client):
    """E2, H2: neither keys nor the tokens of forms."""
    acme(sandbox)
    for verb in VERBS[:4]:
        verb.send(ann_client, verb.url(sandbox))
    texts = browser.get(LOG).text + browser.get(EXPORT).getvalue().decode()
    for event in AuditEvent.objects.all():
        page = browser.get(f"{LOG}{event.pk}/change/").text
        assert event.reference in page
        texts += page
        assert str(event.token) not in texts
    assert not FULL_KEY.search(texts)
    assert sandbox.token not in texts
    assert "ann@acme.test" in texts
    assert not {"token", "lock"} & set(COLUMNS)


def test_support_is_named_with_the_customer(browser, ann, sam):
    """D4"""
    happened(ann, staff=sam, staff_email=sam.email, reason="Ticket 7")
    happened(sam, staff=sam, staff_email=sam.email)
    own, support = listed(browser)
    assert "sam@portal.test as ann@acme.test" in support
    assert "Ticket 7" in support
    assert " as " not in own
    assert exported(browser)[1]["staff_email"] == "sam@portal.test"


@pytest.mark.parametrize("words", ["ann@acme.test", "ann@", "globex", "build server", "9z9z", "ref-42"])
def test_it_is_searched_by_person_consumer_key_and_reference(words, browser, ann, ben):
    happened(ben)
    happened(ann, consumer="globex", key_label="The build server", key_ending="9z9z", reference="ref-42")
    assert len(listed(browser)) == 2
    (row,) = listed(browser, q=words)
    assert "globex" in row
    assert [line["consumer"] for line in exported(browser, q=words)] == ["globex"]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({"by": "staff"}, 1),
        ({"by": "customers"}, 2),
        ({"environment": "production"}, 3),
        ({"action__exact": Action.REVEAL}, 1),
        ({"outcome__exact": Outcome.REFUSED}, 1),
    ],
)
def test_it_is_filtered(query, number, browser, sandbox, ann, sam):
    happened(ann, action=Action.REVEAL)
    happened(ann, outcome=Outcome.REFUSED)
    happened(sam, staff=sam, staff_email=sam.email)
    assert len(listed(browser, **query)) == len(exported(browser, **query)) == number


@pytest.mark.parametrize("query", [{"started_at__gte": "x"}, {"token": "x"}, {"no_such_field": "1"}])
def test_a_link_that_somebody_has_cut_leads_to_the_list(query, browser, ann):
    happened(ann)
    assert browser.get(LOG, query).status_code == 302
    assert browser.get(EXPORT, query)["Location"] == LOG


def test_which_manager_came_or_went_is_in_the_list_and_in_the_export(browser, ann):
    """H2"""
    happened(ann, action=Action.ADD_MANAGER, facts={"address": "zoe@acme.test"})
    assert "zoe@acme.test" in listed(browser)[0]
    assert exported(browser)[0]["facts"] == '{"address": "zoe@acme.test"}'


def test_a_persons_page_leads_to_what_was_done_by_them_and_in_their_name(sam, sam_client, ann, ben):
    happened(ann)
    happened(ben)
    happened(ann, staff=sam, staff_email=sam.email)
    page = BeautifulSoup(sam_client.get(f"/admin/portal/user/{ann.pk}/change/").content, "html.parser")
    tools = {link.text: link["href"] for link in page.select(".object-tools a")}
    assert tools["Audit log"] == f"{LOG}?person={ann.pk}"
    assert tools["Support"] == f"/admin/portal/user/{ann.pk}/support/"
    assert len(listed(sam_client, person=str(ann.pk))) == 2
    assert len(listed(sam_client, person=str(sam.pk))) == 1
    assert "ann@acme.test" in sam_client.get(LOG, {"person": str(ann.pk)}).text


def test_a_consumers_page_leads_to_what_was_done_to_it(sandbox, sam_client, make_person, client_of, ann):
    acme(sandbox)
    happened(ann)
    happened(ann, consumer="acme-mobile")
    page = BeautifulSoup(sam_client.get(ACME).content, "html.parser")
    link = page.select_one("#content").find_all("a", string="Audit log")[-1]["href"]
    assert link == f"{LOG}?environment=production&consumer=acme"
    assert len(listed(sam_client, environment="production", consumer="acme")) == 1
    clerk = permit(make_person("clerk@portal.test"), "view")
    assert "Audit log" not in client_of(clerk).get(ACME).text


def ways(client, path: str = LOG) -> list[str]:
    """Where the lines lead, besides to the events themselves."""
    page = BeautifulSoup(client.get(path).content, "html.parser")
    return [link["href"] for link in page.select(".field-where a, .field-key a, .readonly a")]


def test_a_line_leads_to_the_consumer_and_to_the_key(sandbox, sam_client, browser, ann):
    """Whoever may not look at consumers is not led there."""
    key = acme(sandbox)[0]
    event = happened(ann, key_id=key["id"])
    for path in (LOG, f"{LOG}{event.pk}/change/"):
        assert ways(sam_client, path) == [ACME, f"{ACME}{key['id']}/"]
        assert ways(browser, path) == []
    assert [sam_client.get(way).status_code for way in ways(sam_client)] == [200, 200]


def test_no_line_leads_to_a_consumer_that_is_gone(sandbox, sam_client, ann):
    """Nor to one that never was; what has its name today is another one."""
    happened(ann, consumer="wanted", outcome=Outcome.REFUSED, key_ending="", key_label="")
    happened(ann, environment="retired")
    happened(ann)
    happened(ann, action=Action.DELETE_CONSUMER, key_ending="")
    assert ways(sam_client) == []
    happened(ann, action=Action.CREATE_CONSUMER, key_ending="", key_label="")
    assert ways(sam_client) == [ACME]


def test_an_events_page_shows_what_is_known_of_it(browser, ann):
    event = happened(ann, outcome=Outcome.REFUSED, facts={"address": "zoe@acme.test"})
    page = BeautifulSoup(browser.get(f"{LOG}{event.pk}/change/").content, "html.parser")
    assert page.h1.text.strip() == "Rotated a key (Refused): ann@acme.test"
    fields = [field["class"][-1].removeprefix("field-") for field in page.select(".form-row")]
    assert "staff_email" not in fields
    assert page.select_one(".field-its_facts pre").text == '{\n  "address": "zoe@acme.test"\n}'


def test_a_long_log_says_how_many_entries_it_has(browser, ann):
    event = happened(ann)
    AuditEvent.objects.bulk_create(AuditEvent(email=event.email, action=event.action) for _number in range(100))
    assert "101 entries" in browser.get(LOG).text
    AuditEvent.objects.bulk_create(AuditEvent(email=event.email, action=event.action) for _number in range(5_000))
    assert "The newest 5000 entries" in " ".join(browser.get(LOG).text.split())


@pytest.mark.parametrize("person", ["0", "x", "-1", "9" * 40, "²"])
def test_a_person_who_is_none_has_no_events(person, browser, ann):
    happened(ann)
    assert listed(browser, person=person) == []


def test_it_is_not_counted_to_its_end(browser, ann):
    """There may be millions: no query counts or reads them all."""
    happened(ann)
    with CaptureQueriesContext(connection) as queries:
        browser.get(LOG)
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "keys_auditevent" in query["sql"]]
    assert counts
    assert all(f"LIMIT {CappedPaginator.AT_MOST}" in sql for sql in counts)
    assert not any("DISTINCT" in query["sql"] and "keys_auditevent" in query["sql"] for query in queries)


def test_formulas_in_it_are_none_in_a_spreadsheet(browser, ann):
    """F2"""
    happened(ann, key_label="=1+1")
    assert exported(browser)[0]["key_label"] == "'=1+1"
