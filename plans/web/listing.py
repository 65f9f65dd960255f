"""The page of plans as templates need it: a column for each plan, a row for each feature."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from plans import words
from plans.service.subscriptions import way_to
from plans.types import Plan, PriceKind, RateCard


@dataclass(frozen=True, slots=True)
class Cell:
    """Cell of the comparison: what one plan gives of one feature; `notes` are prices of use, tier by tier."""

    text: str
    is_there: bool
    is_plain: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One plan. `way` is how it is got, see `way_to`; `own` are the titles of one's consumers that have it.

    `beginnings` are sentences about what comes before the price that lasts.
    """

    plan: Plan
    price: str
    every: str
    notes: tuple[str, ...]
    beginnings: tuple[str, ...]
    way: str
    own: tuple[str, ...]
    is_popular: bool
    cells: tuple[tuple[str, Cell], ...]

    @property
    def label(self) -> str:
        if self.way == "contact":
            return self.plan.contact_label or _("Contact sales")
        if self.way == "request":
            return _("Request this plan")
        return _("Start for free") if self.plan.is_free else _("Choose this plan")


@dataclass(frozen=True, slots=True)
class Listing:
    columns: tuple[Column, ...]
    features: tuple[tuple[str, tuple[tuple[Cell, bool], ...]], ...]
    """By the feature's name: of each plan what it gives, and whether it is one's own."""
    has_several_currencies: bool


NOTHING = Cell("", is_there=False, is_plain=True)


def listing(plans: Iterable[Plan], own: dict[str, Collection[str]] | None = None) -> Listing:
    """Columns and rows, features in the order in which plans name them first."""
    shown = list(plans)
    names: dict[str, str] = {}
    for plan in shown:
        for card in plan.phase.features:
            names.setdefault(card.key, card.name)
    columns = tuple(_column(plan, names, tuple((own or {}).get(plan.key, ()))) for plan in shown)
    rows = tuple(
        (name, tuple((column.cells[number][1], bool(column.own)) for column in columns))
        for number, name in enumerate(names.values())
    )
    currencies = {plan.currency for plan in shown if plan.currency and not plan.is_free}
    return Listing(columns, rows, len(currencies) > 1)


def _column(plan: Plan, names: dict[str, str], own: tuple[str, ...]) -> Column:
    price, every = words.headline(plan)
    return Column(
        plan=plan,
        price=price,
        every=every,
        notes=tuple(
            sentence
            for card in plan.phase.fees
            if card.price and card.price.kind not in {PriceKind.FLAT, PriceKind.TEXT, PriceKind.UNKNOWN}
            for sentence in words.tiers(card, plan.currency)
        ),
        beginnings=tuple(words.beginnings(plan)),
        way=way_to(plan),
        own=own,
        is_popular=plan.is_popular,
        cells=tuple((name, _cell(plan.feature(key), plan)) for key, name in names.items()),
    )


def _cell(card: RateCard | None, plan: Plan) -> Cell:
    if card is None or card.entitlement is None:
        return NOTHING
    text = words.included(card.entitlement, plan.cadence)
    return Cell(text, is_there=True, is_plain=text == _("Included"), notes=tuple(words.tiers(card, plan.currency)))
