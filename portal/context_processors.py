"""Template context processor: the operator's branding, in every template."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.urls import get_script_prefix

from keys.http import Request
from portal.branding.accent import theme_url
from portal.branding.icon import icon_url, monogram


def site(request: Request) -> dict[str, Any]:
    match = request.resolver_match
    part = match.namespace if match else ""
    named = _chosen(get_script_prefix()) | {
        "support": request.visit,
        "reference": request.reference,
        "is_error": False,
    }
    # Not "site": so allauth's pages call the row of django.contrib.sites.
    return named | {"portal": named, "at_keys": part == "keys", "at_plans": part == "plans"}


@lru_cache(maxsize=8)
def _chosen(_prefix: str) -> dict[str, Any]:
    """The choices of the operator, put together once; the addresses stand below this prefix."""
    return {
        "portal_name": settings.PORTAL_NAME,
        "portal_monogram": monogram(settings.PORTAL_NAME),
        "portal_logo_url": settings.PORTAL_LOGO_URL,
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
        "portal_docs_url": settings.PORTAL_DOCS_URL,
        "portal_theme_url": theme_url(),
        "portal_icon_url": icon_url(),
        "portal_url": settings.PORTAL_URL,
        "has_plans": settings.PLANS != "off",
        "local_sign_in": settings.LOCAL_SIGN_IN,
        "local_sign_up": settings.LOCAL_SIGN_IN and settings.LOCAL_SIGN_UP,
        "has_providers": bool(settings.SOCIALACCOUNT_PROVIDERS),
    }


@receiver(setting_changed)
def _put_together_again(**_change: Any) -> None:
    """For tests: nothing else changes a setting of a running process."""
    _chosen.cache_clear()
