"""Support by impersonation: a colleague looks at the portal as a customer does, and the customer's keys stay shut.

The session goes on being the colleague's own. It only says on whose behalf they look, and each request puts the
customer in the place of its user, after asking everything again: whoever is disabled, demoted or signed out, or whose
time is over, is out with the next request. Nobody ever holds a session of the customer; if this middleware were taken
out, colleagues would see their own pages. For other code it is a hijack as django-hijack makes it: its mark in the
session, `request.user.is_hijacked` and its signals. Its own views sign in as the customer, so they are not installed.
"""

import logging
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.middleware.csrf import rotate_token
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from hijack.signals import hijack_ended, hijack_started

from keys.access import Actor, Staff
from keys.audit import log, visits
from keys.audit.visits import Visit
from keys.errors import NotAllowed
from keys.http import Request
from keys.models import Action, AuditEvent, VisitEnd
from keys.times import zone
from portal.accounts.sessions import renew_id
from portal.languages import spoken_by, time_zones_of
from portal.models import User

logger = logging.getLogger(__name__)

MAY_SUPPORT, MAY_CHANGE = "portal.support_user", "portal.change_as_user"
VISIT, HIJACK = "support", "hijack_history"
REASON_LENGTH = 200


def why_not(colleague: Any, customer: User) -> str:
    """Reason that keeps this colleague from looking as this customer; "" if nothing does."""
    if not (colleague.is_active and colleague.is_staff and colleague.has_perm(MAY_SUPPORT)):
        return _("You don't have permission to view the portal as a customer.")
    if customer.pk == colleague.pk:
        return _("This is your own account.")
    if customer.is_staff or customer.is_superuser:
        return _("You can't view the portal as a colleague: this is for customers only.")
    if not customer.is_active:
        return _("This account is disabled.")
    return ""


# Beginning and ending


def begin(request: Request, customer: User, reason: str) -> None:
    """Look as the customer from the next request on; raises `NotAllowed`, which is recorded like the rest."""
    colleague = cast(User, request.user)
    addresses = EmailAddress.objects.filter(user=customer, verified=True).order_by("-primary", "email")
    proved = tuple(addresses.values_list("email", flat=True))
    actor = Actor(
        user_id=customer.pk,
        emails=proved or (customer.email,),
        address=get_adapter(request).get_client_ip(request),
        reference=request.reference,
        staff=Staff(colleague.pk, colleague.email, reason=reason),
    )
    until = timezone.now() + timedelta(minutes=settings.SUPPORT_MINUTES)
    with log.recorded(actor, Action.SUPPORT, environment="", consumer="") as event:
        if VISIT in request.session:
            raise NotAllowed(_("You're already viewing the portal as someone else. Stop that first."))
        if sentence := why_not(colleague, customer):
            raise NotAllowed(sentence)
        log.note(event, until=until.isoformat())
    visit = Visit(event.pk, customer.pk, colleague.pk, actor.email, colleague.email, reason, until.timestamp())
    request.session[VISIT], request.session[HIJACK] = asdict(visit), [str(colleague.pk)]
    _renew(request)
    hijack_started.send(sender=None, request=request, hijacker=colleague, hijacked=customer)
    if proved:  # whose an unproved address is nobody knows
        tell_customer(event, colleague.has_perm(MAY_CHANGE), until)


def end(request: Request, visit: Visit, how: VisitEnd) -> None:
    """End impersonation under yet another session id (session fixation), if the session itself has not ended."""
    for name in (VISIT, HIJACK):
        request.session.pop(name, None)
    if request.session.session_key:
        _renew(request)
    if start := AuditEvent.objects.filter(pk=visit.event).first():
        address, reference = get_adapter(request).get_client_ip(request), request.reference
        visits.end_visit(start, how, address=address, reference=reference)
    people = User.objects.in_bulk([visit.staff, visit.customer])
    hijacker, hijacked = people.get(visit.staff), people.get(visit.customer)
    hijack_ended.send(sender=None, request=request, hijacker=hijacker, hijacked=hijacked)


def _renew(request: Request) -> None:
    """Ids and form tokens from before are worth nothing: what stands open in another window cannot be sent."""
    renew_id(request)
    rotate_token(request)


def tell_customer(event: AuditEvent, may_change: bool, until: datetime) -> None:
    """Mail who looks, why and until when. It has begun: trouble with the mail does not stop it, or hide it."""
    if not settings.SUPPORT_MAIL_CUSTOMER:
        return
    history = settings.PORTAL_URL + reverse("keys:activity")
    context = {"event": event, "may_change": may_change, "until": until, "history": history}
    address = event.email.lower()
    context |= {
        "portal_name": settings.PORTAL_NAME,
        "portal_url": settings.PORTAL_URL,
        "portal_support_url": settings.PORTAL_SUPPORT_URL,
    }
    with (
        override(spoken_by([address]).get(address) or get_language()),
        timezone.override(zone(time_zones_of([address]).get(address, ""))),
    ):
        body = render_to_string("support/mail.txt", context)
        subject = _("Support is viewing your API keys page")
    try:
        EmailMessage(subject, body, to=[event.email]).send()
    except Exception:
        logger.exception("event %s: the customer could not be told", event.pk)


# Each request


def page_of(request: Request, visit: Visit) -> str:
    """The customer's page in Django admin, for whoever may open it; else the start page."""
    may_open = request.user.is_staff and request.user.has_perm("portal.view_user")
    return reverse("admin:portal_user_change", args=[visit.customer]) if may_open else reverse("home")
