"""Transactional outbox: a mail is a row in the request's own transaction, and is delivered after it.

Nobody waits for a mail server, a mail is sent only if what it tells of was stored, and known and unknown
addresses take the same time. A thread delivers at once; what fails is tried again by `manage.py send_mail`, or
along with the next mail. A mail that the server got as a whole, without saying what became of it, is not sent again:
it was perhaps delivered.
"""

import logging
import threading
from _thread import start_new_thread
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from smtplib import SMTPException
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import DatabaseError, connection, transaction
from django.db.models import BigAutoField, DateTimeField, F, Q
from django.utils import timezone

from keys.prepared import Blank, Prepared, PreparedSave, PreparedUpdate
from portal.mail import letters
from portal.mail.smtp import PerhapsDelivered, in_words, is_final
from portal.models import OutgoingMail

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=7)
"""Lease: how long a mail belongs to whoever has taken it; longer than one command may take. It is renewed."""
RENEW_AFTER = 60.0
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP = timedelta(days=2)
KEEP = timedelta(days=14)
"""Retention of the bare fact of a mail."""
WIPED: dict[str, Any] = {"body": "", "headers": {}}
"""Columns of a mail that is settled: its words may hold a code."""
AT_ONCE = 100
THREADS = 8
"""So many mails are under way at once: a server may take minutes for one."""
LIFETIME = "X-Portal-Lifetime"
"""A header of ours, taken off again: after so many seconds the mail is of no use, for its code has ended."""


class EmailBackend(BaseEmailBackend):
    """Mail backend that writes to the outbox. Plain text only: the portal sends nothing else."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        now = timezone.now()
        rows = [_row(message, now) for message in email_messages if message.recipients()]
        if len(rows) == 1:  # as nearly always
            _SAVED.insert(rows[0])
        else:
            OutgoingMail.objects.bulk_create(rows)
        if settings.MAIL_IMMEDIATELY:
            transaction.on_commit(deliver_soon)
        return len(rows)


def _row(message: EmailMessage, now: datetime) -> OutgoingMail:
    headers = letters.headers_of(message)
    lifetime = timedelta(seconds=int(headers.pop(LIFETIME, GIVE_UP.total_seconds())))
    return OutgoingMail(
        recipients=message.recipients(),
        subject=str(message.subject),
        body=letters.folded(str(message.body)),
        sender=message.from_email or settings.DEFAULT_FROM_EMAIL,
        headers=headers,
        due_at=now,
        useless_at=now + lifetime,
    )


def deliver_due() -> int:
    """Deliver what is due, up to `AT_ONCE` mails; how many were tried."""
    tried = 0
    for mail in _due():
        if _take(mail):
            tried += 1
            _deliver(mail)
    return tried


def _due() -> list[OutgoingMail]:
    rows = _DUE.rows(now=timezone.now())
    return [OutgoingMail.from_db(connection.alias, _COLUMNS, row) for row in rows]


def _take(mail: OutgoingMail) -> bool:
    """Claim a mail; True if it is ours now. Of several who try, the database lets one."""
    return _TAKEN.count(pk=mail.pk, due_at=mail.due_at, until=timezone.now() + LEASE) > 0


_COLUMNS = [field.attname for field in OutgoingMail._meta.concrete_fields]
_SAVED = PreparedSave(OutgoingMail)
_DUE = Prepared(
    lambda _names: (
        OutgoingMail.objects.waiting()
        .filter(due_at__lte=Blank("now", DateTimeField()))
        .order_by("due_at", "pk")
        .values_list(*_COLUMNS)[:AT_ONCE]
    )
)
_TAKEN = PreparedUpdate(
    lambda: (
        OutgoingMail.objects.waiting().filter(pk=Blank("pk", BigAutoField()), due_at=Blank("due_at", DateTimeField())),
        {"due_at": Blank("until", DateTimeField()), "attempts": F("attempts") + 1},
    )
)
_SENT = PreparedUpdate(
    lambda: (
        OutgoingMail.objects.filter(pk=Blank("pk", BigAutoField())),
        WIPED | {"sent_at": Blank("now", DateTimeField())},
    )
)


def _deliver(mail: OutgoingMail) -> None:
    if mail.handed_over_at:  # by somebody who then died
        _doubt(mail)
        return
    if mail.useless_at <= timezone.now():
        _close(mail, failed_at=timezone.now())
        logger.error("mail %s was given up after %s attempts", mail.pk, mail.attempts)
        return
    message = EmailMessage(mail.subject, mail.body, mail.sender, mail.recipients, headers=mail.headers)
    lease = _Lease(mail)
    _give_back()
    try:
        backend = get_connection(settings.OUTBOX_BACKEND, keep=lease.keep, handing_over=lease.hand_over)
        backend.send_messages([message])
    except PerhapsDelivered:
        _doubt(mail)
    except (SMTPException, OSError, ValueError) as problem:
        _failed(mail, problem)
    else:
        _SENT.count(pk=mail.pk, now=timezone.now())


class _Lease:
    """Lease of a mail while it is being delivered: kept for as long as the server goes on answering."""

    def __init__(self, mail: OutgoingMail) -> None:
        self.pk = mail.pk
        self.renewed = monotonic()

    def keep(self) -> None:
        if monotonic() - self.renewed > RENEW_AFTER:
            self.renewed = monotonic()
            self._update(due_at=timezone.now() + LEASE)

    def hand_over(self) -> None:
        """Note that from now on the server may have the mail; it may take its time to say so."""
        now = timezone.now()
        self._update(handed_over_at=now, due_at=now + LEASE + timedelta(seconds=settings.MAIL_DECISION_TIMEOUT))

    def _update(self, **values: datetime) -> None:
        OutgoingMail.objects.filter(pk=self.pk).update(**values)
        _give_back()


def _give_back() -> None:
    """Close the database connection: others need it more while the mail server thinks."""
    with suppress(DatabaseError):
        connection.close()


def _failed(mail: OutgoingMail, problem: Exception) -> None:
    words = in_words(problem, mail.recipients)
    if is_final(problem):
        _close(mail, failed_at=timezone.now(), trouble=words, handed_over_at=None)
        logger.warning("mail %s was refused for good: %s", mail.pk, words)
        return
    wait = min(FIRST_WAIT * 2 ** min(mail.attempts, 20), LONGEST_WAIT)
    again = {"due_at": timezone.now() + wait, "trouble": words, "handed_over_at": None}
    OutgoingMail.objects.filter(pk=mail.pk).update(**again)
    logger.warning("mail %s failed (%s), next try in %s", mail.pk, words, wait)


def _doubt(mail: OutgoingMail) -> None:
    """Close a mail that was perhaps delivered; `handed_over_at` stays, and tells it from one that was not."""
    _close(mail, failed_at=timezone.now())
    logger.error(
        "mail %s was perhaps delivered: the mail server got it and did not say. It is not sent again.", mail.pk
    )


def _close(mail: OutgoingMail, **when: Any) -> None:
    """Keep the fact and wipe the words."""
    OutgoingMail.objects.filter(pk=mail.pk).update(**WIPED, **when)


def tidy() -> None:
    """Clean-up: wipe what is of no use any more, and forget what was settled long ago."""
    now = timezone.now()
    OutgoingMail.objects.waiting().filter(useless_at__lte=now, due_at__lte=now).update(**WIPED, failed_at=now)
    OutgoingMail.objects.filter(Q(sent_at__lt=now - KEEP) | Q(failed_at__lt=now - KEEP)).delete()


# At once, on the machine that took the request

_at_work = threading.Semaphore(THREADS)
_more = threading.Event()
STOPPED = "A delivery of mails stopped; the mails wait for the next try."


def deliver_soon() -> None:
    """Start a delivery thread; one that is at work already looks once more before it ends."""
    _more.set()
    if _at_work.acquire(blocking=False):
        # `Thread.start` waits until the thread runs, and many others before it, each of them with its connection.
        try:
            start_new_thread(_work, ())
        except RuntimeError:  # no room for one more; what the request did is stored, so it must not fail
            _at_work.release()
            logger.exception(STOPPED)


def deliver_all_soon() -> None:
    """Have as many threads as there are mails deliver what is due, up to `THREADS`."""
    for _mail in _due()[:THREADS]:
        deliver_soon()


def wait_for_deliveries(seconds: float) -> None:
    """Let what is under way come to its end, for so long at most; nothing is begun afterwards."""
    end = monotonic() + seconds
    for _thread in range(THREADS):
        _at_work.acquire(timeout=max(0.0, end - monotonic()))


def _work() -> None:
    try:
        while _more.is_set():
            _more.clear()
            while deliver_due():
                pass
    except Exception:  # which nobody else would tell of
        logger.exception(STOPPED)
    finally:
        connection.close()
        _at_work.release()
        if _more.is_set():  # asked for between the last look and now
            deliver_soon()
