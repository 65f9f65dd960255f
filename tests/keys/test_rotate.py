"""Rotate, one key and all: the new key comes first, and no old key ever lives longer for it."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import requests
from bs4 import BeautifulSoup, Tag
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.invariants import works
from tests.helpers.verbs import FULL_KEY, LAPTOP_ENDS, about, acme, ends, in_time, named, new_keys

pytestmark = pytest.mark.django_db
GRACES = {
    "now": timedelta(minutes=-1),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
    "14d": timedelta(days=14),
}


def end_of(grace: str) -> datetime:
    """When an old key ends that is given this time now: not when the tests were collected, long ago maybe."""
    return datetime.now(UTC) + GRACES[grace]


def url_of(sandbox: Sandbox, label: str, verb: str = "rotate") -> str:
    (key,) = named(sandbox.keys("acme"), label)
    return f"/keys/production/acme/{key['id']}/{verb}/"


def rotate(client: Client, url: str, grace: str = "24h", **options: object) -> HttpResponse:
    return client.post(url, {"grace": grace, "token": str(uuid.uuid4())}, **options)


def test_the_form_offers_times_with_their_dates(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    page = BeautifulSoup(ann_client.get(url_of(sandbox, "CI")).content, "html.parser")
    radios = page.select("input[name=grace]")
    assert [radio["value"] for radio in radios] == list(GRACES)
    assert [radio["value"] for radio in radios if radio.has_attr("checked")] == ["24h"]
    for radio, grace in zip(radios[1:], list(GRACES)[1:], strict=True):
        moment = end_of(grace)
        assert f"{moment.day} {moment:%b %Y}" in radio.parent.get_text()


@pytest.mark.parametrize("grace", GRACES)
def test_the_old_key_ends_at_the_time_chosen(grace: str, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    response = rotate(ann_client, url_of(sandbox, "CI"), grace)
    old, new = named(sandbox.keys("acme"), "CI")
    assert about(ends(old), end_of(grace))
    assert new["expiresOn"] is None
    assert FULL_KEY.findall(response.content.decode())[0] == new["key"]
    assert sandbox.authorizes(new["key"])
    assert sandbox.authorizes(old["key"]) is (grace != "now")


def test_a_key_that_ends_sooner_is_not_made_to_live_longer(sandbox: Sandbox, ann_client: Client) -> None:
    """Its own end stays, without another call; the new key lives as long as the old one was made for."""
    before = acme(sandbox)
    rotate(ann_client, url_of(sandbox, "Laptop"), "14d")
    old, new = named(sandbox.keys("acme"), "Laptop")
    assert old["expiresOn"] == before[1]["expiresOn"]
    assert about(ends(new), LAPTOP_ENDS)
    assert [call.method for call in sandbox.journal()] == ["GET", "POST"]


def shorten(how: str, sandbox: Sandbox, client: Client) -> None:
    """Move the end of the key "CI", which never ends, to tomorrow."""
    tomorrow = in_time(hours=24).strftime("%Y-%m-%dT%H:%M")
    if how == "changed":
        client.post(url_of(sandbox, "CI", "end"), {"ends_on": tomorrow, "token": str(uuid.uuid4())})
    elif how == "rotated":
        rotate(client, url_of(sandbox, "CI"))
    else:
        rotate(client, "/keys/production/acme/rotate-all/")


@pytest.mark.parametrize("how", ["changed", "rotated", "rotated with all others"])
def test_a_key_whose_end_was_moved_is_replaced_by_one_that_lives_as_long_as_it_was_made_for(
    how: str, sandbox: Sandbox, ann_client: Client
) -> None:
    """G7: else a second rotation, by a colleague or after a leak, would make a key that dies tomorrow."""
    acme(sandbox)
    url = url_of(sandbox, "CI")
    shorten(how, sandbox, ann_client)
    before = {key["id"] for key in sandbox.keys("acme")}
    assert "The new key has no expiry." in ann_client.get(url).text
    assert "The new key has no expiry." in rotate(ann_client, url).text
    (made,) = [key for key in sandbox.keys("acme") if key["id"] not in before]
    assert made["expiresOn"] is None


def test_a_key_made_here_is_replaced_by_one_of_its_lifetime_whatever_became_of_its_end(
    sandbox: Sandbox, ann_client: Client
) -> None:
    acme(sandbox)
    form = {"label": "Web", "ends": "30", "token": str(uuid.uuid4())}
    ann_client.post("/keys/production/acme/create/", form)
    url = url_of(sandbox, "Web")
    rotate(ann_client, url, "1h")
    rotate(ann_client, url, "1h")
    assert all(about(ends(key), in_time(days=30)) for key in named(sandbox.keys("acme"), "Web")[1:])


def give_end_elsewhere(sandbox: Sandbox, label: str, end: datetime | None) -> None:
    (key,) = named(sandbox.keys("acme"), label)
    sandbox.set(patch_null_expiry="clears")
    bucket = f"{sandbox.url}/v1/accounts/{sandbox.account}/key-buckets/{sandbox.bucket}"
    answer = requests.patch(
        f"{bucket}/consumers/acme/keys/{key['id']}",
        json={"expiresOn": end and end.isoformat()},
        headers={"Authorization": f"Bearer {sandbox.token}"},
        timeout=10,
    )
    assert answer.ok


@pytest.mark.parametrize("days", [None, 90], ids=["never", "in 90 days"])
def test_a_later_end_that_was_given_elsewhere_counts(days: int | None, sandbox: Sandbox, ann_client: Client) -> None:
    """G7: the audit log knows of no end later than the first, as the portal gives none."""
    later = in_time(days=days) if days else None
    acme(sandbox)
    form = {"label": "Web", "ends": "30", "token": str(uuid.uuid4())}
    ann_client.post("/keys/production/acme/create/", form)
    url = url_of(sandbox, "Web")
    give_end_elsewhere(sandbox, "Web", later)
    rotate(ann_client, url)
    _old, new = named(sandbox.keys("acme"), "Web")
    assert ends(new) == later if later is None else about(ends(new), later)


def test_an_ended_key_is_not_rotated(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "Over", "expiresOn": "2026-01-01"}])
    response = rotate(ann_client, url_of(sandbox, "Over"))
    assert response.status_code == 403
    assert "already expired" in response.content.decode()
    assert len(sandbox.keys("acme")) == 1


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_half_done_rotation_says_so_and_offers_to_finish(htmx: bool, sandbox: Sandbox, ann_client: Client) -> None:
    """G7: the new key is shown, the old one is said to go on, and one button ends it."""
    acme(sandbox)
    headers = {"HX-Request": "true"} if htmx else {}
    sandbox.fault("PATCH", "*", "status", status=500, times=1)
    response = rotate(ann_client, url_of(sandbox, "CI"), headers=headers)
    assert response.status_code == 200
    old, new = named(sandbox.keys("acme"), "CI")
    assert old["expiresOn"] is None
    assert AuditEvent.objects.get().outcome == Outcome.PARTLY
    page = BeautifulSoup(response.content, "html.parser")
    assert new["key"] in page.get_text()
    assert "we couldn't confirm that the old key" in page.get_text()
    form = page.find("button", string="Expire the old key").find_parent("form")
    fields = {field["name"]: field["value"] for field in form.select("input[name]")}
    finished = ann_client.post(form["action"], fields, headers=headers)
    assert finished.status_code == (200 if htmx else 303)
    assert about(ends(named(sandbox.keys("acme"), "CI")[0]), in_time(hours=24))


@pytest.mark.parametrize("grace", ["now", "24h"])
def test_no_old_key_ends_while_nobody_can_be_shown_the_new_one(
    grace: str, sandbox: Sandbox, ann_client: Client
) -> None:
    """G7: a key that nobody has works for nobody."""
    acme(sandbox)
    sandbox.set(retrievable="masked", key_format_default="none")
    page = BeautifulSoup(rotate(ann_client, url_of(sandbox, "CI"), grace).content, "html.parser")
    assert "showing it" in page.get_text()
    assert "still works" in page.get_text()
    assert page.find("button", string="Expire the old key")
    assert all(key["expiresOn"] is None for key in named(sandbox.keys("acme"), "CI"))
    assert AuditEvent.objects.get().outcome == Outcome.PARTLY


def test_ending_the_old_key_may_find_it_ended(sandbox: Sandbox, ann_client: Client) -> None:
    """The PATCH was done after all, only nobody said so: the wire's milliseconds are no reason to refuse."""
    acme(sandbox)
    url = url_of(sandbox, "CI")
    sandbox.fault("PATCH", "*", "drop", when="after")
    sandbox.fault("GET", "*", "drop", nth=2, times=2)
    page = BeautifulSoup(rotate(ann_client, url).content, "html.parser")
    form = page.find("button", string="Expire the old key").find_parent("form")
    fields = {field["name"]: field["value"] for field in form.select("input[name]")}
    assert ann_client.post(form["action"], fields).status_code == 303
    assert about(ends(named(sandbox.keys("acme"), "CI")[0]), in_time(hours=24))


def test_rotating_does_not_get_around_the_limit_for_ever(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_PER_CONSUMER = 2
    acme(sandbox)
    statuses = [rotate(ann_client, url_of(sandbox, "Laptop"), "14d").status_code]
    for _ in range(3):
        newest = sandbox.keys("acme")[-1]["id"]
        statuses.append(rotate(ann_client, f"/keys/production/acme/{newest}/rotate/", "14d").status_code)
    assert statuses == [200, 200, 403, 403]
    assert len(sandbox.keys("acme")) == 4


def test_no_old_key_is_ended_when_no_new_one_was_made(sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    sandbox.fault("POST", "*/keys", "status", status=400)
    response = rotate(ann_client, url_of(sandbox, "CI"), "now")
    assert response.status_code == 502
    assert "Nothing was changed" in response.content.decode()
    assert sandbox.keys("acme") == before


# All keys of a consumer


def mixed(sandbox: Sandbox, *, all_lasting: bool = False) -> dict[str, datetime | None]:
    """Keys of every kind, and when each ends; only those that last longer than any time chosen are rolled."""
    lives = {"never": None, "in a month": in_time(days=30)}
    if not all_lasting:
        lives |= {"in an hour": in_time(hours=1), "ended": in_time(days=-3)}
    keys = [{"description": label, "expiresOn": end and end.isoformat()} for label, end in lives.items()]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    return lives


@pytest.mark.parametrize("scope", ["none_ending", "unexpired", "all"])
@pytest.mark.parametrize("answer", ["empty", "object", "key", "consumer"])
@pytest.mark.parametrize("grace", ["now", "3d"])
@pytest.mark.parametrize("all_lasting", [True, False], ids=["rolled", "by hand"])
def test_every_old_key_ends_at_the_earlier_time(
    all_lasting: bool, scope: str, answer: str, grace: str, sandbox: Sandbox, ann_client: Client
) -> None:
    """Under every reading of roll-key: min(its own end, the time chosen), and what has ended stays ended.

    A key that ends before that time is never rolled: one reading would make it live longer.
    """
    lives = mixed(sandbox, all_lasting=all_lasting)
    before = sandbox.keys("acme")
    sandbox.set(roll_scope=scope, roll_answer=answer)
    response = rotate(ann_client, "/keys/production/acme/rotate-all/", grace)
    after = sandbox.keys("acme")
    (new,) = new_keys(before, after)
    assert new["expiresOn"] is None
    assert any(call.path.endswith("/roll-key") for call in sandbox.journal()) is all_lasting
    assert FULL_KEY.findall(response.content.decode())[0] == new["key"]
    for key in after:
        if key != new:
            own = lives[key["description"]]
            expected = own if own and own < end_of(grace) else end_of(grace)
            assert about(ends(key), expected), key["description"]


def test_without_roll_key_a_key_is_made_and_the_others_ended(sandbox: Sandbox, ann_client: Client) -> None:
    mixed(sandbox)
    before = sandbox.keys("acme")
    sandbox.fault("POST", "*/roll-key", "status", status=404, times=0)
    assert rotate(ann_client, "/keys/production/acme/rotate-all/", "now").status_code == 200
    after = sandbox.keys("acme")
    (new,) = new_keys(before, after)
    assert [sandbox.authorizes(key["key"]) for key in after] == [key == new for key in after]


@pytest.mark.parametrize("kind", ["drop", "status", "not_json"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_roll_without_an_answer_is_looked_into(kind: str, when: str, sandbox: Sandbox, ann_client: Client) -> None:
    """G5: done is said only if it is seen to be done."""
    mixed(sandbox, all_lasting=True)
    before = sandbox.keys("acme")
    sandbox.fault("POST", "*/roll-key", kind, when=when)
    response = rotate(ann_client, "/keys/production/acme/rotate-all/", "3d")
    after = sandbox.keys("acme")
    if when == "after":
        assert response.status_code == 200
        (new,) = new_keys(before, after)
        assert new["key"] in response.content.decode()
        assert about(ends(named(after, "in a month")[0]), end_of("3d"))
    else:
        assert response.status_code == 503
        assert "may or may not have been done" in response.content.decode()
        assert after == before


@pytest.mark.parametrize("scope", ["unexpired", "all"])
def test_finishing_a_half_done_rotation_gives_each_key_its_own_end(
    scope: str, sandbox: Sandbox, ann_client: Client
) -> None:
    """Nothing longer-lived: also the key that roll-key put off, by one reading, and that no PATCH brought back."""
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "A"}, {"description": "B"}])
    sandbox.fault("PATCH", "*", "status", status=500, times=0)
    sandbox.fault("POST", "*/roll-key", "status", status=404, times=0)
    page = BeautifulSoup(rotate(ann_client, "/keys/production/acme/rotate-all/", "3d").content, "html.parser")
    sandbox.clear_faults()
    forms = [button.find_parent("form") for button in page.find_all("button", string="Expire the old key")]
    assert len(forms) == 2
    for form in forms:
        fields = {field["name"]: field["value"] for field in form.select("input[name]")}
        assert ann_client.post(form["action"], fields).status_code == 303
    assert all(about(ends(key), end_of("3d")) for key in sandbox.keys("acme")[:2])


def test_a_key_that_was_made_since_is_not_ended_with_the_others(
    sandbox: Sandbox, ann_client: Client, ben: object, client_of
) -> None:
    """G7: two managers who rotate all keys at once must not end each other's new one."""
    acme(sandbox)
    url, ben_client = "/keys/production/acme/rotate-all/", client_of(ben)
    pages = [BeautifulSoup(client.get(url).text, "html.parser") for client in (ann_client, ben_client)]
    seen = {page.find("input", {"name": "seen"})["value"] for page in pages}
    assert len(seen) == 1
    form = {"grace": "now", "seen": seen.pop()}
    first = ann_client.post(url, form | {"token": str(uuid.uuid4())})
    (new,) = FULL_KEY.findall(first.text)[:1]
    after = sandbox.keys("acme")
    second = ben_client.post(url, form | {"token": str(uuid.uuid4())})
    assert second.status_code == 409
    assert "changed this while you were editing" in second.text
    assert sandbox.keys("acme") == after
    assert sandbox.authorizes(new)


def test_a_key_that_has_ended_since_keeps_nobody_from_rotating_all(sandbox: Sandbox, ann_client: Client) -> None:
    """H1: nobody changed anything, and after a leak seconds count."""
    acme(sandbox)
    url = "/keys/production/acme/rotate-all/"
    seen = BeautifulSoup(ann_client.get(url).text, "html.parser").find("input", {"name": "seen"})["value"]
    give_end_elsewhere(sandbox, "Laptop", in_time(seconds=-1))
    form = {"grace": "now", "seen": seen, "token": str(uuid.uuid4())}
    assert ann_client.post(url, form).status_code == 200


def test_there_must_be_a_key_to_rotate(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"])
    assert rotate(ann_client, "/keys/production/acme/rotate-all/").status_code == 403
    assert sandbox.keys("acme") == []


# What the form offers


def offered(client, key: dict) -> tuple[list[str], str]:
    """The codes that can be chosen, and the one that is."""
    page = BeautifulSoup(client.get(f"/keys/production/acme/{key['id']}/rotate/").content, "html.parser")
    radios = page.select("[name=grace]")
    (chosen,) = [radio["value"] for radio in radios if radio.has_attr("checked")]
    return [radio["value"] for radio in radios], chosen


@pytest.mark.parametrize(
    ("hours", "codes", "chosen"),
    [
        (0.5, ["now", "1h"], "1h"),
        (23, ["now", "1h", "24h"], "24h"),
        (100, ["now", "1h", "24h", "3d", "7d"], "24h"),
        (24 * 30, ["now", "1h", "24h", "3d", "7d", "14d"], "24h"),
        (None, ["now", "1h", "24h", "3d", "7d", "14d"], "24h"),
    ],
)
def test_no_time_is_offered_later_than_the_keys_own_end(
    hours: float | None, codes: list[str], chosen: str, sandbox, ann_client
) -> None:
    """The last choice is that end, which the rotation leaves as it is."""
    end = hours and in_time(hours=hours)
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"expiresOn": end and end.isoformat()}])
    (key,) = sandbox.keys("acme")
    assert offered(ann_client, key) == (codes, chosen)
    url = f"/keys/production/acme/{key['id']}/rotate/"
    assert ("When it expires anyway" in ann_client.get(url).text) is (len(codes) < 6)
    ann_client.post(url, {"grace": codes[-1], "token": str(uuid.uuid4())})
    if len(codes) < 6:
        assert sandbox.keys("acme")[0]["expiresOn"] == key["expiresOn"]


def test_a_key_that_was_replaced_already_is_said_to_be(sandbox, ann_client) -> None:
    key = acme(sandbox)[0]
    url = f"/keys/production/acme/{key['id']}/rotate/"
    assert "already been replaced" not in ann_client.get(url).text
    ann_client.post(url, {"grace": "24h", "token": str(uuid.uuid4())})
    new = sandbox.keys("acme")[-1]
    assert f"already been replaced by ••••••••{new['key'][-4:]}" in ann_client.get(url).text


# The old key and the new one as one thing


def row(page: BeautifulSoup, key: dict) -> Tag:
    return page.select_one(f"[data-key='{key['id']}']")


def keep(client: Client, key: dict, grace: str, htmx: bool = False) -> HttpResponse:
    form = {"grace": grace, "token": str(uuid.uuid4())}
    return client.post(f"/keys/production/acme/{key['id']}/keep/", form, headers={"HX-Request": "true"} if htmx else {})


def a_pair(sandbox: Sandbox, client: Client, end: datetime | None = None) -> tuple[dict, dict]:
    """The old key "CI", which was rotated by the usual choice, and its new one; another key is newer than both."""
    keys = [{"description": "CI", "expiresOn": end and end.isoformat()}]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    rotate(client, f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/rotate/")
    client.post("/keys/production/acme/create/", {"label": "Other", "ends": "30", "token": str(uuid.uuid4())})
    return sandbox.keys("acme")[0], sandbox.keys("acme")[1]


def test_the_old_key_stands_below_the_new_one_until_it_ends(sandbox: Sandbox, ann_client: Client) -> None:
    old, new = a_pair(sandbox, ann_client)
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    ids = [one["data-key"] for one in page.select("[data-key]")]
    assert ids[1:] == [new["id"], old["id"]]
    buttons = [button.get_text() for button in row(page, old).select(".actions form > button")]
    assert buttons == ["Keep until…", "Expire now", "•••"]
    assert row(page, old).has_attr("data-old")
    assert not row(page, new).has_attr("data-old")
    assert keep(ann_client, old, "now").status_code == 303
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert row(page, old).find_parent(class_="ended")


def test_ending_now_is_asked_for_first(sandbox: Sandbox, ann_client: Client) -> None:
    old, new = a_pair(sandbox, ann_client)
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    button = row(page, old).select_one("[name=grace]")
    asked = ann_client.get(button["formaction"], {button["name"]: button["value"]})
    form = BeautifulSoup(asked.content, "html.parser").select_one("form.form")
    assert f"••••{new['key'][-4:]}) keeps working." in asked.text
    fields = {field["name"]: field["value"] for field in form.select("input")}
    answer = ann_client.post(form["action"], fields, headers={"HX-Request": "true"})
    assert "The key has expired." in answer.text
    assert about(ends(sandbox.keys("acme")[0]), in_time(minutes=-1))
    assert keep(ann_client, old, "3d").status_code == 403, "what has expired does not live again"


@pytest.mark.parametrize(("own", "grace", "kept"), [(None, "7d", 7), (10, "7d", 7), (5, "7d", 5), (None, "1h", 1 / 24)])
def test_a_replaced_key_may_be_kept_within_its_own_end(
    own: int | None, grace: str, kept: float, sandbox: Sandbox, ann_client: Client
) -> None:
    """G7: later than the rotation said, but never later than it would have ended without it."""
    old, _new = a_pair(sandbox, ann_client, own and in_time(days=own))
    assert about(ends(old), in_time(hours=24))
    assert keep(ann_client, old, grace).status_code == 303
    assert about(ends(sandbox.keys("acme")[0]), in_time(days=kept))
    assert keep(ann_client, old, "14d").status_code == 303
    assert about(ends(sandbox.keys("acme")[0]), in_time(days=min(14, own or 14)))
    event = AuditEvent.objects.filter(action=Action.CHANGE_END).first()
    assert event.facts["keeps"] is True


def test_only_possible_times_are_offered_to_keep_it(sandbox: Sandbox, ann_client: Client) -> None:
    old, _new = a_pair(sandbox, ann_client, in_time(days=5))
    page = BeautifulSoup(ann_client.get(f"/keys/production/acme/{old['id']}/keep/").content, "html.parser")
    assert [choice["value"] for choice in page.select("[name=grace]")] == ["1h", "24h", "3d", "7d"]
    assert "When it expires anyway" in page.select(".choice")[-1].get_text()


def test_an_end_that_was_chosen_for_the_key_itself_stays(sandbox: Sandbox, ann_client: Client) -> None:
    """G7: as when it leaked, or somebody knew better: only what a rotation made earlier is made later again."""
    old, _new = a_pair(sandbox, ann_client)
    form = {"ends_on": in_time(hours=3).strftime("%Y-%m-%dT%H:%M"), "token": str(uuid.uuid4())}
    assert ann_client.post(f"/keys/production/acme/{old['id']}/end/", form).status_code == 303
    assert keep(ann_client, old, "7d").status_code == 303
    assert about(ends(sandbox.keys("acme")[0]), in_time(hours=3))


def test_an_end_that_was_given_elsewhere_stays(sandbox: Sandbox, ann_client: Client) -> None:
    old, new = a_pair(sandbox, ann_client)
    ann_client.post(f"/keys/production/acme/{new['id']}/rename/", {"label": "New", "token": str(uuid.uuid4())})
    give_end_elsewhere(sandbox, "CI", in_time(hours=1))
    assert keep(ann_client, old, "7d").status_code == 303
    assert about(ends(sandbox.keys("acme")[0]), in_time(hours=1))


def test_a_key_that_nothing_replaced_is_not_kept_past_an_end_once_chosen(sandbox: Sandbox, ann_client: Client) -> None:
    """G7: nobody made that end earlier by a rotation."""
    key = acme(sandbox)[0]
    assert keep(ann_client, key, "3d").status_code == 303
    assert "keeps" not in AuditEvent.objects.get().facts
    assert keep(ann_client, key, "7d").status_code == 403
    assert about(ends(sandbox.keys("acme")[0]), in_time(days=3))
    page = BeautifulSoup(ann_client.get(f"/keys/production/acme/{key['id']}/keep/").content, "html.parser")
    assert "14d" not in [choice["value"] for choice in page.select("[name=grace]")]


# One new key for each old one


def rotate_each(client: Client, htmx: bool = False, **more: str) -> HttpResponse:
    form = {"grace": "1h", "new": "each", "ends": "30", "token": str(uuid.uuid4())} | more
    headers = {"HX-Request": "true"} if htmx else {}
    return client.post("/keys/production/acme/rotate-all/", form, headers=headers)


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_each_key_is_replaced_by_one_with_its_label(
    htmx: bool, sandbox: Sandbox, ann_client: Client, mailoutbox
) -> None:
    before = acme(sandbox)
    response = rotate_each(ann_client, htmx)
    after = sandbox.keys("acme")
    made = after[len(before) :]
    assert sorted(key["description"] for key in made) == ["CI", "Laptop"]
    assert all(about(ends(key), in_time(days=30)) for key in made)
    assert all(about(ends(key), in_time(hours=1)) for key in after[: len(before)])
    assert set(FULL_KEY.findall(response.text)) == {key["key"] for key in made}
    assert "2 new keys" in response.text
    whole = AuditEvent.objects.get(action=Action.ROTATE_ALL)
    parts = AuditEvent.objects.filter(action=Action.ROTATE)
    assert whole.outcome == Outcome.DONE
    assert {(part.outcome, part.facts["of"]) for part in parts} == {(Outcome.DONE, whole.pk)}
    assert {part.facts["new"] for part in parts} == {key["id"] for key in made} == set(whole.facts["each"])
    assert len(mailoutbox) == 2, "one mail for each manager, not for each key"
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert len(page.select("[data-key][data-old]")) == 2


def test_each_sent_twice_is_done_once(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    token = str(uuid.uuid4())
    rotate_each(ann_client, token=token)
    sandbox.clear_journal()
    again = rotate_each(ann_client, token=token)
    assert "Copy them from the list." in again.text
    assert not FULL_KEY.search(again.text)
    assert {call.method for call in sandbox.journal()} == {"GET"}
    assert len(sandbox.keys("acme")) == 4


def test_a_key_in_whose_place_another_works_gets_no_second_one(sandbox: Sandbox, ann_client: Client) -> None:
    a_pair(sandbox, ann_client)
    rotate_each(ann_client)
    assert sorted(key["description"] for key in sandbox.keys("acme")) == ["CI", "CI", "CI", "Other", "Other"]
    assert len([key for key in sandbox.keys("acme") if about(ends(key), in_time(hours=1))]) == 3
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    assert len(page.select("[data-key][data-old]")) == 3, "the one that was replaced before is known to be"


@pytest.mark.parametrize(("first", "named"), [("24h", True), ("1h", False)])
def test_of_keys_replaced_before_only_those_that_end_earlier_are_named(
    first: str, named: bool, sandbox: Sandbox, ann_client: Client
) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    rotate(ann_client, url_of(sandbox, "CI"), first)
    old, new = sandbox.keys("acme")
    rotate_each(ann_client)
    facts = AuditEvent.objects.get(action=Action.ROTATE_ALL).facts
    assert set(facts["names"]) == ({old["id"], new["id"]} if named else {new["id"]})


def test_where_one_fails_those_left_stay_as_they_are(sandbox: Sandbox, ann_client: Client, mailoutbox) -> None:
    before = acme(sandbox)
    token = str(uuid.uuid4())
    sandbox.fault("POST", "*/keys", "status", nth=2, status=500)
    response = rotate_each(ann_client, token=token)
    after = sandbox.keys("acme")
    assert len(after) == 3
    left = next(key for key in before if key["description"] != after[2]["description"])
    assert f"{left['description']} (••••••••{left['key'][-4:]})" in response.text
    assert left in after
    whole = AuditEvent.objects.get(action=Action.ROTATE_ALL)
    assert whole.outcome == Outcome.PARTLY
    assert (
        list(whole.facts["names"])
        == list(whole.facts["old"])
        == [AuditEvent.objects.get(facts__of=whole.pk, outcome=Outcome.DONE).key_id]
    )
    assert left["id"] not in whole.facts["old"]
    (row,) = [
        text
        for one in BeautifulSoup(ann_client.get("/keys/activity/production/").content, "html.parser").select(
            "[data-event]"
        )
        if "rotated all" in (text := one.get_text(" "))
    ]
    assert "Not every key was rotated" in row
    assert left["key"][-4:] not in row
    assert all(left["key"][-4:] not in mail.body for mail in mailoutbox)
    assert len(mailoutbox) == 2
    again = rotate_each(ann_client, token=token)
    assert left["key"][-4:] in again.text
    assert "Expire the old key" not in again.text, "what has no new key is not offered to be ended"
    assert len(sandbox.keys("acme")) == 3


def test_where_the_first_fails_nothing_was_changed(sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    sandbox.fault("POST", "*/keys", "status", status=409)
    response = rotate_each(ann_client)
    assert response.status_code >= 400
    assert "Nothing was changed." in response.text
    assert sandbox.keys("acme") == before
    assert rotate_each(ann_client).status_code == 200


def test_an_old_key_that_could_not_be_ended_is_offered_to_be(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    sandbox.fault("PATCH", "*", "status", status=400, times=3)
    response = rotate_each(ann_client, grace="now")
    offers = BeautifulSoup(response.content, "html.parser").select("form[data-tone=warn]")
    assert len(offers) == 1
    parts = AuditEvent.objects.filter(action=Action.ROTATE)
    assert sorted(part.outcome for part in parts) == sorted([Outcome.DONE, Outcome.PARTLY]), "one by the second try"
    (late,) = [part.key_id for part in parts if part.outcome == Outcome.PARTLY]
    assert late in offers[0]["action"]
    fields = {field["name"]: field["value"] for field in offers[0].select("input[name]")}
    assert ann_client.post(offers[0]["action"], fields).status_code == 303
    assert len([key for key in sandbox.keys("acme") if works(key)]) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_settled_key_by_key(when: str, sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    sandbox.fault("POST", "*/keys", "drop", when=when)
    sandbox.fault("GET", "*/consumers/acme", "drop", nth=2, times=0)
    response = rotate_each(ann_client)
    assert response.status_code == 503
    assert "It may or may not have been done." in response.text
    sandbox.clear_faults()
    cache.clear()
    AuditEvent.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    ann_client.get("/keys/")
    whole = AuditEvent.objects.get(action=Action.ROTATE_ALL)
    part = AuditEvent.objects.get(action=Action.ROTATE)
    if when == "before":
        assert sandbox.keys("acme") == before
        assert whole.outcome == part.outcome == Outcome.FAILED
    else:
        assert whole.outcome == part.outcome == Outcome.PARTLY
        assert list(whole.facts["old"]) == list(whole.facts["names"]) == [part.key_id]


def test_after_a_crash_a_key_that_was_replaced_before_is_still_to_be_ended(
    sandbox: Sandbox, ann_client: Client
) -> None:
    """It was none of those to be rotated: its end is all that is missing, and it is not said to be left out."""
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    rotate(ann_client, url_of(sandbox, "CI"))
    replaced, _new = sandbox.keys("acme")
    token = str(uuid.uuid4())
    sandbox.fault("PATCH", f"*/{replaced['id']}", "status", status=400, times=0)
    rotate_each(ann_client, token=token)
    sandbox.clear_faults()
    whole = AuditEvent.objects.get(action=Action.ROTATE_ALL)
    before = {key["id"]: key["expiresOn"] for key in sandbox.keys("acme")}
    facts = whole.facts | {"each": [], "old": {key_id: whole.facts["old"].get(key_id) for key_id in whole.facts["was"]}}
    long_ago = timezone.now() - timedelta(minutes=3)
    AuditEvent.objects.update(started_at=long_ago)
    AuditEvent.objects.filter(pk=whole.pk).update(facts=facts, outcome=Outcome.STARTED, ended_at=None)
    cache.clear()
    ann_client.get("/keys/")
    whole.refresh_from_db()
    assert whole.outcome == Outcome.PARTLY
    assert len(whole.facts["each"]) == 1
    again = rotate_each(ann_client, token=token)
    assert "These keys still work." not in again.text
    form = BeautifulSoup(again.content, "html.parser").find("button", string="Expire the old key").find_parent("form")
    assert replaced["id"] in form["action"]
    fields = {field["name"]: field["value"] for field in form.select("input[name]")}
    ann_client.post(form["action"], fields)
    ended = sandbox.keys("acme")[0]
    assert ended["expiresOn"] < before[replaced["id"]]


def test_one_key_for_all_may_have_an_end(sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    response = rotate_each(ann_client, new="one", ends="7")
    (new,) = new_keys(before, sandbox.keys("acme"))
    assert about(ends(new), in_time(days=7))
    assert FULL_KEY.findall(response.text)[0] == new["key"]
    assert all(about(ends(key), in_time(hours=1)) for key in sandbox.keys("acme") if key != new)


def test_too_many_keys_are_not_rotated_one_by_one(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_PER_CONSUMER = 100
    keys = [{"description": f"Robot {number}"} for number in range(21)]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    response = rotate_each(ann_client)
    assert response.status_code == 403
    assert "more than 20 keys" in response.text
    assert len(sandbox.keys("acme")) == 21


def test_limits_hold_for_all_of_them(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_PER_CONSUMER = 2
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{}, {}, {}])
    assert rotate_each(ann_client).status_code == 403
    assert len(sandbox.keys("acme")) == 3


def test_rotating_all_is_dangerous_and_asks_how(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    page = BeautifulSoup(ann_client.get("/keys/production/acme/rotate-all/").content, "html.parser")
    assert page.select_one("[name=new][checked]")["value"] == "each"
    assert page.select_one("[name=ends][checked]")["value"] == "90"
    assert "button-danger-fill" in page.select_one("form.form button:not([type])")["class"]
