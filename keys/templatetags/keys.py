"""Template library of the keys app: all that its templates use; they load it themselves, in any project."""

from django import template
from django.template import Context
from django.urls import reverse

from keys import refusals, times
from keys.conf import settings
from keys.templatetags import memoised
from keys.types import KEYS_IN_A_LIST, ApiKey, Consumer
from keys.web.hand_over import FORMS, Form

register = template.Library()
register.tags |= memoised.register.tags
register.filters |= memoised.register.filters

register.filter("exact", times.exact)
register.filter("rough", times.rough)
register.filter("written", times.written)
register.filter("clock", times.clock)
register.filter("calendar_day", times.calendar_day)
register.filter("iso", times.iso)
register.simple_tag(refusals.sentence, name="refusal")
register.simple_tag(refusals.within, name="gateway_memory")


@register.filter
def shown(consumer: Consumer) -> list[tuple[str, str]]:
    """The metadata and tags that the operator chose to show."""
    return consumer.facts(settings.KEYS_SHOW_METADATA)


@register.filter
def newest(keys: list[ApiKey]) -> list[ApiKey]:
    """As many as a list shows: each costs a row, and one consumer may have thousands."""
    return keys[:KEYS_IN_A_LIST]


@register.simple_tag(name="hand_over")
def texts_to_hand_over(key: ApiKey) -> list[tuple[Form, str]]:
    """Each form in which the key can be handed over, with the text as it is before the key is put in."""
    return [(form, form.preview(key.masked)) for form in FORMS.values()]


@register.simple_tag(takes_context=True)
def address_of(context: Context, key: ApiKey) -> str:
    """URL prefix of a key's verbs: a page of many keys is slow if it reverses every one."""
    return reverse("keys:copy", args=[context["environment"], key.consumer, key.id]).removesuffix("copy/")


@register.simple_tag
def time_zone_cookie() -> str:
    """Name of the cookie in which the page's script tells the visitor's time zone."""
    name: str = settings.KEYS_TIME_ZONE_COOKIE
    return name
