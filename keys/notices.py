"""Mails to the managers of a consumer about what was done to its keys, so that nobody does it unseen."""

import logging

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from keys.models import Action, AuditEvent
from keys.types import Consumer

logger = logging.getLogger(__name__)

TOLD = {Action.CREATE, Action.ROTATE, Action.ROTATE_ALL, Action.CHANGE_END, Action.DELETE}
MANAGERS_AT_MOST = 50


def tell_managers(event: AuditEvent, consumer: Consumer) -> None:
    """Mail every manager. The change has been made: trouble with the mail neither fails nor repeats it."""
    if event.action not in TOLD or not settings.KEYS_MAIL_MANAGERS:
        return
    page = settings.PORTAL_URL + reverse("keys:environment", args=[event.environment])
    context = {"event": event, "consumer": consumer, "portal_name": settings.PORTAL_NAME, "page": page}
    subject = _("%(title)s: %(what)s") % {"title": consumer.title, "what": Action(event.action).label}
    body = render_to_string("keys/mail.txt", context)
    mails = [EmailMessage(subject, body, to=[address]) for address in _addresses(consumer)]
    try:
        get_connection().send_messages(mails)
    except Exception:
        logger.exception("event %s: its managers could not be told", event.pk)


def _addresses(consumer: Consumer) -> list[str]:
    """What upstream calls a manager's address need not be one."""
    found = []
    for manager in consumer.managers[:MANAGERS_AT_MOST]:
        try:
            validate_email(manager.email)
        except ValidationError:
            continue
        found.append(manager.email)
    return found
