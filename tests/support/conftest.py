"""The clerk, who may support, and the clerk's browser: before, during, and with the right to change keys."""

import pytest
from django.core import mail
from django.test import Client

from tests.helpers.support_visits import grant, start
from tests.helpers.verbs import acme


@pytest.fixture
def clerk(make_person):
    """A colleague who may support, and nothing else."""
    person = make_person("clerk@portal.test", is_staff=True)
    grant(person, "view_user", "support_user")
    return person


@pytest.fixture
def browser(clerk, client_of) -> Client:
    return client_of(clerk)


@pytest.fixture
def visiting(browser, ann, sandbox) -> Client:
    """The clerk's browser, looking as Ann, who manages acme."""
    acme(sandbox)
    assert start(browser, ann)["Location"] == "/keys/"
    return browser


@pytest.fixture
def changing(browser, clerk, ann, sandbox) -> Client:
    """The clerk may change keys as well."""
    acme(sandbox)
    grant(clerk, "support_user", "change_as_user")
    start(browser, ann)
    mail.outbox.clear()
    return browser
