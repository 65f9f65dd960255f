"""App configuration of API keys: customers see and change theirs, staff help, all through the Developer API."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KeysConfig(AppConfig):
    name = "keys"
    default_auto_field = "django.db.models.BigAutoField"  # as the migrations say, whatever the project has
    verbose_name = _("API keys")

    def ready(self) -> None:
        from keys import checks  # noqa: F401, they register themselves
