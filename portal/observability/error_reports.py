"""Error reporting to Sentry, if SENTRY_DSN names one: where it broke, and nothing about people or keys."""

import logging
import re
from typing import Any

import sentry_sdk
from django.conf import settings
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration

from keys.zuplo import call_stats
from portal.observability.logs import scrubbed, without_secrets

SECONDS_TO_SEND = 2
_ADDRESS = re.compile(r"""[^\s<>()\[\]{}'"=:,;/@]{1,64}(@|%40)[\w.-]{1,255}""")


def begin() -> None:
    """Start reporting uncaught exceptions, and what is logged as an error."""
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment="development" if settings.DEBUG else "production",
        before_send=_harmless,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,  # the log has what went before, under the same reference
        auto_session_tracking=False,
        shutdown_timeout=SECONDS_TO_SEND,
        # The others would watch the calls to the Developer API, whose addresses hold people's own.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            DjangoIntegration(middleware_spans=False, signals_spans=False, cache_spans=False),
            LoggingIntegration(level=None, event_level=logging.ERROR),
            DedupeIntegration(),
            ExcepthookIntegration(),
            ThreadingIntegration(propagate_scope=False),
        ],
    )


def _harmless(event: Any, hint: dict[str, Any]) -> Any:
    """Scrubbed event: of the request only method and path, of the person nothing."""
    request = event.pop("request", None) or {}
    event.pop("user", None)
    event.pop("extra", None)
    address = str(request.get("url", "")).partition("?")[0]
    event["request"] = {"method": request.get("method"), "url": address}
    event["tags"] = {"request_id": call_stats.reference() or "-"}
    return scrubbed(event, _without_people)


def _without_people(words: str) -> str:
    """Redact email addresses: a database says which is there already, a mail server which one it refuses."""
    return _ADDRESS.sub("[address removed]", without_secrets(words))
