"""Two portals that share PostgreSQL and Redis, and nothing else: a person never notices which of them answers."""

import re
import uuid
from collections.abc import Iterator

import pytest
import requests

from bench.serving import Portal, browser
from tests.helpers.mail_server import MailServer
from tests.helpers.processes import AtOnce, post, rows, until
from tests.helpers.round_robin import RoundRobin
from tests.helpers.verbs import FULL_KEY

pytestmark = pytest.mark.services


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def portals(serve, postgres_stores, mail_server) -> list[Portal]:
    values = {"EMAIL_URL": f"smtp://127.0.0.1:{mail_server.port}", "SECRET_KEY": "the same for all " * 5}
    return [serve(postgres_stores, WEB_CONCURRENCY="1", **values) for _ in range(2)]


@pytest.fixture
def balanced(portals) -> Iterator[RoundRobin]:
    with RoundRobin([portal.port for portal in portals]) as balancer:
        yield balancer


@pytest.fixture
def send(balanced):
    """A person without a browser's help: sends a form, and follows where that leads."""
    person = browser()

    def send(path: str, **form: str) -> requests.Response:
        if not form:
            return person.get(balanced.url + path, timeout=30)
        answer = post(person, balanced.url + path, form)
        while answer.is_redirect:
            answer = person.get(balanced.url + answer.headers["Location"], timeout=30)
        return answer

    return send


def test_a_customers_whole_visit_is_answered_by_two_machines_in_turn(send, balanced, portals, upstream, mail_server):
    """Sign-up by code, first key, reveal, rotate, rename, delete, sign-out: each request by the other portal."""
    send("/accounts/signup/", email="new@startup.test")
    mail = until(lambda: mail_server.mails and mail_server.mails[0])
    code = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", mail.get_content(), re.MULTILINE)[1]
    page = send("/accounts/login/code/confirm/", code=code)
    assert "new@startup.test" in page.text

    made = send("/keys/create/production/", label="CI", ends="never", token=str(uuid.uuid4()))
    (consumer,) = upstream.consumers()
    (key,) = consumer["apiKeys"]
    assert FULL_KEY.findall(made.text)[:1] == [key["key"]]
    path = f"/keys/production/{consumer['name']}/"
    for _ in balanced.served:  # whichever answers knows of it
        assert f'data-key="{key["id"]}"' in send("/keys/").text
        assert key["key"] in send(f"{path}{key['id']}/reveal/", token="").text

    token = str(uuid.uuid4())
    for _ in balanced.served:  # the second time by the other one, which knows that it was done
        rotated = send(f"{path}{key['id']}/rotate/", grace="24h", token=token)
        assert rotated.status_code == 200, rotated.text
    old, new = sorted(upstream.keys(consumer["name"]), key=lambda one: one["id"] != key["id"])
    assert old["expiresOn"]
    assert new["key"] in rotated.text
    send(f"{path}{new['id']}/rename/", label="Deploy", token=str(uuid.uuid4()))
    send(f"{path}{old['id']}/delete/", token=str(uuid.uuid4()))
    page = send("/keys/")
    assert "Deploy" in page.text
    assert f'data-key="{old["id"]}"' not in page.text

    send("/accounts/logout/", sure="yes")
    for _ in balanced.served:
        assert "/accounts/login/" in send("/keys/").url
    served = balanced.served.values()
    assert max(served) - min(served) <= 1
    done = rows(portals[0], "list(AuditEvent.objects.order_by('pk').values_list('action', 'outcome'))")
    shown_again = "key:reveal"
    verbs = ["key:create", "key:reveal", "key:reveal", "key:rotate", shown_again, "key:rename", "key:delete"]
    assert done == [[verb, "done"] for verb in verbs]


def test_limits_are_counted_over_all_machines(serve, postgres_stores, upstream):
    upstream.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    values = {"WEB_CONCURRENCY": "1", "KEYS_REVEALS_PER_MINUTE": "6"}
    portals = [serve(postgres_stores, **values) for _ in range(2)]
    ann = portals[0].sign_in(["ann@acme.test"])["ann@acme.test"]
    (key,) = upstream.keys("acme")
    path = f"/keys/production/acme/{key['id']}/reveal/"
    statuses = [post(ann, portals[number % 2].url + path).status_code for number in range(12)]
    assert statuses.count(200) in {6, 12}  # twelve only if a minute began meanwhile


def test_what_one_machine_learns_of_an_outage_the_other_knows(portals, upstream):
    """The breaker: the second portal does not begin to ask for itself."""
    upstream.add_consumer("acme", managers=["ann@acme.test"])
    ann = portals[0].sign_in(["ann@acme.test"])["ann@acme.test"]
    upstream.fault("*", "*", "status", status=503, times=0)
    for _ in range(3):
        assert ann.get(f"{portals[0].url}/keys/", timeout=30).status_code == 503
    upstream.clear_journal()
    looks = [ann.get(f"{portals[1].url}/keys/", timeout=30) for _ in range(4)]
    assert {look.status_code for look in looks} == {503}
    assert len(upstream.journal()) <= 1  # at most the one that looks whether it is up again


def test_all_machines_share_one_lock_on_a_consumer(portals, upstream):
    """G6: changes at one moment on both are made one after the other, or refused; none gets lost."""
    upstream.add_consumer("acme", managers=["ann@acme.test"])
    cookies = portals[0].sign_in(["ann@acme.test"])["ann@acme.test"].cookies.get_dict()

    def create(number: int):
        form = {"label": f"Key {number}", "ends": "never", "token": str(uuid.uuid4())}
        return lambda: post(browser(cookies), f"{portals[number % 2].url}/keys/production/acme/create/", form)

    answers = AtOnce.start([create(number) for number in range(6)]).all()
    made = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(upstream.keys("acme")) == len(made) > 0
