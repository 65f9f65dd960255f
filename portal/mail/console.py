"""Console mail backend, for development: the line that matters is printed, and nothing is sent."""

import re
import sys
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

_CODE = re.compile(r"^\s*([A-Z0-9]{3,5}(?:-[A-Z0-9]{3,5})+)\s*$", re.MULTILINE)


class EmailBackend(BaseEmailBackend):
    """Prints "Code for ann@acme.test: ABCD-EFGH (Your sign-in code)", or the whole text of a mail without a code."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            sys.stdout.write(compact(message))
        sys.stdout.flush()
        return len(email_messages)


def compact(message: EmailMessage) -> str:
    people = ", ".join(message.recipients())
    if code := _CODE.search(str(message.body)):
        return f"\n  Code for {people}: {code[1]}   ({message.subject})\n"
    text = "\n".join(f"    {line}".rstrip() for line in str(message.body).strip().splitlines())
    return f"\n  Mail to {people}: {message.subject}\n{text}\n"
