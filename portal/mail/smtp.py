"""SMTP: Django's backend with the time-outs of RFC 5321, and a sign just before the server decides about a mail.

Nobody waits for a mail server here, so it gets the time that the standard gives it: five minutes for a command, ten for
its answer to the whole mail (4.5.3.2). Whoever gives up earlier and tries again delivers the same mail several times.
"""

import re
import smtplib
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.core.mail.backends import smtp

Watch = Callable[[], None]
_EOL = re.compile(rb"(?:\r\n|\n|\r(?!\n))")
_ADDRESS = re.compile(r"<?[^\s<>]+@[^\s<>]+>?")
WORDS_AT_MOST = 200


class PerhapsDelivered(smtplib.SMTPException):
    """The server got the whole mail and never said what became of it."""


class _Conversation:
    """SMTP with two callbacks: `keep` before each command, `handing_over` before the dot that ends the mail."""

    def __init__(self, *args: Any, keep: Watch, handing_over: Watch, **options: Any) -> None:
        self._keep, self._handing_over = keep, handing_over
        super().__init__(*args, **options | {"local_hostname": settings.MAIL_DOMAIN})

    def putcmd(self: Any, cmd: str, args: str = "") -> None:
        self._keep()
        super().putcmd(cmd, args)  # type: ignore[misc]

    def data(self: Any, msg: bytes | str) -> tuple[int, bytes]:
        """Send the mail: code and words of the server. Raises `PerhapsDelivered` where they never come."""
        self.putcmd("data")
        code, words = self.getreply()
        if code != 354:
            raise smtplib.SMTPDataError(code, words)
        lines = _EOL.sub(b"\r\n", msg.encode("ascii") if isinstance(msg, str) else msg)
        lines = re.sub(rb"(?m)^\.", b"..", lines)
        self.send(lines if lines.endswith(b"\r\n") else lines + b"\r\n")
        try:
            self._handing_over()
        except BaseException:
            self.close()  # before the dot: the server forgets what it got so far
            raise
        self.sock.settimeout(settings.MAIL_DECISION_TIMEOUT)
        try:
            self.send(b".\r\n")
            answer: tuple[int, bytes] = self.getreply()
        except (OSError, smtplib.SMTPServerDisconnected) as problem:
            self.close()
            raise PerhapsDelivered("no answer to the whole mail") from problem
        self.sock.settimeout(self.timeout)
        return answer


class _Plain(_Conversation, smtplib.SMTP):  # type: ignore[misc]
    pass


class _Encrypted(_Conversation, smtplib.SMTP_SSL):  # type: ignore[misc]
    pass


def _nothing() -> None:
    pass


class EmailBackend(smtp.EmailBackend):
    def __init__(self, *args: Any, keep: Watch = _nothing, handing_over: Watch = _nothing, **options: Any) -> None:
        super().__init__(*args, **options)
        self._watches = {"keep": keep, "handing_over": handing_over}

    @property
    def connection_class(self) -> Any:
        return partial(_Encrypted if self.use_ssl else _Plain, **self._watches)


# What a server said


def is_final(problem: Exception) -> bool:
    """Permanent refusal of this mail (5xx to sender, recipient or content): trying again would change nothing.

    A refused connection or login is about the server, not about the mail, and is mended by its operator.
    """
    about_the_mail = (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)
    codes = [code for code, _words in _replies(problem)]
    return isinstance(problem, about_the_mail) and bool(codes) and all(500 <= code < 600 for code in codes)


def in_words(problem: Exception, recipients: list[str]) -> str:
    """Code and text of the server's answer on one line, without the recipients; the error's kind where it gave none."""
    replies = _replies(problem)
    if not replies:
        return type(problem).__name__
    code, words = replies[0]
    text = " ".join((words if isinstance(words, str) else words.decode(errors="replace")).split())
    text = _ADDRESS.sub("[address]", text)
    for recipient in recipients:
        name = re.escape(recipient.partition("@")[0])
        text = re.sub(rf"(?i)(?<!\w){name}(?!\w)", "[address]", text)
    text = "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
    return f"{code} {text}".strip()[:WORDS_AT_MOST]


def _replies(problem: Exception) -> list[tuple[int, bytes | str]]:
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return list(problem.recipients.values())
    if isinstance(problem, smtplib.SMTPResponseException):
        return [(problem.smtp_code, problem.smtp_error)]
    return []
