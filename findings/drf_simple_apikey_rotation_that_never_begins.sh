#!/usr/bin/env bash
# drf-simple-apikey 2.4.1 with Django 5.2.19, Django REST framework 3.18.3 (PyPI; Python 3.11): a rotation begun in Django admin.
#
# Plausible guess: whoever adds a rotation in Django admin is told "A rotation is enabled.", and from then on new keys are
#   sealed with ROTATION_FERNET_SECRET, while those sealed with FERNET_SECRET work on until its week is over.
# What happens:    whether there is a rotation is kept in Django's cache, and "none" is kept for ever: one call with a key,
#   any time before, is enough. Neither admin nor `manage.py rotation` forgets it. Keys go on being sealed with the old secret,
#   all week; only who empties the cache gets the rotation. With Redis or Memcached a restart changes nothing.
# Why it matters:  when the old secret is taken away after that week, each key that was made or renewed in it is refused,
#   at all customers at once. A portal for API keys must show by which secret a key was really made, or try one, before
#   anybody retires the other; a word of success is no proof, and "no" is not to be cached longer than "yes".
# Source:          drf_simple_apikey/rotation/utils.py, get_rotation_status(); rotation/admin.py, RotationAdmin.save_model().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check drf-simple-apikey==2.4.1 django==5.2.19 djangorestframework==3.18.3 \
    cryptography==50.0.2 2>/dev/null
cat >portal.py <<'END'
"""One run of a portal whose secrets are these: the current one, and the one to come, if any."""
import sys
import django
from django.conf import settings

current, *coming = sys.argv[1:]
settings.configure(
    DEBUG=True, SECRET_KEY="only for this", ROOT_URLCONF="portal", ALLOWED_HOSTS=["*"], USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite"}},
    CACHES={"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "cache"}},
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                    "django.contrib.messages", "rest_framework", "drf_simple_apikey", "drf_simple_apikey.rotation"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
        "context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                               "django.contrib.messages.context_processors.messages"]}}],
    DRF_API_KEY={"FERNET_SECRET": current, "ROTATION_FERNET_SECRET": coming[0] if coming else current},
)
django.setup()
from django.contrib import admin
from django.test import Client
from django.urls import path
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
END
cat >during.py <<'END'
from portal import APIKey, Client, call
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command

call_command("migrate", verbosity=0)
jane = User.objects.create_superuser("jane")
old = APIKey.objects.create_api_key(entity=jane, name="old")[1]
print(f"before: {call(old)}")
staff = Client()
staff.force_login(jane)
page = staff.post("/admin/drf_simple_apikey_rotation/rotation/add/", {"is_rotation_enabled": "on"}, follow=True)
print(f"admin: {'A rotation is enabled.' if b'A rotation is enabled.' in page.content else page.status_code}")
made = APIKey.objects.create_api_key(entity=jane, name="made in the week")[1]
cache.clear()
forgotten = APIKey.objects.create_api_key(entity=jane, name="made after the cache was emptied")[1]
print(f"in the week: {call(old)}, {call(made)}, {call(forgotten)}")
open("keys", "w").write(f"{old}\n{made}\n{forgotten}")
END
cat >after.py <<'END'
from portal import call
for words, key in zip(["old", "made in the week", "made after the cache was emptied"], open("keys").read().split()):
    print(f"after it, {words}: {call(key)}")
END
secret() { venv/bin/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'; }
old=$(secret) new=$(secret)
timeout 60 venv/bin/python during.py "$old" "$new" >said 2>log || { cat log; exit 1; }
rm -r cache
timeout 60 venv/bin/python after.py "$new" >>said 2>log || { cat log; exit 1; }
seen=$(cat said)
echo "$seen"
[ "$seen" = "before: 200 hello
admin: A rotation is enabled.
in the week: 200 hello, 200 hello, 200 hello
after it, old: 403 Invalid API Key.
after it, made in the week: 403 Invalid API Key.
after it, made after the cache was emptied: 200 hello" ] || { echo "it behaves differently now"; exit 1; }
echo "As described."
