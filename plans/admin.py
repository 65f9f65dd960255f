"""Admin of plans: those that can be chosen, invitations to private ones, subscriptions, and the queue of requests."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import DecimalField, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from keys.audit.csv_export import csv_response
from keys.conf import settings
from keys.green_threads import give_back_connection
from keys.staff.fields import KEYLESS
from plans import words
from plans.models import Invitation, PaymentIssue, Plan, PlanFeature, PlanRecord, PlanRequest, RequestState
from plans.service import invitations
from plans.sources.portal import plan_of
from plans.staff import views
from plans.staff.forms import FindForm


class OnlyWithPlans(admin.ModelAdmin):
    """Not to be seen while PLANS is off."""

    formfield_overrides = KEYLESS
    show_facets = admin.ShowFacets.NEVER

    def has_module_permission(self, request: HttpRequest) -> bool:
        return settings.PLANS != "off" and super().has_module_permission(request)


class PlainDecimalField(forms.DecimalField):
    """A number as people write it: without the zeros that its column adds."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class FeatureInline(admin.TabularInline):
    model = PlanFeature
    extra = 0
    formfield_overrides = KEYLESS | {DecimalField: {"form_class": PlainDecimalField}}
    fields = ("name", "key", "limit", "is_soft", "words", "order")


@admin.register(Plan)
class PlanAdmin(OnlyWithPlans):
    list_display = ("name", "key", "price", "is_active", "is_private", "needs_approval", "order")
    list_filter = ("is_active", "is_private", "needs_approval")
    search_fields = ("name", "key")
    inlines = (FeatureInline,)

    @admin.display(description=_("price"))
    def price(self, row: Plan) -> str:
        return " ".join(filter(None, words.headline(plan_of(row))))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return settings.PLANS == "portal" and super().has_module_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> tuple[str, ...]:
        """The key stands in consumers and in the gateway's policies: it is not changed under them."""
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Plan | None = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"key": ("name",)}


_SENT = _("Zuplo hasn't accepted the invitation yet (%(environments)s). Save it again in a minute.")
_TAKEN_BACK = _("Zuplo may still have an invitation you withdrew (%(environments)s).")


@admin.register(Invitation)
class InvitationAdmin(OnlyWithPlans):
    list_display = ("email", "plan_key", "created_at")
    search_fields = ("email", "plan_key")

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        """Another address or plan is another invitation: the one before is taken back."""
        before = Invitation.objects.filter(pk=obj.pk).exclude(email=obj.email, plan_key=obj.plan_key).first()
        if before:
            obj.sent = {}
        super().save_model(request, obj, form, change)
        transaction.on_commit(lambda: self._tell(request, obj, before))

    def _tell(self, request: HttpRequest, invitation: Invitation, before: Invitation | None) -> None:
        self._warn(request, invitations.take_back(before) if before else [], _TAKEN_BACK)
        self._warn(request, invitations.send(invitation), _SENT)

    def delete_model(self, request: HttpRequest, obj: Invitation) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(lambda: self._warn(request, invitations.take_back(obj), _TAKEN_BACK))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        for invitation in queryset:
            self.delete_model(request, invitation)

    def _warn(self, request: HttpRequest, environments: list[str], words: Any) -> None:
        if environments:
            messages.warning(request, words % {"environments": ", ".join(environments)})


class ReadOnly(OnlyWithPlans):
    """Read here; changed by verbs of its own, which speak to Zuplo and so stand outside any transaction."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PlanRequest)
class PlanRequestAdmin(ReadOnly):
    list_display = ("created_at", "state", "answer_link", "email", "plan_name", "consumer", "environment")
    list_filter = ("state", "environment", "plan_key")
    search_fields = ("email", "consumer")
    fields = (
        *("email", "environment", "consumer", "plan_name", "words", "state", "created_at"),
        *("answer", "answered_at", "answered_by"),
    )
    change_form_template = "admin/plans/planrequest/request.html"

    def has_view_permission(self, request: HttpRequest, obj: PlanRequest | None = None) -> bool:
        may_change = request.user.has_perm("plans.change_planrequest")
        return bool(settings.PLANS != "off" and (may_change or super().has_view_permission(request, obj)))

    @admin.display(description=_("Answer"))
    def answer_link(self, asked: PlanRequest) -> str:
        if asked.state != RequestState.OPEN:
            return ""
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:plans_planrequest_answer", args=[asked.pk]), _("Answer")
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(views.answer)
        return [path("<int:pk>/answer/", view, name="plans_planrequest_answer"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        asked = self.get_object(request, object_id)
        may_answer = request.user.has_perm("plans.change_planrequest")
        more = {"may_answer": bool(asked and asked.state == RequestState.OPEN and may_answer)}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | more)


class NearLimitFilter(admin.SimpleListFilter):
    """Those that have used most of what they may, as far as that was seen."""

    title = _("usage")
    parameter_name = "used"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("80", str(_("80% or more"))), ("100", str(_("Used up")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PlanRecord]) -> QuerySet[PlanRecord]:
        return queryset.filter(used_percent__gte=int(self.value() or 0)) if self.value() in {"80", "100"} else queryset


@admin.register(PlanRecord)
class PlanRecordAdmin(ReadOnly):
    list_display = ("consumer", "environment", "plan_name", "used", "looked_at", "ends_at", "next_plan")
    list_filter = (NearLimitFilter, "environment", "plan_key")
    search_fields = ("consumer",)
    ordering = ("-used_percent", "consumer")
    fields = ("consumer", "environment", "plan_name", "started_at", "ends_at", "next_plan", "changes_at", "looked_at")
    change_list_template = "admin/plans/planrecord/subscriptions.html"
    change_form_template = "admin/plans/planrecord/subscription.html"

    @admin.display(description=_("used"), ordering="used_percent")
    def used(self, record: PlanRecord) -> str:
        return "" if record.used_percent is None else f"{record.used_percent} % {record.used_feature}".strip()

    def has_view_permission(self, request: HttpRequest, obj: PlanRecord | None = None) -> bool:
        may_change = request.user.has_perm("plans.change_planrecord")
        return bool(settings.PLANS != "off" and (may_change or super().has_view_permission(request, obj)))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("export/", require_safe(wrap(self.export)), name="plans_planrecord_export"),
            path("find/", require_safe(wrap(views.find)), name="plans_planrecord_find"),
            path("plan/<str:environment>/<str:name>/", wrap(views.change_plan), name="plans_planrecord_plan"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        more = {"may_change": request.user.has_perm("plans.change_planrecord"), "find": FindForm()}
        return super().changelist_view(request, (extra_context or {}) | more)

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """CSV export of what the list shows with these filters, all pages of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            records = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return redirect("admin:plans_planrecord_changelist")
        columns = ("consumer", "environment", "plan_key", "used_percent", "used_feature", "looked_at", "ends_at")
        return csv_response("subscriptions", columns, _cells(records, columns))


def _cells(records: QuerySet[PlanRecord], columns: Sequence[str], at_once: int = 500) -> Iterator[list[Any]]:
    """All of them, in the list's order; neither cursor nor connection is held while a slow reader takes its time."""
    in_order = list(records.values_list("pk", flat=True))
    for begin in range(0, len(in_order), at_once):
        some = in_order[begin : begin + at_once]
        found = {pk: row for pk, *row in records.filter(pk__in=some).values_list("pk", *columns)}
        give_back_connection()
        for pk in filter(found.__contains__, some):
            yield ["" if cell is None else cell for cell in found[pk]]


@admin.register(PaymentIssue)
class PaymentIssueAdmin(OnlyWithPlans):
    """Each is about a payment at Stripe; what was done about it is done there, and ticked off here."""

    list_display = ("created_at", "kind", "email", "consumer", "plan_name", "stripe_subscription", "is_settled")
    list_filter = ("is_settled", "kind", "environment")
    search_fields = ("email", "consumer", "stripe_subscription")
    readonly_fields = (
        *("kind", "advice", "stripe_subscription", "plan_name"),
        *("email", "environment", "consumer", "created_at"),
    )
    fields = (*readonly_fields, "is_settled")

    @admin.display(description=_("what to do"))
    def advice(self, issue: PaymentIssue) -> str:
        return issue.advice

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
