"""People in Django admin: looked at, disabled and given permissions; never signed in for."""

import allauth.account.admin  # noqa: F401, registers what is taken back below
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.http import HttpRequest

from portal.models import User

# A proved address is access to keys. Its holder proves it; nobody ticks a box for him.
admin.site.unregister(EmailAddress)


class AddressInline(admin.TabularInline):
    model = EmailAddress
    fields = readonly_fields = ("email", "verified", "primary")
    verbose_name_plural = "e-mail addresses (proved by their holder)"
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return True  # for whoever may see the person

    def has_add_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """No password field: a colleague who sets one could sign in as the customer, and nothing would show it."""

    list_display = ("email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "emailaddress__email")
    ordering = ("email",)
    date_hierarchy = "date_joined"
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "is_active")}),
        ("Rights", {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email",), "description": "The person signs in by a mailed code."}),)
    inlines = (AddressInline,)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None):  # type: ignore[no-untyped-def]
        return self.fieldsets if obj else self.add_fieldsets

    def get_inlines(self, request: HttpRequest, obj: User | None):  # type: ignore[no-untyped-def]
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """An address is changed by its holder, rights by superusers."""
        fixed = (*self.readonly_fields, "email") if obj else self.readonly_fields
        rights = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*fixed, *rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def save_model(self, request: HttpRequest, obj: User, form: object, change: bool) -> None:
        if not change:
            obj.email = obj.email.lower()
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    """Colleagues are a superuser's business."""
    return bool(request.user.is_superuser) or person is None or not (person.is_staff or person.is_superuser)
