"""manage.py send_mail [--loop]: the outbox worker, delivers what waits and retries what failed."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from portal.mail import outbox

PAUSE = 2.0
"""Seconds between two looks; a mail that was not sent at once waits so long at most."""


class Command(BaseCommand):
    help = "Deliver the mails in the outbox: once, or with --loop until it is told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", action="store_true", help="go on until SIGTERM or Ctrl-C")

    def handle(self, *args: Any, loop: bool, **options: Any) -> None:
        stopped = threading.Event()
        if loop:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stopped.set())
        self._look()
        while loop and not stopped.wait(PAUSE):
            try:
                self._look()
            except DatabaseError as problem:
                self.stderr.write(f"The database does not answer: {type(problem).__name__}")
                connection.close()

    def _look(self) -> None:
        outbox.tidy()
        while outbox.deliver_due():
            pass
