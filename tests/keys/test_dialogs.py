"""Dialogs that are opened from a row: what it shows is told along, and is believed of htmx alone."""

import json
import uuid

import pytest
from bs4 import BeautifulSoup, Tag
from django.test import Client

from sandbox import Sandbox
from tests.helpers.verbs import acme, in_time, named

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def address(button: Tag) -> str:
    return button.get("formaction") or f"{button.find_parent('form')['action']}{button['value']}/"


def opened(client: Client, button: Tag, **more: str):
    """As htmx asks: with the values of all elements around the button, of which the inner ones count."""
    told: dict[str, object] = {}
    for part in button.parents:
        told = json.loads(part.get("hx-vals", "{}")) | told
    answer = client.get(address(button), told | more, headers=HTMX)
    assert answer.status_code == 200
    return BeautifulSoup(answer.content, "html.parser")


def page_of(client: Client) -> BeautifulSoup:
    return BeautifulSoup(client.get("/keys/").content, "html.parser")


def test_a_dialog_opens_without_asking_the_key_service(sandbox: Sandbox, ann_client: Client) -> None:
    """Each says what it is about, and its form does what it says.

    Who has access is asked, and what the log is needed for: when the new key ends, where the old one does.
    """
    keys = acme(sandbox)
    sandbox.add_consumer(
        "solo", label='It\'s <b>&amp; "so"', managers=["ann@acme.test"], keys=[{"description": "<i>'"}]
    )
    page, known = page_of(ann_client), len(sandbox.journal())
    (laptop,) = named(keys, "Laptop")
    asked = ("/people/", f"/{laptop['id']}/rotate/")
    buttons = page.select("[data-consumer] :is([form=ask], [name=ask])")
    buttons = [button for button in buttons if not address(button).endswith(asked)]
    titles = {address(button): opened(ann_client, button).select_one("#dialog-title").get_text() for button in buttons}
    assert len(sandbox.journal()) == known
    ci = f"/keys/production/acme/{keys[0]['id']}"
    assert titles[f"{ci}/rotate/"] == "Rotate CI"
    assert titles[f"{ci}/delete/"] == "Delete CI?"
    assert titles["/keys/production/acme/rotate-all/"] == "Rotate all keys of Acme Inc"
    assert titles["/keys/production/solo/rename/"] == 'Rename It\'s <b>&amp; "so"'
    (odd,) = sandbox.keys("solo")
    assert titles[f"/keys/production/solo/{odd['id']}/rename/"] == "Rename <i>'"
    assert "only active key" in opened(ann_client, page.select_one("[data-consumer=solo] .danger")).get_text()
    assert "only active key" not in opened(ann_client, page.select_one("[data-consumer=acme] .danger")).get_text()
    form = opened(ann_client, page.select_one("[formaction$='acme/rotate-all/']")).form
    sent = {field["name"]: field["value"] for field in form.select("input[type=hidden]")} | {"grace": "1h"}
    assert ann_client.post(form["action"], sent, headers=HTMX).status_code == 200
    assert len(sandbox.keys("acme")) == 3


def test_what_is_told_is_believed_of_htmx_alone(sandbox: Sandbox, ann_client: Client, mallory_client: Client) -> None:
    """C1: a link cannot make a dialog about one key speak of another; and nobody learns or does anything by telling."""
    keys = acme(sandbox)
    told = {"label": "Harmless", "ending": "0000", "created": "0", "ends": ""}
    url = f"/keys/production/acme/{keys[0]['id']}/delete/"
    assert "Delete CI?" in ann_client.get(url, told).text
    assert mallory_client.get(url, told).status_code == 404
    nowhere = url.replace("acme", "nowhere")
    answers = [mallory_client.get(one, told, headers=HTMX).text for one in (url, nowhere)]
    assert "Delete Harmless?" in answers[0]
    assert "Delete CI" not in answers[0]
    assert mallory_client.post(url, {"token": uuid.uuid4()}, headers=HTMX).status_code == 404
    assert sandbox.keys("acme") == keys


def test_nobody_asks_the_log_about_the_keys_of_others_by_telling(sandbox: Sandbox, mallory_client: Client) -> None:
    """C1: when a new key ends may hang on what was done with the old one."""
    (laptop,) = named(acme(sandbox), "Laptop")
    told = {"label": "", "ending": "0000", "created": "0", "ends": str(in_time(days=2).timestamp())}
    url = f"/keys/production/acme/{laptop['id']}/rotate/"
    assert mallory_client.get(url, told, headers=HTMX).status_code == 404


@pytest.mark.parametrize("odd", [{"created": "x"}, {"ends": "1e99"}, {"created": "nan"}, {"created": ""}], ids=str)
def test_what_makes_no_sense_is_asked_for(odd: dict[str, str], sandbox: Sandbox, ann_client: Client) -> None:
    key = acme(sandbox)[0]
    told = {"label": "Told", "ending": "0000", "created": "0", "ends": ""} | odd
    url = f"/keys/production/acme/{key['id']}/rename/"
    assert "Rename CI" in ann_client.get(url, told, headers=HTMX).text


@pytest.mark.parametrize("odd", ["", "x", "-1", "9" * 5000], ids=lambda odd: odd[:4])
def test_so_is_a_number_of_keys_that_is_none(odd: str, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    told = {"label": "Told", "mark": "x", "live": odd}
    assert "Acme Inc" in ann_client.get("/keys/production/acme/rotate-all/", told, headers=HTMX).text


def test_rotation_offers_only_times_at_which_the_old_key_works(sandbox: Sandbox, ann_client: Client) -> None:
    soon = {"description": "Soon", "expiresOn": in_time(hours=3).isoformat()}
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[soon, {"description": "Lasting"}])
    offered = {}
    for key in sandbox.keys("acme"):
        page = BeautifulSoup(ann_client.get(f"/keys/production/acme/{key['id']}/rotate/").content, "html.parser")
        choices = page.select("[name=grace]")
        offered[key["description"]] = [choice["value"] for choice in choices]
        assert len([choice for choice in choices if choice.has_attr("checked")]) == 1
        assert ("When it expires anyway" in page.get_text()) is (key["description"] == "Soon")
    assert offered == {"Soon": ["now", "1h", "24h"], "Lasting": ["now", "1h", "24h", "3d", "7d", "14d"]}


def test_an_expiry_has_its_bounds_in_the_field_and_its_error_there(sandbox: Sandbox, ann_client: Client) -> None:
    """Nothing longer-lived, whatever a form let pass."""
    acme(sandbox)
    (laptop,) = named(sandbox.keys("acme"), "Laptop")
    url = f"/keys/production/acme/{laptop['id']}/end/"
    form = BeautifulSoup(ann_client.get(url).content, "html.parser").select_one(f"form[action='{url}']")
    field = form.select_one("[name=ends_on]")
    assert field["min"] < field["value"] == field["max"] == form.select_one("[name=shown]")["value"]
    sent = {one["name"]: one["value"] for one in form.select("input")}
    answer = ann_client.post(url, sent | {"ends_on": in_time(days=20).strftime("%Y-%m-%dT%H:%M")}, headers=HTMX)
    assert answer.status_code == 422
    page = BeautifulSoup(answer.content, "html.parser")
    assert "be extended" in page.select_one(".field .errorlist").get_text()
    refused = ann_client.post(url, {"token": uuid.uuid4(), "ends_on": in_time(days=20).strftime("%Y-%m-%dT%H:%M")})
    assert refused.status_code == 403
