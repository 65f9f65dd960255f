"""Admin registration: the consumers' place in the index of Django admin; their screens are in `keys/staff`."""

from django.contrib import admin
from django.http import HttpRequest

from keys.models import Consumer
from keys.staff import audit_log  # noqa: F401, the log registers itself


@admin.register(Consumer)
class ConsumerAdmin(admin.ModelAdmin):
    """Consumers have no table: all but the permissions is elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Consumer | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Consumer | None = None) -> bool:
        return False
