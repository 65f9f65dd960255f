"""Support by impersonation: a colleague looks at the portal as a customer does, and the customer's keys stay shut.

The session goes on being the colleague's own. It only says on whose behalf they look, and each request puts the
customer in the place of its user, after asking everything again: whoever is disabled, demoted or signed out, or whose
time is over, is out with the next request. Nobody ever holds a session of the customer; if this middleware were taken
out, colleagues would see their own pages. For other code it is a hijack as django-hijack makes it: its mark in the
session, `request.user.is_hijacked` and its signals. Its own views sign in as the customer, so they are not installed.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import ResolverMatch, reverse
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect
from hijack.signals import hijack_ended, hijack_started

from keys import audit
from keys.access import Actor, Right, Staff
from keys.errors import NotAllowed
from keys.models import Action, AuditEvent, VisitEnd
from portal.language import spoken_by
from portal.models import User
from portal.sessions import renew_id

logger = logging.getLogger(__name__)

MAY_SUPPORT, MAY_CHANGE = "portal.support_user", "portal.change_as_user"
VISIT, HIJACK = "support", "hijack_history"
REASON_LENGTH = 200

OPEN = {"home", "theme", "icon", "language", "support_stop", "account_logout"}
"""What is open to support beside the pages of keys; everything else is the customer's own business."""

GetResponse = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class Visit:
    """What the session says: since when and until when whose portal is looked at, and the event that began it."""

    event: int
    customer: int
    staff: int
    email: str
    staff_email: str
    reason: str
    until: float

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp(self.until, UTC)

    @property
    def minutes_left(self) -> int:
        return max(1, round((self.until - time.time()) / 60))


def why_not(colleague: Any, customer: User) -> str:
    """The sentence that keeps this colleague from looking as this customer; "" if nothing does."""
    if not (colleague.is_active and colleague.is_staff and colleague.has_perm(MAY_SUPPORT)):
        return _("You have no permission to look at the portal as a customer.")
    if customer.pk == colleague.pk:
        return _("This is your own account.")
    if customer.is_staff or customer.is_superuser:
        return _("Nobody looks at the portal as a colleague: staff are not supported this way.")
    if not customer.is_active:
        return _("This account is disabled.")
    return ""


# Beginning and ending


def begin(request: HttpRequest, customer: User, reason: str) -> None:
    """Look as the customer from the next request on; raises `NotAllowed`, which is recorded like the rest."""
    colleague = cast(User, request.user)
    addresses = EmailAddress.objects.filter(user=customer, verified=True).order_by("-primary", "email")
    proved = tuple(addresses.values_list("email", flat=True))
    actor = Actor(
        user_id=customer.pk,
        emails=proved or (customer.email,),
        address=get_adapter(request).get_client_ip(request),
        reference=getattr(request, "reference", ""),
        staff=Staff(colleague.pk, colleague.email, reason=reason),
    )
    until = timezone.now() + timedelta(minutes=settings.SUPPORT_MINUTES)
    with audit.recorded(actor, Action.SUPPORT, environment="", consumer="") as event:
        if VISIT in request.session:
            raise NotAllowed(_("You look at the portal as somebody else already. End that first."))
        if sentence := why_not(colleague, customer):
            raise NotAllowed(sentence)
        audit.note(event, until=until.isoformat())
    visit = Visit(event.pk, customer.pk, colleague.pk, actor.email, colleague.email, reason, until.timestamp())
    request.session[VISIT], request.session[HIJACK] = asdict(visit), [str(colleague.pk)]
    _renew(request)
    hijack_started.send(sender=None, request=request, hijacker=colleague, hijacked=customer)
    if proved:  # whose an unproved address is nobody knows
        tell_customer(event, colleague.has_perm(MAY_CHANGE), until)


def end(request: HttpRequest, visit: Visit, how: VisitEnd) -> None:
    """Be the colleague again, under yet another session id, if the session itself has not ended."""
    for name in (VISIT, HIJACK):
        request.session.pop(name, None)
    if request.session.session_key:
        _renew(request)
    if start := AuditEvent.objects.filter(pk=visit.event).first():
        address, reference = get_adapter(request).get_client_ip(request), getattr(request, "reference", "")
        audit.end_visit(start, how, address=address, reference=reference)
    people = User.objects.in_bulk([visit.staff, visit.customer])
    hijacker, hijacked = people.get(visit.staff), people.get(visit.customer)
    hijack_ended.send(sender=None, request=request, hijacker=hijacker, hijacked=hijacked)


def _renew(request: HttpRequest) -> None:
    """Ids and form tokens from before are worth nothing: what stands open in another window cannot be sent."""
    renew_id(request)
    rotate_token(request)


def tell_customer(event: AuditEvent, may_change: bool, until: datetime) -> None:
    """Mail who looks, why and until when. It has begun: trouble with the mail does not stop it, or hide it."""
    if not settings.SUPPORT_MAIL_CUSTOMER:
        return
    history = settings.PORTAL_URL + reverse("keys:activity")
    context = {"event": event, "may_change": may_change, "until": until, "history": history}
    with override(spoken_by([event.email]).get(event.email.lower()) or get_language()):
        body = render_to_string("support/mail.txt", context | {"portal_name": settings.PORTAL_NAME})
        subject = _("Support looks at your API keys page")
    try:
        EmailMessage(subject, body, to=[event.email]).send()
    except Exception:
        logger.exception("event %s: the customer could not be told", event.pk)


# Each request


class Support:
    """Puts the customer in the colleague's place, or ends it; and shuts all but the pages of keys meanwhile."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        visit = visit_of(request)
        if visit is None:
            return self.get_response(request)
        customer = User.objects.filter(pk=visit.customer).first()
        how = _over(request.user, customer, visit)
        if customer is None or how:
            end(request, visit, how or VisitEnd.CUSTOMER)
            return _ended(request, visit, how or VisitEnd.CUSTOMER)
        colleague = cast(User, request.user)
        rights = frozenset({Right.CHANGE}) if colleague.has_perm(MAY_CHANGE) else frozenset()
        staff = Staff(colleague.pk, colleague.email, rights, visit.reason)
        request.visit, request.colleague, request.staff = visit, colleague, staff  # type: ignore[attr-defined]
        request.user = customer
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponse | None:
        visit = getattr(request, "visit", None)
        match = cast(ResolverMatch, request.resolver_match)
        if visit is None or match.namespace == "keys" or (not match.app_names and match.url_name in OPEN):
            if visit and match.url_name == "account_logout" and request.method == "POST":
                self._sign_out(request, visit)
            return None
        logger.warning("support is kept out of %s", match.url_name)
        return render(request, "support/closed.html", {"visit": visit}, status=403)

    def _sign_out(self, request: HttpRequest, visit: Visit) -> None:
        """It is the colleague who leaves: the customer is signed out of nothing."""
        end(request, visit, VisitEnd.SIGNED_OUT)
        request.user = request.colleague  # type: ignore[attr-defined]


def visit_of(request: HttpRequest) -> Visit | None:
    """What the session says. Without a cookie, and for the operator's colours and icon, it is not even opened."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or request.path_info in _of_nobody():
        return None
    said = request.session.get(VISIT)
    return Visit(**said) if said else None


@cache
def _of_nobody() -> frozenset[str]:
    return frozenset({reverse("theme"), reverse("icon")})


def _over(colleague: Any, customer: User | None, visit: Visit) -> VisitEnd | None:
    """How it has ended, if it has; asked for every request."""
    if not colleague.is_authenticated or colleague.pk != visit.staff:
        return VisitEnd.SIGNED_OUT
    if visit.until <= time.time():
        return VisitEnd.TIME
    if not (colleague.is_staff and colleague.has_perm(MAY_SUPPORT)):
        return VisitEnd.RIGHTS
    if customer is None or why_not(colleague, customer):
        return VisitEnd.CUSTOMER
    return None


def _ended(request: HttpRequest, visit: Visit, how: VisitEnd) -> HttpResponse:
    """Whatever was asked for is not done, neither as the customer nor as the colleague."""
    if SESSION_KEY not in request.session:
        url = reverse("account_login")
        words = _("You were signed out, and with that your look at the portal as %(name)s has ended.")
    else:
        url = _page_of(request, visit)
        words = _("You do not look at the portal as %(name)s any more: it ended %(how)s.")
    messages.warning(request, words % {"name": visit.email, "how": how.label})
    if "HX-Request" in request.headers:
        return HttpResponseClientRedirect(url)
    return redirect(url)


def _page_of(request: HttpRequest, visit: Visit) -> str:
    """The customer's page in Django admin, for whoever may open it; else the start page."""
    may_open = request.user.is_staff and request.user.has_perm("portal.view_user")
    return reverse("admin:portal_user_change", args=[visit.customer]) if may_open else reverse("home")


@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """The button in the banner; pressed twice, the second time there is nothing to end."""
    visit = getattr(request, "visit", None)
    if visit is None:
        return redirect("home")
    end(request, visit, VisitEnd.STOPPED)
    request.user = request.colleague  # type: ignore[attr-defined]
    messages.success(request, _("You are yourself again."))
    return redirect(_page_of(request, visit))
