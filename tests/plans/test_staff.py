"""Django admin: plans, the queue of requests, another plan with a reason; and who may what."""

import re
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.models import Action, AuditEvent
from plans.models import PaymentIssue, Plan, PlanRecord, PlanRequest, RequestState
from tests.helpers.support_visits import grant, start
from tests.plans.conftest import record_of

pytestmark = pytest.mark.usefixtures("portal_plans")

ACME = "/plans/production/consumer/acme/"
CHANGE_ACME = "/admin/plans/planrecord/plan/production/acme/"


@pytest.fixture
def clerk(make_person, client_of):
    """Staff with the permissions that a test grants."""
    person = make_person("clerk@portal.test", is_staff=True)

    def with_rights(*codenames: str) -> Client:
        person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return client_of(person)

    return with_rights


@pytest.fixture
def asked(ann_client: Client, acme) -> PlanRequest:
    ann_client.post(f"{ACME}request/pro/", {"token": str(uuid.uuid4()), "words": "We grow"})
    mail.outbox.clear()
    return PlanRequest.objects.get()


def answer(client: Client, asked: PlanRequest, state: str, words: str = ""):
    form = {"token": str(uuid.uuid4()), "state": state, "answer": words}
    return client.post(f"/admin/plans/planrequest/{asked.pk}/answer/", form)


def test_a_request_is_approved_and_the_customer_told(sam_client: Client, sandbox, asked) -> None:
    page = sam_client.get(f"/admin/plans/planrequest/{asked.pk}/answer/").content.decode()
    assert "ann@acme.test requested the Pro plan." in page
    assert answer(sam_client, asked, "approved", "Welcome").status_code == 302
    assert sandbox.consumer("acme")["metadata"] == {"plan": "pro", "seats": 25}
    (told,) = [one for one in mail.outbox if "You're now on the Pro plan" in one.subject]
    assert told.to == ["ann@acme.test"]
    assert "Welcome" in told.body
    event = AuditEvent.objects.get(action=Action.CHANGE_PLAN)
    assert (event.staff_email, event.reason) == ("sam@portal.test", f"Request {asked.pk}")
    asked.refresh_from_db()
    assert (asked.state, asked.answered_by) == (RequestState.APPROVED, "sam@portal.test")
    sandbox.clear_journal()
    assert answer(sam_client, asked, "approved").status_code == 302
    assert [call for call in sandbox.journal() if call.method != "GET"] == []


def test_a_request_is_refused_with_a_sentence(sam_client: Client, sandbox, asked) -> None:
    assert answer(sam_client, asked, "refused").status_code == 422
    assert answer(sam_client, asked, "refused", "Not in your country yet").status_code == 302
    (told,) = mail.outbox
    assert "wasn't approved" in told.subject
    assert "Not in your country yet" in told.body
    assert sandbox.consumer("acme")["metadata"]["plan"] == "free"


def test_what_could_not_be_carried_out_stays_in_the_queue(sam_client: Client, sandbox, asked) -> None:
    sandbox.fault("PATCH", "*", "status", status=400)
    assert answer(sam_client, asked, "approved").status_code == 502
    asked.refresh_from_db()
    assert asked.state == RequestState.OPEN
    assert mail.outbox == []


def test_a_newcomer_who_asked_gets_a_consumer_with_the_plan(ann_client: Client, sam_client: Client, sandbox) -> None:
    ann_client.post("/plans/production/request/pro/", {"token": str(uuid.uuid4())})
    asked = PlanRequest.objects.get()
    assert answer(sam_client, asked, "approved").status_code == 302
    (consumer,) = sandbox.consumers()
    assert (consumer["metadata"], [one["email"] for one in consumer["managers"]]) == (
        {"plan": "pro"},
        ["ann@acme.test"],
    )
    assert [key["description"] for key in consumer["apiKeys"]] == ["First key"]
    (told,) = [one for one in mail.outbox if "You're now on the Pro plan" in one.subject]
    assert "Your first key is ready too" in told.body
    assert "/keys/production/" in told.body
    assert "<strong>Pro</strong>" in ann_client.get("/keys/").content.decode()


@pytest.mark.parametrize("is_gone", [False, True], ids=["removed", "consumer gone"])
def test_a_request_of_somebody_who_is_no_manager_any_more_is_closed_and_both_sides_told(
    is_gone: bool, sam_client: Client, sandbox, asked
) -> None:
    if is_gone:
        sandbox.remove_consumer("acme")
        sandbox.add_consumer("acme", managers=["mallory@evil.test"], metadata={"plan": "free"})
    else:
        sandbox.set_managers("acme", ["ben@acme.test"])
    response = answer(sam_client, asked, "approved", "Welcome")
    assert "no longer a manager of acme" in sam_client.get(response["Location"]).content.decode()
    asked.refresh_from_db()
    assert asked.state == RequestState.WITHDRAWN
    (told,) = mail.outbox
    assert (told.to, told.subject) == (["ann@acme.test"], "Your request for the Pro plan was closed")
    assert sandbox.consumer("acme")["metadata"]["plan"] == "free"


def test_a_plan_that_was_withdrawn_since_can_still_be_approved(sam_client: Client, sandbox, asked) -> None:
    Plan.objects.filter(key="pro").update(is_active=False)
    assert answer(sam_client, asked, "approved").status_code == 302
    assert sandbox.consumer("acme")["metadata"]["plan"] == "pro"


def test_a_plan_that_is_gone_can_only_be_refused(ann_client: Client, sam_client: Client, sandbox) -> None:
    ann_client.post("/plans/production/request/pro/", {"token": str(uuid.uuid4())})
    Plan.objects.filter(key="pro").delete()
    asked = PlanRequest.objects.get()
    assert answer(sam_client, asked, "approved").status_code == 403
    assert answer(sam_client, asked, "refused", "Choose Team").status_code == 302
    assert sandbox.consumers() == []


def test_another_plan_is_given_with_a_reason(sam_client: Client, ann_client: Client, sandbox, acme) -> None:
    page = sam_client.get(CHANGE_ACME).content.decode()
    (seen,) = re.findall(r'name="seen" value="(\w+)"', page)
    form = {"token": str(uuid.uuid4()), "plan": "pro", "seen": seen}
    assert sam_client.post(CHANGE_ACME, form).status_code == 422
    assert sam_client.post(CHANGE_ACME, form | {"reason": "Contract 4711"}).status_code == 302
    assert sandbox.consumer("acme")["metadata"]["plan"] == "pro"
    assert "Contract 4711" in ann_client.get("/keys/activity/production/").content.decode()


ADDRESSES = {
    "/admin/plans/plan/": {"view_plan", "change_plan"},
    "/admin/plans/planrequest/": {"view_planrequest", "change_planrequest"},
    "/admin/plans/planrequest/{asked}/change/": {"view_planrequest", "change_planrequest"},
    "/admin/plans/planrequest/{asked}/answer/": {"change_planrequest"},
    "/admin/plans/planrecord/": {"view_planrecord", "change_planrecord"},
    "/admin/plans/paymentissue/": {"view_paymentissue", "change_paymentissue"},
    "/admin/plans/paymentissue/{issue}/change/": {"view_paymentissue", "change_paymentissue"},
    "/admin/plans/planrecord/export/": {"view_planrecord", "change_planrecord"},
    CHANGE_ACME: {"change_planrecord"},
}


def test_reading_and_changing_are_permissions_apart(clerk, sandbox, asked, subtests) -> None:
    every = set().union(*ADDRESSES.values())
    issue = PaymentIssue.objects.create(kind=PaymentIssue.Kind.NO_CONSUMER, stripe_subscription="sub_1")
    for address, opened_by in ADDRESSES.items():
        for codename in sorted(every):
            with subtests.test(address=address, may=codename):
                status = clerk(codename).get(address.format(asked=asked.pk, issue=issue.pk)).status_code
                assert status == (200 if codename in opened_by else 403)


def test_people_and_strangers_reach_none_of_it(client: Client, ann_client: Client, sandbox, asked) -> None:
    for address in ADDRESSES:
        for somebody in (client, ann_client):
            assert somebody.get(address.format(asked=asked.pk, issue=1)).status_code == 302


def test_support_sees_a_plan_and_changes_none(make_person, client_of, ann, sandbox, acme) -> None:
    """Also with the right to change keys in a customer's name."""
    colleague = make_person("clerk@portal.test", is_staff=True)
    grant(colleague, "view_user", "support_user", "change_as_user")
    browser = client_of(colleague)
    assert start(browser, ann).status_code == 302
    page = browser.get(ACME).content.decode()
    assert "What's included" in page
    assert "Change plan" not in page
    for verb, form in (("change/team/", {}), ("cancel/", {"plan_name": "Free"}), ("resume/", {}), ("request/pro/", {})):
        assert browser.post(ACME + verb, form | {"token": str(uuid.uuid4())}).status_code in {403, 409}
    assert sandbox.consumer("acme")["metadata"]["plan"] == "free"
    assert not PlanRequest.objects.exists()


def test_csv_of_those_near_their_limit(sam_client: Client, sandbox) -> None:
    for name, used in (("acme", 81), ("globex", 12)):
        PlanRecord(environment="production", consumer=name, consumer_id=name).keep(
            plan_key="free", used_percent=used, used_feature="=1+1"
        )
    lines = b"".join(sam_client.get("/admin/plans/planrecord/export/?used=80")).decode().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("acme,production,free,81,'=1+1")


def test_a_slow_reader_of_the_csv_holds_no_cursor_and_gets_each_once_in_order(sam_client: Client, sandbox) -> None:
    made = [PlanRecord(environment="production", consumer=f"c{n:04}", consumer_id=f"c{n:04}") for n in range(1001)]
    for number, record in enumerate(made):
        record.plan_key, record.used_percent = "free", number % 100
    PlanRecord.objects.bulk_create(made)
    export = iter(sam_client.get("/admin/plans/planrecord/export/"))
    with CaptureQueriesContext(connection) as read:
        first = [next(export) for _ in range(3)]
        assert first[2].startswith(b"c0099,production,free,99")
        PlanRecord.objects.filter(consumer="c0500").delete()
        lines = [*first[2:], *export]
    assert [query["sql"].startswith("SELECT") for query in read.captured_queries].count(True) >= 4, "in pages"
    names = [line.split(b",")[0].decode() for line in lines]
    assert names == [
        one.consumer
        for one in sorted(made, key=lambda one: (-one.used_percent, one.consumer))
        if one.consumer != "c0500"
    ]


def test_what_is_due_is_carried_out_once(ann_client: Client, sandbox) -> None:
    Plan.objects.filter(key="pro").update(trial_days=0)
    past = timezone.now() - timedelta(minutes=5)
    for name in ("acme", "globex"):
        sandbox.add_consumer(name, managers=["ann@acme.test"], metadata={"plan": "pro"})
    record_of(sandbox).keep(plan_key="pro", ends_at=past, started_at=past)
    record_of(sandbox, "globex").keep(plan_key="pro", next_plan="free", changes_at=past, started_at=past)
    for words in ("2 done.", "0 done."):
        told = StringIO()
        call_command("apply_plans", stdout=told)
        assert told.getvalue().strip() == words
    assert sandbox.consumer("acme")["metadata"] == {}
    assert sandbox.consumer("globex")["metadata"] == {"plan": "free"}
    assert {event.staff_email for event in AuditEvent.objects.all()} == {"API Portal"}


def test_what_is_due_of_an_earlier_consumer_of_the_name_is_forgotten(sandbox, acme) -> None:
    past = timezone.now() - timedelta(minutes=5)
    record_of(sandbox).keep(plan_key="free", ends_at=past, started_at=past)
    sandbox.remove_consumer("acme")
    sandbox.add_consumer("acme", managers=["mallory@evil.test"], metadata={"plan": "free"})
    sandbox.add_consumer("globex", metadata={"plan": "free"})
    record_of(sandbox, "globex").keep(plan_key="free", ends_at=past, started_at=past)
    sandbox.remove_consumer("globex")
    call_command("apply_plans", stdout=StringIO())
    assert sandbox.consumer("acme")["metadata"] == {"plan": "free"}
    assert not PlanRecord.objects.exists()
