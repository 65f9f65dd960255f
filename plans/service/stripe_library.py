"""Stripe's library, an optional dependency: only payment by Stripe needs it, and `plans.checks` names it if missing."""

try:
    import stripe
except ModuleNotFoundError:
    stripe = None  # type: ignore[assignment]

__all__ = ["stripe"]
