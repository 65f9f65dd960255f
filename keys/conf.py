"""Settings object: what this app reads, with defaults, wherever the host project keeps it.

A name is looked up among Django's settings, then in their `KEYS = {...}`, then among the defaults here; any other
setting is Django's own. `from_environment` makes such a `KEYS` of environment variables.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

DEFAULTS: dict[str, Any] = {
    "ZUPLO_API_URL": "https://dev.zuplo.com",
    "ZUPLO_ACCOUNT": "",
    "ZUPLO_API_KEY": "",
    "ZUPLO_BUCKETS": {},
    "ZUPLO_CALLS_AT_ONCE": 32,
    "KEYS_ACTOR": "keys.web.actor.by_email",
    "KEYS_EMAIL_IS_VERIFIED": "keys.web.actor.nobody_is_verified",
    "KEYS_STEP_UP_URL": "",
    "KEYS_ADDRESSES_URL": "",  # where people add and prove addresses, for a link to it
    "KEYS_STAFF_URL": "",  # where colleagues who manage nothing are led from the keys page
    "KEYS_PROVISIONING": "keys.provisioning.Provisioning",
    "KEYS_PER_CONSUMER": 10,
    "KEYS_MANAGED_BY": "managers",
    "KEYS_MANAGERS_PER_CONSUMER": 20,
    "KEYS_INVITATIONS_PER_DAY": 50,
    "KEYS_SIGN_IN_TROUBLE": "keys.conf.no_sign_in_trouble",
    "KEYS_REVEALS_PER_MINUTE": 30,
    "KEYS_CHANGES_PER_MINUTE": 20,
    "KEYS_PAGE_SECONDS": 9.5,  # for all that a page asks of the Developer API
    "KEYS_SCAN_SECONDS": 5.0,  # after which a scan asks for no further page: the last one may take as long again
    "KEYS_MAIL_MANAGERS": True,
    "KEYS_REMINDER_DAYS": [30, 7, 1],
    "KEYS_REMINDER_CALLS_PER_SECOND": 5,
    "KEYS_LANGUAGES": "keys.conf.language_of_the_site",
    "KEYS_TIME_ZONES": "keys.conf.time_zone_of_the_site",
    "KEYS_TIME_ZONE_COOKIE": "timezone",
    "KEYS_LONGEST_DAYS": 3650,
    "KEYS_SHOW_METADATA": [],
    "KEYS_FORMAT": "",  # regular expression of keys of the operator's own format, beside Zuplo's
    "KEYS_VARIABLE": "API_KEY",
    "KEYS_WARN_DAYS": 7,
    "KEYS_WARN_OLD_DAYS": 180,
    "KEYS_WARN_ENDLESS": True,
    "KEYS_PANELS": "",
    "GATEWAY_URL": "",
    "GATEWAY_TEST_PATH": "",
    "GATEWAY_HEADER": "Authorization: Bearer",
    "GATEWAY_CACHE_SECONDS": 60,
    "PLANS_URL": "",
    "PLANS": "off",  # what the app `plans` reads
    "PLAN_REQUESTS_TO": [],
    "STRIPE_API_KEY": "",
    "STRIPE_WEBHOOK_SECRET": "",
    "STRIPE_API_URL": "https://api.stripe.com",
    "STEP_UP_MINUTES": 120,
    "AUDIT_DAYS": 400,
    "PORTAL_NAME": "API keys",
    "PORTAL_URL": "",
    "PORTAL_SUPPORT_URL": "",
}


class Settings:
    """Django's settings, with this app's own names found in `KEYS` or given a default. Each is looked up once."""

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS or hasattr(django_settings, name):
            value = getattr(django_settings, name)
        else:
            value = getattr(django_settings, "KEYS", {}).get(name, DEFAULTS[name])
        vars(self)[name] = value
        return value


settings = Settings()


@receiver(setting_changed)
def _look_up_again(**_change: Any) -> None:
    """For tests: nothing else changes a setting of a running process."""
    vars(settings).clear()


def language_of_the_site(_addresses: list[str]) -> dict[str, str]:
    """The languages of people by address, where the host project knows none: mails go out in that of the request."""
    return {}


def time_zone_of_the_site(_addresses: list[str]) -> dict[str, str]:
    """The time zones of people by address, where the host project knows none: mails tell times in UTC."""
    return {}


def no_sign_in_trouble(_address: str) -> str:
    """Why nobody can sign in with such an address, where the host project knows a reason; never by its accounts."""
    return ""


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """`KEYS` of the variables that are set, each read as the kind of its default: text, number, yes or no, list, pairs.

    Raises `ValueError`, which names the variable and repeats nothing of its value.
    """
    return {name: _read(name, environment[name]) for name in DEFAULTS if environment.get(name)}


def _read(name: str, text: str) -> Any:
    try:
        return _READERS[type(DEFAULTS[name])](text)
    except (KeyError, ValueError):
        raise ValueError(f"{name} cannot be read. See docs/embedding.md for its form.") from None


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _pairs(text: str) -> dict[str, str]:
    return dict(part.split(":", 1) for part in _list(text))


_READERS: dict[type, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: lambda text: {"1": True, "0": False}[text],
    list: _list,
    dict: _pairs,
}
