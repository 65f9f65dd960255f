"""App configuration of the site itself: identity, home, health."""

from django.apps import AppConfig
from django.conf import settings


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from portal import checks  # noqa: F401, their checks and receivers register themselves
        from portal.accounts import adapter, sso, step_up  # noqa: F401, their checks and receivers register themselves

        if settings.SENTRY_DSN:
            from portal.observability import error_reports

            error_reports.begin()
