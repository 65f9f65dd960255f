"""PgBouncer in transaction mode between the portal and PostgreSQL: each transaction may get another connection."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from bench.serving import Portal, browser
from tests.helpers.processes import AtOnce, post, until

pytestmark = pytest.mark.services


@pytest.fixture
def portal(serve, postgres_stores, services) -> Portal:
    direct, pooled = (parse_qs(urlsplit(services[name]).query)["host"][0] for name in ("DATABASE_URL", "PGBOUNCER_URL"))
    url = postgres_stores["DATABASE_URL"].replace(direct, pooled)
    told = {"WEB_CONCURRENCY": "2", "EMAIL_URL": "dummymail://", "TRUSTED_PROXY_COUNT": "1"}
    return serve(postgres_stores | {"DATABASE_URL": url}, **told)


def sign_up(portal: Portal, number: int):
    person = browser()
    person.headers["X-Forwarded-For"] = f"192.0.2.{number}"  # or one client would be throttled
    return lambda: post(person, f"{portal.url}/accounts/signup/", {"email": f"new-{number}@startup.test"})


def test_sixteen_people_sign_up_at_once(portal):
    for round_ in range(3):
        answers = AtOnce.start([sign_up(portal, 16 * round_ + number) for number in range(16)]).all()
        assert [answer.status_code for answer in answers] == [302] * 16, portal.log[-4000:]


def test_lists_of_django_admin_are_shown_to_several_at_once(portal):
    portal.manage("create_admin", "sam@portal.test")
    sam = portal.sign_in(["sam@portal.test"])["sam@portal.test"]
    pages = ["portal/user/", "portal/user/1/change/", "portal/outgoingmail/", "keys/auditevent/", "auth/group/"]

    def look(page: str):
        return lambda: requests.get(f"{portal.url}/admin/{page}", cookies=sam.cookies.get_dict(), timeout=30)

    answers = AtOnce.start([look(page) for page in pages for _ in range(4)]).all()
    assert {answer.status_code for answer in answers} == {200}, portal.log[-4000:]


def test_keys_are_made_and_shown(portal, upstream):
    upstream.add_consumer("acme", managers=["ann@acme.test"])
    ann = portal.sign_in(["ann@acme.test"])["ann@acme.test"]
    made = post(ann, f"{portal.url}/keys/production/acme/create/", {"label": "CI", "ends": "never", "token": TOKEN})
    (key,) = upstream.keys("acme")
    assert key["key"] in made.text
    page = until(lambda: ann.get(f"{portal.url}/keys/", timeout=30))
    assert re.search(f'data-key="{key["id"]}"', page.text)


TOKEN = "5f0e4c56-3a5e-4a59-8a0f-2f2d2d1f6f61"
