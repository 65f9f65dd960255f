"""Lazy import of Stripe's library, an optional dependency: four megabytes, for those who take payments.

`plans.checks` names it if it is needed and missing.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.utils.functional import SimpleLazyObject

stripe: Any = SimpleLazyObject(lambda: import_module("stripe"))


def is_installed() -> bool:
    return find_spec("stripe") is not None
