"""Views of reminders: who is reminded of what, and the calendar feed with its private address."""

import functools
import logging
import re
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.module_loading import import_string
from django.utils.text import get_text_list
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys.conf import settings
from keys.errors import ApiError, RateLimited
from keys.http import Request
from keys.redaction import Secret
from keys.reminders import calendar as feeds
from keys.reminders.preferences import ReminderRing
from keys.reminders.recipients import Muted
from keys.service import rate_limits
from keys.service.keyring import KeyRing
from keys.types import Consumer
from keys.web.actor import actor_of
from keys.web.decorators import View, with_keyring

logger = logging.getLogger(__name__)

CONSUMERS_ON_A_PAGE = 25
RETRY_AFTER = 600
"""Seconds after which a calendar program may ask again, where nobody says when."""


def with_reminders(view: View) -> View:
    """Call the view with the person's `ReminderRing` for the environment in the URL."""

    @with_keyring
    @functools.wraps(view)
    def signed_in(request: Request, ring: KeyRing, **parts: Any) -> HttpResponseBase:
        return view(request, ReminderRing(ring.actor, ring.environment, ring.api), **parts)

    return signed_in


@require_safe
@with_reminders
def page(request: Request, ring: ReminderRing) -> HttpResponse:
    mine = ring.consumers()
    consumers = Paginator(mine.consumers, CONSUMERS_ON_A_PAGE).get_page(request.GET.get("page"))
    muted = ring.muted(list(consumers.object_list))
    rows = [_row(ring, muted, one) for one in consumers.object_list]
    number = consumers.number if consumers.has_other_pages() else ""
    return _page(request, ring, token="", consumers=consumers, rows=rows, number=number, unread=mine.unread)


@require_POST
@with_reminders
def turn(request: Request, ring: ReminderRing, name: str) -> HttpResponse:
    """The consumer's row as it is now for htmx, or back to the page."""
    on = request.POST.get("on") == "1"
    consumer = ring.turn(name, on=on)
    said = _("Reminders for %(title)s turned on.") if on else _("Reminders for %(title)s turned off.")
    notice = said % {"title": consumer.title}
    number = request.POST.get("page", "")
    number = number if re.fullmatch("[0-9]{1,6}", number) else ""
    if request.htmx:
        _consumer, is_on, is_last = _row(ring, ring.muted([consumer]), consumer)
        context = {"consumer": consumer, "is_on": is_on, "is_last": is_last, "number": number, "notice": notice}
        context |= {"environment": ring.environment, "may_change": True}
        return render(request, "keys/_turned.html", context)
    messages.success(request, notice)
    return redirect(reverse("keys:reminders_in", args=[ring.environment]) + (f"?page={number}" if number else ""))


@require_http_methods(["GET", "HEAD", "POST"])
@with_reminders
def make_address(request: Request, ring: ReminderRing) -> HttpResponse:
    """The one answer that holds the address, for which nothing is asked upstream. A GET comes from a step-up."""
    if request.method != "POST":
        return redirect("keys:reminders")
    token = ring.make_calendar_address()
    return _page(request, ring, token=token, path=Secret(reverse("keys:calendar", args=[token])))


@require_POST
@with_reminders
def revoke_address(request: Request, ring: ReminderRing) -> HttpResponse:
    ring.revoke_calendar_address()
    messages.success(request, _("Calendar address revoked."))
    return redirect("keys:reminders")


def _row(ring: ReminderRing, muted: Muted, consumer: Consumer) -> tuple[Consumer, bool, bool]:
    """The consumer, whether the person is reminded of it, and whether nobody else is."""
    return consumer, muted.is_reminded(ring.actor, consumer), muted.is_last(ring.actor, consumer)


def _page(request: Request, ring: ReminderRing, **more: Any) -> HttpResponse:
    context = {
        "environment": ring.environment,
        "environments": list(settings.ZUPLO_BUCKETS),
        "days": get_text_list([str(days) for days in _days()], _("and")),
        "may_change": ring.actor.staff is None,
        "calendar": feeds.address_of(ring.actor.user_id),
        "portal_url": settings.PORTAL_URL,
    }
    return render(request, "keys/reminders.html", context | more)


def _days() -> list[int]:
    return sorted(set(map(int, settings.KEYS_REMINDER_DAYS)), reverse=True)


def for_calendars(view: View) -> View:
    """Answer a calendar program, which stores nothing, in plain text where something fails: later is all it can do."""

    @functools.wraps(view)
    def plain(request: Request, **parts: Any) -> HttpResponseBase:
        response: HttpResponseBase
        try:
            response = view(request, **parts)
        except ApiError as error:
            logger.warning("no calendar: %s: %s", type(error).__name__, error)
            status = 429 if isinstance(error, RateLimited) else 503
            response = HttpResponse(f"{error.title}\n", status=status, content_type="text/plain; charset=utf-8")
            response["Retry-After"] = str(error.retry_after or RETRY_AFTER)
        response["Cache-Control"] = "private, no-store"
        return response

    return plain


@transaction.non_atomic_requests
@require_safe
@for_calendars
def calendar(request: Request, token: str) -> HttpResponse:
    """The feed, for whoever has its address: there is no session, and nobody at the keyboard."""
    owner: Any = feeds.owner_of(token)
    if owner is None:
        raise Http404
    request.user, request.staff = owner, None
    actor = actor_of(request)
    rate_limits.count_calendar(actor)
    languages = import_string(settings.KEYS_LANGUAGES)(list(actor.emails))
    with override(languages.get(actor.email.lower()) or get_language()):
        return HttpResponse(feeds.feed(actor), content_type="text/calendar; charset=utf-8")
