"""ModelAdmin of the audit log: read, searched and exported by whoever may; written and deleted by nobody."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from keys.access import PERMISSIONS, Right
from keys.audit import history
from keys.audit.csv_export import csv_response
from keys.conf import settings
from keys.models import AuditEvent, Outcome
from keys.types import ID, NAME
from keys.web.portal_or_admin import ADMIN

Choices = list[tuple[str, str]]

COLUMNS = (
    "started_at",
    "ended_at",
    "email",
    "staff_email",
    "reason",
    "action",
    "outcome",
    "environment",
    "consumer",
    "key_id",
    "key_label",
    "key_ending",
    "address",
    "reference",
    "facts",
)
"""Columns, with "facts" for the rest: the manager added, the new end, and the like.

The token of a form and the lock are left out: they mean nothing to anybody.
"""
FIELDS = {
    name: {"consumer": "its_consumer", "key_id": "its_key", "facts": "its_facts"}.get(name, name) for name in COLUMNS
}
"""Fields on an event's own page, by column."""


class CappedPaginator(Paginator):
    """Paginator with a capped count: no further than anybody would turn pages, as there may be millions."""

    AT_MOST = 5_000

    @cached_property
    def count(self) -> int:
        events: Any = self.object_list
        return int(events.order_by()[: self.AT_MOST].count())


class EnvironmentFilter(admin.SimpleListFilter):
    """The environments of today, without looking through the whole log for others."""

    title = _("environment")
    parameter_name = "environment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(name, name) for name in settings.ZUPLO_BUCKETS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(environment=self.value()) if self.value() else queryset


class ByFilter(admin.SimpleListFilter):
    title = _("actor")
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("customers", str(_("Customers"))), ("staff", str(_("Staff")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        match self.value():
            case "customers":
                return queryset.filter(staff_email="")
            case "staff":
                return queryset.exclude(staff_email="")
        return queryset


class PersonFilter(admin.SimpleListFilter):
    """Everything by this person, or in this person's name; offered by the link on the person's own page only."""

    title = _("person")
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(str(self._person.pk), self._person.email)] if self._person else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        if self.value() is None:
            return queryset
        return queryset.filter(Q(user=self._person) | Q(staff=self._person)) if self._person else queryset.none()

    def has_output(self) -> bool:
        return self.value() is not None

    @cached_property
    def _person(self) -> Any:
        """The person that the address names, by a number here, by a UUID in another project; None if it is nobody."""
        said: Any = self.value()
        try:
            return get_user_model().objects.filter(pk=said).first()
        except (ValueError, ValidationError):
            return None


class EventList(ChangeList):
    """Change list whose rows know whether they can lead to what they are about."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        _find_ways(self.result_list, request)


def _find_ways(events: list[Any], request: HttpRequest) -> None:
    """Give each event the URLs of its consumer and key in Django admin; "" where there are none, or none to see.

    The key service isn't asked: the log knows what was there, and of deletions. A key that is gone has a page still.
    """
    gone = history.deletions({event.consumer for event in events})
    may_view = request.user.has_perm(PERMISSIONS[Right.VIEW])
    for event in events:
        end = gone.get((event.environment, event.consumer))
        is_there = history.is_past_the_gate(event) and (end is None or end < event.started_at)
        is_usable = event.environment in settings.ZUPLO_BUCKETS and NAME.fullmatch(event.consumer)
        place = [event.environment, event.consumer]
        event.way = reverse(f"{ADMIN}:consumer", args=place) if may_view and is_there and is_usable else ""
        event.way_to_key = f"{event.way}{event.key_id}/" if event.way and ID.fullmatch(event.key_id) else ""


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):
    list_display = ("started_at", "who", "what", "where", "key", "reference")
    list_filter = (PersonFilter, "started_at", ByFilter, EnvironmentFilter, "outcome", "action")
    search_fields = ("email", "staff_email", "consumer", "key_label", "=key_ending", "=reference")
    ordering = ("-started_at", "-id")
    sortable_by = ()  # by time, newest first: for that there is an index
    list_per_page = 100
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would be counted
    paginator = CappedPaginator
    actions = None
    readonly_fields = tuple(FIELDS.values())
    empty_value_display = ""
    change_list_template = "admin/keys/audit_log.html"

    @admin.display(description=_("who"))
    def who(self, event: AuditEvent) -> SafeString:
        name: str = event.staff_email or event.email
        if event.staff_email and event.user_id != event.staff_id:
            name = _("%(colleague)s as %(customer)s") % {"colleague": event.staff_email, "customer": event.email}
        return _lines([name, f"“{event.reason}”" if event.reason else ""])

    @admin.display(description=_("what"))
    def what(self, event: AuditEvent) -> SafeString:
        outcome = "" if event.outcome == Outcome.DONE else f"({event.get_outcome_display()})"
        return _lines([event.get_action_display(), outcome])

    @admin.display(description=_("consumer"))
    def where(self, event: Any) -> str:
        consumer = f"{event.consumer} ({event.environment})" if event.consumer else event.environment
        return _link(event.way, consumer)

    @admin.display(description=_("key or person"))
    def key(self, event: Any) -> SafeString:
        key = f"{event.key_label} {event.masked}".strip()
        return _lines([_link(event.way_to_key, key), str(event.facts.get("address", ""))])

    @admin.display(description=_("consumer"))
    def its_consumer(self, event: Any) -> str:
        return _link(event.way, event.consumer)

    @admin.display(description=_("key ID"))
    def its_key(self, event: Any) -> str:
        return _link(event.way_to_key, event.key_id)

    @admin.display(description=_("details"))
    def its_facts(self, event: AuditEvent) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(event.facts, ensure_ascii=False, indent=2, sort_keys=True))

    def get_fields(self, request: HttpRequest, obj: AuditEvent | None = None) -> list[Any]:
        """Fields that hold something: most events have no colleague, no reason and no facts."""
        return [field for name, field in FIELDS.items() if getattr(obj, name, None)]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EventList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> AuditEvent | None:
        event: AuditEvent | None = super().get_object(request, object_id, from_field)
        if event:
            _find_ways([event], request)
        return event

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = require_safe(self.admin_site.admin_view(self.export))
        return [path("export/", view, name="keys_auditevent_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """CSV export of what the list shows with these filters and words, all pages of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self._found(request)
        if found is None:
            return redirect("admin:keys_auditevent_changelist")
        rows = ([_cell(event, name) for name in COLUMNS] for event in history.in_batches(found))
        return csv_response("audit-log", COLUMNS, rows)

    def _found(self, request: HttpRequest) -> QuerySet[AuditEvent] | None:
        """The queryset of the filters in the address; None where they are none, as in a link that somebody has cut."""
        try:
            return self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return None


def _link(way: str, words: str) -> str:
    return format_html('<a href="{}">{}</a>', way, words) if way and words else words


def _lines(texts: list[str]) -> SafeString:
    return format_html_join(mark_safe("<br>"), "{}", ((text,) for text in texts if text))


def _cell(event: AuditEvent, name: str) -> object:
    value = getattr(event, name)
    if name == "facts":
        return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
    return "" if value is None else value
