"""What the templates about keys say with more than a value."""

from django import template
from django.conf import settings

from keys import moments
from keys.types import Consumer

register = template.Library()

register.filter("exact", moments.exact)
register.filter("rough", moments.rough)


@register.filter
def shown(consumer: Consumer) -> list[tuple[str, str]]:
    """Of its metadata and tags what the operator chose to show."""
    return consumer.facts(settings.KEYS_SHOW_METADATA)
