"""Typed request: Django's `HttpRequest` with the attributes that the middleware of the site sets."""

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from keys.access import Staff
from keys.audit.visits import Visit


class Request(HttpRequest):
    """For annotations only: no request is ever made of it.

    `htmx` is there after `HtmxMiddleware`. The portal's first middleware sets the others; the keys app asks for them
    with a default, for it also serves in projects without the portal.
    """

    htmx: HtmxDetails
    reference: str
    """Correlation id, in the log, on error pages and in `X-Request-ID`."""
    signed_in: int | None
    """Primary key of the person signed in, once somebody has asked for `user`: the log asks nobody."""
    current_app: str
    """URL namespace that the names of `keys` mean on this page, if it is not the one of the address."""
    staff: Staff | None
    """The colleague at the keyboard, in the admin or in support; None for customers."""
    visit: Visit | None
    """Impersonation: the visit under way, whose customer is `user`."""
    colleague: AbstractBaseUser | None
    """Impersonation: the account that is really signed in."""
