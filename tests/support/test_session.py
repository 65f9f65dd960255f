"""Support by impersonation: the session stays the colleague's own."""

import re
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from hijack.signals import hijack_ended, hijack_started

from tests.helpers.people import sign_in, signed_in_as
from tests.helpers.support_visits import STOP, is_visiting, page_of, start

pytestmark = pytest.mark.django_db


def replay(cookie: str) -> Client:
    thief = Client()
    thief.cookies["sessionid"] = cookie
    return thief


def id_of(browser: Client) -> tuple[str, str]:
    """Its session in the cookie, and in the database."""
    return browser.cookies["sessionid"].value, browser.session.session_key


def test_the_id_of_the_session_changes_at_both_ends(ann, clerk, browser):
    """B1, D1: an id from before is worth nothing, neither as the customer nor as the colleague."""
    before = id_of(browser)
    start(browser, ann)
    during = id_of(browser)
    browser.post(STOP)
    after = id_of(browser)
    assert len({*before, *during, *after}) == 6
    assert signed_in_as(browser) == clerk.email
    assert [signed_in_as(replay(one)) for one in (*before, *during)] == [None] * 4
    assert not Session.objects.filter(session_key__in=[before[1], during[1]]).exists()


def test_form_tokens_from_before_are_worthless(ann, clerk, client_of):
    """B1: what still stands open in another window cannot be sent as somebody else."""
    browser = client_of(clerk, strict=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(page_of(ann)).text)[1]
    start(browser, ann, csrfmiddlewaretoken=token)
    assert browser.post(STOP, {"csrfmiddlewaretoken": token}).status_code == 403
    assert is_visiting(browser)


def test_stopping_leads_back_to_ones_own_session(visiting, ann, clerk):
    answer = visiting.post(STOP)
    assert answer["Location"] == f"/admin/portal/user/{ann.pk}/change/"
    page = visiting.get(answer["Location"])
    assert "You&#x27;re back in your own account." in page.text
    assert signed_in_as(visiting) == clerk.email
    assert visiting.post(STOP)["Location"] == "/"


def test_stopping_needs_a_post_with_a_token(ann, clerk, client_of, browser):
    """D1, F4"""
    start(browser, ann)
    assert browser.get(STOP).status_code == 405
    assert is_visiting(browser)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert strict.post(STOP).status_code == 403
    assert is_visiting(browser)


def test_it_does_not_look_like_a_sign_in_of_the_customer(ann, clerk, client):
    """D2: no mail about a new device, no other last sign-in, no row in the customer's list of devices."""
    ann.last_login = timezone.now() - timedelta(days=3)
    ann.save()
    sign_in(client, clerk.email)
    mail.outbox.clear()
    start(client, ann)
    assert [message.subject for message in mail.outbox] == ["Support is viewing your API keys page"]
    last = ann.last_login
    ann.refresh_from_db()
    assert ann.last_login == last
    assert not UserSession.objects.filter(user=ann).exists()
    assert UserSession.objects.get(user=clerk).session_key == client.session.session_key
    client.post(STOP)
    assert UserSession.objects.get(user=clerk).session_key == client.session.session_key


def test_other_code_knows_it_for_a_hijack(ann, clerk, browser):
    """As django-hijack marks one: by its signals, and by `request.user.is_hijacked`."""
    heard = []

    def hear(**facts):
        heard.append((facts["signal"], facts["hijacker"].pk, facts["hijacked"].pk))

    hijack_started.connect(hear)
    hijack_ended.connect(hear)
    try:
        start(browser, ann)
        assert browser.get("/").wsgi_request.user.is_hijacked
        browser.post(STOP)
    finally:
        hijack_started.disconnect(hear)
        hijack_ended.disconnect(hear)
    assert heard == [(hijack_started, clerk.pk, ann.pk), (hijack_ended, clerk.pk, ann.pk)]
    assert not browser.get("/").wsgi_request.user.is_hijacked
    assert "/hijack/" not in str(get_resolver().reverse_dict)


@pytest.mark.parametrize("path", ["/theme.css", "/icon.svg"])
def test_the_operators_colours_and_icon_open_no_session(path, visiting):
    """They are the same for everybody, and kept by caches."""
    answer = visiting.get(path)
    assert answer.status_code == 200
    assert "Cookie" not in answer.headers.get("Vary", "")
