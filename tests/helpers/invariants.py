"""Invariants: what must be true whatever goes wrong, over what the portal said and what the sandbox knows."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from html import unescape
from typing import Any

from bs4 import BeautifulSoup, Tag
from django.http import HttpResponse

from keys.errors import ApiError
from keys.models import Action, AuditEvent, Outcome
from sandbox import Call, Sandbox
from tests.helpers.verbs import FULL_KEY, PEOPLE, VERBS, State, Verb, about, ends, in_time, named, new_keys

# The verbs, with rotations that end the old keys at once: then a wrong word about them is wrong at once.


class FirstKey(Verb):
    """A newcomer's first key."""

    def url(self, sandbox: Sandbox, consumer: str = "") -> str:
        return "/keys/create/production/"


def _rotated_now(before: State, after: State) -> bool:
    old, new = named(after, "CI")
    return len(after) == len(before) + 1 and about(ends(old), in_time(minutes=-1)) and new["expiresOn"] is None


def _all_rotated_now(before: State, after: State) -> bool:
    (new,) = new_keys(before, after)
    return new["expiresOn"] is None and not any(works(key) for key in after if key != new)


def _at_once(verb: Verb) -> Verb:
    done = {Action.ROTATE: _rotated_now, Action.ROTATE_ALL: _all_rotated_now}.get(verb.action)
    return replace(verb, fields={"grace": "now"}, done=done) if done else verb


_CREATE = next(verb for verb in VERBS if verb.action == Action.CREATE)
FIRST_KEY = FirstKey("create", Action.CREATE, ["GET consumers", "POST consumers"], _CREATE.done, _CREATE.fields, False)
EVERY_VERB = [*map(_at_once, VERBS), FIRST_KEY, *PEOPLE]
ROTATING = {Action.ROTATE, Action.ROTATE_ALL}


def titled(verb: Verb) -> str:
    return "Created a first key" if verb is FIRST_KEY else verb.action.label


# The truth


@dataclass(frozen=True)
class World:
    """All that is worth losing: the label of each consumer, its keys, oldest first, and who manages it."""

    labels: dict[str, str | None]
    keys_of: dict[str, State]
    managers_of: dict[str, set[str]]

    @property
    def keys(self) -> State:
        return [key for keys in self.keys_of.values() for key in keys]

    def with_keys(self, change: Callable[[State], State]) -> "World":
        return replace(self, keys_of={name: change(keys) for name, keys in self.keys_of.items()})


def world(sandbox: Sandbox) -> World:
    consumers = sandbox.consumers()
    labels = {consumer["name"]: consumer["description"] for consumer in consumers}
    managers = {consumer["name"]: {one["email"] for one in consumer["managers"]} for consumer in consumers}
    return World(labels, {consumer["name"]: consumer["apiKeys"] for consumer in consumers}, managers)


def works(key: dict[str, Any]) -> bool:
    return not _is_over(key["expiresOn"])


def _is_over(end: str | None) -> bool:
    return end is not None and datetime.fromisoformat(end) <= datetime.now(UTC)


def written(calls: list[Call]) -> list[Call]:
    """The calls that changed something."""
    return [call for call in calls if call.committed]


def is_done(verb: Verb, before: World, after: World) -> bool:
    if verb.action == Action.RENAME_CONSUMER:
        return after.keys == before.keys and after.labels["acme"] == verb.fields["label"]
    if verb.action == Action.ADD_MANAGER:
        return after.keys == before.keys and "zoe@acme.test" in after.managers_of["acme"]
    if verb.action == Action.REMOVE_MANAGER:
        return after.keys == before.keys and after.managers_of["acme"] == {"ann@acme.test"}
    try:
        return verb.done(before.keys, after.keys)
    except ValueError:  # more or fewer keys than there should be
        return False


# The statements


class Said(StrEnum):
    DONE = "it is done"
    HALF = "the new key is made, an old one could not be ended, or was not rotated"
    NOTHING = "nothing was changed"
    UNKNOWN = "it may or may not have been done"
    BEFORE = "it was done when the form was first sent"


CLAIMS = {
    "Nothing was changed.": Said.NOTHING,
    "It may or may not have been done.": Said.UNKNOWN,
    "Nothing was done a second time.": Said.BEFORE,
}


LEFT = ["Expire the old key", "These keys still work."]
"""Words about old keys where not all was done."""


def said(response: HttpResponse) -> Said:
    """The one claim that the answer makes about the change."""
    text = words(response)
    if response.status_code in {200, 303}:
        return Said.HALF if any(words in text for words in LEFT) else Said.DONE
    if response.status_code == 404 and "Nothing was changed." not in text:
        return Said.NOTHING  # the page for what is not there speaks of no change
    (one,) = [claim for sentence, claim in CLAIMS.items() if sentence in text]
    return one


def words(response: HttpResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


def shown_keys(response: HttpResponse) -> set[str]:
    return set(FULL_KEY.findall(response.content.decode()))


def part(response: HttpResponse, mark: str) -> Tag:
    """The first element with this attribute; the page before it, which is long, is not parsed."""
    page = response.content.decode()
    start = page.rindex("<", 0, page.index(f" {mark}"))
    return next(iter(BeautifulSoup(page[start:], "html.parser").find_all(True, limit=1)))


TELL_ALL = {str(kind.title) for kind in ApiError.__subclasses__() if kind.tells_all}
"""Titles of errors that are the person's own, or say all there is to know."""

# What must hold between the two


def explains(response: HttpResponse, log: str) -> None:
    """H1, G3: what happened, whether anything changed, what next, and a reference that is in the log; never kept.

    Where the words tell all there is to know, a reference would send people to support in vain.
    """
    assert response.status_code != 500
    assert "no-store" in response["Cache-Control"]
    reference = response["X-Request-ID"]
    if response.status_code < 400:
        return
    assert f"[{reference}]" in log
    alert = part(response, "data-error")
    heading = alert.select_one("h1, strong")
    title = heading.get_text(strip=True) if heading else _title_in_admin(response)
    assert title, "no title"
    assert len(" ".join(one.get_text(" ", strip=True) for one in alert.select("p:not(.reference)"))) > 40
    if response.status_code == 404 and alert.name == "section":
        return  # without alert and reference, as it is the same for what is absent and for what is somebody else's
    assert alert["role"] == "alert"
    if title not in TELL_ALL:
        assert reference in alert.select_one(".reference").get_text()


def _title_in_admin(response: HttpResponse) -> str:
    found = re.search(r"<h1>([^<]+)</h1>", response.text)
    return unescape(found[1]).strip() if found else ""


def agrees(response: HttpResponse, verb: Verb, before: World, after: World, calls: list[Call]) -> None:
    """G5: the statement is what the sandbox knows to be true."""
    match said(response):
        case Said.DONE | Said.BEFORE:
            assert is_done(verb, before, after), f"said done: {before} became {after}"
        case Said.NOTHING:
            assert written(calls) == [], "said nothing, and wrote"
            assert after == before
        case Said.HALF:
            assert new_keys(before.keys, after.keys)
            text = words(response)
            left = [key for key in after.keys if f"••••{key['key'][-4:]})" in text]
            assert left
            assert "still works" not in text or all(map(works, left)), "said to go on working, and has ended"
        case Said.UNKNOWN:
            assert any(call.method != "GET" for call in calls), "nothing was sent that could have been done"


def shows(response: HttpResponse, after: World) -> None:
    """G11: each consumer in the answer has all its keys there, and no other."""
    for card in response.content.decode().split('data-consumer="')[1:]:
        name = card.partition('"')[0]
        assert set(re.findall(r'data-key="([^"]*)"', card)) == {key["id"] for key in after.keys_of[name]}


def nothing_is_lost(verb: Verb, before: World, after: World) -> None:
    """Every key is still there but one that was to be deleted, and none ends later than it would have."""
    now = {key["id"]: key for key in after.keys}
    gone = [key for key in before.keys if key["id"] not in now]
    assert len(gone) <= (verb.action == Action.DELETE)
    for key in before.keys:
        if key["id"] in now and key["expiresOn"]:
            end = now[key["id"]]["expiresOn"]
            assert end, "a key's end was taken away"
            assert end <= key["expiresOn"], "a key lives longer than before"


def a_key_works_throughout(before: World, calls: list[Call]) -> None:
    """G7: at every instant of a rotation one of the consumer's keys works; old ones end after a new one is made."""
    alive = {key["id"] for key in before.keys if works(key)}
    for number, call in enumerate(written(calls)):
        target = call.path.rpartition("/")[2]
        if call.method == "POST":
            alive.add(f"new {number}")
        elif call.method == "DELETE" or _is_over(call.body.get("expiresOn")):
            alive.discard(target)
        assert alive, f"no key works after {call.method} {call.path}"
    ended = [number for number, call in enumerate(calls) if call.method == "PATCH"]
    made = [number for number, call in enumerate(calls) if call.method == "POST" and call.committed]
    assert not ended or (made and made[0] < ended[0]), "an old key was ended before there was a new one"


def audit_agrees(verb: Verb, before: World, after: World) -> None:
    """H2: what the audit log says of the change is what was done; nothing is left open, and no lock held."""
    for event in AuditEvent.objects.filter(action=verb.action):
        assert event.outcome != Outcome.STARTED
        assert event.lock is None
        assert not FULL_KEY.search(str(event.__dict__))
        if event.outcome == Outcome.DONE:
            assert is_done(verb, before, after)
        if event.outcome == Outcome.PARTLY:
            assert new_keys(before.keys, after.keys)
