"""The same form, or many forms, sent at the same moment to two processes that share nothing but the database."""

import uuid

import pytest

from bench.serving import browser
from tests.helpers.processes import AtOnce, post
from tests.helpers.verbs import FULL_KEY
from tests.processes.conftest import POSTGRES, SQLITE, new_stores, serving

AT_ONCE = 20
BEING_MADE = "Another change is in progress"


@pytest.fixture(scope="module", params=[SQLITE, POSTGRES])
def portals(request, running_sandbox, tmp_path_factory):
    """Two, and the cookies of Ann, who is signed in at both."""
    folder, values = tmp_path_factory.mktemp("two"), {"KEYS_PER_CONSUMER": "5", "KEYS_CHANGES_PER_MINUTE": "1000"}
    with new_stores(request.param, request, folder) as stores, serving(running_sandbox, folder) as serve:
        two = [serve(stores, WEB_CONCURRENCY="1", **values) for _ in range(2)]
        yield two, two[0].sign_in(["ann@acme.test"])["ann@acme.test"].cookies.get_dict()


@pytest.fixture
def submit(portals, upstream):
    """Sends twenty forms at once, half of them to each of two portals; the answers."""
    two, cookies = portals

    def submit(path: str, tokens: list[str]) -> list:
        def send(number: int, token: str):
            form = {"label": "New", "ends": "never", "token": token}
            return lambda: post(browser(cookies), two[number % 2].url + path, form)

        return AtOnce.start([send(number, token) for number, token in enumerate(tokens)]).all()

    return submit


def test_one_form_sent_twenty_times_makes_one_key(submit, upstream):
    """G6: each answer shows the key, or says that it is being made."""
    upstream.add_consumer("acme", managers=["ann@acme.test"])
    upstream.fault("POST", "*/keys", "delay", seconds=0.5)  # so that all of them meet
    answers = submit("/keys/production/acme/create/", [str(uuid.uuid4())] * AT_ONCE)
    (key,) = upstream.keys("acme")
    assert sum(call.method == "POST" for call in upstream.journal()) == 1
    for answer in answers:
        assert (answer.status_code, FULL_KEY.findall(answer.text)[:1]) == (200, [key["key"]]) or (
            answer.status_code == 409 and BEING_MADE in answer.text
        )
    assert any(answer.status_code == 200 for answer in answers)


def test_twenty_forms_at_once_keep_to_the_limit(submit, upstream):
    """The limit of keys holds, though each form alone would be within it."""
    upstream.add_consumer("globex", managers=["ann@acme.test"], keys=[{"description": str(n)} for n in range(3)])
    answers = submit("/keys/production/globex/create/", [str(uuid.uuid4()) for _ in range(AT_ONCE)])
    assert len(upstream.keys("globex")) == 5
    assert sorted({answer.status_code for answer in answers} - {409}) == [200, 403]
    assert sum(answer.status_code == 200 for answer in answers) == 2
    assert all("can have 5 keys" in answer.text for answer in answers if answer.status_code == 403)


def test_a_newcomers_twenty_forms_make_one_consumer(submit, upstream):
    answers = submit("/keys/create/production/", [str(uuid.uuid4()) for _ in range(AT_ONCE)])
    (consumer,) = upstream.consumers()
    assert len(consumer["apiKeys"]) == 1
    assert sum(answer.status_code == 200 for answer in answers) == 1
    assert {answer.status_code for answer in answers} <= {200, 403, 409}
