"""WSGI application that gunicorn serves: never in debug mode unless that was asked for."""

import os

from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("DEBUG", "0")

application = get_wsgi_application()

# manage.py looks at the system checks by itself; a WSGI server does not.
if problems := [str(problem) for problem in run_checks() if problem.is_serious()]:
    raise ImproperlyConfigured("\n".join(problems))
