"""A newcomer who pays: plan, consumer and first key in one go, by a message of Stripe or on the way back from it."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent
from plans.models import PaymentIssue, PlanRecord, StripeEvent
from tests.helpers.verbs import FULL_KEY
from tests.plans.conftest import PRO, pay, tell

PAY = "/plans/production/pay/pro/"
NEW = {"label": "Production server", "ends": "90"}


def come_back(client: Client, stripe, subscription: str = "sub_1"):
    return client.get(f"/plans/production/paid/?session={stripe.finish(subscription)}")


def the_one(sandbox):
    """The only consumer: Ann's, with the plan and one key, whose label and lifetime are as wished."""
    (consumer,) = sandbox.consumers()
    assert consumer["metadata"] == {"plan": "pro"}
    assert [manager["email"] for manager in consumer["managers"]] == ["ann@acme.test"]
    (key,) = consumer["apiKeys"]
    assert key["description"] == "Production server"
    assert 89 <= (timezone.datetime.fromisoformat(key["expiresOn"]) - timezone.now()).days <= 90
    return consumer


def test_messages_give_all_three_once(client: Client, ann_client: Client, sandbox, stripe) -> None:
    assert ann_client.get("/plans/production/choose/pro/")["Location"] == PAY
    assert "you get your first key with it" in ann_client.get(PAY).content.decode()
    assert pay(ann_client, PAY).status_code == 422, "the key needs a label"
    assert pay(ann_client, PAY, **NEW).status_code == 200
    subscription = stripe.subscription("sub_1", price=PRO)
    for number in range(3):
        message = stripe.message("customer.subscription.updated", subscription, number=number)
        assert tell(client, message).status_code == 200
    the_one(sandbox)
    response = come_back(ann_client, stripe)
    assert response["Location"] == "/keys/production/"
    page = ann_client.get("/keys/production/").content.decode()
    assert "your first key is here" in page
    assert "<strong>Pro</strong>" in page
    assert len(re.findall(r'data-key="', page)) == 1
    assert not FULL_KEY.search(page)
    assert [one.to for one in mail.outbox].count(["ann@acme.test"]) == 1
    reveal = re.search(r'action="(/keys/production/[^"]+/reveal/)"', page)[1]
    assert FULL_KEY.search(ann_client.post(reveal).content.decode())


def test_who_comes_back_before_any_message_has_it_all(client: Client, ann_client: Client, sandbox, stripe) -> None:
    pay(ann_client, PAY, **NEW)
    subscription = stripe.subscription("sub_1", price=PRO)
    for _time in range(2):
        assert come_back(ann_client, stripe)["Location"] == "/keys/production/"
    the_one(sandbox)
    assert tell(client, stripe.message("customer.subscription.created", subscription)).status_code == 200
    the_one(sandbox)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["drop", "not_json"])
def test_lost_answers_never_make_two(kind: str, when: str, client: Client, ann_client: Client, sandbox, stripe) -> None:
    pay(ann_client, PAY, **NEW)
    message = stripe.message("customer.subscription.created", stripe.subscription("sub_1", price=PRO))
    sandbox.fault("POST", "*/consumers", kind, when=when)
    for _time in range(3):
        tell(client, message)
        come_back(ann_client, stripe)
        assert len(sandbox.consumers()) <= 1
    if not sandbox.consumers():
        assert not StripeEvent.objects.exists(), "Stripe is to ask again"
        AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=5))
        assert tell(client, message).status_code == 200
    the_one(sandbox)
    assert tell(client, message).status_code == 200
    the_one(sandbox)


def test_what_a_message_brought_about_is_on_record_whatever_fails_after_it(
    ann_client: Client, sandbox, stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in host projects with ATOMIC_REQUESTS, of which one keeps books of its own about Stripe's messages."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    pay(ann_client, PAY, **NEW)
    message = stripe.message("customer.subscription.created", stripe.subscription("sub_1", price=PRO))

    def fails(**_facts: object) -> None:
        raise RuntimeError("the books are closed")

    pre_save.connect(fails, sender=StripeEvent)
    try:
        assert tell(Client(raise_request_exception=False), message).status_code == 500
    finally:
        pre_save.disconnect(fails, sender=StripeEvent)
    assert AuditEvent.objects.filter(action=Action.CREATE_CONSUMER, outcome="done").exists()
    assert PlanRecord.objects.get().stripe_subscription == "sub_1"
    assert tell(Client(), message).status_code == 200
    the_one(sandbox)


def test_where_a_key_is_shown_only_once_its_owner_makes_it(ann_client: Client, sandbox, stripe) -> None:
    sandbox.set(retrievable="masked")
    pay(ann_client, PAY, **NEW)
    stripe.subscription("sub_1", price=PRO)
    assert come_back(ann_client, stripe).status_code == 303
    (consumer,) = sandbox.consumers()
    assert (consumer["metadata"], consumer["apiKeys"]) == ({"plan": "pro"}, [])
    assert f"/keys/production/{consumer['name']}/create/" in ann_client.get("/keys/").content.decode()


def test_until_stripe_says_so_people_wait_and_are_told(ann_client: Client, ben_client: Client, sandbox, stripe) -> None:
    pay(ann_client, PAY, **NEW)
    open_session = "/plans/production/paid/?session=cs_1"
    response = ann_client.get(open_session)
    assert "Almost there" in response.text
    again = response["Refresh"].removeprefix("5; url=")
    assert "looks=2" in ann_client.get(again)["Refresh"]
    last = ann_client.get(f"{open_session}&looks=19")
    assert "Refresh" not in last
    assert "be charged twice" in last.text
    stripe.subscription("sub_1", price=PRO)
    stripe.finish("sub_1")
    stripe.failing = 2
    assert "Almost there" in ann_client.get(open_session).content.decode()
    assert ben_client.get(open_session).status_code == 404, "somebody else's"
    for odd in ("", "cs_2", "../subscriptions/sub_1", "sub_1"):
        assert ann_client.get("/plans/production/paid/", {"session": odd}).status_code == 404
    assert sandbox.consumers() == []
    assert ann_client.get(open_session).status_code == 303
    the_one(sandbox)


def test_somebody_with_several_consumers_by_now_is_a_matter_for_people(
    client: Client, ann_client: Client, sandbox, stripe
) -> None:
    pay(ann_client, PAY, **NEW)
    for name in ("acme", "globex"):
        sandbox.add_consumer(name, managers=["ann@acme.test"])
    message = stripe.message("customer.subscription.created", stripe.subscription("sub_1", price=PRO))
    assert tell(client, message).status_code == 200
    assert PaymentIssue.objects.get().kind == PaymentIssue.Kind.NOT_PLACED
    assert "Almost there" in come_back(ann_client, stripe).content.decode()
    assert not PlanRecord.objects.exclude(stripe_subscription="").exists()


def test_back_at_a_consumer_of_ones_own_its_plan_has_begun(ann_client: Client, sandbox, acme, stripe) -> None:
    pay(ann_client)
    stripe.subscription("sub_1", price=PRO)
    where = "/plans/production/consumer/acme/"
    assert come_back(ann_client, stripe)["Location"] == where
    page = ann_client.get(where).content.decode()
    assert "Your plan has started" in page
    assert "Manage payment" in page
