"""Impersonation middleware: put the customer in the colleague's place for one request, or end the visit."""

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import ResolverMatch, reverse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from keys.access import Right, Staff
from keys.audit.visits import Visit
from keys.http import Request
from keys.models import VisitEnd
from portal.models import User
from portal.support.impersonation import MAY_CHANGE, MAY_SUPPORT, VISIT, end, page_of, why_not

logger = logging.getLogger(__name__)

OPEN = {"home", "theme", "icon", "language", "support_stop", "account_logout"}
"""Open to support beside the pages of keys; everything else is the customer's own business."""

GetResponse = Callable[[Request], HttpResponse]


class Impersonation:
    """Put the customer in the colleague's place, or end the visit; and shut all but the pages of keys meanwhile."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponse:
        visit = visit_of(request)
        if visit is None:
            return self.get_response(request)
        customer = User.objects.filter(pk=visit.customer).first()
        how = _reason_to_end(request.user, customer, visit)
        if customer is None or how:
            end(request, visit, how or VisitEnd.CUSTOMER)
            return _redirect_after_end(request, visit, how or VisitEnd.CUSTOMER)
        colleague = cast(User, request.user)
        rights = frozenset({Right.CHANGE}) if colleague.has_perm(MAY_CHANGE) else frozenset()
        staff = Staff(colleague.pk, colleague.email, rights, visit.reason)
        request.visit, request.colleague, request.staff = visit, colleague, staff
        request.user = customer
        customer.is_hijacked = True
        return self.get_response(request)

    def process_view(self, request: Request, *_view: object) -> HttpResponse | None:
        visit = request.visit
        match = cast(ResolverMatch, request.resolver_match)
        if visit is None or match.namespace in {"keys", "plans"} or (not match.app_names and match.url_name in OPEN):
            if visit and match.url_name == "account_logout" and request.method == "POST":
                self._sign_out(request, visit)
            return None
        logger.warning("support is kept out of %s", match.url_name)
        return render(request, "support/closed.html", {"visit": visit}, status=403)

    def _sign_out(self, request: Request, visit: Visit) -> None:
        """Sign the colleague out: the customer is signed out of nothing."""
        end(request, visit, VisitEnd.SIGNED_OUT)
        request.user = cast(User, request.colleague)


def visit_of(request: Request) -> Visit | None:
    """Visit in the session. Without a cookie, and for the operator's colours and icon, that is not even opened."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or request.path_info in _public_paths():
        return None
    said = request.session.get(VISIT)
    return Visit(**said) if said else None


@cache
def _public_paths() -> frozenset[str]:
    return frozenset({reverse("theme"), reverse("icon")})


def _reason_to_end(colleague: Any, customer: User | None, visit: Visit) -> VisitEnd | None:
    """Reason why the visit has ended, if it has; asked for every request."""
    if not colleague.is_authenticated or colleague.pk != visit.staff:
        return VisitEnd.SIGNED_OUT
    if visit.until <= time.time():
        return VisitEnd.TIME
    if not (colleague.is_staff and colleague.has_perm(MAY_SUPPORT)):
        return VisitEnd.RIGHTS
    if customer is None or why_not(colleague, customer):
        return VisitEnd.CUSTOMER
    return None


def _redirect_after_end(request: Request, visit: Visit, how: VisitEnd) -> HttpResponse:
    """Redirect: what was asked for is not done, neither as the customer nor as the colleague."""
    if SESSION_KEY not in request.session:
        url = reverse("account_login")
        words = _("You've been signed out, so you're no longer viewing the portal as %(name)s.")
    else:
        url = page_of(request, visit)
        words = _("You're no longer viewing the portal as %(name)s (%(how)s).")
    messages.warning(request, words % {"name": visit.email, "how": how.label})
    if "HX-Request" in request.headers:
        return HttpResponseClientRedirect(url)
    return redirect(url)
