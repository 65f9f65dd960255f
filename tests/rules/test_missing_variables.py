"""No template asks for a variable that it was not given: each such look-up raises inside, and prints all of a page."""

import logging
from collections.abc import Iterator

import pytest
from django.core import mail
from django.template import engines
from django.test import Client

from sandbox import Sandbox
from tests.helpers.people import passes
from tests.helpers.verbs import PEOPLE, TRY, VERBS, acme
from tests.plans.conftest import portal_plans  # noqa: F401, a fixture

pytestmark = pytest.mark.django_db

DJANGOS = "admin/"
"""Pages of Django admin, whose own templates ask for much that no page of theirs has."""

NOWHERE = "/nothing-here/"
OPEN = ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/plans/", NOWHERE]
OWN = [
    "/",
    "/accounts/password/reset/",
    "/plans/",
    NOWHERE,
    "/keys/",
    "/keys/production/acme/",
    "/keys/production/acme/people/",
    "/keys/production/acme/KEY/",
    "/keys/production/acme/KEY/delete/",
    "/keys/activity/production/",
    "/keys/reminders/",
    "/plans/production/consumer/acme/",
    "/accounts/email/",
    "/accounts/sessions/",
    "/accounts/2fa/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/2fa/totp/activate/",
    "/accounts/delete/",
    "/accounts/password/set/",
    "/accounts/step-up/code/",
]


@pytest.fixture
def missed() -> Iterator[set[tuple[str, str]]]:
    """Variables that were not there, each with its page. All templates are read anew: some are drawn but once."""
    found: set[tuple[str, str]] = set()

    class Misses(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            variable, page = record.args
            if not str(page).startswith(DJANGOS):
                found.add((str(page), str(variable)))

    logger, handler = logging.getLogger("django.template"), Misses()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    _read_templates_anew()
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


def _read_templates_anew() -> None:
    for loader in engines["django"].engine.template_loaders:
        loader.reset()


@pytest.fixture
def ci(sandbox: Sandbox, portal_plans, settings) -> str:  # noqa: F811
    """Path of a key's page, in a portal that has all that there is to have."""
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = sandbox.url, "/_sandbox/hello"
    (key, _) = acme(sandbox)
    return f"/keys/production/acme/{key['id']}/"


def test_no_page_asks_for_what_it_was_not_given(
    ci: str, client: Client, ann_client: Client, ben_client, mallory_client, missed
) -> None:
    for path in OPEN:
        assert client.get(path).status_code == (404 if path == NOWHERE else 200), path
    for path in OWN:
        for htmx in ({}, {"HX-Request": "true"}):
            page = ann_client.get(path.replace("/keys/production/acme/KEY/", ci), headers=htmx)
            assert page.status_code == (404 if path == NOWHERE else 200), path
    for path in ("/keys/", ci):
        mallory_client.get(path)
    passes(ben_client, proof=121)
    for path in (f"{ci}copy/", f"{ci}delete/"):
        answer = ben_client.post(path)
        ben_client.get(answer.headers.get("Location", "/"), follow=True)
    assert missed == set()


IN_TURN = [
    "reveal",
    "copy",
    "try",
    "people/add",
    "remove",
    "create",
    "keep",
    "end",
    "rotate",
    "rotate-all",
    "delete",
    "rename",
]
"""Names of all verbs, in an order in which none is in the way of the next."""


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_no_verb_asks_for_what_it_was_not_given(htmx, ci: str, sandbox: Sandbox, ann_client, settings, missed) -> None:
    """The empty form, one with mistakes, and what was done; and the mails about it."""
    settings.KEYS_CHANGES_PER_MINUTE = settings.KEYS_REVEALS_PER_MINUTE = 1000
    headers = {"HX-Request": "true"} if htmx else {}
    for verb in sorted([*VERBS, TRY, *PEOPLE], key=lambda verb: (IN_TURN.index(verb.name), verb.on_key)):
        url = verb.url(sandbox)
        ann_client.get(url, headers=headers)
        ann_client.post(url, {}, headers=headers)
        assert verb.send(ann_client, url, htmx=htmx).status_code in {200, 303}, verb
        for page in ("/keys/", ci):
            ann_client.get(page)
    assert mail.outbox
    assert missed == set()
