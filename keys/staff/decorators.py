"""View decorators for staff: Django admin checks who it is, the key ring what they may."""

import functools
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django_htmx.middleware import HtmxDetails

from keys.access import Staff, staff_rights
from keys.conf import settings
from keys.errors import NotFound
from keys.http import Request
from keys.models import Action
from keys.staff.directory import Directory
from keys.web.decorators import View, keyring_for
from keys.web.time_zones import time_zone_of

SAFE = {"GET", "HEAD"}


def for_staff(view: View, *, by_script: bool = False) -> View:
    """Call the view for a colleague in the own name.

    Pages here are whole ones, whatever script asks for them; only what copy.js asks for is answered to a script. No
    transaction is around them, as in `with_keyring`.
    """

    @transaction.non_atomic_requests
    @functools.wraps(view)
    def as_staff(request: Request, **parts: Any) -> HttpResponseBase:
        user = request.user
        assert user.is_authenticated  # noqa: S101, Django admin has seen to it
        request.staff = Staff(user.pk, user.email, staff_rights(user.has_perm))
        if not by_script:
            request.htmx = HtmxDetails(HttpRequest())
        with timezone.override(time_zone_of(request)):
            return view(request, **parts)

    return admin.site.admin_view(as_staff)


def with_directory(view: View) -> View:
    """Call the view with the directory of the environment in the URL."""

    @functools.wraps(view)
    def in_environment(request: Request, environment: str, **parts: Any) -> HttpResponseBase:
        if environment not in settings.ZUPLO_BUCKETS:
            raise NotFound("no such environment")
        directory = keyring_for(request, environment, Directory)
        if request.method in SAFE:
            directory.check_view()
        return view(request, directory, **parts)

    return for_staff(in_environment)


def changing(action: Action) -> Callable[[View], View]:
    """Permission check before a form is shown, as its verb will make it; a try to send it without is audited."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def asked(request: Request, directory: Directory, **parts: Any) -> HttpResponseBase:
            if request.method not in SAFE and not directory.may(action):
                directory.refuse(action, parts.get("name", ""))
            directory.check_right(action)
            directory.check_proof(action)
            return view(request, directory, **parts)

        return asked

    return decorate
