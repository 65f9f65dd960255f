"""Admin of plans: those that can be chosen, invitations to private ones, subscriptions, and the queue of requests."""

from collections.abc import Sequence

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from plans import words
from plans.models import Invitation, Plan, PlanFeature
from plans.sources.portal import plan_of


class OnlyWithPlans(admin.ModelAdmin):
    """Not to be seen while PLANS is off."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return settings.PLANS != "off" and super().has_module_permission(request)


class FeatureInline(admin.TabularInline):
    model = PlanFeature
    extra = 0
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


@admin.register(Invitation)
class InvitationAdmin(OnlyWithPlans):
    list_display = ("email", "plan_key", "created_at")
    search_fields = ("email", "plan_key")
