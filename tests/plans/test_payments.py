"""Paid plans by Stripe: Checkout and customer portal, and messages that are forged, late, doubled or out of order."""

import re
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent
from plans.models import PaymentIssue, Plan, PlanRecord, StripeEvent
from tests.helpers import stripe_server
from tests.plans.conftest import ACME, PRO, TEAM, pay, plan_of, record_of, tell

pytestmark = pytest.mark.usefixtures("portal_plans")


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
    assert len([path for path, _form, _key in stripe.asked if "subscriptions/" in path]) == 2, "before and after"
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
    assert "Canceled. The plan stays active until" in ann_client.get(ACME).content.decode()
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
    assert "paid through Stripe" in refused.content.decode()
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
            assert "paid through Stripe" in response.content.decode()
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


def test_a_state_that_is_old_by_the_time_it_is_written_is_put_right(
    client: Client, ann_client: Client, sandbox, acme, stripe
) -> None:
    """Two messages are dealt with at once: the one that asked first writes last."""
    pay(ann_client)
    begun = stripe.subscription("sub_1", price=PRO)
    stripe.after_next_read = lambda: stripe.subscription(
        "sub_1", price=PRO, status="canceled", metadata=begun["metadata"]
    )
    assert tell(client, stripe.message("customer.subscription.created", begun)).status_code == 200
    assert plan_of(sandbox) == ""


def test_of_two_payments_the_newer_one_counts_whichever_is_heard_of_last(
    client: Client, ann_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    old, new = stripe.subscription("sub_1", price=PRO), stripe.subscription("sub_2", price=TEAM)
    mail.outbox.clear()
    for number, subscription in enumerate((old, new, old, new)):
        assert tell(client, stripe.message("invoice.paid", {"subscription": subscription["id"]}, number=number))
    assert plan_of(sandbox) == "team"
    issue = PaymentIssue.objects.get()
    assert (issue.kind, issue.stripe_subscription) == (PaymentIssue.Kind.PAID_TWICE, "sub_1")
    assert len([one for one in mail.outbox if one.to == ["sales@acme.test"]]) == 1
    over = stripe.subscription("sub_1", price=PRO, status="canceled", metadata=old["metadata"])
    tell(client, stripe.message("customer.subscription.deleted", over, number=9))
    issue.refresh_from_db()
    assert issue.is_settled
    assert plan_of(sandbox) == "team"


# Money that nobody asked for any more


@pytest.mark.parametrize("is_withdrawn", [True, False], ids=["withdrawn", "deleted"])
def test_a_plan_that_went_away_while_it_was_paid_for_is_a_matter_for_people(
    is_withdrawn: bool, client: Client, ann_client: Client, sam_client: Client, sandbox, acme, stripe
) -> None:
    """One that is only withdrawn is given, as it was paid for."""
    pay(ann_client)
    mail.outbox.clear()
    if is_withdrawn:
        Plan.objects.filter(key="pro").update(is_active=False)
    else:
        Plan.objects.filter(key="pro").delete()
    subscription = stripe.subscription("sub_1", price=PRO)
    for number in range(3):
        message = stripe.message("customer.subscription.updated", subscription, number=number)
        assert tell(client, message).status_code == 200
    assert plan_of(sandbox) == ("pro" if is_withdrawn else "free")
    (told,) = [one for one in mail.outbox if one.to == ["sales@acme.test"]]
    assert "sub_1" in told.body
    assert "ann@acme.test" in told.body
    issue = PaymentIssue.objects.get()
    page = sam_client.get(f"/admin/plans/paymentissue/{issue.pk}/change/").content.decode()
    assert ("as it was paid for" if is_withdrawn else "cancel and refund") in page
    assert sam_client.post(f"/admin/plans/paymentissue/{issue.pk}/change/", {"is_settled": "on"}).status_code == 302
    issue.refresh_from_db()
    assert issue.is_settled


def test_a_later_consumer_of_the_same_name_inherits_no_payment(
    client: Client, ann_client: Client, mallory_client: Client, sandbox, acme, stripe
) -> None:
    """Deleted and made again elsewhere, of which the portal hears nothing."""
    pay(ann_client)
    subscription = stripe.subscription("sub_1", price=PRO)
    tell(client, stripe.message("customer.subscription.created", subscription))
    sandbox.remove_consumer("acme")
    sandbox.add_consumer("acme", managers=["mallory@evil.test"], metadata={"plan": "free"})
    assert "Manage payment" not in mallory_client.get(ACME).content.decode()
    assert mallory_client.post(f"{ACME}payment/").status_code == 404
    asked = len(stripe.asked)
    assert pay(mallory_client).status_code == 200
    assert "customer" not in stripe.asked[asked][1]
    mail.outbox.clear()
    for number in (7, 8):
        renewed = stripe.message("invoice.paid", {"subscription": "sub_1"}, number=number)
        assert tell(client, renewed).status_code == 200
    assert plan_of(sandbox) == "free"
    assert PaymentIssue.objects.get().kind == PaymentIssue.Kind.NO_CONSUMER
    assert [one.to for one in mail.outbox] == [["sales@acme.test"]]
    over = stripe.subscription("sub_1", price=PRO, status="canceled", metadata=subscription["metadata"])
    assert tell(client, stripe.message("customer.subscription.deleted", over, number=9)).status_code == 200
    assert plan_of(sandbox) == "free"
    assert not PlanRecord.objects.filter(stripe_subscription="sub_1").exists()


def test_a_payment_for_a_consumer_that_is_gone_is_a_matter_for_people(
    client: Client, ann_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    subscription = stripe.subscription("sub_1", price=PRO)
    sandbox.remove_consumer("acme")
    assert tell(client, stripe.message("customer.subscription.created", subscription)).status_code == 200
    assert PaymentIssue.objects.get().kind == PaymentIssue.Kind.NO_CONSUMER
    assert sandbox.consumers() == []


CHANGE_ACME = "/admin/plans/planrecord/plan/production/acme/"


def test_the_plan_that_staff_give_to_somebody_who_pays_stays_and_the_payment_is_theirs_to_end(
    client: Client, ann_client: Client, sam_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    paid = stripe.subscription("sub_1", price=PRO)
    tell(client, stripe.message("customer.subscription.created", paid))
    assert "The customer pays for pro through Stripe (sub_1)." in sam_client.get(CHANGE_ACME).content.decode()
    form = {"token": str(uuid.uuid4()), "plan": "partner", "reason": "Contract 4711"}
    assert sam_client.post(CHANGE_ACME, form).status_code == 302
    issue = PaymentIssue.objects.get()
    assert (issue.kind, issue.consumer) == (PaymentIssue.Kind.CHANGED_BY_STAFF, "acme")
    for number, kind in enumerate(("invoice.paid", "customer.subscription.updated"), 10):
        thing = paid if kind.startswith("customer") else {"subscription": "sub_1"}
        tell(client, stripe.message(kind, thing, number=number))
    assert plan_of(sandbox) == "partner", "a renewal is no other wish"
    assert "Manage payment" in ann_client.get(ACME).content.decode()
    over = stripe.subscription("sub_1", price=PRO, status="canceled", metadata=paid["metadata"])
    tell(client, stripe.message("customer.subscription.deleted", over, number=20))
    assert plan_of(sandbox) == "partner"
    assert "Manage payment" not in ann_client.get(ACME).content.decode()
    issue.refresh_from_db()
    assert issue.is_settled


def test_other_things_that_are_paid_for_count_again(
    client: Client, ann_client: Client, sam_client: Client, sandbox, acme, stripe
) -> None:
    pay(ann_client)
    paid = stripe.subscription("sub_1", price=PRO)
    tell(client, stripe.message("customer.subscription.created", paid))
    for plan, is_settled in (("partner", False), ("pro", True), ("partner", False)):
        form = {"token": str(uuid.uuid4()), "plan": plan, "reason": "Contract 4711"}
        assert sam_client.post(CHANGE_ACME, form).status_code == 302
        assert PaymentIssue.objects.get().is_settled == is_settled
    tell(client, stripe.message("invoice.paid", {"subscription": "sub_1"}, number=7))
    other = stripe.subscription("sub_1", price=TEAM, metadata=paid["metadata"])
    tell(client, stripe.message("customer.subscription.updated", other, number=8))
    assert plan_of(sandbox) == "team"


def test_before_a_consumer_is_deleted_its_payment_is_named(sam_client: Client, sandbox, acme, stripe) -> None:
    address = "/admin/keys/consumer/production/acme/delete/"
    assert "the payments would continue" not in sam_client.get(address).content.decode()
    record_of(sandbox).keep(stripe_subscription="sub_1")
    assert "Cancel the subscription sub_1 in Stripe first" in sam_client.get(address).content.decode()


def test_the_way_to_stripe_is_limited_like_every_change(ann_client: Client, sandbox, acme, stripe, settings) -> None:
    record_of(sandbox).keep(stripe_customer="cus_1")
    settings.KEYS_CHANGES_PER_MINUTE = 2
    assert [pay(ann_client).status_code for _time in range(3)] == [200, 200, 429]
    assert ann_client.post(f"{ACME}payment/").status_code == 429
    assert len(stripe.asked) == 2


def test_old_messages_are_forgotten(sandbox) -> None:
    for age in (1, 31):
        StripeEvent.objects.create(id=f"evt_{age}", created_at=timezone.now() - timedelta(days=age))
    call_command("apply_plans", stdout=StringIO())
    assert [event.id for event in StripeEvent.objects.all()] == ["evt_1"]
