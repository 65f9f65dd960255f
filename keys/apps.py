"""API keys: customers see and change theirs, staff help; everything is done through the Developer API."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    verbose_name = "API keys"
