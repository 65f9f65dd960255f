"""Favicon: the operator's logo, or the first letters of the name on the accent."""

from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from portal.branding import accent


def monogram(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2]).upper()


@lru_cache(maxsize=8)
def draw_icon(name: str, colour: str) -> str:
    fill = accent.fill(colour, "light")
    letters = monogram(name)
    return format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="{}"/>'
        '<text x="16" y="16" dy=".36em" text-anchor="middle" font-family="Inter,system-ui,sans-serif" font-weight="600"'
        ' font-size="{}" fill="{}">{}</text></svg>',
        fill,
        15 if len(letters) > 1 else 19,
        accent.ink_on(fill),
        letters,
    )


def icon_url() -> str:
    return settings.PORTAL_LOGO_URL or f"{reverse('icon')}?v={accent.version_of(_own())}"


def _own() -> str:
    return draw_icon(settings.PORTAL_NAME, settings.PORTAL_ACCENT)


@require_safe
def icon_svg(request: HttpRequest) -> HttpResponse:
    return accent.cacheable_response(request, _own(), "image/svg+xml; charset=utf-8")
