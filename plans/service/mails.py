"""Mails about plans, to customers and colleagues, each in the language of whoever reads it."""

from collections.abc import Iterable
from typing import Any

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils.module_loading import import_string
from django.utils.translation import get_language, override

from keys.audit.mails import deliver_if_possible
from keys.conf import settings


def send(addresses: Iterable[str], template: str, path: str, **context: Any) -> None:
    """Mail each address; the template's first line is the subject. Trouble with a mail fails and repeats nothing."""
    addresses = list(addresses)
    languages = import_string(settings.KEYS_LANGUAGES)(addresses)
    context |= {"portal_name": settings.PORTAL_NAME, "page": settings.PORTAL_URL + path}
    mails = []
    for address in addresses:
        with override(languages.get(address.lower()) or get_language()):
            subject, _newline, body = render_to_string(f"plans/mails/{template}.txt", context).partition("\n")
        mails.append(EmailMessage(subject.strip(), body.lstrip(), to=[address]))
    deliver_if_possible(mails, f"nobody could be mailed about plans: {template}")
