"""Stripe's library, an optional dependency, imported where it is first used: four megabytes, for those who take payments.

Only payment by Stripe needs it, and `plans.checks` names it if missing.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.utils.functional import SimpleLazyObject

stripe: Any = SimpleLazyObject(lambda: import_module("stripe"))


def is_installed() -> bool:
    return find_spec("stripe") is not None
