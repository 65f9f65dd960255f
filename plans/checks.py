"""System checks: what is wrong in a project that shows plans; each with the cure. While PLANS is off there is none."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.template import Template, TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template

from keys.checks import BLOCKS, address_named, blocks_shown, name_at
from keys.conf import settings
from plans.service.stripe_library import is_installed

VALUES = ["off", "portal", "zuplo"]
PANELS = "plans.web.panels.PlanPanels"


@register()
def plans(**_kwargs: Any) -> Iterator[CheckMessage]:
    chosen = settings.PLANS
    if chosen not in VALUES:
        near = get_close_matches(str(chosen), VALUES, n=1)
        hint = f"Did you mean {near[0]}?" if near else "Write portal, zuplo or off."
        yield Error(f"PLANS is {chosen!r}.", hint=hint, id="plans.E001")
    elif chosen != "off":
        yield from _addresses()
        yield from _requests()
        yield from _pages()
        yield from _payment()
    elif not hasattr(django_settings, "PLANS") and "PLANS" not in getattr(django_settings, "KEYS", {}):
        hint = 'Say where plans are kept in KEYS: "PLANS": "portal", or "zuplo", or "off".'
        yield Warning("The app plans is installed, but PLANS isn't set.", hint=hint, id="plans.W002")


def _addresses() -> Iterator[CheckMessage]:
    said = urlsplit(settings.PLANS_URL)
    path = "" if said.netloc else said.path
    pages = {
        "plans:page": f'path("{path.strip("/") or "plans"}/", include("plans.urls"))',
        "admin:index": 'path("admin/", admin.site.urls)',
    }
    for name, line in pages.items():
        if address_named(name) is None:
            hint = f"Add to your urls.py: {line}."
            yield Error(f"There's no URL named {name}, which plans need.", hint=hint, id="plans.E002")
    page = address_named("plans:page")
    if page and path and name_at(path) is None:
        words = f"PLANS_URL is {settings.PLANS_URL!r}, where your urls.py has no page."
        hint = f"Write {page!r}, or leave PLANS_URL out: then it's that."
        yield Warning(words, hint=hint, id="plans.W003")


def _requests() -> Iterator[CheckMessage]:
    if settings.PLANS == "portal" and not settings.PLAN_REQUESTS_TO:
        hint = 'Name somebody: "PLAN_REQUESTS_TO": ["sales@example.com"].'
        words = "PLAN_REQUESTS_TO is empty, so nobody gets an email when a customer asks for a plan."
        yield Warning(words, hint=hint, id="plans.W004")


def _pages() -> Iterator[CheckMessage]:
    if not settings.KEYS_PANELS:
        hint = f'Add to KEYS: "KEYS_PANELS": "{PANELS}".'
        yield Warning("The API Keys page shows no plans.", hint=hint, id="plans.W001")
    try:
        page: Template = get_template("plans/page.html").template  # type: ignore[attr-defined]
        shown = blocks_shown(page)
    except (TemplateDoesNotExist, TemplateSyntaxError):
        return  # the checks of `keys` say so
    if shown >= BLOCKS and "keys_panels" not in shown:  # else the checks of `keys` say what is missing first
        hint = "Put {% block keys_panels %}{% panel_styles %}{% endblock %} into its head: see docs/embedding.md."
        yield Error("Your keys/base.html leaves out the block keys_panels.", hint=hint, id="plans.E003")


def _payment() -> Iterator[CheckMessage]:
    if not settings.STRIPE_API_KEY:
        return
    if not is_installed():
        hint = 'Install it: pip install "stripe>=13". It is what the extra "stripe" of the wheel names.'
        yield Error("STRIPE_API_KEY is set, and Stripe's library isn't installed.", hint=hint, id="plans.E004")
    if not settings.STRIPE_WEBHOOK_SECRET:
        hint = "Copy the webhook's signing secret from Stripe: without it no payment is heard of."
        yield Error("STRIPE_WEBHOOK_SECRET isn't set.", hint=hint, id="plans.E005")
