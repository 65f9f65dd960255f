"""What every template knows of the operator."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from portal.theme import theme_url


def site(request: HttpRequest) -> dict[str, Any]:
    return {
        "portal_name": settings.PORTAL_NAME,
        "portal_monogram": monogram(settings.PORTAL_NAME),
        "portal_logo_url": settings.PORTAL_LOGO_URL,
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
        "portal_docs_url": settings.PORTAL_DOCS_URL,
        "portal_theme_url": theme_url(),
        "portal_url": settings.PORTAL_URL,
        "local_sign_in": settings.LOCAL_SIGN_IN,
        "local_sign_up": settings.LOCAL_SIGN_IN and settings.LOCAL_SIGN_UP,
        "has_providers": bool(settings.SOCIALACCOUNT_PROVIDERS),
        "support": getattr(request, "visit", None),
        "reference": getattr(request, "reference", ""),
    }


def monogram(name: str) -> str:
    """The first letters of the first two words, for an operator without a logo."""
    return "".join(word[0] for word in name.split()[:2]).upper()
