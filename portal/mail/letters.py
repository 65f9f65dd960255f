"""Headers and line lengths that every mail of the portal has, whoever wrote it."""

import textwrap
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import get_language

WIDTH = 76  # RFC 5322 2.1.1 asks for at most 78 signs a line


def headers_of(message: EmailMessage) -> dict[str, str]:
    """The headers of a mail, made once: whoever gets it twice can tell that it is the same one."""
    usual = {
        "Message-ID": make_msgid(domain=settings.MAIL_DOMAIN),
        "Date": formatdate(),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",  # what Exchange and Outlook heed
        "Content-Language": get_language() or settings.LANGUAGE_CODE,
    }
    if answers := ", ".join(message.reply_to) or support_address():
        usual["Reply-To"] = answers
    return usual | message.extra_headers


def support_address() -> str:
    """The mail address of PORTAL_SUPPORT_URL; "" where that is a page, or nothing."""
    parts = urlsplit(settings.PORTAL_SUPPORT_URL)
    return unquote(parts.path) if parts.scheme == "mailto" else ""


def folded(body: str) -> str:
    """The text with no line longer than `WIDTH`, except for what cannot be broken, such as a long address."""
    return "\n".join(part for line in body.split("\n") for part in _folded(line))


def _folded(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line.strip(),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
