"""manage.py apply_plans: end and change the plans whose time has come. Run it every minute, by a timer.

It also forgets old messages of Stripe's.
"""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from keys.conf import settings
from plans.models import StripeEvent
from plans.service.due import carry_out

REPEATED_FOR = timedelta(days=30)
"""Long past the three days for which Stripe sends a message again."""


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
        StripeEvent.objects.filter(created_at__lt=timezone.now() - REPEATED_FOR).delete()
        self.stdout.write(f"{done} done.")
