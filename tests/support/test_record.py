"""Support by impersonation: what is on record of it, and what the customer is told."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from keys.models import Action, AuditEvent, Outcome
from portal.models import User
from tests.helpers.support_visits import STOP, ago, ends, grant, is_visiting, start, the_end

pytestmark = pytest.mark.django_db


def test_beginning_and_end_are_on_record_with_both_names(visiting, ann, clerk):
    """D4"""
    visiting.post(STOP)
    began, ended = AuditEvent.objects.order_by("started_at")
    assert (began.action, ended.action) == (Action.SUPPORT, Action.SUPPORT_ENDED)
    for event in (began, ended):
        assert (event.user, event.staff, event.outcome) == (ann, clerk, Outcome.DONE)
        assert (event.email, event.staff_email) == ("ann@acme.test", "clerk@portal.test")
        assert (event.reason, event.address) == ("Ticket 7", "127.0.0.1")
        assert event.reference
    assert ended.facts["how"] == "stopped"


def test_a_visit_that_nobody_ended_is_on_record_as_over(visiting, ann, ann_client):
    """D4: the browser was closed, and nothing came any more. Once, however often it is looked at."""
    AuditEvent.objects.update(
        started_at=timezone.now() - timedelta(hours=2),
        facts={"until": (timezone.now() - timedelta(hours=1)).isoformat()},
    )
    call_command("settle", stdout=StringIO())
    ann_client.get("/keys/activity/")
    ago(visiting, 60)
    ends(visiting)
    assert the_end().facts == {"start": AuditEvent.objects.get(action=Action.SUPPORT).pk, "how": "time", "minutes": 60}
    assert timezone.now() - the_end().started_at > timedelta(minutes=59)


def test_the_customer_is_mailed_who_looks_and_why(browser, ann, clerk):
    """D4: unless the operator does not want it."""
    start(browser, ann)
    (message,) = mail.outbox
    assert message.to == ["ann@acme.test"]
    for words in ("Support (clerk@portal.test)", "Ticket 7", "until", "/keys/activity/", "stay masked"):
        assert words in message.body
    assert "can change keys" not in message.body


def test_the_mail_says_so_if_keys_may_be_changed(browser, ann, clerk):
    grant(clerk, "support_user", "change_as_user")
    start(browser, ann)
    assert "can change keys in your name" in mail.outbox[0].body


def test_an_address_that_nobody_proved_is_told_nothing(browser, unverified):
    """A1"""
    start(browser, unverified)
    assert is_visiting(browser)
    assert mail.outbox == []


def test_the_mail_can_be_switched_off(browser, ann, settings):
    settings.SUPPORT_MAIL_CUSTOMER = False
    start(browser, ann)
    assert mail.outbox == []
    assert is_visiting(browser)


def test_trouble_with_the_mail_stops_nothing(browser, ann, settings):
    """G15"""
    settings.EMAIL_BACKEND = "nothing.of.the.kind"
    start(browser, ann)
    assert is_visiting(browser)


def test_an_outage_is_explained_under_the_banner(visiting, sandbox):
    """H1"""
    sandbox.fault("GET", "*", "drop", times=0)
    page = visiting.get("/keys/")
    assert page.status_code == 503
    assert 'class="support-banner"' in page.text


def test_the_language_that_support_chooses_is_not_taken_for_the_customers(visiting, ann, clerk):
    visiting.post("/language/", {"language": "de"})
    ann.refresh_from_db()
    clerk.refresh_from_db()
    assert (ann.language, clerk.language) == ("", "de")


def test_the_customer_is_told_in_the_language_last_read_here(browser, ann):
    User.objects.filter(pk=ann.pk).update(language="es")
    start(browser, ann)
    assert [message.subject for message in mail.outbox] == ["El soporte está viendo su página de claves de API"]
