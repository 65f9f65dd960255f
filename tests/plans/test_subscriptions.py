"""Plans of the portal's own: starting, changing, canceling and resuming one, by page and by htmx."""

import re
import uuid
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from bs4 import BeautifulSoup
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome
from plans.models import Invitation, Plan, PlanRecord, PlanRequest
from tests.helpers.verbs import FULL_KEY
from tests.plans.conftest import record_of

pytestmark = pytest.mark.usefixtures("portal_plans")

NEW = {"label": "Production server", "ends": "90"}
ACME = "/plans/production/consumer/acme/"
modes = pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])


def post(client: Client, path: str, htmx: bool = False, **fields: str):
    form = {"token": str(uuid.uuid4())} | fields
    return client.post(path, form, headers={"HX-Request": "true"} if htmx else {})


def plan_of(sandbox, name: str = "acme"):
    return sandbox.consumer(name)["metadata"]


def seen(client: Client, path: str) -> dict[str, str]:
    """The hidden fields of the form at this address."""
    page = BeautifulSoup(client.get(path).content, "html.parser")
    form = page.select_one("main form[method=post]:has([name=seen])")
    return {
        field["name"]: field["value"]
        for field in form.select("input[type=hidden]")
        if field["name"] != "csrfmiddlewaretoken"
    }


@modes
def test_a_newcomer_gets_plan_consumer_and_key_in_one_go(htmx: bool, ann_client: Client, sandbox) -> None:
    assert ann_client.get("/plans/production/choose/free/")["Location"] == "/plans/production/start/free/"
    assert "Start with Free" in ann_client.get("/plans/production/start/free/").content.decode()
    sandbox.clear_journal()
    response = post(ann_client, "/plans/production/start/free/", htmx, **NEW)
    (consumer,) = sandbox.consumers()
    assert consumer["metadata"] == {"plan": "free"}
    assert FULL_KEY.findall(response.content.decode())[0] == consumer["apiKeys"][0]["key"]
    assert len(sandbox.journal()) == 2, "as a first key without a plan"
    assert PlanRecord.objects.get().plan_key == "free"
    event = AuditEvent.objects.get(action=Action.CREATE)
    assert event.facts["plan_name"] == "Free"
    assert "Plan: Free" in mail.outbox[-1].body


@modes
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_makes_no_second_of_anything(htmx: bool, when: str, ann_client: Client, sandbox) -> None:
    sandbox.fault("POST", "*/consumers", "drop", when=when)
    token = str(uuid.uuid4())
    for _time in range(3):
        post(ann_client, "/plans/production/start/free/", htmx, **NEW, token=token)
    assert len(sandbox.consumers()) <= 1
    assert [len(consumer["apiKeys"]) for consumer in sandbox.consumers()] in ([], [1])
    if when == "after":
        assert [consumer["metadata"] for consumer in sandbox.consumers()] == [{"plan": "free"}]
        assert PlanRecord.objects.get().plan_key == "free"


@pytest.mark.parametrize(
    ("who", "path"),
    [("ann_client", f"{ACME}change/team/"), ("sam_client", "/admin/plans/planrecord/plan/production/acme/")],
)
def test_what_fails_is_on_record_though_each_request_is_a_transaction(
    who: str, path: str, sandbox, acme, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in host projects with ATOMIC_REQUESTS."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client = request.getfixturevalue(who)
    form = seen(client, path) if who == "ann_client" else {"plan": "team", "reason": "Ticket 4711"}
    sandbox.fault("PATCH", "*", "drop")
    post(client, path, **form)
    assert AuditEvent.objects.get(action=Action.CHANGE_PLAN).outcome == Outcome.UNCONFIRMED


@pytest.mark.parametrize("plan", ["pro", "scale", "partner", "none"])
def test_what_is_to_be_paid_or_asked_for_is_not_started(plan: str, ann_client: Client, sandbox) -> None:
    response = post(ann_client, f"/plans/production/start/{plan}/", **NEW)
    assert response.status_code in {403, 404}
    assert sandbox.consumers() == []


@modes
def test_an_upgrade_counts_at_once_and_tells_everybody(htmx: bool, ann_client: Client, sandbox, acme) -> None:
    Plan.objects.filter(key="pro").update(amount=None)
    before = sandbox.keys("acme")
    page = ann_client.get(f"{ACME}change/pro/").content.decode()
    assert "Upgrade to Pro" in page
    assert "They stay the same." in page
    response = post(ann_client, f"{ACME}change/pro/", htmx, **seen(ann_client, f"{ACME}change/pro/"))
    assert response.headers.get("HX-Redirect" if htmx else "Location") == ACME
    assert plan_of(sandbox) == {"plan": "pro", "seats": 25}
    assert sandbox.keys("acme") == before
    assert "now on the Pro plan." in ann_client.get(ACME).content.decode()
    event = AuditEvent.objects.get(action=Action.CHANGE_PLAN)
    assert (event.outcome, event.facts["plan_before"], event.facts["plan_name"]) == (Outcome.DONE, "Free", "Pro")
    assert sorted(one.to[0] for one in mail.outbox) == ["ann@acme.test", "ben@acme.test"]
    assert "Plan: Pro" in mail.outbox[0].body
    assert "Plan before: Free" in mail.outbox[0].body
    history = ann_client.get("/keys/activity/production/").content.decode()
    assert "changed the plan" in history


def paid(sandbox, days: int = 10) -> None:
    """acme has Pro, which is paid, since some days."""
    Plan.objects.filter(key="pro").update(trial_days=0)
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], metadata={"plan": "pro"})
    began = timezone.now() - timedelta(days=days)
    record_of(sandbox).keep(plan_key="pro", plan_name="Pro", started_at=began)


def test_a_downgrade_waits_for_the_end_of_what_is_paid(ann_client: Client, sandbox) -> None:
    paid(sandbox)
    page = ann_client.get(f"{ACME}change/free/").content.decode()
    assert "Downgrade to Free" in page
    assert re.search(r"No longer included</dt>\s*<dd>Support, Webhooks", page)
    assert post(ann_client, f"{ACME}change/free/").status_code == 303
    assert plan_of(sandbox)["plan"] == "pro"
    page = ann_client.get(ACME).content.decode()
    assert "The plan changes to Free on" in page
    post(ann_client, f"{ACME}resume/", **seen(ann_client, ACME))
    assert "The plan changes to Free on" not in ann_client.get(ACME).content.decode()


@modes
def test_of_a_plan_it_is_not_said_again_what_was_undone_since(htmx: bool, ann_client: Client, sandbox, acme) -> None:
    """G6: Back, and Submit once more; what still stands is said again."""

    def told(path: str, form: dict[str, str]) -> str:
        response = ann_client.post(path, form, headers={"HX-Request": "true"} if htmx else {})
        assert response.status_code in {200, 303}, response.text
        return ann_client.get(ACME).text

    def form(path: str) -> dict[str, str]:
        return {"token": str(uuid.uuid4())} | seen(ann_client, path)

    cancel, team, free = f"{ACME}cancel/", f"{ACME}change/team/", f"{ACME}change/free/"
    change = form(team)
    for _ in range(2):
        assert "now on the Team plan." in told(team, change)
    canceling = form(cancel) | {"plan_name": "Team"}
    for _ in range(2):
        assert "Plan cancelled." in told(cancel, canceling)
    page = told(team, change)
    assert "now on the Team plan." not in page
    assert "It has been changed since." in page
    start = form(free)
    for _ in range(2):
        assert "Free" in told(free, start)
    assert ann_client.post(cancel, canceling).status_code == 422
    assert plan_of(sandbox)["plan"] == "free"


@modes
def test_taking_back_a_change_of_plan_is_not_said_again_when_it_was_canceled_since(
    htmx: bool, ann_client: Client, sandbox
) -> None:
    """G6: Back, and Submit once more."""
    paid(sandbox)
    assert post(ann_client, f"{ACME}change/free/", htmx).status_code in {200, 303}
    form = {"token": str(uuid.uuid4())} | seen(ann_client, ACME)
    for _ in range(2):
        ann_client.post(f"{ACME}resume/", form)
        assert "Your plan continues as before." in ann_client.get(ACME).text
    assert post(ann_client, f"{ACME}cancel/", htmx, plan_name="Pro").status_code in {200, 303}
    ann_client.get(ACME)
    ann_client.post(f"{ACME}resume/", form)
    page = ann_client.get(ACME).text
    assert "Your plan continues as before." not in page
    assert "It has been changed since." in page


def test_where_nothing_tells_an_upgrade_people_are_asked(ann_client: Client, sandbox) -> None:
    paid(sandbox)
    Plan.objects.filter(key__in=["pro", "team"]).update(order=2)
    Plan.objects.filter(key="pro").update(amount=None, price_text="By agreement")
    page = ann_client.get(f"{ACME}change/team/").content.decode()
    assert "Change to Team" in page
    assert 'name="when"' in page
    assert post(ann_client, f"{ACME}change/team/").status_code == 422
    assert post(ann_client, f"{ACME}change/team/", when="now").status_code == 303
    assert plan_of(sandbox)["plan"] == "team"


def test_a_free_plan_ends_at_once_by_its_name(ann_client: Client, sandbox, acme) -> None:
    wrong = post(ann_client, f"{ACME}cancel/", plan_name="Pro")
    assert wrong.status_code == 422
    assert "the plan&#x27;s name." in wrong.content.decode()
    assert "ends right away" in ann_client.get(f"{ACME}cancel/").content.decode()
    assert post(ann_client, f"{ACME}cancel/", plan_name=" free ").status_code == 303
    assert plan_of(sandbox) == {"seats": 25}
    assert "No plan" in ann_client.get(ACME).content.decode()


def test_a_paid_plan_goes_on_to_the_end_of_its_period_and_can_be_resumed(ann_client: Client, sandbox) -> None:
    paid(sandbox)
    post(ann_client, f"{ACME}cancel/", plan_name="Pro")
    assert plan_of(sandbox)["plan"] == "pro"
    assert "Cancelled. The plan stays active until" in ann_client.get(ACME).content.decode()
    assert "Cancelled, ends on" in ann_client.get("/keys/").content.decode()
    post(ann_client, f"{ACME}resume/", **seen(ann_client, ACME))
    assert "Cancelled" not in ann_client.get(ACME).content.decode().partition("notices")[2].partition("</main>")[0]


def test_two_tabs_do_not_change_one_plan_twice(ann_client: Client, ben_client: Client, sandbox, acme) -> None:
    first = seen(ann_client, f"{ACME}change/team/")
    second = seen(ben_client, f"{ACME}cancel/")
    assert post(ann_client, f"{ACME}change/team/", **first).status_code == 303
    late = post(ben_client, f"{ACME}cancel/", **second | {"plan_name": "Team"})
    assert late.status_code == 409
    assert "Nothing was changed." in late.content.decode()
    assert plan_of(sandbox)["plan"] == "team"


def test_a_plan_that_went_away_while_it_was_chosen_is_not_taken(ann_client: Client, sandbox, acme) -> None:
    form = seen(ann_client, f"{ACME}change/team/")
    Plan.objects.filter(key="team").update(is_active=False)
    assert post(ann_client, f"{ACME}change/team/", **form).status_code == 404
    assert plan_of(sandbox)["plan"] == "free"


@pytest.mark.parametrize("patch_maps", ["replace", "merge"])
def test_whatever_is_patched_the_plan_stays(patch_maps: str, ann_client: Client, sandbox, acme) -> None:
    sandbox.set(patch_maps=patch_maps)
    post(ann_client, "/keys/production/acme/rename/", label="Acme Ltd")
    assert plan_of(sandbox) == {"plan": "free", "seats": 25}
    post(ann_client, f"{ACME}change/team/")
    assert plan_of(sandbox) == {"plan": "team", "seats": 25}
    post(ann_client, f"{ACME}cancel/", plan_name="Team")
    assert plan_of(sandbox).get("plan", "") == ""
    assert "No plan" in ann_client.get(ACME).content.decode()


def test_the_keys_page_shows_the_plan_and_asks_nobody_more(ann_client: Client, sandbox, acme, settings) -> None:
    sandbox.clear_journal()
    page = ann_client.get("/keys/").content.decode()
    assert re.search(r"Plan <strong>Free</strong>", page)
    assert "The gateway counts your usage" not in page
    assert len(sandbox.journal()) == 1
    settings.PLANS, settings.KEYS_PANELS = "off", ""
    assert "<strong>Free</strong>" not in ann_client.get("/keys/").content.decode()


def test_a_card_that_htmx_replaces_keeps_its_panel(ann_client: Client, sandbox, acme) -> None:
    (key,) = sandbox.keys("acme")
    response = post(ann_client, f"/keys/production/acme/{key['id']}/rename/", htmx=True, label="Build")
    assert 'id="plan-of-acme" hx-preserve="true"' in response.content.decode()


def test_usage_is_said_to_be_unknown_never_zero(ann_client: Client, sandbox, acme) -> None:
    page = ann_client.get(ACME).content.decode()
    assert "The gateway counts your usage; it isn't shown here." in page
    assert "0 of" not in page


# Requests


def test_a_request_waits_for_an_answer_and_tells_both_sides(ann_client: Client, sandbox, acme) -> None:
    assert ann_client.get(f"{ACME}change/pro/")["Location"] == f"{ACME}request/pro/"
    assert "Request Pro" in ann_client.get(f"{ACME}request/pro/").content.decode()
    for _time in range(2):
        assert post(ann_client, f"{ACME}request/pro/", words="We grow").status_code == 303
    assert [one.to for one in mail.outbox] == [["ann@acme.test"], ["sales@acme.test"]]
    assert "We grow" in mail.outbox[1].body
    assert "You requested the Pro plan." in ann_client.get(ACME).content.decode()
    assert plan_of(sandbox)["plan"] == "free"


def test_a_request_can_be_withdrawn_by_nobody_else(ann_client: Client, mallory_client: Client, sandbox, acme) -> None:
    post(ann_client, f"{ACME}request/pro/")
    (path,) = re.findall(r"/plans/production/withdraw/\d+/", ann_client.get(ACME).content.decode())
    assert mallory_client.post(path).status_code == 404
    assert ann_client.post(path).status_code == 303
    assert "You requested the Pro plan" not in ann_client.get(ACME).content.decode()


def test_to_ask_and_withdraw_by_turns_fills_nobodys_mailbox(ann_client: Client, sandbox, acme, settings) -> None:
    settings.KEYS_CHANGES_PER_MINUTE = 1000
    for _time in range(12):
        post(ann_client, f"{ACME}request/pro/")
        (path,) = re.findall(r"/plans/production/withdraw/\d+/", ann_client.get(ACME).text)
        ann_client.post(path)
    assert [one.to for one in mail.outbox].count(["sales@acme.test"]) == 10
    assert PlanRequest.objects.count() == 12, "all are in the queue"


def test_invited_people_choose_a_private_plan(ann_client: Client, sandbox, acme) -> None:
    assert ann_client.get(f"{ACME}change/partner/").status_code == 404
    Invitation.objects.create(email="ann@acme.test", plan_key="partner")
    assert post(ann_client, f"{ACME}change/partner/").status_code == 303
    assert plan_of(sandbox)["plan"] == "partner"


def test_a_colleagues_request_is_called_theirs(ann_client: Client, ben_client: Client, sandbox, acme) -> None:
    post(ben_client, f"{ACME}request/pro/")
    page = ann_client.get(ACME).content.decode()
    assert "ben@acme.test requested the Pro plan" in page
    assert "You requested the Pro plan" not in page
    assert "/withdraw/" not in page


def test_each_of_several_consumers_can_get_the_plan_of_another(ann_client: Client, sandbox, acme) -> None:
    sandbox.add_consumer("globex", label="Globex", managers=["ann@acme.test"], metadata={"plan": "team"})
    page = BeautifulSoup(ann_client.get("/plans/").content, "html.parser")
    card = next(card for card in page.select(".plan-card") if card.select_one("strong").text == "Team")
    assert "Globex" in card.text
    assert card.select_one("a")["href"] == "/plans/production/choose/team/"
    assert len(page.select(".plans-table tbody tr:first-child td[data-own]")) == 2


def test_who_has_a_withdrawn_plan_keeps_it_and_a_downgrade_from_it_waits(ann_client: Client, sandbox) -> None:
    paid(sandbox)
    Plan.objects.filter(key="pro").update(is_active=False)
    page = ann_client.get(ACME).content.decode()
    assert "What's included" in page
    assert "Within 4 hours" in page
    assert "Downgrade to Free" in ann_client.get(f"{ACME}change/free/").content.decode()
    assert post(ann_client, f"{ACME}change/free/").status_code == 303
    assert plan_of(sandbox)["plan"] == "pro"


def test_requests_are_limited_like_every_change(ann_client: Client, sandbox, acme, settings) -> None:
    settings.KEYS_CHANGES_PER_MINUTE = 1
    assert [post(ann_client, f"{ACME}request/pro/").status_code for _time in range(2)] == [303, 429]


def test_whoever_manages_by_a_second_address_asks_by_it(make_person, client_of, sandbox, acme) -> None:
    person = make_person("eve@home.test")
    EmailAddress.objects.create(user=person, email="eve@acme.test", verified=True)
    sandbox.set_managers("acme", ["eve@acme.test"])
    post(client_of(person), f"{ACME}request/pro/")
    assert PlanRequest.objects.get().email == "eve@acme.test"
