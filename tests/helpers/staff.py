"""Colleagues by what they may do, and every verb of Django admin as one table."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client

from keys.models import Action
from sandbox import Sandbox
from tests.helpers.verbs import TRY, VERBS, Verb

LIST = "/admin/keys/consumers/production/"
ACME = "/admin/keys/consumer/production/acme/"
RIGHTS = {"view": "view_consumer", "change": "change_consumer", "reveal": "reveal_key"}
TOPICS = {"ending": "?days=30", "never": "", "old": "?days=365", "unseen": "", "search": "?words=acme"}


def permit(person, *rights: str):
    """Make somebody a colleague with these permissions and no others."""
    person.is_staff = True
    person.save()
    person.user_permissions.set(Permission.objects.filter(codename__in=[RIGHTS[right] for right in rights]))
    return type(person).objects.get(pk=person.pk)


def key_id(sandbox: Sandbox, label: str = "CI") -> str:
    return next(key["id"] for key in sandbox.keys("acme") if key["description"] == label)


def manager_id(sandbox: Sandbox, email: str = "ben@acme.test") -> str:
    return next(one["id"] for one in sandbox.consumer("acme")["managers"] if one["email"] == email)


@dataclass(frozen=True)
class StaffVerb(Verb):
    """One verb of the portal, at its address in Django admin."""

    def url(self, sandbox: Sandbox, consumer: str = "acme") -> str:
        return super().url(sandbox, consumer).replace("/keys/production/", "/admin/keys/consumer/production/")


@dataclass(frozen=True)
class OwnVerb:
    """One verb that only Django admin has: how it is sent, and how the sandbox shows it done."""

    action: Action
    where: Callable[[Sandbox], str]
    is_done: Callable[[Sandbox], bool]
    fields: dict[str, str] = field(default_factory=dict)
    hidden: Callable[[Client, str], dict[str, str]] = lambda client, url: {}
    invited: list[str] = field(default_factory=list)
    """Who has to have an invitation before, which alone makes nobody a manager."""

    def url(self, sandbox: Sandbox) -> str:
        return self.where(sandbox)

    def send(self, client: Client, url: str, token: str = "") -> HttpResponse:
        return client.post(url, self.fields | self.hidden(client, url) | {"token": token or str(uuid.uuid4())})


def seen(client: Client, url: str) -> dict[str, str]:
    """Hidden state of the form, as it was opened."""
    found = re.search(r'name="seen" value="(\w+)"', client.get(url).text)
    return {"seen": found[1]} if found else {"seen": "?"}


def _managers(sandbox: Sandbox) -> list[str]:
    return sorted(one["email"] for one in sandbox.consumer("acme")["managers"])


def _is_changed(sandbox: Sandbox) -> bool:
    acme = sandbox.consumer("acme")
    return (acme["description"], acme["tags"], acme["metadata"]) == ("Acme Ltd", {"plan": "pro"}, {"seats": 5})


NEW_FIELDS = {
    "label": "Initech",
    "name": "initech",
    "managers": "peter@initech.test",
    "tags": "plan=pro",
    "metadata": '{"seats": 5}',
    "ends": "30",
    "key_label": "First",
}
HAND_OVER = replace(next(verb for verb in VERBS if verb.action == Action.COPY), fields={"form": "kubernetes"})
STAFF_VERBS = [
    StaffVerb(**{name: getattr(verb, name) for name in Verb.__dataclass_fields__}) for verb in [*VERBS, TRY, HAND_OVER]
]
OWN_VERBS = [
    OwnVerb(
        Action.CREATE_CONSUMER,
        lambda sandbox: LIST + "create/",
        lambda sandbox: bool(sandbox.consumer("initech")) and len(sandbox.keys("initech")) == 1,
        NEW_FIELDS,
    ),
    OwnVerb(
        Action.CHANGE_CONSUMER,
        lambda sandbox: ACME + "change/",
        _is_changed,
        {"label": "Acme Ltd", "tags": "plan=pro", "metadata": '{"seats": 5}'},
        seen,
    ),
    OwnVerb(
        Action.DELETE_CONSUMER,
        lambda sandbox: ACME + "delete/",
        lambda s: s.consumer("acme") is None,
        {"typed": "acme"},
    ),
    OwnVerb(
        Action.ADD_MANAGER,
        lambda sandbox: ACME + "managers/add/",
        lambda sandbox: _managers(sandbox) == ["ann@acme.test", "ben@acme.test", "zoe@acme.test"],
        {"email": "Zoe@ACME.test"},
    ),
    OwnVerb(
        Action.REMOVE_MANAGER,
        lambda sandbox: f"{ACME}managers/{manager_id(sandbox)}/remove/",
        lambda sandbox: _managers(sandbox) == ["ann@acme.test"],
    ),
    OwnVerb(
        Action.CHANGE_END,
        lambda sandbox: f"{ACME}{key_id(sandbox)}/leaked/",
        lambda sandbox: not sandbox.authorizes(sandbox.keys("acme")[0]["key"]),
        {"when": "now", "tell": "on", "found": "In a public repository, on Monday."},
    ),
]
INVITED_BEFORE = OwnVerb(
    Action.ADD_MANAGER,
    lambda sandbox: ACME + "managers/add/",
    lambda sandbox: "una@acme.test" in _managers(sandbox),
    {"email": "una@acme.test"},
    invited=["una@acme.test"],
)
CHANGES = [verb for verb in STAFF_VERBS if not verb.reads] + OWN_VERBS
EVERY_VERB = STAFF_VERBS + OWN_VERBS


def screens(sandbox: Sandbox) -> dict[str, str]:
    """Every screen that only looks, by what it takes to open it."""
    return {
        "list": LIST,
        "filtered list": LIST + "?manager=ann@acme.test&tag=plan=pro",
        "named": LIST + "?name=acme",
        "consumer": ACME,
        "key": f"{ACME}{key_id(sandbox)}/",
        "find": LIST + "find/",
        **{f"look {topic}": f"{LIST}look/{topic}/{query}" for topic, query in TOPICS.items()},
        **{f"scan {topic}": f"{LIST}look/{topic}/{query or '?'}&from=0" for topic, query in TOPICS.items()},
        **{f"export {topic}": f"{LIST}look/{topic}.csv{query}" for topic, query in TOPICS.items()},
    }


def forms(sandbox: Sandbox) -> dict[str, str]:
    """Every form of a change, as it is opened."""
    return {f"form of {verb.action}": verb.url(sandbox) for verb in CHANGES}


def by_action(verb: StaffVerb | OwnVerb) -> str:
    own = " (leak)" if isinstance(verb, OwnVerb) and verb.action == Action.CHANGE_END else ""
    own = " (invited before)" if isinstance(verb, OwnVerb) and verb.invited else own
    own = " (hand over)" if "form" in verb.fields else own
    return f"{verb.action.label}{own}"


def post(client: Client, url: str, **fields: str):
    return client.post(url, {"token": str(uuid.uuid4())} | fields)


def form_of(client: Client, url: str) -> dict[str, str]:
    page = BeautifulSoup(client.get(url).text, "html.parser")
    form = next(form for form in page.find_all("form") if form.get("action") == url)
    fields = {one["name"]: one.get("value", "") for one in form.find_all("input") if one.get("type") != "checkbox"}
    return fields | {one["name"]: one.text.removeprefix("\n") for one in form.find_all("textarea")}
