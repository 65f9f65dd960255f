"""The lists of Django admin: paged by the Developer API, looked through a stretch at a time, exported line by line."""

import csv
import functools
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from bs4 import BeautifulSoup
from django.core.cache import cache
from django.test import Client

from sandbox import Sandbox
from tests.helpers.staff import ACME, LIST, TOPICS
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db


def days(number: float) -> str:
    return (datetime.now(UTC) + timedelta(days=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@functools.lru_cache(maxsize=4)
def soup(page: str) -> BeautifulSoup:
    """The page, read once: a long one takes a second."""
    return BeautifulSoup(page, "html.parser")


def names(page: str) -> list[str]:
    return [row["data-consumer"] for row in soup(page).select("[data-consumer]")]


def labels(page: str) -> list[str]:
    rows = soup(page).select("[data-key] th")
    return sorted(row.contents[0].strip() for row in rows)


def text(page: str) -> str:
    return " ".join(soup(page).get_text(" ").split())


def link(page: str, words: str) -> str | None:
    found = soup(page).find("a", string=words)
    return found["href"] if found else None


def asked(sandbox: Sandbox) -> list[dict[str, str]]:
    """The lists of consumers that were asked for, each by its parameters."""
    calls = [call for call in sandbox.journal() if call.path.endswith("/consumers")]
    return [{name: values[0] for name, values in parse_qs(call.query).items()} for call in calls]


# The list


def test_a_row_says_what_there_is_to_know(sandbox: Sandbox, sam_client) -> None:
    managers = [f"p{number}@acme.test" for number in range(5)]
    keys = [{"description": "A", "expiresOn": days(5)}, {"description": "B", "expiresOn": days(-5)}, {}]
    sandbox.add_consumer("acme", label="Acme Inc", managers=managers, tags={"plan": "pro"}, keys=keys)
    row = soup(sam_client.get(LIST).text).select_one("[data-consumer=acme]")
    said = " ".join(row.get_text(" ").split())
    end = datetime.now(UTC) + timedelta(days=5)
    for words in ("Acme Inc acme", "5 managers", "plan=pro", f"{end.day} {end:%b %Y}"):
        assert words in said
    assert row.select_one(".number").text == "2"
    assert row.select_one("a")["href"] == ACME


def test_a_page_asks_for_its_own_consumers_only(sandbox: Sandbox, sam_client) -> None:
    """However many there are: one call, for fifty."""
    sandbox.seed_consumers(120)
    sam_client.get(LIST)  # the names of the buckets are kept for a while
    sandbox.clear_journal()
    first = sam_client.get(LIST).text
    second = sam_client.get(LIST + link(first, "Next")).text
    third = sam_client.get(LIST + link(second, "Next")).text
    assert [(call["offset"], call["limit"]) for call in asked(sandbox)] == [("0", "50"), ("50", "50"), ("100", "50")]
    assert len(sandbox.journal()) == 3
    assert [len(names(page)) for page in (first, second, third)] == [50, 50, 20]
    assert len({*names(first), *names(second), *names(third)}) == 120
    assert link(third, "Next") is None
    assert names(sam_client.get(LIST + link(third, "Previous")).text) == names(second)
    assert "101 to 120" in text(third)
    sandbox.set(total="present")
    assert "1 to 50 of 120" in text(sam_client.get(LIST).text)


@pytest.mark.parametrize("said", ["-1", "x", "1e9", "99999999999999999999", "٣"])
def test_an_odd_place_in_the_list_is_its_beginning(said: str, sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    assert names(sam_client.get(LIST, {"from": said}).text) == ["acme"]


def test_behind_the_end_there_is_nothing_more(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    assert "No more consumers." in sam_client.get(LIST, {"from": "500"}).text
    sandbox.remove_consumer("acme")
    assert "No consumers in this environment yet" in sam_client.get(LIST).text


def test_filters_are_those_of_the_developer_api(sandbox: Sandbox, sam_client) -> None:
    """A5: an address is sent byte for byte; filters hold on the next page."""
    sandbox.add_consumer("acme", managers=["ann+a&b%@acme.test"], tags={"plan": "pro & more"})
    sandbox.add_consumer("globex", managers=["ben@acme.test"], tags={"plan": "pro & more"})
    sandbox.add_consumer("initech", managers=["ben@acme.test"])
    assert names(sam_client.get(LIST, {"manager": "ann+a&b%@acme.test"}).text) == ["acme"]
    assert asked(sandbox)[-1]["manager-email"] == "ann+a&b%@acme.test"
    assert sorted(names(sam_client.get(LIST, {"tag": "plan = pro & more"}).text)) == ["acme", "globex"]
    both = {"tag": "plan=pro & more", "manager": "ben@acme.test"}
    assert names(sam_client.get(LIST, both).text) == ["globex"]
    assert names(sam_client.get(LIST, {"name": "initech"}).text) == ["initech"]
    for number in range(60):
        sandbox.add_consumer(f"c{number}", managers=["ben@acme.test"])
    following = link(sam_client.get(LIST, {"manager": "ben@acme.test"}).text, "Next")
    assert len(names(sam_client.get(LIST + following).text)) == 12


def test_what_cannot_be_found_is_said_and_another_way_is_shown(sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    page = sam_client.get(LIST, {"name": "acm"}).text
    assert "No consumer is named exactly “acm”." in text(page)
    assert names(sam_client.get(link(page, "Search all names and labels")).text) == ["acme"]
    assert "No consumers match." in sam_client.get(LIST, {"manager": "nobody@x.test"}).text
    for wrong in ({"tag": "plan"}, {"tag": "=pro"}, {"name": "a/b"}, {"name": ".."}):
        sandbox.clear_journal()
        response = sam_client.get(LIST, wrong)
        assert response.status_code == 422
        assert asked(sandbox) == []


def test_environments_are_chosen_by_name_and_known_by_their_buckets(two_environments: Sandbox, sam_client) -> None:
    sandbox = two_environments
    acme(sandbox)
    sandbox.add_consumer("try-out", bucket=sandbox.buckets[1])
    page = sam_client.get(LIST).text
    assert names(page) == ["acme"]
    links = [one["href"] for one in soup(page).select(".segments a")]
    assert links == [LIST, LIST.replace("production", "preview")]
    assert names(sam_client.get(links[1]).text) == ["try-out"]


def test_a_page_needs_no_list_of_buckets(two_environments: Sandbox, sam_client) -> None:
    """Their names are a nicety: asked for seldom, and never waited for long."""
    sandbox = two_environments
    acme(sandbox)
    sandbox.fault("GET", "*/key-buckets", "drop", times=0)
    assert sam_client.get(LIST).status_code == 200
    tried = sum(call.path.endswith("/key-buckets") for call in sandbox.journal())
    sam_client.get(LIST)
    assert sum(call.path.endswith("/key-buckets") for call in sandbox.journal()) == tried
    sandbox.clear_faults()
    cache.clear()
    described = {"data": [{"name": sandbox.bucket, "description": "<b>Live"}, {"name": 5}, None]}
    sandbox.fault("GET", "*/key-buckets", "wrong_type", body=described)
    assert "&lt;b&gt;Live" in sam_client.get(LIST).text


# Looking through all


@pytest.fixture
def mixed(sandbox: Sandbox) -> Sandbox:
    keys = [
        {"description": "Soon", "createdOn": days(-10), "expiresOn": days(5)},
        {"description": "Later", "createdOn": days(-10), "expiresOn": days(45)},
        {"description": "Over", "createdOn": days(-900), "expiresOn": days(-5)},
        {"description": "Lasting", "createdOn": days(-10)},
        {"description": "Old", "createdOn": days(-500), "expiresOn": days(300)},
    ]
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=keys)
    sandbox.add_consumer("empty", managers=["ann@acme.test"])
    return sandbox


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("ending/?days=30", ["Soon"]),
        ("ending/?days=60", ["Later", "Soon"]),
        ("never/?from=0", ["Lasting"]),
        ("old/?days=365", ["Old"]),
        ("old/?days=5", ["Lasting", "Later", "Old", "Soon"]),
        ("old/?days=600", []),
    ],
)
def test_keys_are_listed_by_their_time(address: str, found: list[str], mixed: Sandbox, sam_client) -> None:
    page = sam_client.get(f"{LIST}look/{address}").text
    assert labels(page) == found
    assert "Searched consumers 1 to 2" in text(page)
    assert "That's all of them." in text(page)


@pytest.mark.parametrize("said", ["0", "-1", "x", "", "99999"])
def test_days_have_their_limits(said: str, mixed: Sandbox, sam_client) -> None:
    for address in ("look/ending/", "look/ending.csv"):
        response = sam_client.get(LIST + address, {"days": said, "from": "0"})
        assert response.status_code == 422
    assert asked(mixed) == []


@pytest.mark.parametrize("topic", TOPICS)
def test_a_small_list_is_there_at_once_and_a_search_waits_for_its_words(topic: str, mixed: Sandbox, sam_client) -> None:
    page = sam_client.get(f"{LIST}look/{topic}/")
    assert page.status_code == 200
    assert "Search all" in page.text
    if topic == "search":
        assert mixed.journal() == []
    else:
        assert "That's all of them." in text(page.text)
        asked_for = sam_client.get(f"{LIST}look/{topic}/{TOPICS[topic] or '?'}&from=0")
        assert text(page.text) == text(asked_for.text)


def test_of_a_long_list_one_page_is_asked_for_and_none_shown(sandbox: Sandbox, sam_client) -> None:
    sandbox.seed_consumers(600)
    page = sam_client.get(f"{LIST}look/never/")
    assert len(asked(sandbox)) == 1
    assert "Searched consumers" not in text(page.text)


def test_a_list_that_nobody_asked_for_hides_no_form_in_an_outage(sandbox: Sandbox, sam_client) -> None:
    sandbox.fault("GET", "*/consumers", "drop", times=0)
    page = sam_client.get(f"{LIST}look/never/")
    assert page.status_code == 200
    assert "Search all" in page.text


def test_a_long_list_stops_and_goes_on(sandbox: Sandbox, sam_client) -> None:
    """Each answer holds a stretch, says how far it went, and nothing is left out or told twice."""
    sandbox.seed_consumers(1200)
    url, seen, places = f"{LIST}look/never/", [], []
    page = sam_client.get(url + "?from=0&auto=1")
    while True:
        assert "Refresh" not in page  # there is something to read
        places.append(text(page.text).partition("Searched consumers ")[2].partition(":")[0])
        seen += [row["data-key"] for row in soup(page.text).select("[data-key]")]
        following = link(page.text, "Continue")
        if following is None:
            break
        page = sam_client.get(url + following)
    assert places == ["1 to 500", "501 to 1000", "1001 to 1200"]
    assert len(seen) == len(set(seen)) == sum(len(one["apiKeys"]) for one in sandbox.consumers())
    assert {call["limit"] for call in asked(sandbox)} == {"500"}


def test_a_slow_list_goes_on_by_itself_until_it_is_stopped(sandbox: Sandbox, sam_client, settings) -> None:
    """Progress is shown, against the whole where that is known."""
    sandbox.seed_consumers(1100)
    sandbox.set(total="present")
    settings.KEYS_SCAN_SECONDS = 0  # which is over after the first call, however quick that is
    page = sam_client.get(f"{LIST}look/ending/?days=7&from=0&auto=1")
    assert page["Refresh"] == f"1; url={LIST}look/ending/?days=7&from=500&auto=1"
    assert "Searched consumers 1 to 500: 0 found. There are 1100 in total." in text(page.text)
    assert soup(page.text).progress["value"] == "45"
    sandbox.clear_journal()
    page = sam_client.get(f"{LIST}look/ending/{link(page.text, 'Stop')}")
    assert "Refresh" not in page
    assert "Stopped after consumer 500." in text(page.text)
    assert sandbox.journal() == []
    settings.KEYS_SCAN_SECONDS = 600
    page = sam_client.get(f"{LIST}look/ending/{link(page.text, 'Continue')}")
    assert "Refresh" not in page
    assert "That's all of them." in text(page.text)


def test_a_list_that_breaks_off_says_where_and_goes_on(sandbox: Sandbox, sam_client) -> None:
    """H1: an outage never looks like the end of the list."""
    sandbox.seed_consumers(600)
    sandbox.fault("GET", "*/consumers", "status", status=500, nth=2, times=2)
    page = sam_client.get(f"{LIST}look/ending/?days=7&from=0&auto=1")
    assert page.status_code == 200
    assert "Refresh" not in page
    assert "stopped answering after consumer 500" in text(page.text)
    assert "last one" not in text(page.text)
    assert "501 to 600" in text(sam_client.get(f"{LIST}look/ending/{link(page.text, 'Continue')}").text)


def test_a_list_that_repeats_itself_ends(sandbox: Sandbox, sam_client) -> None:
    """G12"""
    acme(sandbox)
    documents = [{"name": f"c{number}", "managers": [], "apiKeys": []} for number in range(500)]
    sandbox.fault("GET", "*/consumers", "wrong_type", body={"data": documents}, times=0)
    page = sam_client.get(f"{LIST}look/ending/?days=7&from=0")
    assert "Searched consumers 1 to 500: 0 found. That's all of them." in text(page.text)
    assert len(asked(sandbox)) == 2


def test_one_odd_consumer_hides_no_other(sandbox: Sandbox, sam_client) -> None:
    """G3: it is counted, and said."""
    good = {"name": "good", "managers": [], "apiKeys": []}
    body = {"data": [{"name": "../evil"}, 5, good | {"apiKeys": "x"}, good], "limit": 500}
    sandbox.fault("GET", "*/consumers", "wrong_type", body=body, times=0)
    page = sam_client.get(f"{LIST}look/unseen/?from=0").text
    assert names(page) == ["good"]
    assert "3 consumers couldn't be read" in text(page)
    assert "3 consumers couldn't be read" in rows(sam_client, "unseen")[-1][0]


def test_a_search_looks_at_names_labels_and_managers(sandbox: Sandbox, sam_client) -> None:
    sandbox.add_consumer("acme-1", label="Something")
    sandbox.add_consumer("x1", label="The ACME company")
    sandbox.add_consumer("x2", managers=["ann@acme.test"])
    sandbox.add_consumer("x3", label="Globex")
    assert sorted(names(sam_client.get(f"{LIST}look/search/?words=Acme&from=0").text)) == ["acme-1", "x1", "x2"]
    assert sam_client.get(f"{LIST}look/search/?words=a&from=0").status_code == 422


# Consumers no one has access to


WHY = {
    "no manager": ([], [], {}, "It has no manager."),
    "no address": (["ann(at)acme.test"], [], {}, "“ann(at)acme.test” isn't an email address"),
    "an example": (["nobody@example.com"], [], {}, "No email reaches example.com"),
    "a name below an example": (["nobody@mail.Example.ORG"], [], {}, "No email reaches mail.example.org"),
    "nowhere": (["x@nowhere.invalid"], [], {}, "No email reaches nowhere.invalid"),
    "capitals": (["Ann@Acme.test"], [], {"manager_email": "case_sensitive"}, "has capital letters"),
    "invited": ([], ["ann@acme.test"], {}, "is only invited"),
    "all of them": (["x@nowhere.invalid", "y"], [], {}, "“y” isn't an email address"),
}
SEEN = {
    "a proper address": (["ann@acme.test"], [], {}),
    "one proper address": (["nobody@example.com", "ann@acme.test"], [], {}),
    "capitals that do not matter": (["Ann@Acme.test"], [], {}),
    "invited and found": ([], ["ann@acme.test"], {"manager_email": "with_invites"}),
    "a name like an example": (["ann@myexample.com"], [], {}),
}


@pytest.mark.parametrize("case", WHY)
def test_why_nobody_sees_a_consumer_is_said_in_words(case: str, sandbox: Sandbox, sam_client) -> None:
    """What the Developer API makes of capitals and invitations is tried, not guessed."""
    managers, invites, switches, words = WHY[case]
    sandbox.set(**switches)
    sandbox.add_consumer("acme", managers=managers, invites=invites, keys=[{"description": "CI"}])
    page = sam_client.get(f"{LIST}look/unseen/?from=0").text
    assert names(page) == ["acme"]
    assert words in text(page)


@pytest.mark.parametrize("case", SEEN)
def test_who_can_be_seen_is_not_listed(case: str, sandbox: Sandbox, sam_client) -> None:
    managers, invites, switches = SEEN[case]
    sandbox.set(**switches)
    sandbox.add_consumer("acme", managers=managers, invites=invites)
    assert names(sam_client.get(f"{LIST}look/unseen/?from=0").text) == []


def test_one_that_is_found_by_another_entry_hides_no_other(sandbox: Sandbox, sam_client) -> None:
    """The odd entry comes first, so it is what is tried."""
    sandbox.set(manager_email="case_sensitive", sort="oldest")
    sandbox.add_consumer("twice", managers=["Ann@acme.test", "ann@acme.test"])
    sandbox.add_consumer("once", managers=["Ben@acme.test"])
    assert names(sam_client.get(f"{LIST}look/unseen/?from=0").text) == ["once"]


# As CSV


def rows(client: Client, topic: str, query: str = "") -> list[list[str]]:
    response = client.get(f"{LIST}look/{topic}.csv{query}")
    assert response.status_code == 200
    assert response.streaming
    assert response["Content-Type"].startswith("text/csv")
    assert f'filename="{topic}-production.csv"' in response["Content-Disposition"]
    return list(csv.reader(b"".join(response).decode("utf-8-sig").splitlines()))


def test_an_export_holds_the_whole_list(sandbox: Sandbox, sam_client) -> None:
    sandbox.seed_consumers(1200)
    header, *lines = rows(sam_client, "never")
    assert header[:3] == ["environment", "consumer", "label"]
    keys = {key["id"]: key for one in sandbox.consumers() for key in one["apiKeys"]}
    assert {line[4] for line in lines} == set(keys)
    assert all(keys[line[4]]["key"].endswith(line[6]) and len(line[6]) == 4 for line in lines)
    assert [call["offset"] for call in asked(sandbox)] == ["0", "500", "1000"]


def test_an_export_that_is_not_whole_says_so(sandbox: Sandbox, sam_client) -> None:
    sandbox.seed_consumers(600)
    sandbox.fault("GET", "*/consumers", "status", status=500, nth=2, times=2)
    assert rows(sam_client, "never")[-1][0].startswith("NOT COMPLETE: the key service stopped answering after 500")
    sandbox.fault("GET", "*/consumers", "drop", times=0)
    assert rows(sam_client, "never")[-1][0].startswith("NOT COMPLETE")


def test_an_export_may_take_longer_than_a_page(sandbox: Sandbox, sam_client, settings) -> None:
    """Each call has a time of its own, also those that try what the Developer API finds."""
    settings.KEYS_PAGE_SECONDS = 6.0  # in which none of these calls is late, and all of them together are
    sandbox.set(sort="oldest")
    sandbox.seed_consumers(1000)
    sandbox.add_consumer("invited", invites=["zoe@acme.test"])
    sandbox.fault("GET", "*/consumers", "delay", seconds=1.6, times=0)
    (_header, line) = rows(sam_client, "unseen")
    assert line[1] == "invited"
    assert "is only invited" in line[5]
    assert len(asked(sandbox)) == 4


def test_no_cell_is_a_formula(sandbox: Sandbox, sam_client) -> None:
    """Whatever customers call their keys."""
    keys = [{"description": "@SUM(1+1)"}]
    sandbox.add_consumer("-evil", label='=HYPERLINK("http://x")', managers=["+1@x.test"], keys=keys)
    (_header, line) = rows(sam_client, "never")
    assert line[1:4] == ["'-evil", '\'=HYPERLINK("http://x")', "'+1@x.test"]
    assert line[5] == "'@SUM(1+1)"
