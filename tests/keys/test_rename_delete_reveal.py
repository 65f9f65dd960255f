"""Rename, change the end, delete, reveal and copy: what is particular to each."""

import uuid
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from keys.models import AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.verbs import LAPTOP_ENDS, about, acme, ends, in_time, named

pytestmark = pytest.mark.django_db


def url_of(sandbox: Sandbox, label: str, verb: str) -> str:
    (key,) = named(sandbox.keys("acme"), label)
    return f"/keys/production/acme/{key['id']}/{verb}/"


def sent(client: Client, url: str, **fields: str):
    return client.post(url, fields | {"token": str(uuid.uuid4())})


def at(**ahead: float) -> str:
    return in_time(**ahead).strftime("%Y-%m-%dT%H:%M")


def test_an_end_can_be_brought_forward(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    assert sent(ann_client, url_of(sandbox, "Laptop", "end"), ends_on=at(days=2)).status_code == 303
    assert about(ends(named(sandbox.keys("acme"), "Laptop")[0]), in_time(days=2))


def test_an_end_can_not_be_put_off(sandbox: Sandbox, ann_client: Client) -> None:
    """Nothing longer-lived."""
    acme(sandbox)
    response = sent(ann_client, url_of(sandbox, "Laptop", "end"), ends_on=at(days=9))
    assert response.status_code == 403
    assert "be extended" in response.content.decode()
    assert about(ends(named(sandbox.keys("acme"), "Laptop")[0]), LAPTOP_ENDS)


def test_an_end_does_not_lie_in_the_past(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    assert sent(ann_client, url_of(sandbox, "CI", "end"), ends_on=at(days=-2)).status_code == 422
    assert named(sandbox.keys("acme"), "CI")[0]["expiresOn"] is None


@pytest.mark.parametrize("when", ["", "soon", "2026-13-01T00:00", "99999-01-01T00:00"])
def test_an_end_is_a_date_and_a_time(when: str, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    assert sent(ann_client, url_of(sandbox, "CI", "end"), ends_on=when).status_code == 422


def test_a_deleted_key_is_refused_at_the_gateway(sandbox: Sandbox, ann_client: Client) -> None:
    value = acme(sandbox)[0]["key"]
    assert sandbox.authorizes(value)
    response = ann_client.post(url_of(sandbox, "CI", "delete"), {"token": str(uuid.uuid4())}, follow=True)
    assert not sandbox.authorizes(value)
    assert "Key deleted." in response.content.decode()
    assert urlsplit(response.redirect_chain[0][0]).fragment == "consumer-acme"


def test_deleting_the_last_key_is_warned_of(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    assert "only active key" not in ann_client.get(url_of(sandbox, "CI", "delete")).content.decode()
    sent(ann_client, url_of(sandbox, "Laptop", "delete"))
    page = ann_client.get(url_of(sandbox, "CI", "delete")).content.decode()
    assert "only active key" in page
    assert "within a minute" in page


def test_an_ended_key_can_be_deleted(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "Over", "expiresOn": "2026-01-01"}])
    assert sent(ann_client, url_of(sandbox, "Over", "delete")).status_code == 303
    assert sandbox.keys("acme") == []


@pytest.mark.parametrize("second_delete", ["404", "204"])
def test_a_key_deleted_elsewhere_meanwhile_is_gone(second_delete: str, sandbox: Sandbox, ann_client: Client) -> None:
    """A 404 on the way out is looked into: gone is gone."""
    acme(sandbox)
    sandbox.set(second_delete=second_delete)
    sandbox.fault("DELETE", "*", "doubled")
    assert sent(ann_client, url_of(sandbox, "CI", "delete")).status_code == 303
    assert AuditEvent.objects.get().outcome == Outcome.DONE


def test_a_consumers_label_is_renamed_and_its_name_stays(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    assert sent(ann_client, "/keys/production/acme/rename/", label="Acme & Söhne").status_code == 303
    assert sandbox.consumer("acme")["description"] == "Acme & Söhne"
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert page.select_one("[data-consumer=acme] h2").get_text() == "Acme & Söhne"


def test_a_rename_leaves_tags_and_metadata_alone(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"], tags={"org": "o-1"}, metadata={"plan": "pro"})
    sent(ann_client, "/keys/production/acme/rename/", label="Acme")
    consumer = sandbox.consumer("acme")
    assert (consumer["tags"], consumer["metadata"]) == ({"org": "o-1"}, {"plan": "pro"})


@pytest.mark.parametrize("verb", ["reveal", "copy"])
@pytest.mark.parametrize("reading", ["masked", "refused"])
def test_a_key_that_is_kept_hidden_is_said_to_be(verb: str, reading: str, sandbox: Sandbox, ann_client: Client) -> None:
    """E3: no mask is ever offered as a key; afterwards the page does not offer to reveal for a while."""
    acme(sandbox)
    sandbox.set(retrievable=reading)
    response = ann_client.post(url_of(sandbox, "CI", verb), headers={"HX-Request": "true"})
    assert response.status_code == 409
    assert "be shown" in response.content.decode()
    assert AuditEvent.objects.get().outcome == Outcome.FAILED
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert {button.get_text(strip=True) for button in page.select("[data-key] :is([formaction], [name=ask])")} == {
        "Rotate",
        "Change expiry",
        "Rename",
        "Delete",
    }


def test_one_odd_key_hides_no_other(sandbox: Sandbox, ann_client: Client) -> None:
    """Its own value looks like a mask; the bucket says that it shows keys."""
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI", "key": "odd...value"}])
    assert ann_client.post(url_of(sandbox, "CI", "reveal")).status_code == 409
    assert "Reveal" in ann_client.get("/keys/").content.decode()


def test_a_key_that_is_gone_is_said_to_be_gone(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    url = url_of(sandbox, "CI", "reveal")
    sent(ann_client, url_of(sandbox, "CI", "delete"))
    response = ann_client.post(url, headers={"HX-Request": "true"})
    assert response.status_code == 404
    assert "no longer exists" in response.content.decode()


@pytest.mark.parametrize("verb", ["reveal", "copy"])
def test_without_the_script_a_page_with_a_key_leaves_by_itself(verb: str, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    assert ann_client.post(url_of(sandbox, "CI", verb))["Refresh"] == "60; url=/keys/production/#consumer-acme"


def test_an_answer_about_another_key_is_not_shown(sandbox: Sandbox, ann_client: Client) -> None:
    """C4: refused and recorded."""
    keys = acme(sandbox)
    sandbox.fault("GET", "*/keys/*", "other_object", times=0)
    response = ann_client.post(url_of(sandbox, "CI", "reveal"))
    assert response.status_code == 502
    assert not any(key["key"] in response.content.decode() for key in keys)
    assert AuditEvent.objects.get().outcome == Outcome.FAILED


def test_copying_without_javascript_shows_the_key_to_select(sandbox: Sandbox, ann_client: Client) -> None:
    keys = acme(sandbox)
    page = BeautifulSoup(ann_client.post(url_of(sandbox, "CI", "copy")).content, "html.parser")
    assert page.select_one("textarea[readonly]").get_text() == keys[0]["key"]
    assert "Select the key and copy it." in page.get_text()


def test_copying_with_the_script_answers_the_bare_key(sandbox: Sandbox, ann_client: Client) -> None:
    keys = acme(sandbox)
    response = ann_client.post(url_of(sandbox, "CI", "copy"), headers={"HX-Request": "true"})
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode() == keys[0]["key"]
