"""Settings of the portal, and the only reader of the environment.

With nothing set this is a development machine: debug mode, answering to loopback names only, on SQLite and on the
sandbox of the Developer API. Naming a public host makes it production, where nothing that matters has a default:
a missing or contradictory value stops the start and is named. Any value may come from a file, by NAME_FILE.
"""

import os
import sys
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environ import Env

BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = "pytest" in sys.modules


def text(name: str, default: str = "") -> str:
    """The variable, or what the file says that NAME_FILE names; empty counts as not set."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip() or default
        except (OSError, UnicodeDecodeError) as problem:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read.") from problem
    return os.environ.get(name, "").strip() or default


def needed(name: str, development: str) -> str:
    """Like `text`, but only a development machine may leave it out."""
    if value := text(name, development if DEBUG else ""):
        return value
    raise ImproperlyConfigured(f"{name} is not set. Set it, or set {name}_FILE to the file that holds it.")


def flag(name: str, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise ImproperlyConfigured(f"{name} is {value!r}. Use 1 or 0.")
    return value in {"1", "true", "yes", "on"}


def number(name: str, default: int) -> int:
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise ImproperlyConfigured(f"{name} is {value!r}. Use a whole number.")
    return int(value)


def names(name: str) -> list[str]:
    return [part.strip() for part in text(name).split(",") if part.strip()]


# The site

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = names("ALLOWED_HOSTS")
DEBUG = flag("DEBUG", default=not ALLOWED_HOSTS)
if DEBUG and not set(ALLOWED_HOSTS) <= set(LOOPBACK):
    raise ImproperlyConfigured("DEBUG is on and ALLOWED_HOSTS names a public host. Set DEBUG=0.")
if not DEBUG and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS is not set. Name the hosts that this portal answers to.")
ALLOWED_HOSTS = LOOPBACK if DEBUG else ALLOWED_HOSTS
CSRF_TRUSTED_ORIGINS = names("CSRF_TRUSTED_ORIGINS")

SECRET_KEY = needed("SECRET_KEY", development="only-for-development-" + "0123456789" * 3)
if not DEBUG and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5):
    raise ImproperlyConfigured("SECRET_KEY is weak. Use at least 50 random characters.")

# What the operator's customers see

PORTAL_NAME = text("PORTAL_NAME", "API Portal")
PORTAL_LOGO_URL = text("PORTAL_LOGO_URL")
PORTAL_ACCENT = text("PORTAL_ACCENT")
PORTAL_SUPPORT_URL = text("PORTAL_SUPPORT_URL")
PORTAL_DOCS_URL = text("PORTAL_DOCS_URL")
GATEWAY_URL = text("GATEWAY_URL", "https://api.example.com" if DEBUG else "")

# The Developer API. A development machine that names nothing of it uses the sandbox.

_sandbox = DEBUG and not any(map(text, ("ZUPLO_API_URL", "ZUPLO_ACCOUNT", "ZUPLO_BUCKET", "ZUPLO_BUCKETS", "ZUPLO_API_KEY")))
ZUPLO_API_URL = text("ZUPLO_API_URL", "http://127.0.0.1:8001" if _sandbox else "https://dev.zuplo.com").rstrip("/")
ZUPLO_ACCOUNT = needed("ZUPLO_ACCOUNT", development="acme-account" if _sandbox else "")
ZUPLO_API_KEY = needed("ZUPLO_API_KEY", development="sandbox-token" if _sandbox else "")


def environments() -> dict[str, str]:
    """The bucket of each environment, the default first: ZUPLO_BUCKETS=production:bucket,preview:bucket."""
    if not text("ZUPLO_BUCKETS"):
        return {"production": needed("ZUPLO_BUCKET", development="zprj-demo-production" if _sandbox else "")}
    if text("ZUPLO_BUCKET"):
        raise ImproperlyConfigured("ZUPLO_BUCKET and ZUPLO_BUCKETS are both set. Keep one of them.")
    pairs = [pair.partition(":") for pair in names("ZUPLO_BUCKETS")]
    if not all(name and bucket for name, _, bucket in pairs) or len({name for name, *_ in pairs}) < len(pairs):
        raise ImproperlyConfigured("ZUPLO_BUCKETS must read like production:bucket,preview:bucket, each name once.")
    return {name.strip(): bucket.strip() for name, _, bucket in pairs}


ZUPLO_BUCKETS = environments()

# What customers may do with keys

KEYS_PROVISIONING = text("KEYS_PROVISIONING", "keys.provisioning.Provisioning")
KEYS_PER_CONSUMER = number("KEYS_PER_CONSUMER", 10)

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
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.sign_in_leaves_the_dialog",
    "keys.middleware.explain_api_errors",
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
_static = "whitenoise.storage.CompressedManifestStaticFilesStorage"
if DEBUG or TESTING:
    _static = "django.contrib.staticfiles.storage.StaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static},
}
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Where things are kept

SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
DEVELOPMENT_DATABASE = BASE_DIR / ".demo" / "portal.sqlite3"
_database = Env.db_url_config(needed("DATABASE_URL", development=f"sqlite:///{DEVELOPMENT_DATABASE}"))
if _database["ENGINE"].endswith("sqlite3"):
    Path(_database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    # A file for the tests too: threads of a live server lock each other out of an in-memory database.
    _database |= {"OPTIONS": SQLITE_OPTIONS, "TEST": {"NAME": str(BASE_DIR / ".pytest_cache" / "test.sqlite3")}}
    Path(_database["TEST"]["NAME"]).parent.mkdir(exist_ok=True)
else:
    _database["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 4, "timeout": 5}, **_database.get("OPTIONS", {})}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": Env.cache_url_config(text("REDIS_URL", "locmem://")) | {"KEY_PREFIX": "portal"}}
SESSION_ENGINE = "django.contrib.sessions.backends." + ("cached_db" if text("REDIS_URL") else "db")
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Sign-in: an e-mail address, proved by a code. A password may be added later.

AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "keys:page"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_PREVENT_ENUMERATION = True

EMAIL_CONFIG = Env.email_url_config(needed("EMAIL_URL", development="consolemail://"))
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL", f"{PORTAL_NAME} <portal@localhost>")

# What browsers are told

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
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
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
CSRF_COOKIE_HTTPONLY = True
if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_SECURE = True
    CSRF_COOKIE_NAME = "__Host-csrf"

# What the log says

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"reference": {"()": "portal.middleware.ReferenceFilter"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name} [{reference}] {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["reference"]}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
