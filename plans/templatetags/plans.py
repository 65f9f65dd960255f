"""What the templates about plans say with more than a value."""

from decimal import Decimal

from django import template

from plans import words

register = template.Library()

register.filter("number", words.number)


@register.filter
def money(amount: Decimal, currency: str) -> str:
    return words.money(amount, currency)
