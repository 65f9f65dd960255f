"""Paid plans by Stripe: Checkout and customer portal, and messages that are forged, late, doubled or out of order."""

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent
from plans.models import Plan, PlanRecord, StripeEvent
from tests.helpers import stripe_server
from tests.helpers.stripe_server import StripeServer

pytestmark = pytest.mark.usefixtures("portal_plans")
ACME = "/plans/production/consumer/acme/"
PRO, TEAM = "price_pro", "price_team"


@pytest.fixture
def stripe(settings) -> Iterator[StripeServer]:
    """Pro and Team are paid by Stripe."""
    Plan.objects.filter(key="pro").update(stripe_price=PRO)
    Plan.objects.filter(key="team").update(stripe_price=TEAM, amount=99, order=3)
    with stripe_server.running() as server:
        settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = stripe_server.KEY, stripe_server.SECRET
        settings.STRIPE_API_URL = server.url
        yield server


def pay(client: Client, where: str = f"{ACME}pay/pro/", token: str = "", htmx: bool = False):
    return client.post(where, {"token": token or str(uuid.uuid4())}, headers={"HX-Request": "true"} if htmx else {})


def tell(client: Client, message: tuple[bytes, str]):
    body, signature = message
    return client.post("/plans/stripe/webhook/", body, "application/json", headers={"Stripe-Signature": signature})


def plan_of(sandbox, name: str = "acme") -> str:
    return sandbox.consumer(name)["metadata"].get("plan", "")


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_people_are_led_to_checkout_once_a_click(htmx: bool, ann_client: Client, sandbox, acme, stripe) -> None:
    assert ann_client.get(f"{ACME}change/pro/")["Location"] == f"{ACME}pay/pro/"
    assert "Continue to payment" in ann_client.get(f"{ACME}pay/pro/").content.decode()
    token = str(uuid.uuid4())
    for _time in range(2):
        response = pay(ann_client, token=token, htmx=htmx)
        target = response["HX-Redirect"] if htmx else re.search(r"url=(https://[^\"]+)", response.content.decode())[1]
        assert target == "https://checkout.stripe.com/c/1"
    (_path, form, key), (_again, _form, same) = stripe.asked
    assert key == same
    assert key.startswith("portal-")
    assert form["line_items[0][price]"] == [PRO]
    assert form["subscription_data[trial_period_days]"] == ["14"]
    assert form["customer_email"] == ["ann@acme.test"]
    assert plan_of(sandbox) == "free", "it begins when it is paid"
    assert stripe_server.KEY not in response.content.decode()


def test_what_is_paid_begins_and_what_is_not_ends(client: Client, ann_client: Client, sandbox, acme, stripe) -> None:
    pay(ann_client)
    subscription = stripe.subscription("sub_1", price=PRO)
    assert tell(client, stripe.message("customer.subscription.created", subscription)).status_code == 200
    assert sandbox.consumer("acme")["metadata"] == {"plan": "pro", "seats": 25}
    record = PlanRecord.objects.get()
    assert (record.stripe_subscription, record.stripe_customer) == ("sub_1", "cus_1")
    assert abs(record.started_at - (timezone.now() - timedelta(days=1))) < timedelta(minutes=5)
    page = ann_client.get(ACME).content.decode()
    assert "Manage payment" in page
    assert "Cancel plan" not in page
    event = AuditEvent.objects.get(action=Action.CHANGE_PLAN)
    assert (event.staff_email, event.facts["plan_before"]) == ("API Portal", "Free")

    stripe.subscription("sub_1", price=PRO, status="canceled", metadata=subscription["metadata"])
    assert tell(client, stripe.message("customer.subscription.deleted", subscription, number=2)).status_code == 200
    assert plan_of(sandbox) == ""


def test_a_newcomer_who_pays_gets_a_consumer_once(client: Client, ann_client: Client, sandbox, stripe) -> None:
    assert ann_client.get("/plans/production/choose/pro/")["Location"] == "/plans/production/pay/pro/"
    pay(ann_client, "/plans/production/pay/pro/")
    subscription = stripe.subscription("sub_1", price=PRO)
    for number in range(3):
        message = stripe.message("customer.subscription.updated", subscription, number=number)
        assert tell(client, message).status_code == 200
    (consumer,) = sandbox.consumers()
    assert consumer["metadata"] == {"plan": "pro"}
    assert [manager["email"] for manager in consumer["managers"]] == ["ann@acme.test"]
    assert "<strong>Pro</strong>" in ann_client.get("/keys/").content.decode()


def test_forged_and_old_messages_do_nothing(client: Client, ann_client: Client, sandbox, acme, stripe) -> None:
    pay(ann_client)
    subscription = stripe.subscription("sub_1", price=PRO)
    body, signature = stripe.message("customer.subscription.created", subscription)
    for forged in ("", "t=1,v1=00", signature.replace("v1=", "v1=0"), "nonsense"):
        assert tell(client, (body, forged)).status_code == 400
    assert tell(client, (body + b" ", signature)).status_code == 400
    assert tell(client, stripe.message("customer.subscription.created", subscription, late=3600)).status_code == 400
    assert client.get("/plans/stripe/webhook/").status_code == 405
    assert plan_of(sandbox) == "free"
    assert not StripeEvent.objects.exists()


def test_a_message_that_comes_twice_is_dealt_with_once(
    client: Client, ann_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    message = stripe.message("customer.subscription.created", stripe.subscription("sub_1", price=PRO))
    for _time in range(3):
        assert tell(client, message).status_code == 200
    assert len([path for path, _form, _key in stripe.asked if "subscriptions/" in path]) == 1
    assert AuditEvent.objects.filter(action=Action.CHANGE_PLAN).count() == 1


def test_out_of_order_the_last_state_counts(client: Client, ann_client: Client, sandbox, acme, stripe) -> None:
    """The end arrives before the beginning: what Stripe says now is asked for, whatever a message says."""
    pay(ann_client)
    begun = stripe.subscription("sub_1", price=PRO)
    ended = stripe.subscription("sub_1", price=PRO, status="canceled", metadata=begun["metadata"])
    assert tell(client, stripe.message("customer.subscription.deleted", ended, number=2)).status_code == 200
    assert tell(client, stripe.message("customer.subscription.created", begun, number=1)).status_code == 200
    assert plan_of(sandbox) == "free"


def test_the_end_of_an_older_subscription_takes_nothing(
    client: Client, ann_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    old = stripe.subscription("sub_1", price=PRO)
    tell(client, stripe.message("customer.subscription.created", old, number=1))
    new = stripe.subscription("sub_2", price=TEAM)
    tell(client, stripe.message("customer.subscription.created", new, number=2))
    assert plan_of(sandbox) == "team", "by the price that is paid, whatever was chosen first"
    over = stripe.subscription("sub_1", price=PRO, status="canceled", metadata=old["metadata"])
    tell(client, stripe.message("customer.subscription.deleted", over, number=3))
    assert plan_of(sandbox) == "team"


def test_what_is_to_end_is_said(client: Client, ann_client: Client, sandbox, acme, stripe) -> None:
    pay(ann_client)
    ending = stripe.subscription("sub_1", price=PRO, cancel_at_period_end=True)
    tell(client, stripe.message("customer.subscription.updated", ending))
    assert "Canceled. The plan goes on until" in ann_client.get(ACME).content.decode()
    assert plan_of(sandbox) == "pro"


@pytest.mark.parametrize("who", ["stripe", "zuplo"])
def test_what_could_not_be_done_is_asked_for_again(
    who, client: Client, ann_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    message = stripe.message("customer.subscription.created", stripe.subscription("sub_1", price=PRO))
    if who == "stripe":
        stripe.failing = 2
    else:
        sandbox.fault("PATCH", "*", "status", status=400)
    assert tell(client, message).status_code == 503
    assert not StripeEvent.objects.exists()
    assert tell(client, message).status_code == 200
    assert plan_of(sandbox) == "pro"


def test_a_paid_plan_is_changed_where_it_is_paid(client: Client, ann_client: Client, sandbox, acme, stripe) -> None:
    pay(ann_client)
    tell(client, stripe.message("customer.subscription.created", stripe.subscription("sub_1", price=PRO)))
    response = ann_client.post(f"{ACME}payment/")
    assert "https://checkout.stripe.com/" in response.content.decode()
    assert stripe.asked[-1][1]["customer"] == ["cus_1"]
    refused = ann_client.post(f"{ACME}cancel/", {"token": str(uuid.uuid4()), "plan_name": "Pro"})
    assert refused.status_code == 403
    assert "paid by Stripe" in refused.content.decode()
    assert plan_of(sandbox) == "pro"


def test_while_stripe_is_down_people_are_told(ann_client: Client, sandbox, acme, stripe) -> None:
    stripe.failing = 2
    response = pay(ann_client)
    assert response.status_code == 503
    assert "Nothing was changed." in response.content.decode()


def test_strangers_and_support_pay_for_nobody(mallory_client: Client, sandbox, acme, stripe) -> None:
    assert pay(mallory_client).status_code == 404
    assert mallory_client.post(f"{ACME}payment/").status_code == 404
    assert stripe.asked == []


def test_messages_about_other_things_are_taken_and_forgotten(client: Client, sandbox, acme, stripe) -> None:
    for number, kind in enumerate(("customer.created", "charge.refunded", "price.updated")):
        assert tell(client, stripe.message(kind, {"id": "x"}, number=number)).status_code == 200
    unknown = stripe.subscription("sub_9", price="price_other", metadata={"environment": "elsewhere"})
    assert tell(client, stripe.message("customer.subscription.created", unknown, number=9)).status_code == 200
    assert sandbox.consumer("acme")["metadata"]["plan"] == "free"


def test_who_pays_already_is_not_led_to_pay_twice(client: Client, ann_client: Client, sandbox, acme, stripe) -> None:
    pay(ann_client)
    tell(client, stripe.message("customer.subscription.created", stripe.subscription("sub_1", price=PRO)))
    asked = len(stripe.asked)
    for where in (f"{ACME}pay/team/", f"{ACME}pay/pro/"):
        for response in (ann_client.get(where), pay(ann_client, where)):
            assert response.status_code == 403
            assert "paid by Stripe" in response.content.decode()
    assert len(stripe.asked) == asked


def test_to_and_fro_within_one_period_each_change_counts(
    client: Client, ann_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    begun = stripe.subscription("sub_1", price=PRO)
    for number, (price, plan) in enumerate([(PRO, "pro"), (TEAM, "team"), (PRO, "pro"), (TEAM, "team")]):
        now = stripe.subscription("sub_1", price=price, metadata=begun["metadata"], items=begun["items"])
        now["items"]["data"][0]["price"]["id"] = price
        assert tell(client, stripe.message("customer.subscription.updated", now, number=number)).status_code == 200
        assert plan_of(sandbox) == plan
        assert PlanRecord.objects.get().plan_key == plan


def test_a_plan_taken_off_the_list_is_kept_and_ended_by_who_pays(
    client: Client, ann_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    paid = stripe.subscription("sub_1", price=PRO)
    tell(client, stripe.message("customer.subscription.created", paid))
    Plan.objects.filter(key="pro").update(is_active=False)
    stripe.subscription("sub_1", price=PRO, cancel_at_period_end=True, metadata=paid["metadata"])
    assert tell(client, stripe.message("customer.subscription.updated", paid, number=2)).status_code == 200
    assert plan_of(sandbox) == "pro"
    assert PlanRecord.objects.get().ends_at
    stripe.subscription("sub_1", price=PRO, status="canceled", metadata=paid["metadata"])
    assert tell(client, stripe.message("customer.subscription.deleted", paid, number=3)).status_code == 200
    assert plan_of(sandbox) == ""
