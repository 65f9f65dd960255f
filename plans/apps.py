"""Plans: what a customer may use of the API, what was used, and how to get more. Beside `keys`, which knows it not."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PlansConfig(AppConfig):
    name = "plans"
    default_auto_field = "django.db.models.BigAutoField"  # as the migrations say, whatever the project has
    verbose_name = _("Plans")

    def ready(self) -> None:
        from plans import checks  # noqa: F401, they register themselves
