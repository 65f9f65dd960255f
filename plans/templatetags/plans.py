"""Template library of the plans app: numbers and money in the reader's language."""

from decimal import Decimal

from django import template

from plans import words

register = template.Library()

register.filter("number", words.number)


@register.filter
def money(amount: Decimal, currency: str) -> str:
    return words.money(amount, currency)
