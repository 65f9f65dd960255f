"""Create key: for those who have keys, and for newcomers."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.http import HttpResponse
from django.test import Client

from keys.access import Actor
from keys.errors import NotAllowed
from keys.models import AuditEvent, Outcome
from keys.provisioning import Provisioning
from keys.types import Consumer, NewConsumer
from sandbox import Sandbox
from tests.helpers.verbs import FULL_KEY, about, acme, ends, in_time, named

pytestmark = pytest.mark.django_db
FIRST = "/keys/create/production/"
IN_ACME = "/keys/production/acme/create/"


def create(client: Client, url: str, **fields: str) -> HttpResponse:
    return client.post(url, {"label": "New", "ends": "90", "token": str(uuid.uuid4())} | fields)


@pytest.mark.parametrize("days", [7, 30, 60, 90])
def test_a_key_ends_after_the_days_chosen(days: int, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    create(ann_client, IN_ACME, ends=str(days))
    assert about(ends(sandbox.keys("acme")[-1]), in_time(days=days))


def test_a_key_may_never_end(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    create(ann_client, IN_ACME, ends="never")
    assert sandbox.keys("acme")[-1]["expiresOn"] is None


def test_a_key_works_to_the_end_of_the_day_chosen(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    day = (datetime.now(UTC) + timedelta(days=10)).date()
    create(ann_client, IN_ACME, ends="date", ends_on=day.isoformat())
    assert ends(sandbox.keys("acme")[-1]) == datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "mistaken"), [({"label": "", "ends": "date"}, "label"), ({"ends": "date"}, "ends_on")]
)
def test_the_first_mistake_on_a_page_has_the_focus(
    fields: dict[str, str], mistaken: str, sandbox: Sandbox, ann_client: Client
) -> None:
    """No script comes to put it there."""
    acme(sandbox)
    page = BeautifulSoup(create(ann_client, IN_ACME, **fields).content, "html.parser")
    assert [field["name"] for field in page.select("[autofocus]")] == [mistaken]


def test_a_form_on_a_page_is_its_title_and_leads_back_to_its_consumer(sandbox: Sandbox, ann_client: Client) -> None:
    (key, _) = acme(sandbox)
    for path, title in (("create/", "Create a key"), (f"{key['id']}/rotate/", "Rotate CI")):
        page = BeautifulSoup(ann_client.get(f"/keys/production/acme/{path}").content, "html.parser")
        assert page.title.string == f"{title} · API Portal"
        assert len(page.select(".page-back a[href*=consumer-acme], .form-actions a[href*=consumer-acme]")) == 2


def test_the_form_offers_ninety_days(sandbox: Sandbox, ann_client: Client) -> None:
    """And says of each choice which day that is."""
    acme(sandbox)
    page = BeautifulSoup(ann_client.get(IN_ACME).content, "html.parser")
    (chosen,) = page.select("input[name=ends][checked]")
    assert chosen["value"] == "90"
    day = datetime.now(UTC) + timedelta(days=90)
    assert f"90 days {day.day} {day:%b %Y}" in " ".join(chosen.parent.get_text().split())


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"label": ""}, "required"),
        ({"label": "x" * 101}, "at most 100"),
        ({"label": "a\u202eb"}, "Remove control characters"),
        ({"label": "\u200b"}, "Remove control characters"),
        ({"label": "a\x00b"}, "Null characters"),
        ({"ends": "date"}, "Choose a date"),
        ({"ends": "date", "ends_on": "2020-01-01"}, "is in the past"),
        ({"ends": "date", "ends_on": "99999-01-01"}, "valid date"),
        ({"ends": "forever"}, "valid choice"),
        ({"token": ""}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_bad_input_comes_back_with_a_sentence(
    htmx: bool, fields: dict, error: str | None, sandbox: Sandbox, ann_client: Client
) -> None:
    """And with what was typed; nothing is sent upstream that writes."""
    before = acme(sandbox)
    form = {"label": "Kept label", "ends": "90", "token": str(uuid.uuid4())} | fields
    response = ann_client.post(IN_ACME, form, headers={"HX-Request": "true"} if htmx else {})
    assert response.status_code == 422
    page = response.content.decode()
    assert ("<html" in page) is not htmx
    assert error is None or error in page
    if "label" not in fields:
        assert 'value="Kept label"' in page
    assert sandbox.keys("acme") == before


def test_fields_that_the_form_does_not_offer_have_no_effect(sandbox: Sandbox, ann_client: Client) -> None:
    """C7: nobody chooses a key's value or its owner through a form."""
    acme(sandbox)
    create(ann_client, IN_ACME, key="chosen", expiresOn="2099-01-01", consumer="globex", description="Other")
    new = sandbox.keys("acme")[-1]
    assert FULL_KEY.fullmatch(new["key"])
    assert new["description"] == "New"
    (call,) = [call for call in sandbox.journal() if call.method == "POST"]
    assert set(call.body) == {"description", "expiresOn"}


def test_the_new_key_comes_with_a_line_to_try_it(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.GATEWAY_URL = "https://api.acme.test/v1"
    acme(sandbox)
    page = BeautifulSoup(create(ann_client, IN_ACME).content, "html.parser")
    value = sandbox.keys("acme")[-1]["key"]
    line = " ".join(page.select_one("pre").get_text().replace("\\", "").split())
    assert line == f'curl "https://api.acme.test/v1" --header "Authorization: Bearer {value}"'
    assert sandbox.authorizes(value)


def test_a_consumer_has_a_limit_of_keys(sandbox: Sandbox, ann_client: Client, settings) -> None:
    """Ended keys do not count; the limit is said in words, before the form and after it."""
    settings.KEYS_PER_CONSUMER = 3
    acme(sandbox)
    sandbox.add_consumer("over", managers=["ann@acme.test"], keys=[{"expiresOn": in_time(days=-1).isoformat()}] * 5)
    assert create(ann_client, "/keys/production/over/create/").status_code == 200
    assert create(ann_client, IN_ACME).status_code == 200
    for response in (create(ann_client, IN_ACME), ann_client.get(IN_ACME)):
        assert response.status_code == 403
        assert "can have 3 keys" in response.content.decode()
        assert "Can&#x27;t create another key" in response.content.decode()
    assert len(sandbox.keys("acme")) == 3


def test_at_the_limit_the_card_says_why_there_is_no_more(sandbox: Sandbox, ann_client: Client, settings) -> None:
    """The button stays where the keyboard finds it; once a key is deleted it works again."""
    settings.KEYS_PER_CONSUMER = 2
    key = acme(sandbox)[0]
    card = BeautifulSoup(ann_client.get("/keys/").content, "html.parser").select_one("[data-consumer=acme]")
    button = card.select_one("button[aria-disabled=true]")
    assert button.get_text(strip=True) == "Create key"
    assert "can have 2 keys. Delete a key" in card.select_one(f"#{button['aria-describedby']}").get_text()
    assert card.select(f"[formaction='{IN_ACME}']") == []
    url = f"/keys/production/acme/{key['id']}/delete/"
    answer = ann_client.post(url, {"token": str(uuid.uuid4())}, HTTP_HX_REQUEST="true")
    card = BeautifulSoup(answer.content, "html.parser").select_one("[data-consumer=acme]")
    assert len(card.select(f"[formaction='{IN_ACME}']")) == 1


def test_an_operator_who_allows_more_has_no_limit_on_the_card(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_PER_CONSUMER, settings.KEYS_PROVISIONING = 1, "keys.provisioning.StaffProvisioning"
    acme(sandbox)
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert len(page.select(f"[formaction='{IN_ACME}']")) == 1


class Broken(Provisioning):
    def may_create(self, actor: Actor, consumer: Consumer | None) -> None:
        raise LookupError("no such plan")


def test_an_operators_rule_that_fails_hides_no_keys(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_PER_CONSUMER, settings.KEYS_PROVISIONING = 1, "tests.keys.test_create.Broken"
    acme(sandbox)
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert len(page.select("[data-consumer=acme] [data-key]")) == 2


def test_a_newcomers_first_key_makes_a_consumer(sandbox: Sandbox, ann_client: Client, ann) -> None:
    """In two calls; the address is added as a manager, so that the portal finds the consumer again."""
    response = create(ann_client, FIRST, label="My app")
    assert response.status_code == 200
    assert [(call.method, call.status) for call in sandbox.journal()] == [("GET", 200), ("POST", 200)]
    (consumer,) = sandbox.consumers()
    (key,) = consumer["apiKeys"]
    assert consumer["name"].startswith("ann-")
    assert [(manager["email"], manager["sub"]) for manager in consumer["managers"]] == [
        ("ann@acme.test", f"portal|{ann.pk}")
    ]
    assert key["description"] == "My app"
    assert about(ends(key), in_time(days=90))
    assert FULL_KEY.findall(response.content.decode())[0] == key["key"]
    assert "data-key" in ann_client.get("/keys/").content.decode()
    event = AuditEvent.objects.get()
    assert (event.consumer, event.key_id, event.outcome) == (consumer["name"], key["id"], Outcome.DONE)


def test_a_newcomers_form_sent_twice_makes_one_consumer(sandbox: Sandbox, ann_client: Client) -> None:
    token = str(uuid.uuid4())
    first, second = create(ann_client, FIRST, token=token), create(ann_client, FIRST, token=token)
    assert len(sandbox.consumers()) == 1
    assert FULL_KEY.findall(first.content.decode()) == FULL_KEY.findall(second.content.decode()) != []


def test_a_second_first_key_is_refused(sandbox: Sandbox, ann_client: Client) -> None:
    """From another window, with another token: one consumer is enough."""
    create(ann_client, FIRST)
    response = create(ann_client, FIRST)
    assert response.status_code == 403
    assert "You already have a key" in response.content.decode()
    assert len(sandbox.consumers()) == 1


def test_without_a_proved_address_there_is_no_first_key(sandbox: Sandbox, unverified, client_of) -> None:
    response = create(client_of(unverified), FIRST)
    assert response.status_code == 403
    assert sandbox.journal() == []


@pytest.mark.parametrize("reading", ["masked", "refused"])
def test_a_key_that_is_never_shown_is_not_made_up(reading: str, sandbox: Sandbox, ann_client: Client) -> None:
    """E3: where not even the creation shows the key, the portal says so, and offers no mask to copy."""
    acme(sandbox)
    sandbox.set(retrievable=reading, key_format_default="none")
    page = BeautifulSoup(create(ann_client, IN_ACME).content, "html.parser").main
    assert "showing it" in page.get_text()
    assert page.select("textarea, input[readonly], pre") == []
    assert len(named(sandbox.keys("acme"), "New")) == 1


class OnlyAcme(Provisioning):
    """As an operator would write it."""

    def may_create(self, actor: Actor, consumer: Consumer | None) -> None:
        if not actor.email.endswith("@acme.test"):
            raise NotAllowed("Keys are for people of Acme only.")
        super().may_create(actor, consumer)

    def new_consumer(self, actor: Actor) -> NewConsumer:
        new = super().new_consumer(actor)
        return NewConsumer(new.name, "Acme", new.managers, tags={"org": "acme"}, metadata={"plan": "free"})


def test_the_operators_own_logic_decides(
    sandbox: Sandbox, ann_client: Client, mallory_client: Client, settings
) -> None:
    settings.KEYS_PROVISIONING = "tests.keys.test_create.OnlyAcme"
    refused = create(mallory_client, FIRST)
    assert refused.status_code == 403
    assert "Keys are for people of Acme only." in refused.content.decode()
    assert AuditEvent.objects.get().outcome == Outcome.REFUSED
    assert create(ann_client, FIRST).status_code == 200
    (consumer,) = sandbox.consumers()
    assert (consumer["description"], consumer["tags"], consumer["metadata"]) == (
        "Acme",
        {"org": "acme"},
        {"plan": "free"},
    )
