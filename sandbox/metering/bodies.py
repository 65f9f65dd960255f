"""Request bodies of the v3 operations, read field by field: what is wrong with one is said by its name."""

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.http_messages import Document, Problem
from sandbox.metering.periods import read_duration
from sandbox.request_bodies import a_list, address, an_object, needed_text, text
from sandbox.values import moment_of, read_date

_SLUG = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*", re.ASCII)
_FEATURE_KEY = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_AGGREGATIONS = ("SUM", "COUNT", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST")
_AT_PERIOD_END = "next_billing_cycle"

# Zuplo's answer to GET without a row.
CONFIGURATION: Document = {
    "multipleSubscriptionsEnabled": False,
    "planOrder": [],
    "planSettings": {},
    "maxPaymentOverdueDays": 3,
}
_CONFIGURED = {"multipleSubscriptionsEnabled": bool, "planOrder": list, "planSettings": dict}


def meter(value: Any) -> Document:
    body = an_object(value)
    slug = needed_text(body, "slug")
    if not _SLUG.fullmatch(slug):
        raise Problem(400, f"slug must match ^{_SLUG.pattern}$.")
    aggregation = needed_text(body, "aggregation")
    if aggregation not in _AGGREGATIONS:
        raise Problem(400, f"aggregation must be one of {', '.join(_AGGREGATIONS)}.")
    return {
        "slug": slug,
        "name": text(body, "name") or slug,
        "eventType": needed_text(body, "eventType"),
        "aggregation": aggregation,
        "valueProperty": text(body, "valueProperty"),
        "groupBy": an_object(body.get("groupBy") or {}, "groupBy"),
    }


def feature(value: Any) -> Document:
    """Without a meterSlug it is a static one."""
    body = an_object(value)
    key = needed_text(body, "key")
    if not _FEATURE_KEY.fullmatch(key):
        raise Problem(400, f"key must match ^{_FEATURE_KEY.pattern}$.")
    document: Document = {"key": key, "name": needed_text(body, "name")}
    if slug := text(body, "meterSlug"):
        document["meterSlug"] = slug
    if body.get("metadata") is not None:
        document["metadata"] = an_object(body["metadata"], "metadata")
    return document


def plan(value: Any) -> Document:
    """A draft. Kinds of prices and entitlements are taken as they come: a client has to expect new ones."""
    body = an_object(value)
    for field in ("key", "name", "currency", "billingCadence"):
        needed_text(body, field)
    duration(body, "billingCadence")
    phases = a_list(body.get("phases"), "phases")
    for number, phase in enumerate(phases, 1):
        needed_text(an_object(phase, "Each phase"), "key")
        if number < len(phases) or phase.get("duration"):
            needed_text(phase, "duration")
            duration(phase, "duration")
        for card in a_list(phase.get("rateCards"), "rateCards"):
            needed_text(an_object(card, "Each rate card"), "key")
    if not phases:
        raise Problem(400, "phases: at least one is needed.")
    return {name: entry for name, entry in body.items() if name not in {"id", "version", "status"}}


def plan_reference(body: Document) -> tuple[str, int | None]:
    """The key and perhaps the version of the plan that is asked for."""
    wanted = an_object(body.get("plan"), "plan")
    version = wanted.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise Problem(400, "plan.version must be a whole number.")
    return needed_text(wanted, "key"), version


def customer(value: Any) -> Document:
    body = an_object(value)
    attribution = an_object(body.get("usageAttribution") or {}, "usageAttribution")
    subjects = a_list(attribution.get("subjectKeys") or [], "usageAttribution.subjectKeys")
    if not all(isinstance(subject, str) for subject in subjects):
        raise Problem(400, "usageAttribution.subjectKeys must hold strings only.")
    email = text(body, "primaryEmail")
    return {
        "key": text(body, "key"),
        "name": needed_text(body, "name"),
        "primary_email": address(email, "primaryEmail") if email else None,
        "subjects": subjects,
    }


def invite(value: Any) -> tuple[str, str]:
    body = an_object(value)
    return address(body.get("email")), needed_text(body, "planId")


def configuration(value: Any, before: Document) -> Document:
    """The settings before, with those that were sent in their place."""
    sent = {name: entry for name, entry in an_object(value).items() if name in CONFIGURATION}
    for name, kind in _CONFIGURED.items():
        if name in sent and not isinstance(sent[name], kind):
            raise Problem(400, f"{name} is of the wrong type.")
    days = sent.get("maxPaymentOverdueDays", 0)
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        raise Problem(400, "maxPaymentOverdueDays must be a whole number, at least 0.")
    return before | sent


def timing(body: Document, *, now: datetime, period_end: datetime, usual: str | None = None) -> datetime:
    """The moment that a timing names: immediate, next_billing_cycle or an RFC 3339 date; the past counts as now."""
    wish = text(body, "timing") or usual
    if wish is None:
        raise Problem(400, "timing is required.")
    if wish == "immediate":
        return now
    return period_end if wish == _AT_PERIOD_END else max(now, _date(wish, "timing"))


def waits_for_period_end(body: Document) -> bool:
    return text(body, "timing") == _AT_PERIOD_END


def date(body: Document, field: str) -> datetime | None:
    value = text(body, field)
    return None if value is None else _date(value, field)


def duration(body: Document, field: str) -> None:
    try:
        read_duration(body[field])
    except ValueError as error:
        raise Problem(400, f"{field} must be an ISO 8601 duration.") from error


def number(value: Any) -> Decimal | None:
    """A usage quantity: a JSON number above zero; None for all that a meter passes over."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        quantity = Decimal(str(value))
    except InvalidOperation:
        return None
    return quantity if quantity.is_finite() and quantity > 0 else None


def _date(value: str, field: str) -> datetime:
    try:
        return moment_of(read_date(value))
    except ValueError as error:
        raise Problem(400, f"{field} must be an RFC 3339 date and time.") from error
