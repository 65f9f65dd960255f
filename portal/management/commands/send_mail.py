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
PATIENCE = 10.0
"""Seconds that a mail server gets for what is under way once the worker is told to stop."""


class Command(BaseCommand):
    help = "Deliver the mails in the outbox: once, or with --loop until it is told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", action="store_true", help="go on until SIGTERM or Ctrl-C")

    def handle(self, *args: Any, loop: bool, **options: Any) -> None:
        if loop:
            self._go_on()
            return
        outbox.tidy()
        while outbox.deliver_due():
            pass

    def _go_on(self) -> None:
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        while not stopped.is_set():
            try:
                outbox.tidy()
                outbox.deliver_all_soon()
            except DatabaseError as problem:
                self.stderr.write(f"The database does not answer: {type(problem).__name__}")
                connection.close()
            stopped.wait(PAUSE)
        outbox.wait_for_deliveries(PATIENCE)
