"""Mails of the portal: what they say, to whom, and where they point."""

import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from tests.helpers.people import LOGIN, SIGNUP

pytestmark = pytest.mark.django_db

TEMPLATES = django_settings.BASE_DIR / "templates"
MAILS = sorted(
    str(path.relative_to(TEMPLATES)).removesuffix("_message.txt")
    for path in TEMPLATES.glob("*/email/*_message.txt")
    if path.name != "base_message.txt"
)


def test_mails_name_the_portal_and_point_to_it_wherever_the_request_went(client, ann, settings):
    settings.PORTAL_NAME, settings.PORTAL_URL = "Acme Keys", "https://keys.acme.test"
    settings.PORTAL_SUPPORT_URL = "https://help.acme.test"
    settings.ALLOWED_HOSTS = ["evil.test"]
    for path, entry in (
        (LOGIN, {"login": "ann@acme.test"}),
        (LOGIN, {"login": "nobody@acme.test"}),
        (SIGNUP, {"email": "ann@acme.test"}),
        (SIGNUP, {"email": "somebody@acme.test"}),
        ("/accounts/password/reset/", {"email": "ann@acme.test"}),
        ("/accounts/password/reset/", {"email": "anybody@acme.test"}),
    ):
        Client(HTTP_HOST="evil.test:1234").post(path, entry)
    assert len(mail.outbox) == 6
    for message in mail.outbox:
        text = f"{message.subject}\n{message.body}"
        assert "evil.test" not in text
        assert "Acme Keys" in text
        assert "https://help.acme.test" in text
        assert not re.search(r"https?://(?!keys\.acme\.test|help\.acme\.test)", text)
        assert "\n" not in message.subject


@pytest.mark.parametrize("name", [name for name in MAILS if name.startswith(("account/", "mfa/", "socialaccount/"))])
def test_every_mail_is_plain_names_the_portal_and_says_what_to_do_if_it_was_not_you(name):
    context = {
        "portal_name": "Acme & Co",
        "portal_url": "https://keys.acme.test",
        "email": "ann+o'hara@acme.test",
        "code": "ABCD-EFGH",
        "timestamp": timezone.now(),
        "ip": "192.0.2.1",
        "user_agent": "<b>{{ 7 }}</b>",
        "provider": "Acme SSO",
    }
    subject, body = (render_to_string(f"{name}_{part}.txt", context) for part in ("subject", "message"))
    assert "Acme & Co" in subject
    assert "Acme & Co" in body
    assert "https://keys.acme.test" in body
    assert "&amp;" not in subject + body
    assert "<p>" not in body
    assert re.search(r"wasn't you|didn't ask for", body)
    assert len(subject.strip().splitlines()) == 1
    assert not (Path(TEMPLATES) / f"{name}_message.html").exists()
