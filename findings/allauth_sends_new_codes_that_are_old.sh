#!/usr/bin/env bash
# django-allauth 65.21.1 with Django 5.2.19 (PyPI): a sign-in code that is sent anew is as old as the first one.
#
# Plausible guess: "resend" mails a new code, and a new code lives as long and has as many tries as any.
# What happens:    the code is a new one, the process it belongs to is the old one. Its start and its count of wrong
#   tries stay, so a code that was mailed two seconds ago is refused when the first one's time is over, and after one
#   wrong try on the first code the second has one try less. A sign-in that is begun anew has its whole time.
# Why it matters:  a portal for API keys says in its mails how long a code works. Who waits nine minutes for a mail that
#   is late, asks for another and enters it, is told that it is wrong; support then looks for a fault in the mail server.
# Source:          allauth/account/internal/flows/code_verification.py of the package (`state["at"]` is set once).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'django==5.2.19' 'django-allauth==65.21.1' 2>/dev/null
cat >try.py <<'END'
import re, time
import django
from django.conf import settings

LIFE = 4
settings.configure(
    SECRET_KEY="only for this", ROOT_URLCONF="urls", ALLOWED_HOSTS=["*"], DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite"}}, LOGIN_REDIRECT_URL="/in/",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                    "django.contrib.messages", "allauth", "allauth.account"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware", "allauth.account.middleware.AccountMiddleware"],
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
        "context_processors": ["django.template.context_processors.request"]}}],
    EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend", ACCOUNT_RATE_LIMITS=False,
    ACCOUNT_LOGIN_METHODS={"email"}, ACCOUNT_SIGNUP_FIELDS=["email*", "password1*"], ACCOUNT_LOGIN_BY_CODE_ENABLED=True,
    ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND=True, ACCOUNT_LOGIN_BY_CODE_TIMEOUT=LIFE, ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS=3,
)
django.setup()
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.test import Client

mail.outbox = []
call_command("migrate", verbosity=0)
jane = User.objects.create_user("jane", "jane@example.com")
EmailAddress.objects.create(user=jane, email=jane.email, verified=True, primary=True)


def asks():
    client = Client()
    client.post("/accounts/login/code/", {"email": jane.email})
    return client


def newest():
    return re.search(r"^([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})$", mail.outbox[-1].body, re.M)[1]


def gets_in(client, code):
    client.post("/accounts/login/code/confirm/", {"code": code})
    return "_auth_user_id" in client.session


def again(client):
    before = len(mail.outbox)
    client.post("/accounts/login/code/confirm/", {"action": "resend"})
    assert len(mail.outbox) == before + 1, "it is mailed"


client = asks()
time.sleep(LIFE - 1)
again(client)
time.sleep(2)
late = gets_in(client, newest())
print(f"a code sent anew after {LIFE - 1} s, entered 2 s later, where codes live {LIFE} s: {late}")

client = asks()
time.sleep(2)
fresh = gets_in(client, newest())
print(f"a first code, entered after 2 s: {fresh}")

client = asks()
gets_in(client, "WRONG1")
gets_in(client, "WRONG1")
again(client)
gets_in(client, "WRONG1")
used_up = gets_in(client, newest())
print(f"two wrong tries, a code sent anew, one wrong try, then the right one (three tries allowed): {used_up}")
assert (late, fresh, used_up) == (False, True, False)
END
cat >urls.py <<'END'
from django.urls import include, path

urlpatterns = [path("accounts/", include("allauth.urls"))]
END
timeout 60 venv/bin/python try.py 2>/dev/null
echo "as described"
