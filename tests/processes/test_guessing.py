"""Brute force: so many guesses in all, not so many in each process, and none more for what a client says of itself."""

import pytest

from bench.serving import browser
from tests.helpers.processes import AtOnce, post

pytestmark = pytest.mark.services

SET_PASSWORD = "from portal.models import User; u = User.objects.get(); u.set_password('open-sesame'); u.save()"


def test_five_guesses_are_all_for_an_account_over_two_processes(serve, postgres_stores):
    """A10: under made-up forwarding headers too; the right password comes too late then."""
    portal = serve(postgres_stores, WEB_CONCURRENCY="2")
    portal.sign_in(["ann@acme.test"])
    portal.manage("shell", "--verbosity=0", "--command", SET_PASSWORD)

    def guess(number: int, password: str) -> str:
        claims = {"X-Forwarded-For": f"192.0.2.{number}", "X-Real-IP": f"192.0.2.{number}"}
        entry = {"login": "ann@acme.test", "password": password}
        return post(browser(), f"{portal.url}/accounts/login/", entry, headers=claims).text

    answers = AtOnce.start([lambda number=number: guess(number, "guess") for number in range(20)]).all()
    assert sum("isn&#x27;t right" in answer for answer in answers) <= 5
    assert "Too many failed" in guess(99, "open-sesame")


def test_codes_for_one_address_are_counted_over_two_processes(serve, postgres_stores):
    """A3: eight an hour for one client."""
    portal = serve(postgres_stores, WEB_CONCURRENCY="2")
    portal.sign_in(["ann@acme.test"])
    entry = {"login": "ann@acme.test"}
    answers = AtOnce.start([lambda: post(browser(), f"{portal.url}/accounts/login/", entry)] * 12).all()
    assert sum(answer.status_code == 302 for answer in answers) <= 8


CODES = {
    "login": ("/accounts/login/", {"login": "ann@acme.test"}, "/accounts/login/code/confirm/"),
    "first": ("/accounts/login/", {"login": "new@startup.test"}, "/accounts/login/code/confirm/"),
    "reset": ("/accounts/password/reset/", {"email": "ann@acme.test"}, "/accounts/password/reset/confirm/"),
    "step-up": ("/accounts/step-up/code/", {"action": "send"}, "/accounts/step-up/code/"),
}


@pytest.mark.parametrize("kind", CODES)
def test_a_code_has_three_tries_at_once_over_two_processes(serve, postgres_stores, kind):
    """A3: the third answer ends the code, so at most two say that it was wrong."""
    portal = serve(postgres_stores, WEB_CONCURRENCY="2")
    people = portal.sign_in(["ann@acme.test"])
    asking = people["ann@acme.test"] if kind == "step-up" else browser()
    start, entry, page = CODES[kind]
    post(asking, portal.url + start, entry)

    def guess() -> str:
        return post(browser(asking.cookies.get_dict()), portal.url + page, {"code": "AAAA-AAAA"}).text

    answers = AtOnce.start([guess] * 30).all()
    judged = [answer for answer in answers if "isn&#x27;t right" in answer]
    assert len(judged) <= 2
