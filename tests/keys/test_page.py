"""The API Keys page: whose keys it shows, and what it says when there are none."""

import uuid
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from bs4 import BeautifulSoup, Tag
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from sandbox import Sandbox
from sandbox.values import mint_key
from tests.helpers.verbs import FULL_KEY, acme, in_time

pytestmark = pytest.mark.django_db


def page_of(client: Client, url: str = "/keys/") -> BeautifulSoup:
    response = client.get(url)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert "HX-Request" in response["Vary"]
    assert not FULL_KEY.search(response.content.decode())
    return BeautifulSoup(response.content, "html.parser")


def consumers_on(page: BeautifulSoup) -> list[str]:
    return [element["data-consumer"] for element in page.select("[data-consumer]")]


def buttons(element: Tag) -> list[str]:
    return [button.get("aria-label") or button.get_text(strip=True) for button in element.find_all("button")]


def verbs(place: Tag) -> tuple[list[str], list[str]]:
    """The buttons of a row or of a consumer's head, and those in its menu."""
    actions = place.select_one(".actions")
    menu = actions.select_one("[popover]").extract()
    assert actions.select_one("[aria-label=More]")["popovertarget"] == menu["id"]
    return buttons(actions), buttons(menu)


def test_it_shows_the_keys_of_every_consumer_that_lists_the_address(sandbox: Sandbox, ann_client: Client) -> None:
    """One upstream call for one address: that is the floor."""
    keys = acme(sandbox)
    sandbox.add_consumer("mobile", managers=["Ann@ACME.test"], keys=[{"description": "iOS app"}])
    sandbox.add_consumer("globex", label="Globex", managers=["ben@acme.test"], keys=[{"description": "Reporting"}])
    page = page_of(ann_client)
    assert consumers_on(page) == ["acme", "mobile"]
    (call,) = sandbox.journal()
    assert (call.method, call.status) == ("GET", 200)
    assert "manager-email=ann@acme.test" in call.query
    assert "key-format=masked" in call.query
    row = page.select_one(f"[data-key={keys[0]['id']}]")
    assert row is not None
    assert "CI" in row.get_text()
    assert keys[0]["key"][-4:] in row.get_text()
    in_menu = ["Rename", "Change expiry", "Delete"]
    assert verbs(row) == (["Copy", "Reveal", "Rotate", "More"], in_menu)
    assert verbs(page.select_one("[data-consumer=acme] header")) == (
        ["People", "Create key", "More"],
        ["Rename", "Rotate all"],
    )


def test_rows_say_what_is_not_the_rule(sandbox: Sandbox, ann_client: Client) -> None:
    """And none of a page's forms but one sends a token along."""
    acme(sandbox)
    page = page_of(ann_client)
    assert "Active" not in page.main.get_text()
    forms = {form["id"]: form for form in page.select("form[id]")}
    assert forms["act"]["method"] == "post"
    assert [field["name"] for field in forms["act"].select("input")] == ["csrfmiddlewaretoken"]
    assert forms["ask"].select("input") == []
    for button in page.select("[data-consumer] [formaction]"):
        is_read = button["formaction"].endswith(("/copy/", "/reveal/"))
        assert button["form"] == ("act" if is_read else "ask")
    for form in page.select("[data-key] form"):
        assert "method" not in form.attrs
        assert form.select("input") == []
        assert [button.get("form", "") for button in form.select("[name=ask]")] == [""] * 4


def test_without_a_script_a_row_leads_to_the_page_of_a_verb(sandbox: Sandbox, ann_client: Client) -> None:
    """And to no other address, whatever is named; the place in the list goes along."""
    fleet(sandbox, 25)
    page = page_of(ann_client, f"{FLEET}?page=2")
    form = page.select_one("[data-key] form")
    place = {field["name"]: field["value"] for field in form.select("input")}
    assert place == {"page": "2"}
    for button in form.select("[name=ask]"):
        answer = ann_client.get(form["action"], place | {"ask": button["value"]})
        assert answer["Location"] == f"{form['action']}{button['value']}/?page=2"
        assert ann_client.get(answer["Location"]).status_code == 200
    for odd in ("reveal", "//mallory.test/", "../../", ""):
        assert ann_client.get(form["action"], {"ask": odd}).status_code == 200


@pytest.mark.parametrize("number", [1, 9])
def test_the_number_of_queries_does_not_depend_on_that_of_keys(
    number: int, sandbox: Sandbox, ann_client: Client, django_assert_num_queries
) -> None:
    """Session, user with addresses, what was changed lately; and which key replaced which, where one has an end."""
    keys = [{"description": f"Key {n}", "expiresOn": in_time(days=40).isoformat()} for n in range(number)]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    with django_assert_num_queries(4):
        page_of(ann_client)


def test_nothing_that_a_query_found_is_kept(sandbox: Sandbox, ann, ann_client: Client) -> None:
    """Queries are prepared once for each process, for the values of each request."""
    acme(sandbox)
    sandbox.add_consumer("home", managers=["ann@home.test"])
    assert consumers_on(page_of(ann_client)) == ["acme"]
    address = EmailAddress.objects.create(user=ann, email="ann@home.test", verified=True)
    assert consumers_on(page_of(ann_client)) == ["acme", "home"]
    address.delete()
    assert consumers_on(page_of(ann_client)) == ["acme"]
    ann_client.session.flush()
    assert ann_client.get("/keys/").status_code == 302


def test_every_verified_address_counts(sandbox: Sandbox, make_person, client_of) -> None:
    """A person with three addresses is asked for three times; the same consumer is shown once."""
    acme(sandbox)
    sandbox.add_consumer("home", managers=["ann@home.test", "ann@acme.test"])
    person = make_person("ann@acme.test", "ann@home.test", "ann@third.test")
    assert consumers_on(page_of(client_of(person))) == ["acme", "home"]
    assert len(sandbox.journal()) == 3


def test_an_address_arrives_as_it_is_stored(sandbox: Sandbox, make_person, client_of) -> None:
    """A5: nothing in an address is read as a piece of a query."""
    address = "a+b&manager-email=ben@acme.test%20#/"
    sandbox.add_consumer("plus", managers=[address])
    assert consumers_on(page_of(client_of(make_person(address)))) == ["plus"]


def test_look_alike_addresses_are_others(sandbox: Sandbox, make_person, client_of) -> None:
    """A4: the Kelvin sign is no k, and the long s no s, whatever the Developer API thinks."""
    sandbox.add_consumer("kate", managers=["kate@boss.test"])
    sandbox.fault("GET", "*/consumers", "filter_ignored", times=0)
    for address in ("\u212aate@boss.test", "kate@bo\u017fs.test", "kate@boss.test ", "xkate@boss.test"):
        assert consumers_on(page_of(client_of(make_person(address)))) == []


def test_the_filter_is_not_trusted(sandbox: Sandbox, mallory_client: Client) -> None:
    """C2: what does not list one's own address is not shown, whatever the Developer API answers."""
    acme(sandbox)
    sandbox.fault("GET", "*/consumers", "filter_ignored", times=0)
    assert consumers_on(page_of(mallory_client)) == []


@pytest.mark.parametrize("managers", [[], None, [{}], [{"email": ""}], [{"email": None}], [{"id": "eusr_1"}]], ids=str)
def test_a_consumer_that_names_no_manager_is_nobodys(managers: object, sandbox: Sandbox, ann_client: Client) -> None:
    """C1, C2: whom the Developer API leaves open is not let in."""
    key = acme(sandbox)[0]
    consumer = sandbox.consumer("acme") | {"managers": managers}
    sandbox.fault("GET", "*/consumers", "wrong_type", body={"data": [consumer]}, times=0)
    sandbox.fault("GET", "*/consumers/acme", "wrong_type", body=consumer, times=0)
    assert consumers_on(page_of(ann_client)) == []
    for url in (f"/keys/production/acme/{key['id']}/reveal/", "/keys/production/acme/rename/"):
        assert ann_client.post(url, {"label": "Mine", "token": str(uuid.uuid4())}).status_code == 404
    assert all(call.method == "GET" and "visible" not in call.query for call in sandbox.journal())


def test_keys_are_masked_even_if_full_ones_come(sandbox: Sandbox, ann_client: Client) -> None:
    """E1: the portal masks by itself."""
    keys = acme(sandbox)
    body = {"data": [sandbox.consumer("acme")]}
    sandbox.fault("GET", "*/consumers", "wrong_type", body=body)
    page = page_of(ann_client)
    assert keys[0]["key"][-4:] in page.get_text()


def test_states_are_said_in_a_word(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer(
        "acme",
        managers=["ann@acme.test"],
        keys=[
            {"description": "Lasting"},
            {"description": "Later", "expiresOn": in_time(days=40).isoformat()},
            {"description": "Soon", "expiresOn": in_time(days=3, hours=1).isoformat()},
            {"description": "Over", "expiresOn": in_time(days=-2).isoformat()},
        ],
    )
    page = page_of(ann_client)
    text = {row.strong.get_text(): " ".join(row.get_text(" ").split()) for row in page.select("[data-key]")}
    assert "No expiry" in text["Lasting"]
    assert "Expires in 40 days" in text["Later"]
    assert "Expires in 3" in text["Soon"]
    assert [row.strong.get_text() for row in page.select("[data-key]:has([data-state=soon])")] == ["Soon"]
    assert "Expired 2 days ago" in text["Over"]
    ended = page.select_one("main details")
    assert "1 expired key" in ended.get_text()
    assert [row.strong.get_text() for row in ended.select("[data-key]")] == ["Over"]
    assert verbs(ended.select_one("[data-key]")) == (["More"], ["Delete"])


@pytest.mark.parametrize("sort", ["newest", "oldest", "id", "shuffled"])
def test_keys_stand_newest_first_in_any_case(sort: str, sandbox: Sandbox, ann_client: Client) -> None:
    keys = [{"description": f"Key {n}", "createdOn": in_time(days=-n).isoformat()} for n in (3, 1, 2)]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    sandbox.set(sort=sort)
    assert [row.strong.get_text() for row in page_of(ann_client).select("[data-key]")] == ["Key 1", "Key 2", "Key 3"]


def test_a_newcomer_is_led_to_the_first_key(sandbox: Sandbox, ann_client: Client) -> None:
    page = page_of(ann_client)
    assert "Create your first key" in page.get_text()
    assert "ann@acme.test" in page.main.get_text()
    assert buttons(page.main) == ["Create key", "Ask for access"]


def test_without_a_proved_address_nothing_is_asked_for(sandbox: Sandbox, unverified, client_of) -> None:
    """A1: the page leads to proving one; the Developer API never hears of the address."""
    acme(sandbox)
    page = page_of(client_of(unverified))
    assert "Confirm your email address" in page.get_text()
    assert consumers_on(page) == []
    assert sandbox.journal() == []


@pytest.mark.parametrize("kind", ["drop", "not_json", "truncated", "wrong_type", "deep", "gzip_bomb", "redirect"])
def test_an_outage_never_looks_like_no_keys(kind: str, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    options = {"location": "http://127.0.0.1:9/"} if kind == "redirect" else {}
    sandbox.fault("GET", "*", kind, times=0, **options)
    response = ann_client.get("/keys/")
    assert response.status_code in {502, 503}
    page = response.content.decode()
    assert "Create your first key" not in page
    assert response["X-Request-ID"] in page
    assert "no-store" in response["Cache-Control"]
    sandbox.clear_faults()
    assert consumers_on(page_of(ann_client)) == ["acme"]


def test_a_rejected_token_is_the_operators_trouble(
    sandbox: Sandbox, ann_client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """G9: said as such, told to the operator, and not tried again."""
    settings.ZUPLO_API_KEY = "expired"
    response = ann_client.get("/keys/")
    assert response.status_code == 503
    assert "set up correctly" in response.content.decode()
    assert len(sandbox.journal()) == 1
    assert "CRITICAL" in caplog.text
    assert "expired" not in caplog.text


def test_many_consumers_are_paged(sandbox: Sandbox, ann_client: Client) -> None:
    for number in range(60):
        sandbox.add_consumer(f"team-{number:02}", managers=["ann@acme.test"])
    assert consumers_on(page_of(ann_client)) == [f"team-{number:02}" for number in range(25)]
    assert consumers_on(page_of(ann_client, "/keys/?page=3")) == [f"team-{number:02}" for number in range(50, 60)]
    assert "Page 3 of 3" in page_of(ann_client, "/keys/?page=99").get_text()


def test_consumers_stand_in_the_order_in_which_people_count(sandbox: Sandbox, ann_client: Client) -> None:
    for number in (10, 2, 1):
        sandbox.add_consumer(f"team-{number}", label=f"Team {number}", managers=["ann@acme.test"])
    assert consumers_on(page_of(ann_client)) == ["team-1", "team-2", "team-10"]


def test_more_than_one_upstream_page_is_read(sandbox: Sandbox, ann_client: Client) -> None:
    """G12: more than 1,000 consumers are all found, each once, in whatever order they come."""
    for number in range(1003):
        sandbox.add_consumer(f"team-{number:04}", managers=["ann@acme.test"])
    sandbox.set(sort="shuffled")
    assert "Page 41 of 41" in page_of(ann_client, "/keys/?page=41").get_text()
    assert len(sandbox.journal()) == 2


@pytest.mark.parametrize("name", ["activity", "ask", "create", "reminders"])
def test_a_consumer_with_the_name_of_a_page_has_a_page_too(name: str, sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer(name, managers=["ann@acme.test"], keys=[{"description": "CI"}])
    assert consumers_on(page_of(ann_client, f"/keys/production/{name}/")) == [name]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("activity/?kind=made", "activity/production/?kind=made"),
        ("activity.csv", "activity/production.csv"),
        ("reminders/", "reminders/production/"),
        ("create/", "create/production/"),
    ],
)
def test_old_addresses_lead_to_the_new_ones(old: str, new: str, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    answer = ann_client.get(f"/keys/production/{old}")
    assert (answer.status_code, answer["Location"]) == (302, f"/keys/{new}")


def test_a_form_that_was_open_at_an_old_address_arrives(sandbox: Sandbox, mallory_client: Client) -> None:
    form = {"label": "First", "ends": "30", "token": str(uuid.uuid4())}
    answer = mallory_client.post("/keys/production/create/", form)
    assert (answer.status_code, answer["Location"]) == (307, "/keys/create/production/")


FLEET = "/keys/production/fleet/"


def fleet(sandbox: Sandbox, number: int, **more: Any) -> list[str]:
    """One consumer with so many keys, made on different days; the labels, newest first."""
    labels = [f"Robot {one:05}" for one in range(number)]
    days = {label: in_time(days=-30, minutes=one).isoformat() for one, label in enumerate(labels)}
    keys = [{"description": label, "createdOn": days[label]} for label in labels]
    sandbox.add_consumer("fleet", label="Fleet", managers=["ann@acme.test"], keys=keys, **more)
    return labels[::-1]


def labels_on(page: BeautifulSoup) -> list[str]:
    return [name.get_text() for name in page.select("[data-key] strong")]


def key_of(sandbox: Sandbox, label: str) -> dict[str, Any]:
    return next(key for key in sandbox.keys("fleet") if key["description"] == label)


def test_ten_keys_are_all_in_sight(sandbox: Sandbox, ann_client: Client) -> None:
    labels = fleet(sandbox, 10)
    page = page_of(ann_client)
    assert labels_on(page) == labels
    assert page.select("[data-consumer] [role=search], [data-consumer] nav") == []


def test_from_eleven_keys_on_there_are_pages_and_a_search(sandbox: Sandbox, ann_client: Client) -> None:
    labels = fleet(sandbox, 25)
    page = page_of(ann_client)
    assert labels_on(page) == labels[:10]
    assert page.select_one("#count-fleet").get_text(strip=True) == "25 active keys"
    place = page.select_one("[data-consumer] nav")
    assert "Page 1 of 3" in place.get_text()
    last = page_of(ann_client, place.select_one("[rel=next]")["href"].replace("=2", "=3"))
    assert labels_on(last) == labels[20:]
    assert labels_on(page_of(ann_client, f"{FLEET}?page=99")) == labels[20:]
    found = page_of(ann_client, f"{FLEET}?find=robot+0001")
    assert labels_on(found) == labels[5:15]
    assert found.select_one("#count-fleet").get_text(strip=True) == "11 keys found"
    ending = key_of(sandbox, labels[22])["key"][-4:]
    assert labels[22] in labels_on(page_of(ann_client, f"{FLEET}?find={ending}"))
    nothing = page_of(ann_client, f"{FLEET}?find=elsewhere")
    assert labels_on(nothing) == []
    assert "No key matches “elsewhere”" in nothing.get_text()


def test_expired_keys_are_on_the_last_pages(sandbox: Sandbox, ann_client: Client) -> None:
    old = [{"description": f"Old {one}", "expiresOn": in_time(days=-one - 1).isoformat()} for one in range(4)]
    live = [{"description": f"New {one}"} for one in range(8)]
    sandbox.add_consumer("fleet", managers=["ann@acme.test"], keys=[*old, *live])
    page = page_of(ann_client, f"{FLEET}?page=2")
    assert page.select_one("#count-fleet").get_text(" ", strip=True) == "8 active keys, 4 expired"
    assert len(page.select(".ended[open] [data-key]")) == 2
    assert len(page_of(ann_client).select(".ended[open] [data-key]")) == 2


def test_a_page_of_very_many_keys_is_as_light_as_one_of_eleven(sandbox: Sandbox, ann_client: Client) -> None:
    """G12, G1: 10,000 keys on one consumer are a page like any other."""
    fleet(sandbox, 10_000)
    many = ann_client.get("/keys/")
    sandbox.reset()
    fleet(sandbox, 11)
    assert abs(len(many.content) - len(ann_client.get("/keys/").content)) < 100
    sandbox.reset()
    fleet(sandbox, 10_000)
    old = sandbox.keys("fleet")[0]
    assert old["key"] in ann_client.post(f"{FLEET}{old['id']}/reveal/", headers={"HX-Request": "true"}).text


def test_htmx_gets_the_keys_alone(sandbox: Sandbox, ann_client: Client) -> None:
    labels = fleet(sandbox, 25)
    asked = {"HX-Request": "true", "HX-Target": "keys-fleet"}
    answer = ann_client.get(f"{FLEET}?page=2", headers=asked)
    page = BeautifulSoup(answer.content, "html.parser")
    assert labels_on(page) == labels[10:20]
    assert page.select("html, header, [data-consumer]") == []
    assert (
        page.select_one("[hx-swap-oob^='innerHTML:'][hx-swap-oob*='count-fleet']").get_text(strip=True)
        == "25 active keys"
    )
    assert page.select_one("input[name=page]")["value"] == "2", "it goes along with each verb"


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_after_a_verb_people_stay_on_their_page_and_search(htmx: bool, sandbox: Sandbox, ann_client: Client) -> None:
    labels = fleet(sandbox, 40)
    place, headers = "?find=Robot&page=2", {"HX-Request": "true"} if htmx else {}
    page = page_of(ann_client, FLEET + place)
    fields = page.select("#ask input, #keys-fleet > input, [data-key] input")
    hidden = {field["name"]: field["value"] for field in fields}
    assert hidden == {"find": "Robot", "page": "2"}
    url = f"{FLEET}{key_of(sandbox, labels[12])['id']}/rename/"
    form = BeautifulSoup(ann_client.get(url, hidden, headers=headers).content, "html.parser").select_one("form.form")
    told = {"label": "Robot X", "shown": labels[12], "token": str(uuid.uuid4())}
    answer = ann_client.post(form["action"], told, headers=headers)
    if not htmx:
        assert answer["Location"] == f"{FLEET}{place}#consumer-fleet"
        answer = ann_client.get(answer["Location"])
    shown = BeautifulSoup(answer.content, "html.parser")
    assert labels_on(shown) == [*labels[10:12], "Robot X", *labels[13:20]]
    assert shown.select_one("#find-fleet")["value"] == "Robot"


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "panel"])
def test_people_stay_on_their_page_and_search_through_the_panel_of_a_key(
    htmx: bool, sandbox: Sandbox, ann_client: Client
) -> None:
    labels = fleet(sandbox, 40)
    headers = {"HX-Request": "true"} if htmx else {}
    url = f"{FLEET}{key_of(sandbox, labels[12])['id']}/"
    panel = BeautifulSoup(ann_client.get(f"{url}?find=Robot&page=2", headers=headers).content, "html.parser")
    asks = [form for form in panel.select(".actions form") if not form["action"].endswith(("copy/", "reveal/"))]
    assert [form["action"] for form in asks] == [f"{url}{verb}/" for verb in ("rotate", "end", "rename", "delete")]
    for form in asks:
        hidden = {field["name"]: field["value"] for field in form.select("input")}
        dialog = BeautifulSoup(ann_client.get(form["action"], hidden, headers=headers).content, "html.parser")
        assert dialog.select_one("form.form")["action"] == f"{form['action']}?find=Robot&page=2"
    told = {"label": "Robot X", "shown": labels[12], "token": str(uuid.uuid4())}
    answer = ann_client.post(f"{url}rename/?find=Robot&page=2", told, headers=headers)
    shown = page_of(ann_client, answer["Location"]) if not htmx else BeautifulSoup(answer.content, "html.parser")
    assert labels_on(shown) == [*labels[10:12], "Robot X", *labels[13:20]]
    assert shown.select_one("#find-fleet")["value"] == "Robot"
    revealed = {"HX-Request": "true", "HX-Target": "key-card"}
    card = ann_client.post(f"{url}reveal/", {"find": "Robot", "page": "2"}, headers=revealed)
    field = BeautifulSoup(card.content, "html.parser").select_one("form[action$='rename/'] [name=page]")
    assert field["value"] == "2"


def test_a_new_key_is_shown_wherever_somebody_was(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_PER_CONSUMER = 5_000
    fleet(sandbox, 40)
    told = {"label": "Brand new", "ends": "30", "token": str(uuid.uuid4())}
    answer = ann_client.post(f"{FLEET}create/?find=Robot&page=3", told, headers={"HX-Request": "true"})
    page = BeautifulSoup(answer.content, "html.parser")
    made = page.select_one("[data-made]")["data-made"]
    assert page.select_one(f"#{made} strong").get_text() == "Brand new"
    assert page.select_one("#find-fleet")["value"] == ""


def test_the_way_back_from_a_keys_page_finds_its_row(sandbox: Sandbox, ann_client: Client) -> None:
    labels = fleet(sandbox, 40)
    key = key_of(sandbox, labels[33])["id"]
    back = page_of(ann_client, f"{FLEET}{key}/").select_one(".page-back a")["href"]
    assert back == f"{FLEET}?key={key}#key-{key}"
    assert labels[33] in labels_on(page_of(ann_client, back))


def test_the_health_line_leads_to_its_keys_on_other_pages(sandbox: Sandbox, ann_client: Client) -> None:
    labels = fleet(sandbox, 40)
    key = key_of(sandbox, labels[33])["id"]
    ends = {"ends_on": f"{in_time(days=2):%Y-%m-%dT%H:%M}", "token": str(uuid.uuid4())}
    ann_client.post(f"{FLEET}{key}/end/", ends)
    line = page_of(ann_client).select_one("[data-health] a[href*=soon]")
    assert labels_on(page_of(ann_client, line["href"])) == [labels[33]]
    endless = page_of(ann_client, f"{FLEET}?only=endless&page=2")
    assert labels_on(endless) == labels[10:20]
    assert "39 keys found" in endless.select_one("#count-fleet").get_text()


def test_the_health_line_is_asked_for_anew_when_a_key_has_changed(sandbox: Sandbox, ann_client: Client) -> None:
    before = acme(sandbox)
    token = {"label": "Build", "token": str(uuid.uuid4())}
    url = f"/keys/production/acme/{before[0]['id']}/"
    answer = ann_client.post(f"{url}rename/", token, headers={"HX-Request": "true"})
    assert "keys:changed" in answer["HX-Trigger"]
    assert page_of(ann_client).select_one("#health")["hx-trigger"] == "keys:changed from:body"
    line = ann_client.get("/keys/", headers={"HX-Request": "true", "HX-Target": "health"})
    assert "1 key expires in" in line.text
    assert "<html" not in line.text


@pytest.mark.parametrize(
    "path", ["/keys/?find=Server+", "/admin/keys/consumers/production/look/search/?words=", "/x?y="]
)
def test_a_key_that_is_pasted_into_a_search_does_not_stay_in_the_address(path: str, client: Client) -> None:
    """E2: signed in or not; what is looked for instead are the characters that lists show."""
    value = mint_key()
    answer = client.get(f"{path}{value}&page=2")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{path}{value[-4:]}&page=2"
    assert "no-store" in answer.headers["Cache-Control"]
    quoted = client.get(f"{path}{value.replace('_', '%5F')}")
    assert quoted.headers["Location"] == path + value[-4:]
    elsewhere = client.get("/", {"x": value}, PATH_INFO="//evil.test/")
    assert elsewhere.headers["Location"] == f"/%2Fevil.test/?x={value[-4:]}"


def test_a_pasted_key_is_found_by_its_last_characters(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "Server"}])
    value = sandbox.keys("acme")[0]["key"]
    page = ann_client.get("/keys/", {"find": value}, follow=True).text
    assert 'data-consumer="acme"' in page
    assert value not in page


def test_each_environment_has_its_page(two_environments: Sandbox, ann_client: Client) -> None:
    sandbox = two_environments
    acme(sandbox)
    sandbox.add_consumer("acme-preview", managers=["ann@acme.test"], bucket=sandbox.buckets[1])
    page = page_of(ann_client)
    assert consumers_on(page) == ["acme"]
    links = {link.get_text(strip=True): link["href"] for link in page.select(".segments a")}
    assert links == {"production": "/keys/production/", "preview": "/keys/preview/"}
    assert consumers_on(page_of(ann_client, "/keys/preview/")) == ["acme-preview"]
    assert ann_client.get("/keys/staging/").status_code == 404


def test_one_environment_needs_no_switch_but_is_named(sandbox: Sandbox, ann_client: Client) -> None:
    page = page_of(ann_client)
    assert page.select(".segments") == []
    assert "production" in page.select_one("h1 .environment").get_text()
    assert "production" in page.title.get_text()


def test_the_operator_chooses_what_of_a_consumer_is_shown(sandbox: Sandbox, ann_client: Client, settings) -> None:
    """Only plain values, and as text; nothing by default."""
    sandbox.add_consumer(
        "acme",
        managers=["ann@acme.test"],
        tags={"org": "acme", "plan": "tag"},
        metadata={"plan": "<b>pro</b>", "seat_count": 25, "trial": False, "limits": {"a": 1}, "secret": "unlisted"},
    )
    assert page_of(ann_client).select(".facts") == []
    settings.KEYS_SHOW_METADATA = ["plan", "seat_count", "org", "trial", "limits", "missing"]
    page = page_of(ann_client)
    facts = {row.dt.get_text(): row.dd.get_text() for row in page.select(".facts div")}
    assert facts == {"Plan": "<b>pro</b>", "Seat count": "25", "Org": "acme", "Trial": "No"}
    assert "unlisted" not in page.get_text()


def rows(page: BeautifulSoup) -> dict[str, Tag]:
    return {row["data-key"]: row for row in page.select("[data-key]")}


def test_a_key_that_ends_soon_offers_rotation_until_it_was_rotated(sandbox: Sandbox, ann_client: Client) -> None:
    """And then says what replaced it, also after all were rotated; keys that had ended before were not replaced."""
    over = {"description": "Over", "expiresOn": in_time(days=-2).isoformat()}
    soon = {"description": "Soon", "expiresOn": in_time(days=3).isoformat()}
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[over, soon])
    ended, old = sandbox.keys("acme")
    assert page_of(ann_client).select_one(f"#key-{old['id']} .button-due").get_text() == "Rotate"
    ann_client.post(f"/keys/production/acme/{old['id']}/rotate/", {"grace": "24h", "token": uuid.uuid4()})
    new = sandbox.keys("acme")[-1]
    found = rows(page_of(ann_client))
    assert found[old["id"]].select(".button-due") == []
    link = found[old["id"]].select_one(".key-link")
    assert (link["href"], link.get_text()[-4:]) == (f"#key-{new['id']}", new["key"][-4:])
    ann_client.post("/keys/production/acme/rotate-all/", {"grace": "now", "token": uuid.uuid4()})
    newest = sandbox.keys("acme")[-1]
    found = rows(page_of(ann_client))
    assert found[new["id"]].select_one(".key-link")["href"] == f"#key-{newest['id']}"
    assert found[newest["id"]].select(".key-link") == found[ended["id"]].select(".key-link") == []
    ann_client.post(f"/keys/production/acme/{newest['id']}/delete/", {"token": uuid.uuid4()})
    assert rows(page_of(ann_client))[new["id"]].select(".key-link") == []


def test_the_answer_to_a_rotation_says_what_replaced_the_key(sandbox: Sandbox, ann_client: Client) -> None:
    old = acme(sandbox)[0]
    url = f"/keys/production/acme/{old['id']}/rotate/"
    answer = ann_client.post(url, {"grace": "24h", "token": uuid.uuid4()}, headers={"HX-Request": "true"})
    new = sandbox.keys("acme")[-1]
    row = BeautifulSoup(answer.content, "html.parser").select_one(f"#key-{old['id']}")
    assert row.select_one(".key-link")["href"] == f"#key-{new['id']}"


def test_many_consumers_can_be_searched(sandbox: Sandbox, ann_client: Client) -> None:
    for number in range(30):
        keys = [{"description": f"Robot no.{number}"}]
        sandbox.add_consumer(f"team-{number:02}", label=f"Team {number}", managers=["ann@acme.test"], keys=keys)
    assert consumers_on(page_of(ann_client, "/keys/?find=TEAM-07")) == ["team-07"]
    assert consumers_on(page_of(ann_client, "/keys/?find=robot+NO.12")) == ["team-12"]
    ending = sandbox.keys("team-03")[0]["key"][-4:]
    assert "team-03" in consumers_on(page_of(ann_client, f"/keys/?find={ending}"))
    page = page_of(ann_client, "/keys/?find=team")
    assert page.select_one("#find-count").get_text() == "30 consumers found"
    assert page.select_one(".paging a[rel=next]")["href"] == "?find=team&page=2"
    page = page_of(ann_client, "/keys/?find=<b>")
    assert "“<b>”" in page.main.get_text()
    assert "Nothing found" in page.get_text()
    assert "Create your first key" not in page.get_text()


def test_a_few_consumers_need_no_search(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    assert page_of(ann_client).select("#find") == []


def test_removing_a_manager_takes_effect_at_once(sandbox: Sandbox, ann_client: Client) -> None:
    """C6: nothing of the last answer is kept."""
    acme(sandbox)
    assert consumers_on(page_of(ann_client)) == ["acme"]
    sandbox.set_managers("acme", ["ben@acme.test"])
    assert consumers_on(page_of(ann_client)) == []


def test_an_invited_manager_is_one(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer("acme", invites=["ann@acme.test"])
    sandbox.set(manager_email="with_invites")
    assert consumers_on(page_of(ann_client)) == ["acme"]


def test_hostile_text_is_shown_as_text(sandbox: Sandbox, ann_client: Client) -> None:
    """F2: markup, direction marks and control characters from upstream do nothing."""
    acme(sandbox)
    sandbox.fault("GET", "*/consumers", "hostile", times=0)
    page = page_of(ann_client)
    assert "<script>alert(1)</script>" in page.get_text()
    assert not page.find_all("img", attrs={"onerror": True})
    assert not [script for script in page.find_all("script") if "alert" in script.get_text()]
    assert not set("\u202e\u2066\x00\x1b\x7f") & set(page.decode())


def test_the_page_travels_compressed_and_an_answer_with_a_key_never_does(sandbox: Sandbox, ann_client: Client) -> None:
    """The length of what is compressed would tell of the secret in it."""
    keys = acme(sandbox)
    accepted = {"Accept-Encoding": "gzip, br"}
    assert ann_client.get("/keys/", headers=accepted)["Content-Encoding"] == "gzip"
    for verb in ("reveal", "copy"):
        response = ann_client.post(f"/keys/production/acme/{keys[0]['id']}/{verb}/", headers=accepted)
        assert FULL_KEY.search(response.text)
        assert not response.has_header("Content-Encoding")


# The line above the list


@pytest.fixture
def worth_a_look(sandbox: Sandbox) -> dict[str, str]:
    """One key that ends soon, two that never do, one that is old, and two that are well; the ids by label."""
    keys = [
        {"description": "Soon", "expiresOn": in_time(days=3.1).isoformat()},
        {"description": "Later", "expiresOn": in_time(days=30).isoformat()},
        {"description": "Endless"},
        {"description": "Over", "expiresOn": in_time(days=-1).isoformat()},
    ]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    old = {"createdOn": in_time(days=-181).isoformat(), "description": "Old", "expiresOn": in_time(days=60).isoformat()}
    sandbox.add_consumer("globex", managers=["ann@acme.test"], keys=[old, {"description": "Also endless"}])
    return {key["description"]: key["id"] for name in ("acme", "globex") for key in sandbox.keys(name)}


def health(page: BeautifulSoup) -> dict[str, str]:
    """What the line says, and where it leads."""
    [line] = page.select("#health")
    return {" ".join(link.get_text().split()): link["href"] for link in line.select("a")}


def test_a_line_says_what_is_worth_a_look_and_leads_to_those_keys(
    worth_a_look: dict[str, str], sandbox: Sandbox, ann_client: Client
) -> None:
    """By links alone, and by no further call or query."""
    page_of(ann_client)
    sandbox.clear_journal()
    page = page_of(ann_client)
    assert len(sandbox.journal()) == 1
    leads_to = {
        "1 key expires in 3 days": {"Soon"},
        "2 keys never expire": {"Endless", "Also endless"},
        "1 key is older than 180 days": {"Old"},
    }
    assert health(page).keys() == leads_to.keys()
    for words, url in health(page).items():
        only = page_of(ann_client, url)
        assert {row["data-key"] for row in only.select("[data-key]")} == {worth_a_look[one] for one in leads_to[words]}
        assert " ".join(only.select_one("[data-health] [aria-current]").get_text().split()) == words
        everything = page_of(ann_client, health(only)["Show all keys"])
        assert {row["data-key"] for row in everything.select("[data-key]")} == set(worth_a_look.values())


def test_it_costs_no_query(worth_a_look: dict[str, str], ann_client: Client, settings: Settings) -> None:
    page_of(ann_client)
    counted = []
    for more in ({}, {"KEYS_WARN_DAYS": 0, "KEYS_WARN_OLD_DAYS": 0, "KEYS_WARN_ENDLESS": False}):
        for name, value in more.items():
            setattr(settings, name, value)
        with CaptureQueriesContext(connection) as queries:
            page = page_of(ann_client)
        counted.append(len(queries))
        assert bool(health(page)) is not bool(more)
    assert counted[0] == counted[1]


def test_nothing_stands_there_while_all_is_well(sandbox: Sandbox, ann_client: Client) -> None:
    well = {"description": "CI", "expiresOn": in_time(days=60).isoformat()}
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[well])
    assert page_of(ann_client).select("[data-health]") == []
    page = page_of(ann_client, "/keys/production/?only=soon")
    assert len(page.select("[data-key]")) == 1, "a link that is out of date hides nothing"


def test_several_that_end_are_told_with_the_first(sandbox: Sandbox, ann_client: Client) -> None:
    keys = [{"description": "CI", "expiresOn": in_time(days=days).isoformat()} for days in (5.1, 2.1)]
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=keys)
    assert list(health(page_of(ann_client))) == ["2 keys expire soon, the first in 2 days"]


def test_what_was_replaced_needs_no_further_look(sandbox: Sandbox, ann_client: Client, settings: Settings) -> None:
    settings.KEYS_WARN_ENDLESS = False
    soon = {"createdOn": in_time(days=-200).isoformat(), "expiresOn": in_time(days=3).isoformat()}
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[soon])
    assert len(health(page_of(ann_client))) == 2
    url = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/rotate/"
    ann_client.post(url, {"grace": "24h", "token": uuid.uuid4()})
    assert health(page_of(ann_client)) == {}


def test_the_operator_says_what_is_worth_a_word(
    worth_a_look: dict[str, str], ann_client: Client, settings: Settings
) -> None:
    settings.KEYS_WARN_DAYS, settings.KEYS_WARN_OLD_DAYS, settings.KEYS_WARN_ENDLESS = 40, 0, False
    assert list(health(page_of(ann_client))) == ["2 keys expire soon, the first in 3 days"]


def test_all_pages_of_consumers_count(sandbox: Sandbox, ann_client: Client) -> None:
    for number in range(30):
        sandbox.add_consumer(f"team-{number:02}", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    page = page_of(ann_client)
    assert list(health(page)) == ["30 keys never expire"]
    assert page_of(ann_client, "/keys/production/?only=endless").select_one("a[rel=next]")["href"] == (
        "?only=endless&page=2"
    )
