#!/usr/bin/env bash
# django-hijack 3.7.9 with django-allauth 65.21.1 (usersessions), Django 5.2.19 (PyPI; Python 3.11): support acts as a customer.
#
# Plausible guess: USERSESSIONS_TRACK_ACTIVITY is about times: with it and its middleware "last seen at" is kept up to date. Who
#   is listed among a customer's sessions, by which people find strangers in their account, has nothing to do with it.
# What happens:    hijack signs in by Django's login(), which allauth's list of sessions does not hear: without the setting a
#   visit of support is nowhere in it, and nobody can end it there. With the setting the middleware takes the visit for a
#   session of the customer's: the colleague's network address and browser stand in the list like a stranger's for as long as
#   the visit lasts. If the customer signs out other sessions then, the colleague's own sign-in is gone with it, as hijack
#   keeps that in the same session.
# Why it matters:  a portal for API keys tells people to sign out, and to rotate their keys, when they see a device that they
#   do not know. With the setting each visit is such an alarm and hands out a colleague's address; without it a visit is no
#   part of what the page calls all sessions. A portal has to say itself who visits, and that in the customer's history.
# Source:          hijack/views.py, AcquireUserView; allauth/usersessions/apps.py (allauth's own user_logged_in) and
#   middleware.py; seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'django==5.2.19' 'django-allauth==65.21.1' 'django-hijack==3.7.9' 2>/dev/null
cat >urls.py <<'END'
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("hijack/", include("hijack.urls")),
    path("who/", lambda request: HttpResponse(str(request.user))),
]
END
cat >try.py <<'END'
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for this", ROOT_URLCONF="urls", ALLOWED_HOSTS=["*"], LOGIN_REDIRECT_URL="/who/", USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                    "django.contrib.messages", "django.contrib.humanize", "allauth", "allauth.account",
                    "allauth.usersessions", "hijack"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware", "allauth.account.middleware.AccountMiddleware",
                "allauth.usersessions.middleware.UserSessionsMiddleware", "hijack.middleware.HijackUserMiddleware"],
    USERSESSIONS_TRACK_ACTIVITY=sys.argv[1] == "tracked",
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
        "context_processors": ["django.template.context_processors.request",
                               "django.contrib.auth.context_processors.auth",
                               "django.contrib.messages.context_processors.messages"]}}],
)
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

call_command("migrate", verbosity=0)
User.objects.create_user("customer", password="open sesame")
User.objects.create_superuser("colleague", password="open sesame")


def signed_in(name, address):
    client = Client(REMOTE_ADDR=address)
    client.post("/accounts/login/", {"login": name, "password": "open sesame"})
    assert client.get("/who/").text == name
    return client


def visits(client):
    client.post("/hijack/acquire/", {"user_pk": User.objects.get(username="customer").pk})
    assert client.get("/who/").text == "customer"


def listed():
    return "198.51.100.7" in customer.get("/accounts/sessions/").text


customer, colleague = signed_in("customer", "192.0.2.1"), signed_in("colleague", "198.51.100.7")
seen = {"before": listed()}
visits(colleague)
seen["during a visit"] = listed()
colleague.post("/hijack/release/")
seen["after it"] = listed()
visits(colleague)
customer.post("/accounts/sessions/")
left = colleague.get("/who/").text
print(f"{sys.argv[1]}: the colleague's address is in the customer's list", *(f"{when} {is_so}," for when, is_so in seen.items()), end=" ")
print(f"and the visitor whom the customer signed out is {left}")
END
seen=$(for way in tracked untracked; do rm -f db.sqlite; PYTHONWARNINGS=ignore venv/bin/python try.py $way 2>/dev/null; done)
echo "$seen"
[ "$seen" = "tracked: the colleague's address is in the customer's list before False, during a visit True, after it False, and the visitor whom the customer signed out is AnonymousUser
untracked: the colleague's address is in the customer's list before False, during a visit False, after it False, and the visitor whom the customer signed out is customer" ] || { echo "it behaves differently now"; exit 1; }
echo "As described: a setting about times decides whether a visit of support is a device of the customer's."
