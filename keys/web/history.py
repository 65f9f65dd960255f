"""History views: a page of what was done to a customer's keys, and the same as a CSV file."""

from collections.abc import Iterator
from datetime import UTC
from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from keys.audit import history, visits
from keys.audit.csv_export import csv_response
from keys.audit.history import Entry
from keys.conf import settings
from keys.errors import NotFound
from keys.http import Request
from keys.models import Action, AuditEvent
from keys.service.keyring import Found, KeyRing
from keys.times import zone_name
from keys.types import Consumer
from keys.web.decorators import with_keyring
from keys.web.portal_or_admin import ADMIN

ON_A_PAGE = 50


@require_safe
@with_keyring
def page(request: Request, ring: KeyRing) -> HttpResponse:
    visits.end_overdue_visits(user_id=ring.actor.user_id)
    mine, chosen = ring.consumers(), _chosen(request)
    owners = _by_name(mine)
    context = _window(request, ring, owners, _events(ring, owners, chosen)) | {
        "environment": ring.environment,
        "environments": list(settings.ZUPLO_BUCKETS),
        "owners": owners.values(),
        "unread": mine.unread,
        "kinds": {kind: words for kind, (words, _actions) in history.KINDS.items()},
        "by_staff": history.BY_STAFF,
        "can_grant": ring.may(Action.ADD_MANAGER) and settings.KEYS_MANAGED_BY != "staff",
        "chosen": chosen,
        "filters": urlencode(chosen),
    }
    response = render(request, "keys/activity.html", context)
    if not request.htmx:
        return response
    # The form names empty filters too; an address that is shown and sent on has none.
    return push_url(response, request.path + (f"?{context['filters']}" if chosen else ""))


def history_of_key(
    request: Request, ring: KeyRing, consumer: Consumer, events: QuerySet[AuditEvent], key_id: str
) -> dict[str, Any]:
    """Context of the history on a key's own page; the reader manages the consumer."""
    return _window(request, ring, {consumer.name: consumer}, events, here=key_id)


def _window(
    request: Request, ring: KeyRing, owners: dict[str, Consumer], events: QuerySet[AuditEvent], here: str = ""
) -> dict[str, Any]:
    """Context of one page of events, from the place in the query string on."""
    place = request.GET.get("after", "")
    found = list(history.after_cursor(events, place)[: ON_A_PAGE + 1])
    shown = found[:ON_A_PAGE]
    return {
        "entries": list(_entries(ring, owners, shown, here)),
        "zone": zone_name(),
        "can_grant": False,
        "is_first": not place,
        "older": history.cursor_of(shown[-1]) if len(found) > len(shown) else "",
    }


@require_safe
@with_keyring
def export(request: Request, ring: KeyRing) -> HttpResponseBase:
    mine = ring.consumers()
    owners = _by_name(mine)
    events = _events(ring, owners, _chosen(request))
    header = [
        _("Time (UTC)"),
        _("Who"),
        _("What"),
        _("Outcome"),
        _("Consumer"),
        _("Key"),
        _("Ends with"),
        _("New key ends with"),
        _("Details"),
        _("IP address"),
        _("Environment"),
        _("Reason"),
        _("Reference"),
    ]
    rows = map(_row, _entries(ring, owners, history.in_batches(events)))
    return csv_response(f"api-keys-{ring.environment}", header, chain(rows, _missing(mine, request)))


def _missing(mine: Found, request: Request) -> list[list[str]]:
    """The last line of a file that is not whole."""
    if not mine.unread:
        return []
    words = ngettext(
        "NOT COMPLETE: %(number)d consumer couldn't be read. Reference %(reference)s",
        "NOT COMPLETE: %(number)d consumers couldn't be read. Reference %(reference)s",
        mine.unread,
    )
    return [[words % {"number": mine.unread, "reference": getattr(request, "reference", "")}]]


def _by_name(mine: Found) -> dict[str, Consumer]:
    """The consumers that the person manages at this moment: whose history is theirs to read."""
    return {consumer.name: consumer for consumer in mine.consumers}


def _chosen(request: Request) -> dict[str, str]:
    """Filters in the query string."""
    return {name: value for name in ("consumer", "kind") if (value := request.GET.get(name, ""))}


def _events(ring: KeyRing, owners: dict[str, Consumer], chosen: dict[str, str]) -> QuerySet[AuditEvent]:
    if name := chosen.get("consumer"):
        if name not in owners:
            raise NotFound("the history of a consumer that is absent, or not this person's")
        events = history.of_consumer(ring.actor, ring.environment, name)
    else:
        events = history.of_manager(ring.actor, ring.environment, owners)
    return history.of_kind(events, chosen.get("kind", ""))


def _entries(ring: KeyRing, owners: dict[str, Consumer], events: Any, here: str = "") -> Iterator[Entry]:
    for event in events:
        is_own = event.user_id == ring.actor.user_id and not event.staff_email
        yield Entry(event, owners.get(event.consumer), is_own, here, ADMIN if ring.actor.in_admin else None)


def _row(entry: Entry) -> list[str]:
    event = entry.event
    with timezone.override(UTC):  # as the first column; and while the file is sent, the page's zone is over
        details = [
            *map(str, entry.old_keys),
            entry.more_old_keys,
            entry.event.facts.get("address", ""),
            entry.detail,
            entry.why,
        ]
    return [
        f"{event.started_at:%Y-%m-%d %H:%M:%S}",
        event.who,
        entry.what,
        event.get_outcome_display(),
        entry.consumer,
        event.key_label,
        event.key_ending,
        event.facts.get("new_ending", ""),
        "; ".join(filter(None, details)),
        entry.address,
        event.environment,
        event.reason,
        event.reference,
    ]
