"""The site itself: identity, home, health."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"
