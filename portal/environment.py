"""The only reader of the environment: every value comes through one of these, or the start stops with a sentence.

Nothing is kept between calls, and no sentence repeats a value that may be a secret. Any value may come from a
file, by NAME_FILE.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env


def text(name: str, default: str = "") -> str:
    """The variable, or what the file says that NAME_FILE names; empty counts as not set."""
    value, path = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if value and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Keep one of them.")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read.") from problem
        if not value:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which is empty.")
    return value or default


def development() -> bool:
    """Whether this is a development machine: it was said, or no host was named."""
    return flag("DEBUG", default=not names("ALLOWED_HOSTS"))


def needed(name: str, development_default: str = "") -> str:
    """Like `text`, but only a development machine may leave it out."""
    if value := text(name, development_default if development() else ""):
        return value
    raise ImproperlyConfigured(f"{name} is not set. Set it, or set {name}_FILE to the file that holds it.")


def fitting(name: str, value: str, pattern: str, rule: str) -> str:
    """The value, if it fits. It is not repeated in the sentence: it may be a secret."""
    if re.fullmatch(pattern, value):
        return value
    raise ImproperlyConfigured(f"{name} is malformed. {rule}")


def strong(name: str, secret: str) -> None:
    """Stop at a secret that could be guessed."""
    if len(secret) < 50 or len(set(secret)) < 10 or secret.startswith("django-insecure-"):
        raise ImproperlyConfigured(f"{name} is weak. Use at least 50 random characters.")


def flag(name: str, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise ImproperlyConfigured(f"{name} is {value!r}. Use 1 or 0.")
    return value in {"1", "true", "yes", "on"}


def number(name: str, default: int, least: int = 1) -> int:
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", value) or int(value) < least:
        raise ImproperlyConfigured(f"{name} is {value!r}. Use a whole number from {least} to 999999.")
    return int(value)


def names(name: str) -> list[str]:
    return [part.strip() for part in text(name).split(",") if part.strip()]


def web_address(name: str, default: str = "", *, https: bool = False) -> str:
    """An http(s) URL without its last slash, or "" when not set; with `https`, plain http only to loopback."""
    value = text(name, default).rstrip("/")
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or True)
    except ValueError:
        known = False
    if not known or parts.username or not re.fullmatch(r"[!-~]+", value):
        raise ImproperlyConfigured(f"{name} is no web address. It must read like https://example.com/path.")
    if https and parts.scheme == "http" and not is_loopback(parts):
        raise ImproperlyConfigured(f"{name} is not encrypted. Use https; plain http is for loopback only.")
    return value


def is_loopback(parts: SplitResult) -> bool:
    return (parts.hostname or "") in {"127.0.0.1", "localhost", "::1"}


# Neighbours, each named by one URL


def scheme(name: str, value: str, known: Iterable[str]) -> str:
    """The scheme of a URL; the URL itself is not repeated, for it may hold a password."""
    found = value.partition(":")[0].lower()
    if found not in known:
        raise ImproperlyConfigured(f"{name} must begin with one of {', '.join(f'{one}://' for one in known)}.")
    return found


def parsed(name: str, value: str, parse: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
    try:
        return dict(parse(value))
    except (ValueError, ImproperlyConfigured) as problem:
        raise ImproperlyConfigured(f"{name} is malformed: special characters must be percent-encoded.") from problem


def database(development_file: Path) -> dict[str, Any]:
    url = needed("DATABASE_URL", f"sqlite:///{development_file}")
    if scheme("DATABASE_URL", url, ("postgres", "postgresql", "sqlite")) != "sqlite":
        found = parsed("DATABASE_URL", url, Env.db_url_config)
        pool = {"min_size": 1, "max_size": 4, "timeout": 5}
        options = {"connect_timeout": 3, "pool": pool} | dict(found.get("OPTIONS") or {})
        return found | {"OPTIONS": options, "CONN_HEALTH_CHECKS": True}
    path = url.partition("sqlite:///")[2]
    if not path or path == ":memory:":
        raise ImproperlyConfigured("DATABASE_URL names no file. It must read like sqlite:////var/lib/portal.sqlite3.")
    if development():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    begin = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 5, "init_command": begin}
    return {"ENGINE": "portal.sqlite", "NAME": path, "OPTIONS": options}


def cache() -> dict[str, Any]:
    url = text("REDIS_URL")
    if not url:
        # Room enough that nobody pushes the counters of throttles out.
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}
    scheme("REDIS_URL", url, ("redis", "rediss", "unix"))
    return {"BACKEND": "portal.cache.ForgivingRedisCache", "LOCATION": url, "KEY_PREFIX": "portal"}


def mail() -> dict[str, Any]:
    """Django's EMAIL_ settings; EMAIL_BACKEND is what delivers in the end, see `portal.outbox`."""
    url = needed("EMAIL_URL", "terminal://")
    if development() and url == "terminal://":
        return {"EMAIL_BACKEND": "portal.terminal_mail.EmailBackend"}
    scheme("EMAIL_URL", url, ("smtp", "smtp+tls", "smtp+ssl", "consolemail", "filemail", "dummymail"))
    return parsed("EMAIL_URL", url, Env.email_url_config)


# Zuplo

SEGMENT = (r"[A-Za-z0-9_-]{1,128}", "Use letters, digits, hyphens and underscores.")
"""What may be part of an address of the Developer API."""


def environments(development_bucket: str) -> dict[str, str]:
    """The bucket of each environment, the default first: ZUPLO_BUCKETS=production:bucket,preview:bucket.

    The names become parts of addresses, where "activity" means something else.
    """
    if not text("ZUPLO_BUCKETS"):
        bucket = needed("ZUPLO_BUCKET", development_bucket)
        return {"production": fitting("ZUPLO_BUCKET", bucket, *SEGMENT)}
    if text("ZUPLO_BUCKET"):
        raise ImproperlyConfigured("ZUPLO_BUCKET and ZUPLO_BUCKETS are both set. Keep one of them.")
    rule = "It must read like production:bucket,preview:bucket, each name once, of a-z, 0-9 and hyphens."
    buckets: dict[str, str] = {}
    for pair in names("ZUPLO_BUCKETS"):
        fitting("ZUPLO_BUCKETS", pair, rf"(?!activity:)[a-z0-9-]{{1,32}}:{SEGMENT[0]}", rule)
        name, _, bucket = pair.partition(":")
        if name in buckets:
            raise ImproperlyConfigured(f"ZUPLO_BUCKETS names {name} twice. {rule}")
        buckets[name] = bucket
    return buckets


# Company sign-in


def providers() -> dict[str, Any]:
    """Who else may say who somebody is, as allauth wants to have it told; none by default.

    OIDC_PROVIDERS names the OpenID Connect providers; of each the issuer, the client and the words on the button
    are in variables that carry its name. Google and GitHub are there as soon as they have a client.
    """
    found: dict[str, Any] = {}
    apps: list[dict[str, Any]] = []
    rule = "Name each provider once, as in acme,partner, of a-z, 0-9 and _."
    for name in names("OIDC_PROVIDERS"):
        fitting("OIDC_PROVIDERS", name, r"[a-z][a-z0-9_]{0,29}", rule)
        if name in {app["provider_id"] for app in apps} | {"google", "github", "openid_connect"}:
            raise ImproperlyConfigured(f"OIDC_PROVIDERS names {name} twice, or the name is taken. {rule}")
        apps.append(_openid_provider(name, name.upper()))
        if [app["client_id"] for app in apps].count(apps[-1]["client_id"]) > 1:  # allauth tells them apart by it
            raise ImproperlyConfigured(f"OIDC_{name.upper()}_CLIENT_ID is another provider's too. Choose another.")
    if apps:
        found["openid_connect"] = {"OAUTH_PKCE_ENABLED": True, "APPS": apps}
    for name, client, secret in (
        ("google", text("GOOGLE_CLIENT_ID"), text("GOOGLE_CLIENT_SECRET")),
        ("github", text("GITHUB_CLIENT_ID"), text("GITHUB_CLIENT_SECRET")),
    ):
        if bool(client) != bool(secret):
            raise ImproperlyConfigured(f"{name.upper()}_CLIENT_ID and {name.upper()}_CLIENT_SECRET belong together.")
        if client:
            found[name] = {"OAUTH_PKCE_ENABLED": True, "APPS": [{"client_id": client, "secret": secret}]}
    return found


def _openid_provider(provider: str, upper: str) -> dict[str, Any]:
    issuer = web_address(f"OIDC_{upper}_ISSUER", https=not development())
    if not issuer:
        raise ImproperlyConfigured(f"OIDC_{upper}_ISSUER is not set, and OIDC_PROVIDERS names {provider}.")
    title = text(f"OIDC_{upper}_NAME", provider.capitalize())
    fitting(f"OIDC_{upper}_NAME", title, r"[^\x00-\x1f\x7f]{1,40}", "Use one short line.")
    app: dict[str, Any] = {
        "provider_id": provider,
        "name": title,
        "client_id": text(f"OIDC_{upper}_CLIENT_ID"),
        "secret": text(f"OIDC_{upper}_CLIENT_SECRET"),
        "settings": {"server_url": issuer},
    }
    if not app["client_id"] or not app["secret"]:
        raise ImproperlyConfigured(f"OIDC_{upper}_CLIENT_ID and OIDC_{upper}_CLIENT_SECRET must both be set.")
    return app


def domains(name: str) -> list[str]:
    rule = "Name domains as in example.com,example.org."
    return [fitting(name, domain.lower(), r"[a-z0-9-]+(\.[a-z0-9-]+)+", rule) for domain in names(name)]


def provider_domains(found: Mapping[str, Any]) -> dict[str, str]:
    """For each domain whose people sign in by one provider only, that provider."""
    apps = found.get("openid_connect", {"APPS": []})["APPS"]
    bound: dict[str, str] = {}
    ours = [app["provider_id"] for app in apps]
    variables = {provider: f"OIDC_{provider.upper()}_DOMAINS" for provider in ours}
    for provider, name in (variables | {"google": "GOOGLE_DOMAINS", "github": "GITHUB_DOMAINS"}).items():
        for domain in domains(name):
            if provider not in (*ours, *found):
                raise ImproperlyConfigured(f"{name} is set, and there is no client for this provider.")
            if domain in bound:
                raise ImproperlyConfigured(f"{name} names {domain} twice, or it is bound to {bound[domain]} already.")
            bound[domain] = provider
    return bound
