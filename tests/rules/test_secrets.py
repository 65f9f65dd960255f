"""Keys and the token leave no trace: every verb is driven through all that can go wrong, then all is searched."""

import logging
import pickle
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import import_module
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.core import mail
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCacheClient
from django.db import connection
from django.http import HttpResponse
from django.template import Context, Template
from django.test import Client
from django.test.signals import template_rendered
from django.test.utils import instrumented_test_render
from django.urls import reverse

from keys.access import Actor
from keys.models import Action, AuditEvent
from keys.provisioning import Provisioning
from keys.types import Consumer, FullKey
from portal.observability.logs import LineFormatter, RequestIdFilter
from sandbox import Sandbox
from sandbox.values import mint_key
from tests.helpers.invariants import EVERY_VERB, FIRST_KEY, ROTATING, shown_keys, titled, world
from tests.helpers.staff import LIST as STAFF_LIST
from tests.helpers.staff import NEW_FIELDS
from tests.helpers.verbs import MAKING, Verb, acme, new_keys

pytestmark = pytest.mark.django_db
every_verb = pytest.mark.parametrize("verb", EVERY_VERB, ids=titled)

CANARY = mint_key()

TROUBLES = [
    ("drop", {}),
    ("status", {"status": 500}),
    ("status", {"status": 401}),
    ("status", {"status": 409, "body": CANARY}),
    ("status", {"status": 500, "body": f'{{"detail": "{CANARY}"}}'}),
    ("redirect", {"location": f"http://127.0.0.1:9/{CANARY}"}),
    ("truncated", {}),
    ("not_json", {"body": f"<p>{CANARY}"}),
    ("wrong_type", {"body": {"name": CANARY, "id": CANARY, "data": [{"name": CANARY}], "createdOn": CANARY}}),
    ("wrong_type", {"body": [CANARY]}),
    ("hostile", {}),
    ("doubled", {}),
    ("other_object", {}),
]


class Bomb:
    """A setting that fails wherever it is used, with secrets in the words it fails with."""

    def fail(self, *_: object) -> None:
        raise RuntimeError(f"{CANARY} for Bearer {django_settings.ZUPLO_API_KEY}\n{CANARY}")

    __str__ = __lt__ = __gt__ = __len__ = fail  # type: ignore[assignment]

    def __getattr__(self, name: str) -> object:
        return self.fail()


class FailingRules(Provisioning):
    """An operator's own rules, badly written."""

    def may_create(self, actor: Actor, consumer: Consumer | None) -> None:
        try:
            Bomb().fail()
        except RuntimeError as problem:
            raise ValueError(f"again {CANARY}") from problem


@dataclass
class Sinks:
    """All places where a secret could come to rest, filled by the requests of one test."""

    sandbox: Sandbox
    log: StringIO = field(default_factory=StringIO)
    records: list[logging.LogRecord] = field(default_factory=list)
    responses: list[HttpResponse] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def send(self, verb: Verb, client: Client, url: str, token: str = "", htmx: bool = False) -> HttpResponse:
        """Send the form; only the key that it asks for, or makes, may be in the answer."""
        before = world(self.sandbox).keys
        response = verb.send(client, url, token, htmx)
        after = world(self.sandbox).keys
        asked = [key for key in after if key["id"] in url] if verb.reads else new_keys(before, after)
        self.learn()
        self.keep(response, {key["key"] for key in asked} if response.status_code == HTTPStatus.OK else set())
        return response

    def keep(self, response: HttpResponse, asked: set[str] = frozenset()) -> None:
        assert shown_keys(response) <= asked
        assert CANARY not in response.content.decode()
        assert django_settings.ZUPLO_API_KEY not in response.content.decode()
        self.responses.append(response)

    def learn(self) -> None:
        """The keys there are by now; of each the part that nothing but the full key holds."""
        self.secrets |= {key["key"][5:37] for key in world(self.sandbox).keys}

    def texts(self) -> Iterator[tuple[str, str]]:
        """Each place by name, as text."""
        yield "log", self.log.getvalue()
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
                yield f"table {table}", repr(cursor.fetchall())
        store = import_module(django_settings.SESSION_ENGINE).SessionStore
        for session in store.get_model_class().objects.all():
            yield "session", repr(store().decode(session.session_data))
        for name, value in _cached():
            yield "cache", f"{name} {value}"
        for message in mail.outbox:
            yield "mail", f"{message.message()} {message.body}"
        for response in self.responses:
            yield "headers", repr(response.headers.items())
            yield "cookies", response.cookies.output() + response.client.cookies.output()
            yield "address", repr(response.request["PATH_INFO"] + response.request["QUERY_STRING"])

    def leaks(self) -> list[str]:
        secrets = self.secrets | {CANARY[5:37], django_settings.ZUPLO_API_KEY}
        return [f"{place}: {secret}" for place, text in self.texts() for secret in secrets if secret in text]


def _cached() -> Iterator[tuple[object, str]]:
    """All that the cache holds, in memory or in Redis."""
    if isinstance(cache._cache, RedisCacheClient):
        redis = cache._cache.get_client(write=True)
        yield from ((name, repr(redis.get(name))) for name in redis.scan_iter())
    else:
        yield from ((name, repr(pickle.loads(value))) for name, value in cache._cache.items())  # noqa: S301


@pytest.fixture
def sinks(sandbox: Sandbox, settings) -> Iterator[Sinks]:
    """Everything is logged, SQL too, in the portal's own words."""
    settings.KEYS_REVEALS_PER_MINUTE = settings.KEYS_CHANGES_PER_MINUTE = settings.KEYS_PER_CONSUMER = 10_000
    found = Sinks(sandbox)
    handler = logging.StreamHandler(found.log)
    handler.setFormatter(LineFormatter())
    handler.addFilter(RequestIdFilter())
    handler.addFilter(lambda record: not found.records.append(record))
    loggers = [logging.getLogger(name) for name in ("", "django", "urllib3", "keys", "portal")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    logging.getLogger("django.template").setLevel(logging.INFO)  # it tells of each variable that is not there
    connection.force_debug_cursor = True
    yield found
    connection.force_debug_cursor = False
    logging.getLogger("django.template").setLevel(logging.NOTSET)
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def people(ann, ben, mallory, client_of) -> dict[str, Client]:
    clients = {"ann": client_of(ann), "ben": client_of(ben), "mallory": client_of(mallory)}
    for client in clients.values():
        client.raise_request_exception = False
    return clients


@every_verb
def test_nothing_that_goes_right_or_wrong_leaves_a_key_behind(
    verb: Verb, sinks: Sinks, people: dict[str, Client], sam_client: Client
) -> None:
    """E1, E2, E6, E8: logs, database, sessions, cache, mails, cookies, headers, addresses and masked pages."""
    sandbox, client = sinks.sandbox, people["mallory" if verb is FIRST_KEY else "ann"]
    for number, (kind, options) in enumerate(TROUBLES):
        sandbox.reset()
        cache.clear()
        acme(sandbox)
        # Another one's value for a new key is not to be told from its own: such an answer only to reads.
        method, nth = [("GET", 1), ("GET", 2), ("*", 2)][number % (2 if kind == "other_object" else 3)]
        sandbox.fault(method, "*", kind, nth=nth, times=2, **options)
        sinks.send(verb, client, verb.url(sandbox), htmx=number % 2 == 0)
    sandbox.reset()
    cache.clear()
    acme(sandbox)
    url = verb.url(sandbox)
    sinks.keep(client.post(url, {"label": "x" * 200, "token": "none"}) if not verb.reads else client.get(url))
    sinks.send(verb, people["ann" if verb is FIRST_KEY else "mallory"], url)
    sinks.send(verb, client, url)
    for address in ("/keys/", "/keys/production/acme/create/", "/keys/production/acme/rename/"):
        sinks.keep(people["ann"].get(address))
    for model in admin.site._registry:
        sinks.keep(sam_client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")))
    assert AuditEvent.objects.exists()
    assert "keys.audit.log" in sinks.log.getvalue()
    assert sinks.leaks() == []
    # Not even before the filter: our own code hands no secret to the log.
    raw = "\n".join(f"{record.getMessage()} {record.args!r}" for record in sinks.records)
    assert [secret for secret in sinks.secrets | {CANARY, sandbox.token} if secret in raw] == []


FAILURES = {
    "before anything is asked": {"KEYS_CHANGES_PER_MINUTE": Bomb(), "KEYS_REVEALS_PER_MINUTE": Bomb()},
    "in the operator's rules": {"KEYS_PROVISIONING": f"{__name__}.FailingRules"},
    "with the key in hand": {"GATEWAY_URL": Bomb()},
    "in every page, the error page too": {"PORTAL_NAME": Bomb()},
}


def fails(verb: Verb, where: str) -> bool:
    match where:
        case "in the operator's rules":
            return verb.action == Action.CREATE
        case "with the key in hand":
            return verb in MAKING or verb is FIRST_KEY or verb.action in ROTATING
    return True


@every_verb
@pytest.mark.parametrize("where", FAILURES)
def test_a_failure_of_our_own_tells_no_secret(
    verb: Verb, where: str, sinks: Sinks, people: dict[str, Client], settings
) -> None:
    """E2, E8: neither the page nor the log with its traceback."""
    sandbox, client = sinks.sandbox, people["mallory" if verb is FIRST_KEY else "ann"]
    acme(sandbox)
    url = verb.url(sandbox)
    for person in people.values():
        sinks.keep(person.get("/keys/"))
    name_of_the_portal = settings.PORTAL_NAME
    for name, value in FAILURES[where].items():
        setattr(settings, name, value)
    statuses = [sinks.send(verb, client, url, htmx=htmx).status_code for htmx in (False, True, False)]
    settings.PORTAL_NAME = name_of_the_portal
    if fails(verb, where):
        assert HTTPStatus.INTERNAL_SERVER_ERROR in statuses or statuses[0] == HTTPStatus.SEE_OTHER
    if HTTPStatus.INTERNAL_SERVER_ERROR in statuses:
        assert "Traceback" in sinks.log.getvalue()
        assert "[removed]" in sinks.log.getvalue()
    assert sinks.leaks() == []


def test_a_key_pasted_into_a_label_is_refused(sinks: Sinks, people: dict[str, Client], sam_client: Client) -> None:
    """E1, E2: it would stand in lists, mails and the log; not even the form shows it again."""
    acme(sinks.sandbox)
    label = f"CI {CANARY}"
    for verb in EVERY_VERB:
        if "label" in verb.fields:
            client = people["mallory" if verb is FIRST_KEY else "ann"]
            response = client.post(verb.url(sinks.sandbox), verb.fields | {"label": label, "token": str(uuid.uuid4())})
            assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            assert "looks like it contains a key" in response.text
            sinks.keep(response)
    form = NEW_FIELDS | {"key_label": CANARY, "token": str(uuid.uuid4())}
    sinks.keep(sam_client.post(STAFF_LIST + "create/", form))
    assert {call.method for call in sinks.sandbox.journal()} <= {"GET"}
    assert sinks.leaks() == []


@pytest.mark.parametrize("fields", [{"tags": f"ci={CANARY}"}, {"metadata": f'{{"ci": ["{CANARY}"]}}'}], ids=list)
def test_a_key_pasted_into_what_is_kept_with_a_consumer_is_refused(
    fields: dict[str, str], sinks: Sinks, sam_client: Client
) -> None:
    """E2: it would stand in the audit log."""
    response = sam_client.post(STAFF_LIST + "create/", NEW_FIELDS | fields | {"token": str(uuid.uuid4())})
    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "looks like it contains a key" in response.text
    sinks.keep(response)
    assert {call.method for call in sinks.sandbox.journal()} <= {"GET"}
    assert sinks.leaks() == []


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("/admin/keys/consumers/production/create/", NEW_FIELDS | {"managers": f"{CANARY}@acme.test"}),
        ("/admin/keys/consumers/production/create/", NEW_FIELDS | {"name": CANARY}),
        ("/admin/keys/consumer/production/acme/managers/add/", {"email": f"{CANARY}@acme.test"}),
        ("/admin/keys/consumer/production/acme/delete/", {"typed": CANARY}),
        ("/admin/portal/user/{ann}/support/", {"reason": f"Ticket 7, {CANARY}"}),
    ],
    ids=["managers", "name", "manager", "typed", "reason"],
)
def test_a_key_pasted_into_any_other_text_is_refused(
    url: str, fields: dict[str, str], sinks: Sinks, people: dict[str, Client], ann, sam_client: Client
) -> None:
    """E2, D2: a reason stands in the audit log, the customer's mail, the banner and the history."""
    acme(sinks.sandbox)
    response = sam_client.post(url.format(ann=ann.pk), fields | {"token": str(uuid.uuid4())})
    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "looks like it contains a key" in response.text
    sinks.keep(response)
    assert {call.method for call in sinks.sandbox.journal()} <= {"GET"}
    assert not AuditEvent.objects.filter(action=Action.SUPPORT).exists()
    assert mail.outbox == []
    assert sinks.leaks() == []


LOGGERS = ["", "django", "django.template", "django.db.backends", "urllib3", "http.client", "gunicorn.error"]


@every_verb
def test_a_fetched_key_is_in_no_log(
    verb: Verb, sinks: Sinks, people: dict[str, Client], caplog: pytest.LogCaptureFixture
) -> None:
    """E2: at no level, though nothing tells the shape of an operator's own; and not only thanks to our formatter."""
    for logger in LOGGERS:
        caplog.set_level(logging.DEBUG, logger)
    own = "own-format.0123456789/+'<&>\\abc"
    managers = ["ann@acme.test", "ben@acme.test"]
    sinks.sandbox.add_consumer("acme", managers=managers, keys=[{"description": "CI", "key": own}])
    client, url = people["mallory" if verb is FIRST_KEY else "ann"], verb.url(sinks.sandbox)
    for htmx in (False, True):
        sinks.send(verb, client, url, htmx=htmx)
        for key in sinks.sandbox.keys("acme")[2:]:
            client.post(f"/keys/production/acme/{key['id']}/reveal/")
    assert sinks.log.getvalue()
    secrets = sinks.secrets - {own[5:37]} | {"0123456789"}
    for log in (sinks.log.getvalue(), caplog.text):
        assert [secret for secret in secrets if secret in log] == []


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """All that templates are given, as it is printed by whoever prints it; Django tells of each for tests."""
    monkeypatch.setattr(Template, "_render", instrumented_test_render)
    printed: list[str] = []

    def keep(context: Context, **_facts: object) -> None:
        printed.append(repr(context.dicts))

    template_rendered.connect(keep)
    yield printed
    template_rendered.disconnect(keep)


@every_verb
def test_what_a_page_was_given_shows_no_key_to_whoever_prints_it(
    verb: Verb, sinks: Sinks, people: dict[str, Client], given: list[str]
) -> None:
    """E2: a debug page, an error report, a log of the framework's; also of a text with the key in."""
    acme(sinks.sandbox)
    client, url = people["mallory" if verb is FIRST_KEY else "ann"], verb.url(sinks.sandbox)
    for htmx in (True, False):
        sinks.send(verb, client, url, htmx=htmx)
    assert given
    assert "[key removed]" in "".join(given) or not verb.reads
    assert [secret for secret in sinks.secrets if secret in "".join(given)] == []


def test_what_a_page_was_given_shows_no_calendar_address(people: dict[str, Client], given: list[str]) -> None:
    """E2"""
    (token,) = re.findall(
        r"calendar_[\w-]{8,}(?=\.ics</textarea>)", people["ann"].post("/keys/reminders/calendar/").text
    )
    assert given
    assert token not in "".join(given)


def test_a_key_in_a_label_that_others_wrote_is_not_shown(sinks: Sinks, people: dict[str, Client]) -> None:
    """E1, E2: by a guide, or before this was refused."""
    managers = ["ann@acme.test", "ben@acme.test"]
    keys = [{"description": "CI"}, {"description": f"Old, {CANARY}"}]
    sinks.sandbox.add_consumer("acme", label=CANARY, managers=managers, keys=keys)
    sinks.keep(people["ann"].get("/keys/"))
    key_id = sinks.sandbox.keys("acme")[1]["id"]
    for word, fields in {"rotate": {"grace": "1h"}, "rename": {"label": "New"}, "delete": {}}.items():
        url = f"/keys/production/acme/{key_id}/{word}/"
        for response in (people["ann"].get(url), people["ann"].post(url, fields | {"token": str(uuid.uuid4())})):
            assert response.status_code in {HTTPStatus.OK, HTTPStatus.SEE_OTHER}
            assert CANARY not in response.text
    sinks.keep(people["ben"].get("/keys/activity/production/"))
    assert len(mail.outbox) > 0
    assert sinks.leaks() == []


def test_what_holds_a_key_does_not_show_it(sandbox: Sandbox) -> None:
    """E2: wherever an exception or a debugger may put it."""
    document = acme(sandbox)[0]
    full = FullKey.from_json(document, "acme")
    assert full.value == document["key"]
    for words in (repr(full), str(full), repr(full.key)):
        assert document["key"][5:37] not in words
