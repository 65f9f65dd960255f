"""Settings of the portal, and the only reader of the environment.

With nothing set this is a development machine: debug mode, answering to loopback names only, on SQLite and
on the sandbox of the Developer API. Naming a host makes it production, where nothing that matters has a
default: a missing or contradictory value stops the start with a sentence that names it. Any value may come
from a file, by NAME_FILE. What needs Django loaded is checked in `portal/checks.py`.
"""

import os
import re
from collections.abc import Iterable
from email.utils import formataddr, parseaddr
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environ import Env

BASE_DIR = Path(__file__).resolve().parent.parent
LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]


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


def needed(name: str, development: str) -> str:
    """Like `text`, but only a development machine may leave it out."""
    if value := text(name, development if DEBUG else ""):
        return value
    raise ImproperlyConfigured(f"{name} is not set. Set it, or set {name}_FILE to the file that holds it.")


def fitting(name: str, value: str, pattern: str, rule: str) -> str:
    """The value, if it fits. It is not repeated in the sentence: it may be a secret."""
    if re.fullmatch(pattern, value):
        return value
    raise ImproperlyConfigured(f"{name} is malformed. {rule}")


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


# The site

ALLOWED_HOSTS = names("ALLOWED_HOSTS")
# No wildcards: then no client can choose a name that counts as this site's own.
for _host in ALLOWED_HOSTS:
    fitting(
        "ALLOWED_HOSTS",
        _host,
        r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\]",
        "Name each host as in portal.example.com: no scheme, no port, no wildcard.",
    )
DEBUG = flag("DEBUG", default=not ALLOWED_HOSTS)
if DEBUG and not set(ALLOWED_HOSTS) <= set(LOOPBACK):
    raise ImproperlyConfigured("DEBUG is on and ALLOWED_HOSTS names a public host. Set DEBUG=0.")
if not DEBUG and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS is not set. Name the hosts that this portal answers to.")
ALLOWED_HOSTS = LOOPBACK if DEBUG else ALLOWED_HOSTS

PORTAL_URL = web_address(
    "PORTAL_URL", "http://127.0.0.1:8000" if DEBUG else f"https://{ALLOWED_HOSTS[0]}", https=not DEBUG
)
_portal = urlsplit(PORTAL_URL)
if _portal.path or _portal.query or _portal.fragment:
    raise ImproperlyConfigured("PORTAL_URL holds more than a host. It must read like https://portal.example.com.")
if not {_portal.hostname, f"[{_portal.hostname}]"} & {host.lower() for host in ALLOWED_HOSTS}:
    raise ImproperlyConfigured("PORTAL_URL names a host that ALLOWED_HOSTS does not. Add it there.")

CSRF_TRUSTED_ORIGINS = names("CSRF_TRUSTED_ORIGINS")
for _origin in CSRF_TRUSTED_ORIGINS:
    fitting(
        "CSRF_TRUSTED_ORIGINS",
        _origin,
        r"https?://[A-Za-z0-9.\[\]:-]+",
        "Name each origin as in https://portal.example.com: no path, no wildcard.",
    )

SECRET_KEY = needed("SECRET_KEY", development="only-for-development-" + "0123456789" * 3)
if not DEBUG and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 10 or SECRET_KEY.startswith("django-insecure-")):
    raise ImproperlyConfigured("SECRET_KEY is weak. Use at least 50 random characters.")

TRUSTED_PROXY_COUNT = number("TRUSTED_PROXY_COUNT", 0, least=0)

# What the operator's customers see

PORTAL_NAME = fitting(
    "PORTAL_NAME", text("PORTAL_NAME", "API Portal"), r"[^\x00-\x1f\x7f]{1,60}", "Use one short line."
)
PORTAL_ACCENT = text("PORTAL_ACCENT")
if PORTAL_ACCENT:
    fitting("PORTAL_ACCENT", PORTAL_ACCENT, r"#([0-9A-Fa-f]{3}){1,2}", "Write the colour like #3b5bdb.")
PORTAL_LOGO_URL = text("PORTAL_LOGO_URL")
if not re.fullmatch(r"/[!-.0-~][!-~]*", PORTAL_LOGO_URL):  # a path on this site, such as /static/logo.svg
    PORTAL_LOGO_URL = web_address("PORTAL_LOGO_URL", https=not DEBUG)
PORTAL_SUPPORT_URL = text("PORTAL_SUPPORT_URL")
if not re.fullmatch(r"mailto:[^\s@<>]+@[^\s@<>]+", PORTAL_SUPPORT_URL):
    PORTAL_SUPPORT_URL = web_address("PORTAL_SUPPORT_URL")
PORTAL_DOCS_URL = web_address("PORTAL_DOCS_URL")
GATEWAY_URL = web_address("GATEWAY_URL", "https://api.example.com" if DEBUG else "")

# The Developer API. A development machine that names nothing of it uses the sandbox.

_zuplo = ("ZUPLO_API_URL", "ZUPLO_ACCOUNT", "ZUPLO_BUCKET", "ZUPLO_BUCKETS", "ZUPLO_API_KEY")
_sandbox = DEBUG and not any(map(text, _zuplo))
_segment = (r"[A-Za-z0-9_-]{1,128}", "Use letters, digits, hyphens and underscores.")
ZUPLO_API_URL = web_address(
    "ZUPLO_API_URL", "http://127.0.0.1:8001" if _sandbox else "https://dev.zuplo.com", https=not DEBUG
)
ZUPLO_ACCOUNT = fitting(
    "ZUPLO_ACCOUNT", needed("ZUPLO_ACCOUNT", development="acme-account" if _sandbox else ""), *_segment
)
ZUPLO_API_KEY = fitting(
    "ZUPLO_API_KEY",
    needed("ZUPLO_API_KEY", development="sandbox-token" if _sandbox else ""),
    r"[!-~]+",
    "It is one word of printable ASCII characters.",
)


ZUPLO_CALLS_AT_ONCE = number("ZUPLO_CALLS_AT_ONCE", 32)


def environments() -> dict[str, str]:
    """The bucket of each environment, the default first: ZUPLO_BUCKETS=production:bucket,preview:bucket.

    The names become parts of addresses, where "activity" means something else.
    """
    if not text("ZUPLO_BUCKETS"):
        bucket = needed("ZUPLO_BUCKET", development="zprj-demo-production" if _sandbox else "")
        return {"production": fitting("ZUPLO_BUCKET", bucket, *_segment)}
    if text("ZUPLO_BUCKET"):
        raise ImproperlyConfigured("ZUPLO_BUCKET and ZUPLO_BUCKETS are both set. Keep one of them.")
    rule = "It must read like production:bucket,preview:bucket, each name once, of a-z, 0-9 and hyphens."
    buckets: dict[str, str] = {}
    for pair in names("ZUPLO_BUCKETS"):
        fitting("ZUPLO_BUCKETS", pair, rf"(?!activity:)[a-z0-9-]{{1,32}}:{_segment[0]}", rule)
        name, _, bucket = pair.partition(":")
        if name in buckets:
            raise ImproperlyConfigured(f"ZUPLO_BUCKETS names {name} twice. {rule}")
        buckets[name] = bucket
    return buckets


ZUPLO_BUCKETS = environments()

# What customers may do with keys

KEYS_PROVISIONING = text("KEYS_PROVISIONING", "keys.provisioning.Provisioning")
KEYS_PER_CONSUMER = number("KEYS_PER_CONSUMER", 10)
KEYS_REVEALS_PER_MINUTE = number("KEYS_REVEALS_PER_MINUTE", 30)
KEYS_CHANGES_PER_MINUTE = number("KEYS_CHANGES_PER_MINUTE", 20)
KEYS_MAIL_MANAGERS = flag("KEYS_MAIL_MANAGERS", True)

# Django

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
INSTALLED_APPS = [
    "portal",
    "keys",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "heroicons",
]
MIDDLEWARE = [
    "portal.middleware.reference",
    "portal.middleware.client_address",
    "portal.middleware.headers",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.middleware.health",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.middleware.nothing_is_stored",
    "portal.middleware.small_bodies_only",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.sign_in_leaves_the_dialog",
    "keys.middleware.ExplainApiErrors",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.site",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_ALLOW_ALL_ORIGINS = False

# No form of the portal is longer than a few lines, and none takes a file.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 300

# Where things are kept


def scheme(name: str, value: str, known: Iterable[str]) -> str:
    """The scheme of a URL; the URL itself is not repeated, for it may hold a password."""
    found = value.partition(":")[0].lower()
    if found not in known:
        raise ImproperlyConfigured(f"{name} must begin with one of {', '.join(f'{one}://' for one in known)}.")
    return found


def parsed(name: str, value: str, parse: object) -> dict[str, object]:
    try:
        return dict(parse(value))  # type: ignore[operator]
    except (ValueError, ImproperlyConfigured) as problem:
        raise ImproperlyConfigured(f"{name} is malformed: special characters must be percent-encoded.") from problem


def database() -> dict[str, object]:
    url = needed("DATABASE_URL", development=f"sqlite:///{BASE_DIR / '.demo' / 'portal.sqlite3'}")
    if scheme("DATABASE_URL", url, ("postgres", "postgresql", "sqlite")) != "sqlite":
        found = parsed("DATABASE_URL", url, Env.db_url_config)
        wanted = found.get("OPTIONS") or {}
        pool = {"min_size": 1, "max_size": 4, "timeout": 5}
        options = {"connect_timeout": 3, "pool": pool} | dict(wanted)  # type: ignore[call-overload]
        return found | {"OPTIONS": options, "CONN_HEALTH_CHECKS": True}
    path = url.partition("sqlite:///")[2]
    if not path or path == ":memory:":
        raise ImproperlyConfigured("DATABASE_URL names no file. It must read like sqlite:////var/lib/portal.sqlite3.")
    if DEBUG:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    begin = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": begin}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": options}


def cache() -> dict[str, object]:
    url = text("REDIS_URL")
    if not url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    scheme("REDIS_URL", url, ("redis", "rediss", "unix"))
    return {
        "BACKEND": "portal.cache.ForgivingRedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "portal",
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": cache()}
SESSION_ENGINE = "django.contrib.sessions.backends." + ("cached_db" if text("REDIS_URL") else "db")
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Sign-in: an e-mail address, proved by a code that works in the browser that asked for it, and nowhere else.
# Never by a link: whoever opens a link would prove an address for whoever typed it in. A password may be
# added later by the person; sign-up never asks for one, so nobody can set one on somebody else's address.

AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{_name}"}
    for _name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "keys:page"
LOGOUT_REDIRECT_URL = "home"

ACCOUNT_ADAPTER = "portal.identity.AccountAdapter"
ACCOUNT_FORMS = {"login": "portal.identity.SignInForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
ACCOUNT_MAX_EMAIL_ADDRESSES = 10  # the keys page asks the Developer API once for each
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
# Another address for an account that is being proved would let two people meet in one account.
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = False
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_TIMEOUT = 10 * 60
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_PASSWORD_RESET_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _portal.scheme
# Counted in the cache: with several processes they hold only if REDIS_URL is set. "key" is the address.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "request_login_code": "20/m/ip,3/m/key",
    "signup": "20/m/ip",
    "confirm_email": "1/10s/key",
    "manage_email": "10/m/user",
    "reset_password": "20/m/ip,5/m/key",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}

SESSION_HOURS = number("SESSION_HOURS", 7 * 24)
STAFF_SESSION_HOURS = number("STAFF_SESSION_HOURS", 12)
SESSION_COOKIE_AGE = SESSION_HOURS * 60 * 60

_email_url = needed("EMAIL_URL", development="terminal://")
if DEBUG and _email_url == "terminal://":
    EMAIL_BACKEND = "portal.terminal_mail.EmailBackend"
else:
    scheme("EMAIL_URL", _email_url, ("smtp", "smtp+tls", "smtp+ssl", "consolemail", "filemail", "dummymail"))
    vars().update(parsed("EMAIL_URL", _email_url, Env.email_url_config))
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL", formataddr((PORTAL_NAME, f"portal@{_portal.hostname}")))
if "@" not in parseaddr(DEFAULT_FROM_EMAIL)[1] or not DEFAULT_FROM_EMAIL.isprintable():
    raise ImproperlyConfigured("DEFAULT_FROM_EMAIL must read like Example Portal <portal@example.com>.")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# What browsers are told

_logo = urlsplit(PORTAL_LOGO_URL)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"] + ([f"{_logo.scheme}://{_logo.netloc}"] if _logo.netloc else []),
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CSRF_COOKIE_HTTPONLY = True
if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_SSL_HOST = _portal.netloc
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]  # probes speak plain http
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_SECURE = True
    CSRF_COOKIE_NAME = "__Host-csrf"

# What the log says

LOG_LEVEL = text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise ImproperlyConfigured("LOG_LEVEL must be one of DEBUG, INFO, WARNING and ERROR.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"reference": {"()": "portal.logs.Reference"}},
    "formatters": {"line": {"()": "portal.logs.Line"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["reference"]}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # Django's own handlers would say everything a second time.
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL},
        "urllib3": {"level": "WARNING"},  # its debug lines hold URLs, and those hold addresses
        "django.server": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
    },
}
