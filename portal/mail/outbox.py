"""Transactional outbox: a mail is a row in the request's own transaction, and is delivered after it.

Nobody waits for a mail server, a mail is sent only if what it tells of was stored, and known and unknown
addresses take the same time. A thread delivers at once; what fails is tried again by `manage.py send_mail`, or
along with the next mail. A mail that was handed over just before a crash may be sent twice.
"""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from portal.models import OutgoingMail

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
"""Lease: how long a mail belongs to whoever has taken it; longer than a delivery can last."""
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP = timedelta(days=2)
KEEP = timedelta(days=14)
"""Retention of the bare fact of a mail."""
THREADS = 2
LIFETIME = "X-Portal-Lifetime"
"""A header of ours, taken off again: after so many seconds the mail is of no use, for its code has ended."""


class EmailBackend(BaseEmailBackend):
    """Mail backend that writes to the outbox. Plain text only: the portal sends nothing else."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        now = timezone.now()
        rows = [_row(message, now) for message in email_messages if message.recipients()]
        OutgoingMail.objects.bulk_create(rows)
        if settings.MAIL_IMMEDIATELY:
            transaction.on_commit(deliver_soon)
        return len(rows)


def _row(message: EmailMessage, now: datetime) -> OutgoingMail:
    headers = dict(message.extra_headers)
    lifetime = timedelta(seconds=int(headers.pop(LIFETIME, GIVE_UP.total_seconds())))
    return OutgoingMail(
        recipients=message.recipients(),
        subject=str(message.subject),
        body=str(message.body),
        sender=message.from_email or settings.DEFAULT_FROM_EMAIL,
        headers=headers,
        due_at=now,
        useless_at=now + lifetime,
    )


def deliver_due(limit: int = 100) -> int:
    """Deliver what is due, up to so many mails; how many were tried."""
    tried = 0
    for mail in _due()[:limit]:
        if _take(mail):
            tried += 1
            _deliver(mail)
    return tried


def _due() -> Any:
    return OutgoingMail.objects.waiting().filter(due_at__lte=timezone.now()).order_by("due_at", "pk")


def _take(mail: OutgoingMail) -> bool:
    """Claim a mail; True if it is ours now. Of several who try, the database lets one."""
    now = timezone.now()
    mine = OutgoingMail.objects.waiting().filter(pk=mail.pk, due_at=mail.due_at)
    return bool(mine.update(due_at=now + LEASE, attempts=F("attempts") + 1))


def _deliver(mail: OutgoingMail) -> None:
    if mail.useless_at <= timezone.now():
        _close(mail, failed_at=timezone.now())
        logger.error("mail %s was given up after %s attempts", mail.pk, mail.attempts)
        return
    headers = {"Auto-Submitted": "auto-generated"} | mail.headers
    message = EmailMessage(mail.subject, mail.body, mail.sender, mail.recipients, headers=headers)
    with suppress(DatabaseError):
        connection.close()  # others need it more while the mail server thinks
    try:
        get_connection(settings.OUTBOX_BACKEND).send_messages([message])
    except (SMTPException, OSError, ValueError) as problem:
        wait = min(FIRST_WAIT * 2 ** min(mail.attempts, 20), LONGEST_WAIT)
        OutgoingMail.objects.filter(pk=mail.pk).update(due_at=timezone.now() + wait, trouble=type(problem).__name__)
        logger.warning("mail %s failed (%s), next try in %s", mail.pk, type(problem).__name__, wait)
    else:
        _close(mail, sent_at=timezone.now())


def _close(mail: OutgoingMail, **when: datetime) -> None:
    """Keep the fact and wipe the words: they may hold a code."""
    OutgoingMail.objects.filter(pk=mail.pk).update(body="", headers={}, **when)


def tidy() -> None:
    """Clean-up: wipe what is of no use any more, and forget what was settled long ago."""
    now = timezone.now()
    OutgoingMail.objects.waiting().filter(useless_at__lte=now, due_at__lte=now).update(
        body="", headers={}, failed_at=now
    )
    OutgoingMail.objects.filter(Q(sent_at__lt=now - KEEP) | Q(failed_at__lt=now - KEEP)).delete()


# At once, on the machine that took the request

_at_work = threading.Semaphore(THREADS)
_more = threading.Event()


def deliver_soon() -> None:
    """Start a delivery thread; one that is at work already looks once more before it ends."""
    _more.set()
    if _at_work.acquire(blocking=False):
        threading.Thread(target=_work, name="outbox", daemon=True).start()


def _work() -> None:
    try:
        while _more.is_set():
            _more.clear()
            while deliver_due():
                pass
    except DatabaseError:
        logger.exception("The outbox cannot be read; its mails wait for the next try.")
    finally:
        connection.close()
        _at_work.release()
        if _more.is_set():  # asked for between the last look and now
            deliver_soon()
