"""The two sites that share the key views: the portal, and Django admin for colleagues."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from keys.conf import settings
from keys.http import Request

ADMIN = "service"
"""The URL namespace of the API Key Service in Django admin: another instance of `keys`, with the same names."""


def in_admin(request: HttpRequest | None) -> bool:
    match = request.resolver_match if request else None
    return match is not None and match.namespace == ADMIN


def page_of(request: HttpRequest, environment: str, name: str = "") -> str:
    """URL of the page that shows the consumer, or all of them: where a verb comes from and leads back to."""
    if in_admin(request) and name:
        return consumer_page(request, environment, name)
    if in_admin(request):
        return reverse(f"{ADMIN}:environment", args=[environment])
    return reverse("keys:environment", args=[environment]) + (f"#consumer-{name}" if name else "")


def consumer_page(request: HttpRequest, environment: str, name: str) -> str:
    """URL of the page of this consumer alone, with the search and the pages of its keys."""
    return reverse("keys:consumer", args=[environment, name], current_app=ADMIN if in_admin(request) else None)


def is_colleague_elsewhere(request: Request) -> bool:
    """True for a colleague in the own name, at the address where people land, if there is another page for them.

    In a host project `is_staff` says nothing about keys: unless `KEYS_STAFF_URL` says where to, nobody is led away.
    """
    if not settings.KEYS_STAFF_URL:
        return False
    is_landing = request.resolver_match is not None and request.resolver_match.view_name == "keys:page"
    is_staff = getattr(request.user, "is_staff", False)
    return is_landing and is_staff and getattr(request, "staff", None) is None


def render_here(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Render a whole page in the site's own template: Django admin has one under the same name.

    Partials that both have know from `for_staff` that the keys are not the reader's.
    """
    if in_admin(request):
        own = {"partial": [f"admin/{context.get('partial')}", context.get("partial")], "for_staff": True}
        context = admin.site.each_context(request) | context | own
        template = f"admin/{template}"
    return render(request, template, context, status=status)
