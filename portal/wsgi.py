"""The WSGI application that gunicorn serves: never in debug mode unless that was asked for."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("DEBUG", "0")

application = get_wsgi_application()
