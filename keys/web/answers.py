"""Shared answers of views, also for other apps: a dialog or a page around it, and what a change leads to."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from keys.http import Request
from keys.models import Action
from keys.panels import panels
from keys.service.idempotency import Change
from keys.service.keyring import KeyRing
from keys.service.replacements import with_replacements
from keys.types import Consumer
from keys.web.forms import OnceForm
from keys.web.listing import page_at, place_of
from keys.web.portal_or_admin import render_here

UNFINISHED = "keys.unfinished_copy"
"""Name in the session: the key page on which a copy is to be finished after a proof, since when, and of what."""
UNFINISHED_FOR = 600

require_form = require_http_methods(["GET", "HEAD", "POST"])


def undone() -> str:
    """Notice for a form that is sent again, when its doing was taken back meanwhile."""
    return _("This was done when you first sent the form. It has been changed since.")


def post_data(request: Request) -> Any:
    return request.POST if request.method == "POST" else None


def page_context(ring: KeyRing) -> dict[str, Any]:
    return {
        "environment": ring.environment,
        "can_reveal": ring.can_reveal,
        "can_change": ring.may(Action.CREATE),
        "for_staff": ring.actor.in_admin,
        "is_visit": ring.actor.on_visit,
    }


def cards_of(ring: KeyRing, consumers: Iterable[Consumer]) -> list[Consumer]:
    """The consumers with what their cards say beside: why there may be no more keys."""
    return [replace(one, no_more=why) if (why := ring.why_no_more(one)) else one for one in consumers]


def card_again(ring: KeyRing, consumer: Consumer) -> Consumer:
    """The consumer for a card that takes the place of the one on the page."""
    paired = with_replacements([consumer], ring.environment)
    return replace(cards_of(ring, paired)[0], panel=panels().after_change(consumer))


def back_to(request: Request, ring: KeyRing) -> str:
    """To the page that the verb came from: in Django admin each consumer has one."""
    name = request.resolver_match.kwargs.get("name", "") if request.resolver_match else ""
    return page_at(request, ring.environment, name)


def dialog_response(
    request: Request, ring: KeyRing, partial: str, form: OnceForm | None = None, **context: Any
) -> HttpResponse:
    """The partial for htmx, or a page around it; 422 when the form came back with errors."""
    place = place_of(request)
    context = {"place": place, "kept": place.query, "back": back_to(request, ring)} | context
    context |= page_context(ring) | {"form": form, "partial": partial}
    status = 422 if form and form.is_bound else 200
    if request.htmx:
        return render(request, partial, context, status=status)
    return render_here(request, "keys/dialog.html", context, status=status)


def changed_response(request: Request, ring: KeyRing, change: Change, notice: str) -> HttpResponse:
    """The consumer as it is now for htmx, or back to the page."""
    if change.is_gone:
        deleted = _("This was done when you first sent the form. The key has since been deleted.")
        notice = deleted if change.event.key_id else undone()
    own_page = _page_of_its_own(request, ring, change)
    if request.htmx and not own_page:
        context = page_context(ring) | {"consumer": card_again(ring, change.consumer), "notice": notice}
        response = render(request, "keys/_changed.html", context | {"place": place_of(request)})
        return trigger_client_event(trigger_client_event(response, "dialog:close"), "keys:changed")
    messages.success(request, notice)
    if own_page:
        return HttpResponseClientRedirect(own_page)
    return HttpResponseRedirect(page_at(request, ring.environment, change.consumer.name), status=303)


def _page_of_its_own(request: Request, ring: KeyRing, change: Change) -> str:
    """Path of a key's own page, if a script asked from there: nothing of the list is there to be put right."""
    path = urlsplit(request.htmx.current_url_abs_path or "").path if request.htmx else ""
    consumer = reverse("keys:consumer", args=[ring.environment, change.consumer.name])
    is_one = path.startswith(consumer) and "/" in path.removeprefix(consumer)
    return path if change.event.key_id and is_one else ""


def finish_copy_later(request: Request, page: str, what: str) -> None:
    request.session[UNFINISHED] = [page, int(time.time()), what]


def unfinished_copy(request: Request, ring: KeyRing) -> str:
    """Once, on the key's page to which somebody comes back from a proof: the copy to finish.

    "key", "request" or the name of a form to hand it over in; "" if nothing waits.
    """
    page, since, what = request.session.pop(UNFINISHED, ["", 0, ""])
    waits = page == request.path and time.time() - since < UNFINISHED_FOR and ring.has_proof(Action.COPY)
    return str(what) if waits else ""
