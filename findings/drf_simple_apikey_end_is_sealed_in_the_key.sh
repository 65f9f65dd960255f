#!/usr/bin/env bash
# drf-simple-apikey 2.4.1 with Django 5.2.19, Django REST framework 3.18.3 (PyPI; Python 3.11): a key that gets a later end.
#
# Plausible guess: "Expires" in Django admin says when a key ends ("Once API key expires, entities cannot use it anymore").
#   Staff give a customer another month there before the end comes, and the key works for another month.
# What happens:    the end is sealed within the key when it is made, and only that is looked at; the column is written
#   again and never read. The key is refused as expired at its first end, while admin and `has_expired` say that it is good.
#   Its "created" is now the moment at which staff saved it. Only a new key has a new end; only "revoked" ends one earlier.
# Why it matters:  the customer was told a date, and the integration stops a month before it; support reads the same date
#   in the admin and looks for the fault elsewhere. A portal for API keys that moves such ends must give out a new key, or
#   say that it cannot, and must not tell a key's age by that "created".
# Source:          drf_simple_apikey/backends.py (payload["_exp"]) and models.py (`expiry_date`, `created` with auto_now).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check drf-simple-apikey==2.4.1 django==5.2.19 djangorestframework==3.18.3 \
    cryptography==50.0.2 2>/dev/null
cat >try.py <<'END'
import time
from datetime import timedelta
import django
from cryptography.fernet import Fernet
from django.conf import settings

settings.configure(
    DEBUG=True, SECRET_KEY="only for this", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], USE_TZ=True, TIME_ZONE="UTC",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite"}},
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                    "django.contrib.messages", "rest_framework", "drf_simple_apikey"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
        "context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                               "django.contrib.messages.context_processors.messages"]}}],
    DRF_API_KEY={"FERNET_SECRET": Fernet.generate_key().decode()},
)
django.setup()
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import path
from django.utils import timezone
from drf_simple_apikey.backends import APIKeyAuthentication
from drf_simple_apikey.models import APIKey
from rest_framework.response import Response
from rest_framework.views import APIView


class Hello(APIView):
    authentication_classes = [APIKeyAuthentication]

    def get(self, request):
        return Response("hello")


urlpatterns = [path("admin/", admin.site.urls), path("api/", Hello.as_view())]


def call(key):
    answer = Client().get("/api/", headers={"Authorization": f"Api-Key {key}"})
    return f"{answer.status_code} {answer.json() if answer.status_code == 200 else answer.json()['detail']}"


call_command("migrate", verbosity=0)
jane = User.objects.create_superuser("jane")
end = timezone.now() + timedelta(seconds=8)
row, key = APIKey.objects.create_api_key(entity=jane, name="integration", expiry_date=end)
print(f"before its end: {call(key)}")

staff, made, later = Client(), row.created, timezone.now() + timedelta(days=30)
staff.force_login(jane)
page = f"/admin/drf_simple_apikey/apikey/{row.pk}/change/"
time.sleep(1)
form = {"name": row.name, "expiry_date_0": f"{later:%Y-%m-%d}", "expiry_date_1": f"{later:%H:%M:%S}"}
saved = staff.post(page, form, follow=True)
assert b"was changed successfully" in saved.content, saved.content
row.refresh_from_db()
print(f"admin: {(row.expiry_date - timezone.now()).days + 1} days more; created later than it was: {row.created > made}")
while timezone.now() < end:
    time.sleep(0.5)
print(f"after its first end: {call(key)} It has expired, says its row: {row.has_expired}")
END
seen=$(timeout 60 venv/bin/python try.py 2>log) || { cat log; exit 1; }
echo "$seen"
[ "$seen" = "before its end: 200 hello
admin: 30 days more; created later than it was: True
after its first end: 403 API Key has already expired. It has expired, says its row: False" ] ||
    { echo "it behaves differently now"; exit 1; }
echo "As described."
