"""Plans kept by Zuplo: what is asked, what is shown of the answers, and what becomes of lost ones."""

import re
import uuid
from datetime import date
from decimal import Decimal

import pytest
import requests
from bs4 import BeautifulSoup
from django.core import mail
from django.core.cache import cache
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from keys.models import Action, AuditEvent, Outcome
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline
from plans.models import Invitation, PlanRecord, PlanRequest
from plans.sources.zuplo import ZuploSource
from plans.types import Day, Subscription
from plans.web.usage import chart
from sandbox.metering import samples
from tests.helpers.verbs import FULL_KEY

pytestmark = pytest.mark.django_db
ACME = "/plans/production/consumer/acme/"
NEW = {"label": "Production server", "ends": "90"}
modes = pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])


@pytest.fixture
def zuplo(sandbox, settings):
    """PLANS=zuplo, with the sample plans and one more free one, "team"; Ann and Ben manage acme."""
    settings.PLANS, settings.KEYS_PANELS = "zuplo", "plans.web.panels.PlanPanels"
    free, pro, business = samples.three_plans()
    team = samples.plan("team", "Team", samples.metered(5000))
    sandbox.metering.add_plans(free, team, pro, business)
    sandbox.add_consumer(
        "acme", label="Acme Inc", managers=["ann@acme.test", "ben@acme.test"], keys=[{"description": "CI"}]
    )
    return sandbox


def post(client: Client, path: str, htmx: bool = False, **fields: str):
    form = {"token": str(uuid.uuid4())} | fields
    return client.post(path, form, headers={"HX-Request": "true"} if htmx else {})


def asked(sandbox) -> list[str]:
    return [f"{call.method} {call.path.partition('?')[0].rpartition('/')[2]}" for call in sandbox.journal()]


def running(sandbox, name: str = "acme") -> list[str]:
    return [
        one["plan"]["key"] for one in sandbox.metering.subscriptions(name) if one["status"] in ("active", "canceled")
    ]


def test_the_page_says_prices_tier_by_tier_and_asks_once(client: Client, zuplo) -> None:
    page = BeautifulSoup(client.get("/plans/").content, "html.parser").select_one(".plans-table").get_text(" ")
    words = " ".join(page.split())
    assert "Pro Most popular $49 a month Free for the first 14 days For growing teams" in words
    assert "50,000 a month Above 50,000: $0.002 each" in words
    assert "Days of history" in words
    zuplo.clear_journal()
    client.get("/plans/")
    assert zuplo.journal() == []


@pytest.mark.parametrize(
    "price",
    [
        {"type": "dynamic", "multiplier": "1.2"},
        {"type": "quantum", "amount": "1"},
        {"type": "flat"},
        {"type": "flat", "amount": "a lot"},
        {"type": "tiered", "mode": "graduated", "tiers": []},
        {"type": "tiered", "mode": "graduated", "tiers": [{"unitPrice": {"type": "unit", "amount": None}}]},
        {},
        "49",
        [],
    ],
)
def test_a_price_of_unknown_kind_is_never_free(price, client: Client, ann_client: Client, zuplo) -> None:
    fee = samples.fee("1") | {"price": price}
    zuplo.metering.add_plans(
        samples.plan("odd", "Odd", fee), samples.plan("use", "Use", samples.metered(5) | {"price": price})
    )
    page = BeautifulSoup(client.get("/plans/").content, "html.parser")
    heads = {head.select_one("strong").text: head.get_text(" ") for head in page.select(".plans-table thead th")}
    assert "See your contract" in heads["Odd"]
    for name in ("Odd", "Use"):
        assert "Free" not in heads[name]
        assert "Start for free" not in heads[name]
    assert post(ann_client, f"{ACME}change/odd/").status_code == 302, "it has to be asked for"
    assert running(zuplo) == []


def test_hostile_words_in_plans_are_harmless(client: Client, zuplo) -> None:
    plan = samples.plan(
        "evil", "<script>alert(1)</script>\u202e", samples.metered(10), description="<img src=x onerror=y>"
    )
    plan["metadata"] = {"isCustom": "true", "contactUrl": "javascript:alert(1)", "contactLabel": "Click"}
    zuplo.metering.add_plans(plan)
    page = client.get("/plans/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "javascript:alert" not in page
    assert "\u202e" not in page


@modes
def test_a_newcomer_gets_all_three_in_one_go(htmx: bool, mallory_client: Client, zuplo) -> None:
    response = post(mallory_client, "/plans/production/start/free/", htmx, **NEW)
    (consumer,) = [one for one in zuplo.consumers() if one["name"] != "acme"]
    assert FULL_KEY.findall(response.content.decode())[0] == consumer["apiKeys"][0]["key"]
    assert running(zuplo, consumer["name"]) == ["free"]
    (customer,) = zuplo.metering.customers()
    assert customer["key"] == consumer["id"]
    assert customer["usageAttribution"]["subjectKeys"] == [consumer["name"]]
    assert "<strong>Free</strong>" in mallory_client.get("/keys/").content.decode()


LOST = [("POST", "*/consumers"), ("POST", "*/customers"), ("POST", "*/subscriptions")]


@pytest.mark.parametrize("call", LOST, ids=lambda call: call[1])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["drop", "not_json"])
def test_lost_answers_make_no_second_of_anything(call, when: str, kind: str, mallory_client: Client, zuplo) -> None:
    zuplo.fault(*call, kind, when=when)
    token = str(uuid.uuid4())
    for _time in range(3):
        assert post(mallory_client, "/plans/production/start/free/", **NEW, token=token).status_code < 504
    consumers = [one for one in zuplo.consumers() if one["name"] != "acme"]
    assert len(consumers) <= 1
    assert len(zuplo.metering.customers()) <= 1
    for consumer in consumers:
        assert len(consumer["apiKeys"]) == 1
        assert len(zuplo.metering.subscriptions(consumer["name"])) <= 1
        if when == "after":
            assert running(zuplo, consumer["name"]) == ["free"]


def test_a_key_without_its_plan_is_shown_and_the_plan_offered_again(mallory_client: Client, zuplo) -> None:
    zuplo.fault("POST", "*/subscriptions", "status", status=400)
    response = post(mallory_client, "/plans/production/start/free/", **NEW)
    assert FULL_KEY.search(response.content.decode())
    assert "be started. Start it on the Plans page" in response.content.decode()
    where = mallory_client.get("/plans/production/choose/free/")["Location"]
    assert post(mallory_client, where).status_code == 303
    (consumer,) = [one for one in zuplo.consumers() if one["name"] != "acme"]
    assert running(zuplo, consumer["name"]) == ["free"]


READINGS = [
    {},
    {"metering_lists": "data"},
    {"metering_lists": "bare", "metering_create_status": "200"},
    {"subscription_answer": "wrapped", "change_answer": "next"},
    {"subscription_answer": "empty", "change_answer": "empty"},
    {"access_shape": "entitlements", "duplicate_customer": "200"},
    {"access_shape": "list", "cancel_free": "409"},
    {"subscription_consumer": "created"},
]


@pytest.mark.parametrize("reading", READINGS, ids=str)
def test_whichever_reading_is_right_the_life_of_a_plan_goes_well(reading, ann_client: Client, zuplo) -> None:
    zuplo.set(**reading)
    assert "No plan" in ann_client.get(ACME).content.decode()
    assert post(ann_client, f"{ACME}change/free/").status_code == 303
    assert running(zuplo) == ["free"]
    (subscription,) = zuplo.metering.subscriptions("acme")
    zuplo.metering.use(subscription["id"], 250)
    page = ann_client.get(ACME).content.decode()
    assert "250 of 1,000 used" in page
    assert "Upgrade to Team" in ann_client.get(f"{ACME}change/team/").content.decode()
    assert post(ann_client, f"{ACME}change/team/").status_code == 303
    assert running(zuplo) == ["team"]
    assert "0 of 5,000 used" in ann_client.get(ACME).content.decode()
    assert post(ann_client, f"{ACME}cancel/", plan_name="Team").status_code == 303
    assert running(zuplo) == []
    assert "No plan" in ann_client.get(ACME).content.decode()
    assert {event.outcome for event in AuditEvent.objects.all()} == {Outcome.DONE}


def paid(sandbox) -> str:
    """acme has Business, which is paid and has no trial."""
    return sandbox.metering.subscribe("acme", "business", email="ann@acme.test")


def test_a_paid_plan_ends_with_its_period_and_can_be_resumed(ann_client: Client, zuplo) -> None:
    paid(zuplo)
    assert "The plan stays active until" in ann_client.get(f"{ACME}cancel/").content.decode()
    assert post(ann_client, f"{ACME}cancel/", plan_name="Business").status_code == 303
    assert zuplo.metering.subscriptions("acme")[0]["status"] == "canceled"
    assert "Cancelled. The plan stays active until" in ann_client.get(ACME).content.decode()
    assert post(ann_client, f"{ACME}resume/").status_code == 303
    assert zuplo.metering.subscriptions("acme")[0]["status"] == "active"


def test_a_downgrade_waits_and_can_be_taken_back(ann_client: Client, zuplo) -> None:
    paid(zuplo)
    assert post(ann_client, f"{ACME}change/free/").status_code == 303
    assert running(zuplo) == ["business"]
    assert "The plan changes to Free on" in ann_client.get(ACME).content.decode()
    assert post(ann_client, f"{ACME}resume/").status_code == 303
    assert "The plan changes to" not in ann_client.get(ACME).content.decode()
    assert [one["status"] for one in zuplo.metering.subscriptions("acme")] == ["inactive", "active"]


def test_what_costs_money_is_asked_for(ann_client: Client, sam_client: Client, zuplo) -> None:
    zuplo.metering.subscribe("acme", "free")
    assert ann_client.get(f"{ACME}change/pro/")["Location"] == f"{ACME}request/pro/"
    post(ann_client, f"{ACME}request/pro/")
    wish = PlanRequest.objects.get()
    form = {"token": str(uuid.uuid4()), "state": "approved"}
    assert sam_client.post(f"/admin/plans/planrequest/{wish.pk}/answer/", form).status_code == 302
    assert running(zuplo) == ["pro"]


def test_the_keys_page_asks_once_for_each_consumer_shown(ann_client: Client, zuplo) -> None:
    zuplo.metering.subscribe("acme", "free")
    zuplo.add_consumer("globex", managers=["ann@acme.test"])
    globex = zuplo.metering.subscribe("globex", "business", email="ann@acme.test")
    zuplo.metering.use(globex, 450_000)
    for name in ("acme", "globex"):
        ann_client.get(f"/plans/production/consumer/{name}/")
    zuplo.clear_journal()
    page = ann_client.get("/keys/").content.decode()
    assert len(zuplo.journal()) == 3
    assert "0 of 1,000 used" in page
    assert "450,000 of 500,000 used" in page
    assert "Nearly used up: 50,000 left." in page
    assert "Updated" in page
    zuplo.clear_journal()
    ann_client.get("/keys/")
    assert len(zuplo.journal()) == 1, "usage is kept for half a minute"


def test_both_pages_say_the_same_end_of_a_trial(ann_client: Client, zuplo) -> None:
    zuplo.metering.subscribe("acme", "pro")
    ends = re.compile(r"The period ends on <time datetime=\"([^\"]+)\"")
    (told,) = ends.findall(ann_client.get(ACME).content.decode())
    assert ends.findall(ann_client.get("/keys/").content.decode()) == [told]


def test_what_is_used_up_is_said_in_words_too(ann_client: Client, zuplo) -> None:
    free = zuplo.metering.subscribe("acme", "free")
    zuplo.metering.use(free, 1200)
    page = ann_client.get(ACME).content.decode()
    assert 'data-tone="full"' in page
    assert "1,200 of 1,000 used" in page
    assert "200 over the limit." in page
    assert (PlanRecord.objects.get().used_percent, PlanRecord.objects.get().used_feature) == (120, "API requests")


def test_usage_by_day_is_drawn_and_stands_in_a_table(ann_client: Client, zuplo) -> None:
    free = zuplo.metering.subscribe("acme", "free")
    for count in (3, 4):
        zuplo.metering.use(free, count)
    page = BeautifulSoup(ann_client.get(ACME).content, "html.parser")
    assert "7 in total, 7 on the busiest day" in page.select_one("figure").get_text()
    assert [bar["height"] for bar in page.select("figure rect")] == ["0"] * 13 + ["127"]
    assert [cell.text for cell in page.select("figure td")] == ["0"] * 13 + ["7"]


@pytest.mark.parametrize(("language", "words"), [("en", "27 Nov 2026"), ("de", "27. Nov. 2026"), ("es", "27 nov 2026")])
def test_days_of_a_chart_are_written_like_all_others_and_are_the_same_everywhere(language: str, words: str) -> None:
    """Usage is counted by days in UTC: midnight there is the evening before in America."""
    drawn = chart("Calls", [Day(date(2026, 11, 27), Decimal(3))], date(2026, 11, 27), date(2026, 11, 27))
    with override(language), timezone.override("America/Los_Angeles"):
        page = BeautifulSoup(render_to_string("plans/_chart.html", {"chart": drawn}), "html.parser")
    shown = page.select_one("tbody time")
    assert (shown.text, shown["datetime"], shown["data-time"]) == (words, "2026-11-27T12:00", "day")
    assert [time.text for time in page.select(".chart-ends time")] == [words, words]
    assert page.select_one("title").text.startswith(words)


def test_what_was_seen_of_a_plan_is_noted_in_one_statement(django_assert_num_queries) -> None:
    """Cards ask for their plans side by side: SQLite refuses who has read, and then writes while another one does."""
    record = PlanRecord(environment="production", consumer="acme", consumer_id="csmr_1")
    record.keep(plan_key="free")
    with django_assert_num_queries(1):
        record.keep(plan_key="pro")
    assert PlanRecord.objects.get().plan_key == "pro"


@pytest.mark.parametrize("status", [500, 404, 429])
def test_unknown_usage_is_unknown_and_takes_no_key_away(status: int, ann_client: Client, zuplo) -> None:
    zuplo.metering.subscribe("acme", "free")
    ann_client.get(ACME)
    cache.clear()
    zuplo.fault("GET", "*/access", "status", status=status, times=0)
    page = ann_client.get("/keys/").content.decode()
    assert 'data-key="' in page
    assert "load the plan right now" in page
    assert not re.search(r"\b0 of", page)
    assert "We can't load usage right now." in ann_client.get(ACME).content.decode()


def test_an_account_without_metering_is_not_asked_again_and_again(ann_client: Client, zuplo) -> None:
    zuplo.set(monetization="403")
    for name in ("globex", "initech"):
        zuplo.add_consumer(name, managers=["ann@acme.test"])
    ann_client.get("/keys/")
    assert len([call for call in zuplo.journal() if "/v3/" in call.path]) == 1
    assert ann_client.get("/plans/").status_code == 503


@modes
@pytest.mark.parametrize("kind", ["drop", "not_json", "truncated", "wrong_type"])
@pytest.mark.parametrize(
    ("verb", "form", "pattern", "action"),
    [
        ("change/team/", {}, "*/change", Action.CHANGE_PLAN),
        ("cancel/", {"plan_name": "Free"}, "*/cancel", Action.CANCEL_PLAN),
    ],
)
def test_a_lost_answer_is_looked_up(verb, form, pattern, action, kind, htmx, ann_client: Client, zuplo) -> None:
    zuplo.metering.subscribe("acme", "free")
    zuplo.fault("POST", pattern, kind, when="after")
    assert post(ann_client, ACME + verb, htmx, **form).status_code in (200, 303)
    assert running(zuplo) == (["team"] if action == Action.CHANGE_PLAN else [])
    assert AuditEvent.objects.get(action=action).outcome == Outcome.DONE


def test_what_nobody_could_tell_is_settled_by_the_next_look(ann_client: Client, zuplo) -> None:
    zuplo.metering.subscribe("acme", "free")
    zuplo.fault("POST", "*/change", "drop", when="after")
    zuplo.fault("GET", "*/subscriptions", "drop", nth=3, times=2)
    response = post(ann_client, f"{ACME}change/team/")
    assert "It may or may not have been done." in response.content.decode()
    assert AuditEvent.objects.get(action=Action.CHANGE_PLAN).outcome == Outcome.UNCONFIRMED
    zuplo.clear_faults()
    mail.outbox.clear()
    ann_client.get(ACME)
    assert AuditEvent.objects.get(action=Action.CHANGE_PLAN).outcome == Outcome.DONE
    assert len(mail.outbox) == 2
    assert running(zuplo) == ["team"]


def test_money_is_decimal_to_the_last_digit(client: Client, zuplo) -> None:
    price = {"type": "unit", "amount": "0.00000012345"}
    zuplo.metering.add_plans(samples.plan("tiny", "Tiny", samples.metered(10, price=price)))
    assert "$0.00000012345 each" in client.get("/plans/").content.decode()
    assert Decimal("0.1") + Decimal("0.2") == Decimal("0.3")


def test_a_soft_limit_refuses_nobody(ann_client: Client, zuplo) -> None:
    zuplo.metering.add_plans(
        samples.plan("soft", "Soft", samples.metered(1000, soft=True)),
        samples.plan("open", "Open", samples.metered(0, soft=True)),
    )
    for plan, used, words in (("soft", 1000, "Calls continue"), ("open", 0, "0 of 0 used")):
        zuplo.metering.use(zuplo.metering.subscribe("acme", plan, email="ann@acme.test"), used)
        page = ann_client.get(ACME).content.decode()
        assert words in page
        assert "Calls are refused" not in page
        assert "100 %" not in page or used


def test_the_estimate_is_what_zuplo_reckons(ann_client: Client, zuplo) -> None:
    free, pro, business = samples.three_plans()
    zuplo.metering.add_plans(free, pro, business, samples.plan("gift", "Gift", samples.metered(10**6)))
    subscription = zuplo.metering.subscribe("acme", "business", email="ann@acme.test")
    zuplo.metering.use(subscription, 125_000)
    words = " ".join(ann_client.get(f"{ACME}change/gift/").content.decode().split())
    assert "Upgrade to Gift" in words
    assert "Estimated credit</dt><dd>$186.75</dd>" in words, "three quarters of $249 are not used"


def test_a_feature_that_fits_no_path_is_not_asked_about(zuplo) -> None:
    now = timezone.now()
    subscription = Subscription("acme", "pro", "Pro")
    source = ZuploSource(DeveloperAPI(zuplo.bucket, Deadline(5)), "production")
    zuplo.clear_journal()
    assert source.days(subscription, "../customers", now, now) is None
    assert zuplo.journal() == []


def test_a_later_consumer_of_the_same_name_inherits_no_plan(ann_client: Client, mallory_client: Client, zuplo) -> None:
    """Deleted and made again elsewhere, of which the portal hears nothing."""
    paid(zuplo)
    ann_client.get(ACME)
    assert "<strong>Business</strong>" in ann_client.get("/keys/").content.decode()
    zuplo.remove_consumer("acme")
    zuplo.add_consumer("acme", managers=["mallory@evil.test"], keys=[{}])
    assert "No plan" in mallory_client.get(ACME).content.decode()
    assert "Business" not in mallory_client.get("/keys/").content.decode()
    assert post(mallory_client, f"{ACME}change/free/").status_code == 303
    assert "<strong>Free</strong>" in mallory_client.get("/keys/").content.decode()
    assert len(zuplo.metering.customers()) == 2


def test_a_name_that_zuplo_still_counts_for_is_said(ann_client: Client, zuplo) -> None:
    """OpenMeter, on which it is built, lets a subject belong to one customer only."""
    zuplo.fault("POST", "*/customers", "status", status=409)
    response = post(ann_client, f"{ACME}change/free/")
    assert response.status_code == 403
    assert "earlier consumer with this name" in response.content.decode()


def configure(sandbox, **settings: object) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    path = f"/v3/metering/{sandbox.metering.bucket_id()}/monetization-configuration"
    requests.put(sandbox.url + path, json=settings, headers=headers, timeout=10).raise_for_status()


@pytest.mark.parametrize(
    ("wish", "is_told"),
    [
        ({"pro": {"visiblePhases": ["default"]}}, False),
        ({"pro": {"visiblePhases": ["default", "trial"]}}, True),
        ({"free": {"visiblePhases": ["default"]}}, True),
        ({"pro": {"visiblePhases": ["of an older version"]}}, True),
        ({"pro": {"visiblePhases": "default"}}, True),
        ({"pro": None}, True),
    ],
)
def test_only_visible_phases_are_told_of(wish, is_told: bool, client: Client, zuplo) -> None:
    configure(zuplo, planSettings=wish)
    page = client.get("/plans/").content.decode()
    assert "$49" in page
    assert ("Free for the first 14 days" in page) == is_told


def test_hiding_the_price_that_lasts_makes_no_plan_free(client: Client, ann_client: Client, zuplo) -> None:
    configure(zuplo, planSettings={"pro": {"visiblePhases": ["trial"]}})
    assert "$49" in client.get("/plans/").content.decode()
    assert post(ann_client, f"{ACME}change/pro/").status_code == 302, "it has to be asked for"


def test_each_phase_before_the_lasting_one_is_said(client: Client, zuplo) -> None:
    plan = samples.plan("intro", "Intro", samples.fee("49"), trial=[samples.metered(10)])
    plan["phases"].insert(1, {"key": "year", "name": "First", "duration": "P3M", "rateCards": [samples.fee("19")]})
    zuplo.metering.add_plans(plan)
    words = " ".join(BeautifulSoup(client.get("/plans/").content, "html.parser").get_text(" ").split())
    assert "Intro $49 a month Free for the first 14 days Then $19 a month for 3 months" in words


@pytest.mark.parametrize(
    ("payment", "words"),
    [
        ({"status": "pending", "isFirstPayment": True}, "The first payment hasn't been made."),
        ({"status": "failed", "isFirstPayment": False}, "A payment failed."),
        ({"status": "pending", "isFirstPayment": False}, ""),
        ({"status": "paid", "isFirstPayment": True}, ""),
        ({"status": "of tomorrow", "isFirstPayment": False}, ""),
    ],
)
def test_a_payment_for_which_calls_are_refused_is_said(payment, words: str, ann_client: Client, zuplo) -> None:
    zuplo.metering.set_payment(paid(zuplo), **payment)
    for path in (ACME, "/keys/"):
        cache.clear()
        page = ann_client.get(path).content.decode()
        assert words in page
        assert any(one in page for one in ("first payment hasn", "A payment failed")) == bool(words)


@pytest.fixture
def private(zuplo) -> str:
    """Id of a plan for those who are invited."""
    plan = samples.plan("partner", "Partner", samples.metered(10**6), metadata={"zuplo_private_plan": "true"})
    zuplo.metering.add_plans(*samples.three_plans(), plan)
    source = ZuploSource(DeveloperAPI(zuplo.bucket, Deadline(5)), "production")
    return next(plan.id for plan in source.plans() if plan.key == "partner")


committing = pytest.mark.django_db(transaction=True)  # Zuplo is told once the row is committed
INVITE = "/admin/plans/invitation/"


def invite(client: Client, path: str = f"{INVITE}add/", **fields: str) -> str:
    response = client.post(path, {"email": "Ann@acme.test", "plan_key": "partner"} | fields)
    assert response.status_code == 302
    return client.get(INVITE).content.decode()


@committing
def test_an_invitation_reaches_zuplo_too(ann_client: Client, sam_client: Client, zuplo, private) -> None:
    assert ann_client.get(f"{ACME}change/partner/").status_code == 404
    invite(sam_client)
    assert zuplo.metering.invites() == [("ann@acme.test", private)]
    assert "Partner" in ann_client.get("/plans/").content.decode()
    kept = Invitation.objects.get()
    invite(sam_client, f"{INVITE}{kept.pk}/change/")
    assert len(zuplo.metering.invites()) == 1, "unchanged, it is not sent again"
    invite(sam_client, f"{INVITE}{kept.pk}/change/", email="ben@acme.test")
    assert zuplo.metering.invites() == [("ben@acme.test", private)]
    sam_client.post(f"{INVITE}{kept.pk}/delete/", {"post": "yes"})
    assert zuplo.metering.invites() == []


@committing
def test_an_invitation_that_zuplo_did_not_take_is_said_and_sent_by_saving_again(
    ann_client: Client, sam_client: Client, zuplo, private
) -> None:
    zuplo.fault("POST", "*/plan-invites", "status", status=400)
    assert "accepted the invitation yet (production)" in invite(sam_client)
    assert "Partner" in ann_client.get("/plans/").content.decode(), "the portal's own word is enough to choose it"
    invite(sam_client, f"{INVITE}{Invitation.objects.get().pk}/change/")
    assert len(zuplo.metering.invites()) == 1


@committing
def test_an_invitation_whose_answer_was_lost_is_not_sent_twice(sam_client: Client, zuplo, private) -> None:
    zuplo.fault("POST", "*/plan-invites", "drop", when="after")
    invite(sam_client)
    invite(sam_client, f"{INVITE}{Invitation.objects.get().pk}/change/")
    assert len(zuplo.metering.invites()) == 1


def test_a_plan_that_was_never_looked_at_is_fetched_by_the_card_itself(ann_client: Client, zuplo) -> None:
    """So the page costs no more than one further call for each consumer on the first day either."""
    zuplo.metering.use(zuplo.metering.subscribe("acme", "free"), 1000)
    zuplo.clear_journal()
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert len([call for call in zuplo.journal() if "/v3/" in call.path]) == 1
    panel = page.select_one(".plan-panel")
    assert panel.a.text.startswith("Plan and usage")
    assert panel["hx-trigger"] == "load"
    fetched = ann_client.get(panel["hx-get"], headers={"HX-Request": "true"}).content.decode()
    assert "<strong>Free</strong>" in fetched
    assert "1,000 of 1,000 used" in fetched
    cache.clear()
    shown = ann_client.get("/keys/").content.decode()
    assert "1,000 of 1,000 used" in shown
    assert "api requests" in shown, "the plan, which has the feature's name, is not asked for again"
