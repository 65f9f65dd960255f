"""Environment variables, parsed and validated. All that is wrong is collected, so that the start stops once.

Until then whoever asks for a wrong value gets something to go on with. No sentence repeats a value that may be a
secret. Any value may come from a file, by NAME_FILE.
"""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]

_wrong: dict[str, str] = {}


def wrong(name: str, what: str) -> None:
    """Collect an error of a variable, with the cure. Of each one thing is told: others follow from it."""
    _wrong.setdefault(name.removesuffix("_FILE"), f"{name} {what}")


def stop_if_anything_is_wrong() -> None:
    """Raise all collected errors: a line for each variable that must be put right."""
    sentences = "\n".join(_wrong.values())
    _wrong.clear()
    if sentences:
        raise ImproperlyConfigured(sentences)


def text(name: str, default: str = "") -> str:
    """The variable, or what the file says that NAME_FILE names; empty counts as not set."""
    value, path = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if value and path:
        wrong(name, f"and {name}_FILE are both set. Keep one of them.")
    elif path:
        value = _content(name, path)
    return value or default


def _content(name: str, path: str) -> str:
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        wrong(f"{name}_FILE", f"names {path}, which cannot be read.")
        return ""
    if not value:
        wrong(f"{name}_FILE", f"names {path}, which is empty.")
    return value


def development() -> bool:
    """True on a development machine: it was said, or no host was named; never with a public host."""
    hosts = names("ALLOWED_HOSTS")
    return flag("DEBUG", default=not hosts) and set(hosts) <= set(LOOPBACK)


def needed(name: str, development_default: str = "") -> str:
    """Like `text`, but only a development machine may leave it out."""
    value = text(name, development_default if development() else "")
    if not value:
        wrong(name, f"is not set. Set it, or set {name}_FILE to the file that holds it.")
    return value


def fitting(name: str, value: str, pattern: str, rule: str) -> str:
    """The value, which is not repeated in the sentence if it does not fit: it may be a secret."""
    if not re.fullmatch(pattern, value):
        wrong(name, f"is malformed. {rule}")
    return value


def strong(name: str, secret: str) -> None:
    """Refuse a secret that could be guessed."""
    if len(secret) < 50 or len(set(secret)) < 10 or secret.startswith("django-insecure-"):
        wrong(name, "is weak. Use at least 50 random characters.")


def flag(name: str, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        wrong(name, f"is {value!r}. Use 1 or 0.")
        return default
    return value in {"1", "true", "yes", "on"}


def number(name: str, default: int, least: int = 1) -> int:
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", value) or int(value) < least:
        wrong(name, f"is {value!r}. Use a whole number from {least} to 999999.")
        return default
    return int(value)


def names(name: str) -> list[str]:
    return [part.strip() for part in text(name).split(",") if part.strip()]


def key_format(name: str) -> str:
    """A regular expression that finds keys, and nothing in ordinary words; it stands among others in one."""
    value = text(name)
    try:
        if value and re.search(f"(?:{value})", "Production server 12, ann@example.com"):
            wrong(name, "finds a key in ordinary words. Begin it with what all of your keys begin with.")
    except re.error:
        wrong(name, "is no regular expression. Write it like acme_[0-9a-f]{32}.")
    return value


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
        wrong(name, "is no web address. It must read like https://example.com/path.")
        return ""
    if https and parts.scheme == "http" and not is_loopback(parts):
        wrong(name, "is not encrypted. Use https; plain http is for loopback only.")
    return value


def is_loopback(parts: SplitResult) -> bool:
    return (parts.hostname or "") in {"127.0.0.1", "localhost", "::1"}


def may_write_in(folder: str | Path) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


# Neighbours, each named by one URL, which no sentence repeats: it may hold a password


def neighbour(name: str, url: str, known: Iterable[str], parse: Callable[[str], Any]) -> dict[str, Any] | None:
    """Parse the URL of a backing service, if it begins with one of the known schemes and can be read."""
    if url.partition(":")[0].lower() not in known:
        wrong(name, f"must begin with one of {', '.join(f'{one}://' for one in known)}.")
        return None
    try:
        return dict(parse(url))
    except (ValueError, ImproperlyConfigured):
        wrong(name, "is malformed: special characters must be percent-encoded, and a port is a number.")
        return None


def database(development_file: Path) -> dict[str, Any]:
    url = needed("DATABASE_URL", f"sqlite:///{development_file}")
    found = neighbour("DATABASE_URL", url, ("postgres", "postgresql", "sqlite"), Env.db_url_config)
    if found is None:
        return {}
    if url.partition(":")[0].lower() == "sqlite":
        return _sqlite(url.partition("sqlite:///")[2])
    options = dict(found.get("OPTIONS") or {})
    if not found["NAME"] and "service" not in options:
        wrong("DATABASE_URL", "names no database. It must read like postgres://user:password@host/name.")
    # By itself a pool doubles its pause after each try; having given up, it tries anew for whoever comes next.
    pool = {"min_size": 1, "max_size": 4, "timeout": 5, "reconnect_timeout": 5}
    options = {"connect_timeout": 3, "pool": pool} | options
    # A cursor that the server keeps outlives its transaction, and is not on the connection that a pooler gives next
    # (PgBouncer in transaction mode). Nothing here reads so many rows that it would need one.
    return found | {
        "ENGINE": "portal.backends.postgresql",
        "OPTIONS": options,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "ATOMIC_REQUESTS": False,  # which an address may ask for: it would take refusals out of the audit log
    }


def _sqlite(path: str) -> dict[str, Any]:
    if not path or path == ":memory:":
        wrong("DATABASE_URL", "names no file. It must read like sqlite:////var/lib/portal.sqlite3.")
    elif development():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    elif not may_write_in(Path(path).parent):  # SQLite puts further files beside it
        wrong("DATABASE_URL", "names a file in a folder where the portal may not write. Make the folder, for its user.")
    begin = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 5, "init_command": begin}
    return {"ENGINE": "portal.backends.sqlite", "NAME": path, "OPTIONS": options}


def cache() -> dict[str, Any]:
    url = text("REDIS_URL")
    if not url:
        # Room enough that nobody pushes the counters of throttles out.
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}
    from redis.connection import parse_url  # a tenth of a second, for those who use it

    neighbour("REDIS_URL", url, ("redis", "rediss", "unix"), parse_url)
    return {"BACKEND": "portal.backends.redis_cache.ForgivingRedisCache", "LOCATION": url, "KEY_PREFIX": "portal"}


def mail() -> dict[str, Any]:
    """Django's EMAIL_ settings; EMAIL_BACKEND is what delivers in the end, see `portal.mail.outbox`."""
    url = needed("EMAIL_URL", "terminal://")
    if development() and url == "terminal://":
        return {"EMAIL_BACKEND": "portal.mail.console.EmailBackend"}
    known = ("smtp", "smtp+tls", "smtp+ssl", "consolemail", "filemail", "dummymail")
    found = neighbour("EMAIL_URL", url, known, Env.email_url_config) or {"EMAIL_BACKEND": ""}
    if found["EMAIL_BACKEND"].endswith("smtp.EmailBackend") and not found["EMAIL_HOST"]:
        wrong("EMAIL_URL", "names no host. It must read like smtp+tls://user:password@mail.example.com:587.")
    if found["EMAIL_BACKEND"].endswith("smtp.EmailBackend"):
        found["EMAIL_BACKEND"] = "portal.mail.smtp.EmailBackend"
    return found


def mail_domain(sender: str) -> str:
    """The name by which the portal greets the mail server, and which ends each Message-ID; by default the sender's."""
    name = text("MAIL_DOMAIN", sender.rpartition("@")[2])
    try:
        name = name.encode("idna").decode()
    except UnicodeError:
        name = ""
    return fitting(
        "MAIL_DOMAIN", name, r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", "Name a host as in mail.example.com."
    )


# Zuplo

SEGMENT = (r"[A-Za-z0-9_-]{1,128}", "Use letters, digits, hyphens and underscores.")
"""Path segment of a URL of the Developer API."""


def environments(development_bucket: str) -> dict[str, str]:
    """The bucket of each environment, the default first: ZUPLO_BUCKETS=production:bucket,preview:bucket.

    The names become parts of addresses, where "activity" and "reminders" mean something else.
    """
    if not text("ZUPLO_BUCKETS"):
        bucket = needed("ZUPLO_BUCKET", development_bucket)
        return {"production": fitting("ZUPLO_BUCKET", bucket, *SEGMENT)}
    if text("ZUPLO_BUCKET"):
        wrong("ZUPLO_BUCKET", "and ZUPLO_BUCKETS are both set. Keep one of them.")
    rule = "It must read like production:bucket,preview:bucket, each name once, of a-z, 0-9 and hyphens."
    buckets: dict[str, str] = {}
    for pair in names("ZUPLO_BUCKETS"):
        fitting("ZUPLO_BUCKETS", pair, rf"(?!(activity|reminders):)[a-z0-9-]{{1,32}}:{SEGMENT[0]}", rule)
        name, _, bucket = pair.partition(":")
        if name in buckets:
            wrong("ZUPLO_BUCKETS", f"names {name} twice. {rule}")
        buckets[name] = bucket
    return buckets
