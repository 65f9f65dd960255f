"""Plans: what a customer may use of the API, what was used, and how to get more. Beside `keys`, which knows it not."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PlansConfig(AppConfig):
    name = "plans"
    verbose_name = _("Plans")
