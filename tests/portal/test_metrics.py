"""Figures for Prometheus: off by default, told to who holds the token, and true."""

import re

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from keys.models import AuditEvent, Outcome
from portal.models import OutgoingMail
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db
TOKEN = "a-token-for-figures-only"


@pytest.fixture
def metrics(settings):
    """Asks for the figures; by name with labels, as in the text."""
    settings.METRICS_TOKEN = TOKEN

    def metrics() -> dict[str, float]:
        answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        pairs = re.findall(r"^([^#\s][^ ]*(?:\{.*?\})?) ([0-9.e+-]+)$", answer.text, re.MULTILINE)
        return {name: float(value) for name, value in pairs}

    return metrics


def test_without_a_token_in_the_settings_there_are_no_figures(client):
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize("sent", [None, "", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \u00e9"])
def test_nobody_without_the_token_is_told_anything(metrics, sent):
    answer = Client().get("/metrics", headers={} if sent is None else {"authorization": sent})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert "portal_" not in answer.text


def test_machines_ask_by_address_over_plain_http_and_only_read(metrics, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
    asked = {"authorization": f"Bearer {TOKEN}", "host": "10.0.0.7:8000"}
    answer = Client().get("/metrics", headers=asked)
    assert (answer.status_code, answer["Cache-Control"], bool(answer.cookies)) == (200, "no-store", False)
    assert Client().post("/metrics", headers=asked).status_code == 405


def grown(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


def test_requests_and_calls_are_counted_by_what_they_were(metrics, sandbox, ann_client):
    key = acme(sandbox)[0]
    before = metrics()
    ann_client.get("/keys/")
    ann_client.post(f"/keys/production/acme/{key['id']}/reveal/")
    sandbox.fault("GET", "*", "status", status=503, times=2)
    ann_client.get("/keys/")
    ann_client.generic("BREW", "/no-such-page/")
    found = grown(before, metrics())
    assert found['portal_requests_total{method="GET",status="200",view="keys:page"}'] == 1
    assert found['portal_requests_total{method="GET",status="503",view="keys:page"}'] == 1
    assert found['portal_requests_total{method="POST",status="200",view="keys:reveal"}'] == 1
    assert found['portal_requests_total{method="other",status="404",view="none"}'] == 1
    assert found['portal_request_seconds_count{view="keys:page"}'] == 2
    assert found['portal_upstream_calls_total{operation="GET /consumers",outcome="200"}'] == 1
    assert found['portal_upstream_calls_total{operation="GET /consumers",outcome="503"}'] == 2
    assert found['portal_upstream_calls_total{operation="GET /consumers/*",outcome="200"}'] == 1
    assert found['portal_upstream_calls_total{operation="GET /consumers/*/keys/*",outcome="200"}'] == 1
    assert not [name for name in found if "acme" in name or key["id"] in name]


def test_an_unreachable_key_service_is_seen_and_so_is_the_open_breaker(metrics, ann_client):
    before = metrics()
    assert before["portal_breaker_open"] == 0
    for _ in range(4):
        ann_client.get("/keys/")
    after = metrics()
    assert grown(before, after)['portal_upstream_calls_total{operation="GET /consumers",outcome="not sent"}'] >= 5
    assert after["portal_breaker_open"] == 1


def test_waiting_mails_and_open_audit_events_are_seen(metrics, settings, ann, mailoutbox):
    settings.EMAIL_BACKEND, settings.MAIL_IMMEDIATELY = "portal.mail.outbox.EmailBackend", False
    mail.send_mail("Hello", "there", None, ["ann@acme.test"])
    assert OutgoingMail.objects.count() == 1
    AuditEvent.objects.create(action="key:create", outcome=Outcome.UNCONFIRMED, email="ann@acme.test")
    AuditEvent.objects.create(action="key:create", outcome=Outcome.DONE, email="ann@acme.test")
    AuditEvent.objects.update(started_at="2020-01-01T00:00:00Z", ended_at="2020-01-01T00:00:00Z")
    found = metrics()
    assert (found["portal_outbox_waiting"], found["portal_audit_unsettled"]) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_figures_are_told_though_the_database_is_not_there(metrics, settings):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE portal_outgoingmail RENAME TO gone")
    try:
        found = metrics()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO portal_outgoingmail")
    assert "portal_breaker_open" in found
    assert "portal_outbox_waiting" not in found
