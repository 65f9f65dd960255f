"""View decorators: hand views the plans of whoever is signed in."""

import functools
from typing import Any

from django.http import Http404, HttpResponseBase

from keys.http import Request
from keys.service.keyring import KeyRing
from keys.web.decorators import View, with_keyring
from plans.service.subscriptions import Subscriptions
from plans.sources import has_plans


def with_plans(view: View) -> View:
    """Call the view with the person's `Subscriptions` for the environment in the URL; 404 where there are no plans."""

    @with_keyring
    @functools.wraps(view)
    def signed_in(request: Request, ring: KeyRing, **parts: Any) -> HttpResponseBase:
        return view(request, Subscriptions(ring.actor, ring.environment, ring.api), **parts)

    @functools.wraps(signed_in)
    def with_plans_only(request: Request, **parts: Any) -> HttpResponseBase:
        if not has_plans():
            raise Http404
        return signed_in(request, **parts)

    return with_plans_only
