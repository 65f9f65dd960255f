"""Settings of an invented product, Tidewater, with the app `keys` inside; what that needs is marked with "keys:".

With PLANS=portal or PLANS=zuplo in the environment its customers have plans too; that part stands at the end.
"""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-trying-out")
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "tidewater",
    "keys",  # keys:
    "django_htmx",  # keys:
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "tidewater.middleware.strict_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "keys.middleware.KeysMiddleware",  # keys:
]
ROOT_URLCONF = "tidewater.urls"
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
            ],
        },
    },
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", BASE_DIR / "tidewater.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
TIME_ZONE = "America/Chicago"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
AUTH_USER_MODEL = "tidewater.Person"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

# keys: everything that it reads, where it differs from the defaults
KEYS = {
    "ZUPLO_API_URL": os.environ.get("ZUPLO_API_URL", "https://dev.zuplo.com"),
    "ZUPLO_ACCOUNT": os.environ.get("ZUPLO_ACCOUNT", ""),
    "ZUPLO_API_KEY": os.environ.get("ZUPLO_API_KEY", ""),
    "ZUPLO_BUCKETS": {
        "production": os.environ.get("ZUPLO_BUCKET", ""),
        "preview": os.environ.get("ZUPLO_PREVIEW_BUCKET", ""),
    },
    "KEYS_EMAIL_IS_VERIFIED": "tidewater.people.has_proved_the_address",
    "KEYS_STEP_UP_URL": "prove",
    "GATEWAY_URL": "https://api.tidewater.test",
    "PORTAL_NAME": "Tidewater",
    "PORTAL_URL": f"http://127.0.0.1:{os.environ.get('PORT', '8000')}",
}

# plans:
PLANS = os.environ.get("PLANS", "off")
if PLANS != "off":
    INSTALLED_APPS += ["plans"]
    KEYS |= {
        "PLANS": PLANS,
        "PLAN_REQUESTS_TO": ["sam@tidewater.test"],
        "KEYS_PANELS": "plans.web.panels.PlanPanels",
    }
