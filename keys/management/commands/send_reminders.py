"""manage.py send_reminders: mail the managers of keys that end soon or have ended. Run it once a day, by a timer."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from keys.conf import settings
from keys.errors import ApiError
from keys.reminders.sending import Progress, send_all


class Command(BaseCommand):
    help = (
        "Mail the managers of keys that end in KEYS_REMINDER_DAYS, or have ended. Nobody is told anything twice, "
        "however often it runs; what it could not do, the next run does, and the exit code is 1."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        well = [self._send(environment) for environment in settings.ZUPLO_BUCKETS]
        if not all(well):
            raise CommandError("Not all reminders could be sent. Run it again later: it goes on where it stopped.")

    def _send(self, environment: str) -> bool:
        """Send those of one environment; False if anything is left to do."""
        progress = Progress()
        with tqdm(desc=environment, unit=" consumers", leave=False, disable=None) as bar:  # None: on a terminal only
            try:
                for progress in send_all(environment):
                    bar.total = progress.total
                    bar.update(progress.looked - bar.n)
            except ApiError as problem:
                bar.close()
                self.stderr.write(f"{environment}: stopped after {progress.looked} of the consumers: {problem}")
                return False
        self.stdout.write(f"{environment}: consumers: {progress.looked}, mails: {progress.mails}")
        if progress.unreadable:
            self.stderr.write(f"{environment}: consumers that could not be read, or not in full: {progress.unreadable}")
        if progress.failed:
            self.stderr.write(f"{environment}: consumers of which nobody could be told: {progress.failed}; see the log")
        return not progress.failed
