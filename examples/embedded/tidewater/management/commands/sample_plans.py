"""manage.py sample_plans: two plans that anybody can choose, and one that sam approves. Nothing where plans are off.

Their keys are what stands in the metadata of the sandbox's consumers.
"""

from decimal import Decimal

from django.apps import apps
from django.core.management.base import BaseCommand

PLANS = [
    ("free", "Shore", None, 1_000),
    ("pro", "Harbour", None, 20_000),
    ("enterprise", "Ocean", Decimal(49), 500_000),
]


class Command(BaseCommand):
    def handle(self, **options: object) -> None:
        if not apps.is_installed("plans") or apps.get_model("plans", "Plan").objects.exists():
            return
        for order, (key, name, amount, limit) in enumerate(PLANS):
            plan = apps.get_model("plans", "Plan").objects.create(key=key, name=name, order=order, amount=amount)
            plan.features.create(key="api_requests", name="API requests", limit=limit)
            if amount:
                plan.features.create(key="priority_support", name="Priority support")
