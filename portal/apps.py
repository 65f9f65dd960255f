"""The site itself: identity, home, health."""

from django.apps import AppConfig
from django.conf import settings


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from portal import checks, identity, providers, step_up  # noqa: F401, their checks and receivers register themselves

        if settings.SENTRY_DSN:
            from portal import reports

            reports.begin()
