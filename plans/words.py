"""Humanized prices, limits and periods, in the reader's language. An unknown price is never called free."""

from decimal import Decimal

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from plans.periods import Period
from plans.types import Entitlement, EntitlementKind, Phase, Plan, Price, PriceKind, RateCard

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
WITHOUT_CENTS = {"JPY", "KRW", "CLP", "VND"}


def number(value: Decimal) -> str:
    """As many decimals as there are, grouped by thousands: 50,000 or 50.000 by language."""
    plain = value.normalize()
    if plain == plain.to_integral_value():
        plain = plain.quantize(Decimal(1))
    return str(number_format(plain, use_l10n=True, force_grouping=True))


def money(amount: Decimal, currency: str) -> str:
    """$49, $0.002 or 49,50 €; a currency without a sign by its code."""
    cents = 0 if currency in WITHOUT_CENTS or amount == amount.to_integral_value() else 2
    exponent = amount.normalize().as_tuple().exponent
    places = max(cents, -exponent if isinstance(exponent, int) else 0)
    figure = number_format(amount, decimal_pos=places, use_l10n=True, force_grouping=True)
    sign = SIGNS.get(currency)
    if not sign:
        return f"{figure} {currency}".strip()
    # Translators: where the sign of a currency stands. The order alone may be changed.
    return _("%(sign)s%(figure)s") % {"sign": sign, "figure": figure}


def every(period: Period) -> str:
    """As in "$49 a month"."""
    if period.days and not period.months:
        weeks, rest = divmod(period.days, 7)
        if not rest:
            return ngettext("a week", "every %(number)d weeks", weeks) % {"number": weeks}
        return ngettext("a day", "every %(number)d days", period.days) % {"number": period.days}
    if period.days:
        return str(period)
    years, rest = divmod(period.months, 12)
    if years and not rest:
        return ngettext("a year", "every %(number)d years", years) % {"number": years}
    return ngettext("a month", "every %(number)d months", period.months) % {"number": period.months}


def length(period: Period) -> str:
    """As in "for 14 days"."""
    if period.months and not period.days:
        return ngettext("%(number)d month", "%(number)d months", period.months) % {"number": period.months}
    days = period.days + period.months * 30
    return ngettext("%(number)d day", "%(number)d days", days) % {"number": days}


def headline(plan: Plan, phase: Phase | None = None) -> tuple[str, str]:
    """Price at first sight, of the lasting phase if none: "$49" and "a month"; "Free"; or the operator's own words."""
    phase = phase or plan.phase
    fees = phase.fees
    for card in fees:
        price = card.price
        if price and price.kind == PriceKind.TEXT:
            return price.text, ""
    amounts = [card.price.amount for card in fees if card.price and card.price.kind == PriceKind.FLAT]
    if len(amounts) < len(fees) or None in amounts:
        return _("See your contract"), ""
    cadence = next((card.cadence for card in fees if card.cadence), plan.cadence)
    total = sum((amount for amount in amounts if amount is not None), Decimal(0))
    if total:
        return money(total, plan.currency), every(cadence)
    used = [card.price for card in phase.features if card.price]
    if any(price.kind == PriceKind.UNKNOWN for price in used):
        return _("See your contract"), ""
    if used:
        return _("Pay as you go"), ""
    if plan.contact_url:
        return _("Let's talk"), ""
    return _("Free"), ""


def beginnings(plan: Plan) -> list[str]:
    """A sentence for each phase before the lasting one: free, or at another price, for so long."""
    sentences = []
    for number, phase in enumerate(plan.first_phases):
        if phase.duration is None:
            continue
        price, cadence = headline(plan, phase)
        words = {"length": length(phase.duration), "price": f"{price} {cadence}".strip()}
        if number:
            sentences.append(_("Then %(price)s for %(length)s") % words)
        elif phase.is_free:
            sentences.append(_("Free for the first %(length)s") % words)
        else:
            sentences.append(_("%(price)s for the first %(length)s") % words)
    return sentences


def tiers(card: RateCard, currency: str) -> list[str]:
    """A price of use in sentences, one for each tier but what is included; nothing where use costs nothing."""
    price = card.price
    if price is None:
        return []
    match price.kind:
        case PriceKind.TEXT:
            return [price.text]
        case PriceKind.FLAT if price.amount is not None:
            return [money(price.amount, currency)]
        case PriceKind.UNIT if price.amount is not None:
            return [_("%(price)s each") % {"price": money(price.amount, currency)}]
        case PriceKind.PACKAGE if price.amount is not None and price.quantity:
            words = {"price": money(price.amount, currency), "number": number(price.quantity)}
            return [_("%(price)s for every %(number)s") % words]
        case PriceKind.TIERED if price.tiers:
            return _in_tiers(price, currency, card.entitlement.included if card.entitlement else None)
    return [_("Price: see your contract")]


def _in_tiers(price: Price, currency: str, quota: Decimal | None) -> list[str]:
    """Sentences for the tiers; a first one that is free and as large as the quota is told by the quota."""
    sentences, begin = [], Decimal(0)
    for place, tier in enumerate(price.tiers):
        is_known = tier.flat is not None or tier.unit is not None
        if not place and tier.up_to and tier.up_to == quota and is_known and not (tier.flat or tier.unit):
            begin = tier.up_to
            continue
        costs = [money(tier.flat, currency)] if tier.flat else []
        if tier.unit:
            costs.append(_("%(price)s each") % {"price": money(tier.unit, currency)})
        cost = _(" plus ").join(costs) or _("included")
        if not is_known:
            cost = _("see your contract")
        if tier.up_to is None:
            words = _("Any number: %(cost)s") if not begin else _("Above %(begin)s: %(cost)s")
        else:
            words = _("Up to %(end)s: %(cost)s")
        sentences.append(words % {"begin": number(begin), "end": number(tier.up_to or Decimal(0)), "cost": cost})
        begin = tier.up_to or begin
    if price.is_volume and len(sentences) > 1:
        sentences.append(_("All units cost the price of the tier you reach."))
    return sentences


def included(entitlement: Entitlement | None, cadence: Period) -> str:
    """Entitlement in a cell of the table; "" is nothing."""
    if entitlement is None:
        return ""
    match entitlement.kind:
        case EntitlementKind.METERED if entitlement.included is not None:
            words = {"number": number(entitlement.included), "every": every(entitlement.period or cadence)}
            return _("%(number)s %(every)s") % words
        case EntitlementKind.METERED:
            return _("Unlimited") if entitlement.is_soft else _("See your contract")
        case EntitlementKind.BOOLEAN:
            return _("Included")
        case EntitlementKind.STATIC if entitlement.value:
            return entitlement.value
    return _("See your contract")
