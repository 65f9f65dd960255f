"""manage.py check_mail ADDRESS: send a mail at once, past the outbox, and say what the mail server said."""

from argparse import ArgumentParser
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.management.base import BaseCommand, CommandError

from portal.mail import letters
from portal.mail.smtp import EmailBackend, PerhapsDelivered, in_words

PATIENCE = 60
"""Seconds for each answer: here somebody waits."""


class Command(BaseCommand):
    """Django's own sendtestemail only puts a mail into the outbox, and ends well whatever becomes of it."""

    help = "Send a mail to this address by the server of EMAIL_URL, and say what it said."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")

    def handle(self, *args: Any, address: str, **options: Any) -> None:
        backend = get_connection(settings.OUTBOX_BACKEND, timeout=PATIENCE)
        if not isinstance(backend, EmailBackend):
            raise CommandError("EMAIL_URL names no mail server, so nothing was sent.")
        server = f"{backend.host}:{backend.port}"
        self.stdout.write(f"{server}, greeted as {settings.MAIL_DOMAIN}, from {settings.DEFAULT_FROM_EMAIL}")
        message = EmailMessage(
            f"{settings.PORTAL_NAME}: a mail to try",
            f"The portal at {settings.PORTAL_URL} can send mail.\n",
            to=[address],
        )
        message.extra_headers = letters.headers_of(message)
        try:
            backend.send_messages([message])
        except PerhapsDelivered:
            raise CommandError(f"{server} got it whole and never said what became of it: perhaps delivered.") from None
        except (SMTPException, OSError, ValueError) as problem:
            said = in_words(problem, [])
            said = said if said[0].isdigit() else repr(problem)
            raise CommandError(f"{server} did not take it: {said}") from None
        self.stdout.write(f"{server} took it, as {message.extra_headers['Message-ID']}.")
        self.stdout.write("Look into the mailbox, and among its spam; docs/deployment.md says more under Mail.")
