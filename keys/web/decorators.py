"""View decorators: hand views the key ring of whoever is signed in."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import Http404, HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from keys.conf import settings
from keys.http import Request
from keys.models import Action
from keys.service.keyring import KeyRing
from keys.web.actor import actor_of
from keys.web.time_zones import time_zone_of
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline

View = Callable[..., HttpResponseBase]
Ring = TypeVar("Ring", bound=KeyRing)


def with_keyring(view: View) -> View:
    """Call the view with the signed-in person's key ring for the environment in the URL, the first by default.

    Answers are for this one person at this one moment, and differ for htmx. A request is no transaction, also where
    ATOMIC_REQUESTS makes each one: a failure would take along what the audit log says of it.
    """

    @transaction.non_atomic_requests
    @_kept_by_nobody
    @functools.wraps(view)
    def signed_in(request: Request, environment: str | None = None, **parts: Any) -> HttpResponseBase:
        environment = environment or next(iter(settings.ZUPLO_BUCKETS))
        if environment not in settings.ZUPLO_BUCKETS:
            raise Http404
        if not request.user.is_authenticated:
            page = reverse("keys:environment", args=[environment])
            return redirect_to_login(request.get_full_path() if request.method == "GET" else page)
        with timezone.override(time_zone_of(request)):
            return view(request, keyring_for(request, environment), **parts)

    return signed_in


def _kept_by_nobody(view: View) -> View:
    """Headers of Django's `never_cache` and `vary_on_headers`, which take them apart and join them anew each time."""

    @functools.wraps(view)
    def kept_by_nobody(request: Request, *args: Any, **parts: Any) -> HttpResponseBase:
        response = view(request, *args, **parts)
        response["Cache-Control"] = "max-age=0, no-cache, no-store, must-revalidate, private"
        response["Vary"] = "HX-Request"
        return response

    return kept_by_nobody


def allowed(action: Action) -> Callable[[View], View]:
    """Check permission and step-up, as the verb will, before its form is shown rather than after it was filled in."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def asked(request: Request, ring: KeyRing, **parts: Any) -> HttpResponseBase:
            if request.method != "POST":
                ring.check_right(action)
                ring.check_proof(action)
            return view(request, ring, **parts)

        return asked

    return decorate


def keyring_for(request: Request, environment: str, kind: type[Ring] = KeyRing) -> Ring:  # type: ignore[assignment]
    """Key ring of the person signed in, with one deadline for all upstream calls of the page."""
    return kind(actor_of(request), environment, api_for(environment))


def api_for(environment: str) -> DeveloperAPI:
    return DeveloperAPI(settings.ZUPLO_BUCKETS[environment], Deadline(settings.KEYS_PAGE_SECONDS))
