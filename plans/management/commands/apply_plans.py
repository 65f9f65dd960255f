"""manage.py apply_plans: end and change the plans whose time has come. Run it every minute, by a timer."""

from typing import Any

from django.core.management.base import BaseCommand

from keys.conf import settings
from plans.service.due import carry_out


class Command(BaseCommand):
    help = "End and change the plans of the portal's own whose time has come. Managers are mailed."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PLANS != "portal":
            self.stdout.write("Nothing to do: PLANS is not portal.")
            return
        done = 0
        for record, outcome in carry_out():
            if outcome == "done":
                done += 1
            else:
                self.stderr.write(f"{record}: {outcome}")
        self.stdout.write(f"{done} done.")
