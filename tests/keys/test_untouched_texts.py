"""What upstream holds and a page cannot show is never written back changed; what scripts need may be typed."""

import uuid

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from tests.helpers.verbs import acme

PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # with a zero width non-joiner, as it is written
HIDDEN = "Build\u202e\u00ad server\u2060\u3000\u6771\u4eac"  # a direction, a soft hyphen, a joiner, a wide space
LONG = "x" * 600
LABELS = [PERSIAN, "Dona\u00addampf", "\U0001f469\u200d\U0001f4bb", HIDDEN, LONG, "  two spaces  "]

pytestmark = pytest.mark.django_db
every_label = pytest.mark.parametrize("label", LABELS, ids=range(len(LABELS)))


def token() -> dict[str, str]:
    return {"token": str(uuid.uuid4())}


def field(page, name: str) -> str:
    """The value of a form's field, as a browser sends it."""
    return BeautifulSoup(page.text, "html.parser").select_one(f"form [name={name}]").get("value", "")


def key_with(sandbox, label: str) -> str:
    sandbox.add_consumer("acme", label=label, managers=["ann@acme.test"], keys=[{"description": label}])
    return f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/"


@every_label
def test_rotate_gives_the_new_key_the_very_label_of_the_old_one(sandbox, ann_client, label):
    path = key_with(sandbox, label)
    assert ann_client.post(f"{path}rotate/", {"grace": "24h"} | token()).status_code == 200
    assert {key["description"] for key in sandbox.keys("acme")} == {label}


@every_label
@pytest.mark.parametrize("of_key", [True, False], ids=["key", "consumer"])
def test_rename_saved_unchanged_changes_nothing(sandbox, ann_client, label, of_key):
    path = f"{key_with(sandbox, label) if of_key else (key_with(sandbox, label), '/keys/production/acme/')[1]}rename/"
    page = ann_client.get(path)
    entry = {"label": field(page, "label"), "shown": field(page, "shown")} | token()
    assert ann_client.post(path, entry).status_code == 303
    (consumer,) = sandbox.consumers()
    assert (consumer["description"], sandbox.keys("acme")[0]["description"]) == (label, label)


def test_what_stands_for_something_that_is_not_shown_is_never_written(sandbox, ann_client):
    """Whoever edits such a label is asked to take it out, or to leave the label alone."""
    path = f"{key_with(sandbox, HIDDEN)}rename/"
    shown = field(ann_client.get(path), "label")
    assert "\ufffd" in shown
    answer = ann_client.post(path, {"label": f"{shown} 2", "shown": shown} | token())
    assert answer.status_code == 422
    assert sandbox.keys("acme")[0]["description"] == HIDDEN


@pytest.mark.parametrize("label", [PERSIAN, "Dona\u00addampf", "\U0001f469\u200d\U0001f4bb", "\u0600\u0661\u0662"])
def test_letters_that_a_script_needs_are_accepted_and_shown(sandbox, ann_client, label):
    path = key_with(sandbox, "CI")
    assert ann_client.post(f"{path}rename/", {"label": label} | token()).status_code == 303
    assert sandbox.keys("acme")[0]["description"] == label
    assert label in ann_client.get("/keys/").text


@pytest.mark.parametrize("label", ["\u200c", "\u00ad\u200d", "a\u202eb", "a\u200bb", "a\u2066b", "a\ufffdb", "a\x07b"])
def test_what_is_not_seen_or_turns_the_direction_is_refused(sandbox, ann_client, label):
    path = key_with(sandbox, "CI")
    answer = ann_client.post(f"{path}rename/", {"label": label, "shown": "CI"} | token())
    assert answer.status_code == 422
    assert "Remove control characters" in answer.text
    assert sandbox.keys("acme")[0]["description"] == "CI"


def test_a_forged_field_lets_nothing_in(sandbox, ann_client):
    path = key_with(sandbox, "CI")
    bad = "a\u202eb"
    ann_client.post(f"{path}rename/", {"label": bad, "shown": bad} | token())
    assert sandbox.keys("acme")[0]["description"] == "CI"


def test_a_key_in_a_forged_field_is_refused_and_not_shown_again(sandbox, ann_client):
    path = key_with(sandbox, "CI")
    value = sandbox.keys("acme")[0]["key"]
    answer = ann_client.post(f"{path}rename/", {"label": value, "shown": value} | token())
    assert answer.status_code == 422
    assert value not in answer.text


def test_an_address_with_an_invisible_letter_is_shown_as_odd(sandbox, ann_client):
    """F2: in an address it would look like somebody else's."""
    sandbox.add_consumer("acme", label="Acme", managers=["ann@acme.test", "ben\u00ad@acme.test"])
    assert "ben\ufffd@acme.test" in ann_client.get("/keys/").text


def test_an_end_saved_unchanged_keeps_its_seconds(sandbox, ann_client):
    sandbox.add_consumer(
        "acme", managers=["ann@acme.test"], keys=[{"description": "CI", "expiresOn": "2099-03-04T23:59:59.000Z"}]
    )
    path = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/end/"
    page = ann_client.get(path)
    entry = {name: field(page, name) for name in ("ends_on", "shown", "zone")}
    assert ann_client.post(path, entry | token()).status_code == 303
    assert sandbox.keys("acme")[0]["expiresOn"] == "2099-03-04T23:59:59.000Z"


def test_one_tag_is_edited_and_the_others_stay_to_the_letter(sandbox, sam_client):
    acme(sandbox)
    tags = {"plan": "pro", "\u0646\u0627\u0645": PERSIAN, "odd": HIDDEN, "a=b": "c"}
    sandbox.add_consumer("globex", label=HIDDEN, tags=tags, managers=["ann@acme.test"])
    path = reverse("service:change_consumer", args=["production", "globex"])
    page = sam_client.get(path)
    form = BeautifulSoup(page.text, "html.parser").select_one("form:has([name=seen])")
    entry = {
        "label": field(page, "label"),
        "tags": form.select_one("[name=tags]").text.removeprefix("\n").replace("plan=pro", "plan=team"),
        "metadata": "{}",
        "seen": field(page, "seen"),
    }
    answer = sam_client.post(path, entry | token())
    assert answer.status_code == 303, answer.text
    globex = next(one for one in sandbox.consumers() if one["name"] == "globex")
    assert globex["tags"] == tags | {"plan": "team"}
    assert globex["description"] == HIDDEN
