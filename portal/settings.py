"""Django settings, as a list; `portal/config/environment.py` reads what they are made of.

With nothing set this is a development machine: debug mode, answering to loopback names only, on SQLite and
on the sandbox of the Developer API. Naming a host makes it production, where nothing that matters has a
default: missing and contradictory values stop the start, each with a sentence that names it. What needs Django
loaded is checked in `portal/checks.py`.
"""

import re
from email.utils import formataddr, parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from portal.config import environment, sso_providers
from portal.config.environment import LOOPBACK, fitting, flag, names, needed, number, text, web_address, wrong
from portal.observability import logs

BASE_DIR = Path(__file__).resolve().parent.parent
SANDBOX_TOKEN = "sandbox-token"  # noqa: S105, the one that `python -m sandbox` asks for by default

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
DEBUG = environment.development()
if flag("DEBUG", DEBUG) and not DEBUG:
    wrong("DEBUG", "is on and ALLOWED_HOSTS names a public host. Set DEBUG=0.")
if not DEBUG and not ALLOWED_HOSTS:
    wrong("ALLOWED_HOSTS", "is not set. Name the hosts that this portal answers to.")
ALLOWED_HOSTS = LOOPBACK if DEBUG or not ALLOWED_HOSTS else ALLOWED_HOSTS

PORTAL_URL = web_address(
    "PORTAL_URL", "http://127.0.0.1:8000" if DEBUG else f"https://{ALLOWED_HOSTS[0]}", https=not DEBUG
)
PORTAL_URL = re.sub(r"(?<=^https:)(//.*):443$|(?<=^http:)(//.*):80$", r"\1\2", PORTAL_URL)  # as browsers write it
_portal = urlsplit(PORTAL_URL)
if _portal.path or _portal.query or _portal.fragment:
    wrong("PORTAL_URL", "holds more than a host. It must read like https://portal.example.com.")
if not {_portal.hostname, f"[{_portal.hostname}]"} & {host.lower() for host in ALLOWED_HOSTS}:
    wrong("PORTAL_URL", "names a host that ALLOWED_HOSTS does not. Add it there.")

CSRF_TRUSTED_ORIGINS = names("CSRF_TRUSTED_ORIGINS")
for _origin in CSRF_TRUSTED_ORIGINS:
    fitting(
        "CSRF_TRUSTED_ORIGINS",
        _origin,
        rf"{'https?' if DEBUG else 'https'}://[A-Za-z0-9.\[\]:-]+",
        "Name each origin as in https://portal.example.com: no path, no wildcard.",
    )

SECRET_KEY = needed("SECRET_KEY", "only-for-development-" + "0123456789" * 3)
SECRET_KEY_FALLBACKS = names("SECRET_KEY_FALLBACKS")
if not DEBUG:
    environment.strong("SECRET_KEY", SECRET_KEY)
    for _secret in SECRET_KEY_FALLBACKS:
        environment.strong("SECRET_KEY_FALLBACKS", _secret)

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

# The operator's API, for ready requests. What stands in these goes into code unquoted.
_in_code = (r"[A-Za-z0-9:/?&=%._~+,;@-]*", "Leave out quotes, spaces, $ and the like: it becomes part of code.")
GATEWAY_URL = fitting(
    "GATEWAY_URL", web_address("GATEWAY_URL", "https://api.example.com" if DEBUG else "", https=not DEBUG), *_in_code
)
GATEWAY_TEST_PATH = fitting("GATEWAY_TEST_PATH", text("GATEWAY_TEST_PATH"), *_in_code)
if GATEWAY_TEST_PATH and not (GATEWAY_URL and GATEWAY_TEST_PATH.startswith("/")):
    wrong("GATEWAY_TEST_PATH", "must begin with / and needs GATEWAY_URL.")
GATEWAY_HEADER = fitting(
    "GATEWAY_HEADER",
    text("GATEWAY_HEADER", "Authorization: Bearer"),
    r"[A-Za-z0-9-]+(:( [A-Za-z0-9._~+/=-]+)?)?",
    "Write what stands before the key, as in Authorization: Bearer or X-API-Key:.",
)
if GATEWAY_HEADER.lower().endswith(": bearer") and not GATEWAY_HEADER.endswith("Bearer"):
    wrong("GATEWAY_HEADER", "must say Bearer with a capital B: Zuplo's gateway answers 401 to any other spelling.")
# How long the gateway remembers whom it let in: the largest cacheTtlSeconds of its policies.
GATEWAY_CACHE_SECONDS = number("GATEWAY_CACHE_SECONDS", 60, least=0)

# The Developer API. A development machine that names nothing of it uses the sandbox.

_zuplo = ("ZUPLO_API_URL", "ZUPLO_ACCOUNT", "ZUPLO_BUCKET", "ZUPLO_BUCKETS", "ZUPLO_API_KEY")
_sandbox = DEBUG and not any(map(text, _zuplo))
ZUPLO_API_URL = web_address(
    "ZUPLO_API_URL", "http://127.0.0.1:8001" if _sandbox else "https://dev.zuplo.com", https=not DEBUG
)
ZUPLO_ACCOUNT = fitting(
    "ZUPLO_ACCOUNT", needed("ZUPLO_ACCOUNT", "acme-account" if _sandbox else ""), *environment.SEGMENT
)
ZUPLO_API_KEY = fitting(
    "ZUPLO_API_KEY",
    needed("ZUPLO_API_KEY", SANDBOX_TOKEN if _sandbox else ""),
    r"[!-~]+",
    "It is one word of printable ASCII characters.",
)
if not DEBUG and not set(ALLOWED_HOSTS) <= set(LOOPBACK):
    if environment.is_loopback(urlsplit(ZUPLO_API_URL)):
        wrong("ZUPLO_API_URL", "is a sandbox on this machine. Leave it out, or name 127.0.0.1 alone in ALLOWED_HOSTS.")
    if ZUPLO_API_KEY == SANDBOX_TOKEN:
        wrong("ZUPLO_API_KEY", "is the sandbox's. Set an API key of your Zuplo account.")

ZUPLO_CALLS_AT_ONCE = number("ZUPLO_CALLS_AT_ONCE", 32)
ZUPLO_BUCKETS = environment.environments("zprj-demo-production" if _sandbox else "")

# What customers may do with keys

KEYS_PROVISIONING = text("KEYS_PROVISIONING", "keys.provisioning.Provisioning")
KEYS_PER_CONSUMER = number("KEYS_PER_CONSUMER", 10)
KEYS_MANAGED_BY = text("KEYS_MANAGED_BY", "managers")
if KEYS_MANAGED_BY not in {"managers", "staff"}:
    wrong("KEYS_MANAGED_BY", "must be managers or staff.")
KEYS_MANAGERS_PER_CONSUMER = number("KEYS_MANAGERS_PER_CONSUMER", 20)
KEYS_INVITATIONS_PER_DAY = number("KEYS_INVITATIONS_PER_DAY", 50)
KEYS_SIGN_IN_TROUBLE = "portal.accounts.forms.sign_in_trouble"
KEYS_REVEALS_PER_MINUTE = number("KEYS_REVEALS_PER_MINUTE", 30)
KEYS_CHANGES_PER_MINUTE = number("KEYS_CHANGES_PER_MINUTE", 20)
KEYS_MAIL_MANAGERS = flag("KEYS_MAIL_MANAGERS", True)
KEYS_REMINDER_DAYS = names("KEYS_REMINDER_DAYS") or ["30", "7", "1"]
for _days in KEYS_REMINDER_DAYS:
    fitting("KEYS_REMINDER_DAYS", _days, r"[1-9][0-9]{0,2}", "Name days before the end, from 1 to 999, as in 30,7,1.")
KEYS_REMINDER_CALLS_PER_SECOND = number("KEYS_REMINDER_CALLS_PER_SECOND", 5)
KEYS_ACTOR = "portal.accounts.actor.actor_of"
KEYS_LANGUAGES = "portal.languages.spoken_by"  # who reads what, for mails to several
KEYS_TIME_ZONES = "portal.languages.time_zones_of"
KEYS_TIME_ZONE_COOKIE = "timezone" if DEBUG else "__Host-timezone"
KEYS_LONGEST_DAYS = number("KEYS_LONGEST_DAYS", 3650)
KEYS_SHOW_METADATA = names("KEYS_SHOW_METADATA")
KEYS_FORMAT = environment.key_format("KEYS_FORMAT")  # found in texts and logs beside Zuplo's own
KEYS_VARIABLE = text("KEYS_VARIABLE", "API_KEY")
KEYS_WARN_DAYS = number("KEYS_WARN_DAYS", 7, least=0)
KEYS_WARN_OLD_DAYS = number("KEYS_WARN_OLD_DAYS", 180, least=0)
KEYS_WARN_ENDLESS = flag("KEYS_WARN_ENDLESS", True)

# Plans: none, those that Zuplo keeps (a preview API), or the portal's own from Django admin

PLANS = text("PLANS", "off")
if PLANS not in {"off", "zuplo", "portal"}:
    wrong("PLANS", "must be off, zuplo or portal.")
# Where people see and change their plan.
PLANS_URL = web_address("PLANS_URL") or ("" if PLANS == "off" else "/plans/")
PLAN_REQUESTS_TO = names("PLAN_REQUESTS_TO")
for _address in PLAN_REQUESTS_TO:
    fitting("PLAN_REQUESTS_TO", _address, r"[^\s@<>]+@[^\s@<>]+", "Name each address as in sales@example.com.")
# Payment by Stripe, for plans of the portal's own that name a price of Stripe.
STRIPE_API_KEY = text("STRIPE_API_KEY")
if STRIPE_API_KEY:
    fitting("STRIPE_API_KEY", STRIPE_API_KEY, r"(sk|rk)_[A-Za-z0-9_]+", "It begins with sk_ or rk_.")
STRIPE_WEBHOOK_SECRET = text("STRIPE_WEBHOOK_SECRET")
if STRIPE_API_KEY and not STRIPE_WEBHOOK_SECRET:
    wrong("STRIPE_WEBHOOK_SECRET", "is not set. Copy the signing secret of the webhook from Stripe.")
STRIPE_API_URL = web_address("STRIPE_API_URL", "https://api.stripe.com", https=not DEBUG)
KEYS_PANELS = "" if PLANS == "off" else "plans.web.panels.PlanPanels"

# Django

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
INSTALLED_APPS = [
    "portal",
    "keys",
    "plans",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "portal.accounts.oidc",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.github",
    "csp",
    "django_htmx",
    "hijack",
]
MIDDLEWARE = [
    "portal.observability.request_log.log_request",
    "portal.middleware.response_headers",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.screen_request",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.backends.sessions.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.middleware.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.accounts.sessions.expire_sessions",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "portal.support.middleware.Impersonation",
    "portal.accounts.middleware.RequireStepUp",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.ErrorPages",
]
TEMPLATES = [
    {
        "NAME": "django",
        "BACKEND": "portal.backends.templates.Engine",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["portal.backends.templates.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context_processors.site",
            ],
            "builtins": ["keys.templatetags.keys"],
            "libraries": {"portal": "keys.templatetags.memoised"},  # templates of operators may still load it
        },
    },
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["portal.formats"]
LANGUAGE_COOKIE_NAME = "language"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "portal.backends.bundles.BundleFinder",
]
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

if not DEBUG and number("WEB_CONCURRENCY", 1) > 1 and not text("REDIS_URL"):
    wrong(
        "WEB_CONCURRENCY",
        "needs REDIS_URL, or each process counts guesses for itself. Set REDIS_URL, or one process.",
    )
DATABASES = {"default": environment.database(BASE_DIR / ".demo" / "portal.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": environment.cache()}
# In the database alone: a copy in Redis would outlive a sign-out during which Redis was not to be reached.
SESSION_ENGINE = "portal.backends.sessions"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Sign-in: an email address, proved by a code that works in the browser that asked for it, and nowhere else.
# Never by a link: whoever opens a link would prove an address for whoever typed it in. A password may be
# added later by the person; sign-up never asks for one, so nobody can set one on somebody else's address.

AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["portal.backends.password_hasher.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{_name}"}
    for _name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "keys:page"
LOGOUT_REDIRECT_URL = "home"

ACCOUNT_ADAPTER = "portal.accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "portal.accounts.forms.SignInForm",
    "signup": "portal.accounts.forms.SignUpForm",
    "reset_password": "portal.accounts.email_codes.ResetForm",
    "confirm_login_code": "portal.accounts.email_codes.LoginCodeForm",
    "confirm_email_verification_code": "portal.accounts.email_codes.ProofCodeForm",
    "confirm_password_reset_code": "portal.accounts.email_codes.ResetCodeForm",
    "set_password": "portal.accounts.password_forms.SetPasswordForm",
    "change_password": "portal.accounts.password_forms.ChangePasswordForm",
    "reset_password_from_key": "portal.accounts.password_forms.ResetPasswordKeyForm",
}
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
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = 1_000_000  # as often as `mail_limits` lets anybody
# Another address for an account that is being proved would let two people meet in one account.
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = False
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = 1_000_000
ACCOUNT_LOGIN_TIMEOUT = 10 * 60
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_PASSWORD_RESET_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _portal.scheme
# Counted in the cache: with several processes they hold only if REDIS_URL is set. "key" is the address: only wrong
# passwords are counted by it. Of codes a stranger who asks on and on would use up the owner's, in her own browser too;
# how many go to one address is for portal/accounts/mail_limits.py to say.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "request_login_code": "20/m/ip",
    "signup": "20/m/ip",
    "confirm_email": "20/m/ip",
    "manage_email": "10/m/user",
    "reset_password": "20/m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
    "step_up": "3/m/user",
}
# Mails that anybody can cause, in an hour and in a day; see portal/accounts/mail_limits.py.
CODE_MAILS_TO_ADDRESS = (12, 40)
CODE_MAILS_TO_ADDRESS_BY_CLIENT = (8, 24)
_mails = number("CODE_MAILS_PER_CLIENT", 100)
CODE_MAILS_BY_CLIENT = (_mails, 4 * _mails)
# A proof for what matters is asked for by the portal itself: allauth would let people without a password through.
STEP_UP_MINUTES = number("STEP_UP_MINUTES", 120)
KEYS_STEP_UP_URL = "step_up"
KEYS_ADDRESSES_URL = "account_email"
KEYS_STAFF_URL = "admin:index"
# Passkeys, an authenticator app, recovery codes
MFA_ADAPTER = "portal.accounts.mfa.MFAAdapter"
MFA_FORMS = {
    "add_webauthn": "portal.accounts.mfa.AddPasskeyForm",
    "edit_webauthn": "portal.accounts.mfa.RenamePasskeyForm",
    "login_webauthn": "portal.accounts.mfa.SignInByPasskeyForm",
    "authenticate": "portal.accounts.mfa.SecondStepForm",
    "authenticate_webauthn": "portal.accounts.mfa.SecondStepByPasskeyForm",
    "reauthenticate": "portal.accounts.mfa.ProofByCodeForm",
    "reauthenticate_webauthn": "portal.accounts.mfa.ProofByPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["webauthn", "totp", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # a passkey proves who holds it by finger, face or PIN
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG  # http://localhost
STAFF_SECOND_FACTOR = flag("STAFF_SECOND_FACTOR", default=not DEBUG)

# Company sign-in
SOCIALACCOUNT_PROVIDERS = sso_providers.providers()
SOCIALACCOUNT_ADAPTER = "portal.accounts.sso.ProviderAdapter"
SOCIALACCOUNT_FORMS = {"signup": "portal.accounts.sso.ProviderSignUpForm"}
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # no account is opened without its own proof
SOCIALACCOUNT_REQUESTS_TIMEOUT = 3
LOCAL_SIGN_UP = flag("LOCAL_SIGN_UP", default=True)
LOCAL_SIGN_IN = flag("LOCAL_SIGN_IN", default=True)
if not LOCAL_SIGN_IN and not SOCIALACCOUNT_PROVIDERS:
    wrong("LOCAL_SIGN_IN", "is off and there is no provider: nobody could sign in. Set 1, or name a provider.")
SIGN_UP_DOMAINS = sso_providers.domains("SIGN_UP_DOMAINS")
PROVIDER_DOMAINS = sso_providers.provider_domains(SOCIALACCOUNT_PROVIDERS)

SESSION_HOURS = number("SESSION_HOURS", 7 * 24)
STAFF_SESSION_HOURS = number("STAFF_SESSION_HOURS", 12)
SESSION_IDLE_MINUTES = number("SESSION_IDLE_MINUTES", 12 * 60)
STAFF_SESSION_IDLE_MINUTES = number("STAFF_SESSION_IDLE_MINUTES", 60)
SESSION_COOKIE_AGE = SESSION_HOURS * 60 * 60

# Support: colleagues who look at the portal as a customer does, see `portal/support/`, and what is kept of it

SUPPORT_MINUTES = number("SUPPORT_MINUTES", 60)
if SUPPORT_MINUTES > 60:
    wrong("SUPPORT_MINUTES", "is more than an hour. Use a number from 1 to 60.")
SUPPORT_MAIL_CUSTOMER = flag("SUPPORT_MAIL_CUSTOMER", default=True)
AUDIT_DAYS = number("AUDIT_DAYS", 400)

# Mail goes into a table first, see `portal/mail/outbox.py`; what EMAIL_URL names delivers it.

_mail = environment.mail()
OUTBOX_BACKEND = _mail.pop("EMAIL_BACKEND")
vars().update(_mail)
EMAIL_BACKEND = "portal.mail.outbox.EmailBackend"
MAIL_IMMEDIATELY = flag("MAIL_IMMEDIATELY", default=True)

# RFC 5321, 4.5.3.2: for each command, and for the answer to the whole mail. No person waits for them.
EMAIL_TIMEOUT = 5 * 60
MAIL_DECISION_TIMEOUT = 10 * 60
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL", formataddr((PORTAL_NAME, f"portal@{_portal.hostname}")))
if "@" not in parseaddr(DEFAULT_FROM_EMAIL)[1] or not DEFAULT_FROM_EMAIL.isprintable():
    wrong("DEFAULT_FROM_EMAIL", "must read like Example Portal <portal@example.com>.")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
MAIL_DOMAIN = environment.mail_domain(parseaddr(DEFAULT_FROM_EMAIL)[1])

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
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "portal.views.csrf_failure"
if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_SSL_HOST = _portal.netloc
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # probes speak plain http
    if TRUSTED_PROXY_COUNT:  # without a proxy of the operator's the header is the client's word
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365
    # About other hosts of the operator's, and hard to take back: a choice, of which Django need not remind anybody.
    SECURE_HSTS_INCLUDE_SUBDOMAINS = flag("HSTS_SUBDOMAINS", default=False)
    SECURE_HSTS_PRELOAD = flag("HSTS_PRELOAD", default=False)
    if SECURE_HSTS_PRELOAD and not SECURE_HSTS_INCLUDE_SUBDOMAINS:
        wrong("HSTS_PRELOAD", "needs HSTS_SUBDOMAINS=1: browsers' lists take no host without its subdomains.")
    # The first looks for Django's own middleware by its name; ours is derived from it.
    SILENCED_SYSTEM_CHECKS = ["security.W003", "security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_SECURE = True
    CSRF_COOKIE_NAME = "__Host-csrf"
    LANGUAGE_COOKIE_SECURE = True
    LANGUAGE_COOKIE_NAME = "__Host-language"

# What operators see

LOG_LEVEL = text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    wrong("LOG_LEVEL", "must be one of DEBUG, INFO, WARNING and ERROR.")
LOG_FORMAT = text("LOG_FORMAT", "lines" if DEBUG else "json")
if LOG_FORMAT not in {"lines", "json"}:
    wrong("LOG_FORMAT", "must be lines or json.")
LOGGING = logs.configuration(LOG_LEVEL, LOG_FORMAT)
METRICS_TOKEN = text("METRICS_TOKEN")
if METRICS_TOKEN:
    fitting("METRICS_TOKEN", METRICS_TOKEN, r"[!-~]{16,}", "Use one word of at least 16 random characters.")
METRICS_FOLDER = text("PROMETHEUS_MULTIPROC_DIR")  # made by gunicorn.conf.py
if METRICS_FOLDER and not environment.may_write_in(METRICS_FOLDER):
    wrong("PROMETHEUS_MULTIPROC_DIR", "names no folder where the portal may write. Make it, or leave it to gunicorn.")
SENTRY_DSN = text("SENTRY_DSN")
if SENTRY_DSN:
    fitting("SENTRY_DSN", SENTRY_DSN, r"https?://\w+@[^/\s@]+/(\S+/)?\d+", "Copy it from the project in Sentry.")

environment.stop_if_anything_is_wrong()
