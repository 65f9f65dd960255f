"""Delivery of mails by the host project's backend; what cannot be sent is in the log."""

import logging
from collections.abc import Sequence

from django.core import mail
from django.core.mail import EmailMessage

logger = logging.getLogger(__name__)


def deliver(mails: Sequence[EmailMessage]) -> None:
    """Send them over one connection: by `MAILERS` from Django 6.1 on, where `get_connection` is deprecated."""
    mailers = getattr(mail, "mailers", None)
    connection = mailers.default if mailers else mail.get_connection()
    connection.send_messages(mails)


def deliver_if_possible(mails: Sequence[EmailMessage], otherwise: str) -> bool:
    """Send them without failing; False if that was not possible.

    Of a mail server in trouble its answer says all; anything else is a fault of ours.
    """
    try:
        deliver(mails)
    except OSError as problem:  # as those of smtplib are
        logger.error("%s: %r", otherwise, problem)
        return False
    except Exception:
        logger.exception("%s", otherwise)
        return False
    return True
