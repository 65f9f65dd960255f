"""Template library of the keys app: all that its templates use; they load it themselves, in any project."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django import template
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join, strip_tags
from django.utils.safestring import SafeString

from keys import refusals, times
from keys.conf import settings
from keys.panels import panels
from keys.templatetags import memoised
from keys.types import ApiKey, Consumer
from keys.web import told
from keys.web.hand_over import FORMS, Form, secret_name, variable
from keys.web.key_health import Finding
from keys.web.listing import Listing, Place, listing

ADDRESSES_IN_SIGHT = 3
TITLE_IN_SIGHT = 24  # letters that a phone has room for
SharedByRows = tuple[str, Callable[[datetime | None], SafeString], SafeString]

register = template.Library()
register.tags |= memoised.register.tags
register.filters |= memoised.register.filters

register.filter("exact", times.exact)
register.filter("rough", times.rough)
register.filter("written", times.written)
register.filter("clock", times.clock)
register.filter("calendar_day", times.calendar_day)
register.filter("iso", times.iso)
register.filter("key_facts", told.key_facts)
register.filter("consumer_facts", told.consumer_facts)
register.simple_tag(refusals.sentence, name="refusal")
register.simple_tag(refusals.within, name="gateway_memory")


@register.filter
def row_link(key: ApiKey | None) -> SafeString:
    """Link to the row of a key on the same page; "" for no key."""
    if key is None:
        return SafeString("")
    return format_html('<a class="key-link" href="#key-{}"><code>{}</code></a>', key.id, key.masked)


@register.simple_tag(takes_context=True)
def heading_of(context: Context, partial: str) -> SafeString:
    """Heading of a dialog: the title of the page that has the dialog alone."""
    assert context.template  # noqa: S101, for the type checker
    heading = re.search("<h2.*?</h2>", context.template.engine.get_template(partial).render(context), re.DOTALL)
    return SafeString(strip_tags(heading[0]).strip() if heading else "")


SHOWN = "shows_"
"""How the form is marked that is seen first: a stencil learns no more of a name than whether there is one."""


@register.simple_tag(takes_context=True)
def hand_over(context: Context, key: ApiKey) -> dict[str, Any]:
    """Values of the stencil that draws the texts to hand over; the one whose copy waited for a proof is seen first."""
    unfinished = FORMS.get(str(context.get("finishes_copy")))
    return {
        "url": f"{address_of(context, key)}copy/",
        "id": key.id,
        "masked": key.masked,
        "variable": variable(),
        "secret": secret_name(),
        "token": context["csrf_token"],
        "for_staff": context.get("for_staff", ""),
        "is_unfinished": bool(unfinished),
        f"{SHOWN}{(unfinished or next(iter(FORMS.values()))).name}": True,
    }


@register.simple_tag(takes_context=True)
def hand_over_texts(context: Context) -> list[tuple[Form, str, bool]]:
    """Each form in which a key can be handed over, with its text around a mask, and whether it is seen first."""
    masked, *names = (context[name] for name in ("masked", "variable", "secret"))
    return [(form, form.preview(masked, *names), f"{SHOWN}{form.name}" in context) for form in FORMS.values()]


@register.simple_tag(takes_context=True, name="listing")
def listing_of(context: Context, consumer: Consumer) -> Listing:
    """Listing for a consumer's card, at the place that the page names."""
    return listing(consumer, context.get("place") or Place(), strict=bool(context.get("is_own_page")))


@register.filter
def hidden_fields(place: Place | None) -> SafeString:
    """Fields by which a form leads back to a place in a long list."""
    return format_html_join("", '<input type="hidden" name="{}" value="{}">', place.fields if place else ())


@register.simple_tag(takes_context=True)
def card(context: Context, shown: Listing) -> dict[str, Any]:
    """Values of the stencil that draws the head of a consumer's card."""
    consumer = shown.consumer
    addresses, facts = [one.email for one in consumer.managers], consumer.facts(settings.KEYS_SHOW_METADATA)
    return {
        "at": f"{_verbs(context)}{consumer.name}/",
        "name": consumer.name,
        "title": consumer.title,
        "whole": consumer.title if len(consumer.title) > TITLE_IN_SIGHT else "",
        "label": consumer.label,
        "facts": told.consumer_facts(consumer),
        "can_rotate": bool(shown.live_total) and not consumer.unread_keys,
        "access": ", ".join(addresses),
        "people": str(len(addresses)) if len(addresses) > ADDRESSES_IN_SIGHT else "",
        "is_long": shown.is_long,
        "count": shown.count if shown.is_long else "",
        "find": shown.place.find,
        "shown_facts": format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", facts),
        "panel": consumer.panel,
        "no_more": consumer.no_more,
        "oob": context.get("oob"),
    }


@register.simple_tag(takes_context=True)
def ready_requests(context: Context, key: ApiKey | None) -> dict[str, Any]:
    """Values of the stencil that draws the ready requests: with this key, if there is one."""
    known = {name: context[name] for name in ("request_url", "header", "before_key", "can_try")}
    return known | {
        "masked": key.masked if key else "",
        "at": address_of(context, key) if key and context["can_reveal"] else "",
        "of": context.get("of", ""),
        "for_staff": context.get("for_staff", ""),
        "is_unfinished": context.get("finishes_copy") == "request",
    }


@register.simple_tag(takes_context=True)
def findings(context: Context, found: Iterable[Finding], only: Finding | None) -> dict[str, Any]:
    """Values of the stencils that draw the health line; one thing of it may be chosen."""
    all_keys = _verbs(context)
    each = [
        {"words": one.words, "at": f"{all_keys}?only={one.name}", "is_chosen": one == only, "is_next": number > 0}
        for number, one in enumerate(found)
    ]
    return {"each": each, "all": all_keys if only else ""}


@register.simple_tag(takes_context=True)
def address_of(context: Context, key: ApiKey) -> str:
    """URL prefix of a key's verbs: a page of many keys is slow if it reverses every one."""
    return f"{_verbs(context)}{key.consumer}/{key.id}/"


@register.simple_tag(takes_context=True)
def rows(context: Context, keys: ApiKey | Iterable[ApiKey], value: str = "") -> list[dict[str, Any]]:
    """Values of the stencil that draws these keys' rows; or one key's, with its value just revealed."""
    verbs, rough, fields = _shared_by_rows(context)
    return [
        {
            "at": f"{verbs}{key.consumer}/{key.id}/",
            "id": key.id,
            "title": key.title,
            "masked": key.masked,
            "value": value,
            "facts": told.key_facts(key),
            "created": rough(key.created_on),
            "expires": rough(key.expires_on),
            "leaked": bool(key.leaked),
            "is_ended": key.is_ended,
            "is_due": key.ends_soon,
            "is_replaced": key.is_replaced,
            "fields": fields,
            "successor": row_link(key.replaced_by),
        }
        for key in ([keys] if isinstance(keys, ApiKey) else keys)
    ]


def _shared_by_rows(context: Context) -> SharedByRows:
    """URL prefix of all verbs, how moments are told, and the fields that go along: put together once a page."""
    shared: SharedByRows | None = getattr(context, "shared_by_rows", None)
    if shared is None:
        shared = _verbs(context), times.roughly(), hidden_fields(context.get("carried"))
        context.shared_by_rows = shared  # type: ignore[attr-defined]
    return shared


def _verbs(context: Context) -> str:
    """URL prefix of all verbs in the environment, which is the page of it."""
    consumer = memoised.address("keys:consumer", (context["environment"], "x"), memoised.here_in(context))
    return consumer.removesuffix("x/")


@register.simple_tag
def panel_styles() -> SafeString:
    """Links to the stylesheets of what another app adds to the cards, see `keys.panels`."""
    return format_html_join("", '<link rel="stylesheet" href="{}">', ((static(one),) for one in panels().stylesheets))


@register.simple_tag
def time_zone_cookie() -> str:
    """Name of the cookie in which the page's script tells the visitor's time zone."""
    name: str = settings.KEYS_TIME_ZONE_COOKIE
    return name
