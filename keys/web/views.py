"""Views of the API Keys page and its verbs: form in, one call of the key ring, template out."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import push_url, reswap, retarget, trigger_client_event

from keys import refusals
from keys.audit import history
from keys.conf import settings
from keys.errors import NotFound
from keys.http import Request
from keys.models import Action
from keys.panels import panels, plans_url
from keys.provisioning import rules_for
from keys.service import access_requests
from keys.service.idempotency import Change
from keys.service.keyring import KeyRing, check_rotate_all, require_live
from keys.service.lifetimes import own_end, renewed_end
from keys.service.replacements import with_replacements
from keys.types import ApiKey, Consumer
from keys.web import key_health, told
from keys.web.answers import (
    back_to,
    card_again,
    cards_of,
    changed_response,
    dialog_response,
    page_context,
    post_data,
    require_form,
    unfinished_copy,
)
from keys.web.decorators import allowed, with_keyring
from keys.web.forms import (
    AccessRequestForm,
    CreateForm,
    EndForm,
    KeepForm,
    LabelForm,
    OnceForm,
    RotateAllForm,
    RotateForm,
)
from keys.web.hand_over import FORMS
from keys.web.history import history_of_key
from keys.web.listing import Place, place_of, row_at
from keys.web.portal_or_admin import in_admin, is_colleague_elsewhere, page_of
from keys.zuplo import gateway

CONSUMERS_ON_A_PAGE = 25
FIND_FROM = 6  # consumers, below which everything is in sight anyhow


# The one page that is long, and it holds no secret: to compress those that do would tell of them by their length.
@gzip_page
@require_safe
@with_keyring
def page(request: Request, ring: KeyRing, name: str = "") -> HttpResponse:
    """All consumers of the person; or the one that is named, with its search and pages: invitations lead there."""
    mine, place = ring.consumers(), place_of(request)
    if mine.is_empty and is_colleague_elsewhere(request):
        return redirect(settings.KEYS_STAFF_URL)
    known = with_replacements([one for one in mine.consumers if name in {"", one.name}], ring.environment)
    if name in MOVED and not known:
        return moved(request, ring.environment, name)
    if name and not known:
        raise NotFound("absent, or not this person's")
    carried = place if name else Place(only=place.only)  # whose page and words are about consumers
    context = page_context(ring) | {"place": place, "carried": carried, "is_own_page": bool(name)}
    if name and request.htmx.target == f"keys-{name}":
        return render(request, "keys/_found_keys.html", context | {"consumer": known[0]})
    words, health = "" if name else place.find, key_health.findings(known)
    context["health"] = health
    only = next((finding for finding in health if finding.name == place.only), None)
    if request.htmx.target == "health":
        return render(request, "keys/_health.html", context | {"only": only})
    found = [one for one in known if one.matches(words) and (not only or key_health.concerned(only.name, one))]
    consumers = Paginator(found, CONSUMERS_ON_A_PAGE).get_page(1 if name else place.page)
    cards = cards_of(ring, consumers.object_list)
    beside = panels().of_consumers(ring, cards)
    consumers.object_list = [replace(one, panel=beside[one.name]) if one.name in beside else one for one in cards]
    if not name:
        context["place"] = replace(place, page=1)
    context |= {
        "consumers": consumers,
        "environments": list(settings.ZUPLO_BUCKETS),
        "addresses": ring.actor.emails,
        "addresses_url": "" if ring.actor.emails else _addresses_url(),
        "is_newcomer": mine.is_empty,
        "access_form": AccessRequestForm() if mine.is_empty and access_requests.may_ask(ring.actor) else None,
        "panel": panels().for_newcomer(ring) if mine.is_empty and ring.actor.emails else "",
        "unread": mine.unread,
        "only": only,
        "words": words,
        "can_find": not name and (words or len(mine.consumers) >= FIND_FROM),
        "has_others": name and len(mine.consumers) > 1,
    }
    return render(request, "keys/page.html", _requests(consumers.object_list) | context)


def _addresses_url() -> str:
    """Where somebody without a proved address can prove one; "" where the project has no such page."""
    return resolve_url(settings.KEYS_ADDRESSES_URL) if settings.KEYS_ADDRESSES_URL else ""


MOVED = {"activity": "activity_in", "activity.csv": "activity_csv", "reminders": "reminders_in"}
MOVED |= {"ask": "ask", "create": "create"}
"""Pages by their old names behind an environment, where a consumer of the same name stands today."""


def moved(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Redirect from the old address, forms with what they send."""
    query = request.META.get("QUERY_STRING", "")
    url = reverse(f"keys:{MOVED[name]}", args=[environment]) + (f"?{query}" if query else "")
    return HttpResponse(status=307 if request.method == "POST" else 302, headers={"Location": url})


@transaction.non_atomic_requests
def consumer_or_moved(request: HttpRequest, environment: str, name: str) -> HttpResponseBase:
    """The page of a consumer of this name, which takes no forms; or the redirect from an old address."""
    if request.method == "POST":
        return moved(request, environment, name)
    return page(request, environment=environment, name=name)


ASKED = {"rotate", "keep", "rename", "end", "delete"}
"""Verbs that the buttons of a row name: an address in each would be most of a long page."""


@require_safe
@with_keyring
def key_page(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    """Page of one key; for htmx a panel beside the list. Without JavaScript a row asks it for the page of a verb."""
    if request.GET.get("ask") in ASKED:
        return redirect(f"{request.path}{request.GET['ask']}/{place_of(request).query}")
    context = key_context(request, ring, name, key_id)
    context["finishes_copy"] = "" if request.htmx else unfinished_copy(request, ring)
    if request.htmx:
        return push_url(render(request, "keys/_key_panel.html", context), False)  # the page is still the list's
    return render(request, "keys/key.html", context)


def key_context(request: Request, ring: KeyRing, name: str, key_id: str) -> dict[str, Any]:
    """Context of the page of a key, also of one that is gone while its history is kept."""
    (consumer,) = with_replacements([ring.consumer(name)], ring.environment)
    events = history.of_key(ring.actor, ring.environment, name, key_id)
    key = None if consumer.lacks_key(key_id) else consumer.key(key_id)
    known = (key.label, key.masked) if key else history.last_known(events, key_id)
    if known is None:
        raise NotFound(f"{name} never had a key {key_id}, as far as is known")
    label, masked = known
    back = row_at(request, ring.environment, consumer, key_id) if key else page_of(request, ring.environment, name)
    context: dict[str, Any] = {
        "consumer": consumer,
        "key": key,
        "key_id": key_id,
        "title": label or _("Unnamed key"),
        "masked": masked,
        "replaces": consumer.replaces(key) if key else [],
        "place": place_of(request),
        "back": back,
    }
    context |= page_context(ring) | _requests() | {"first_key": key}
    return context | history_of_key(request, ring, consumer, events, key_id)


@require_POST
@with_keyring
def reveal(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    full = ring.reveal(name, key_id)
    context = page_context(ring) | {"key": full.key, "value": full.value}
    if request.htmx.target == "key-card":
        return render(request, "keys/_key_card.html", context | {"place": place_of(request)})
    if request.htmx:  # the buttons of rows say no more than where they lead: there are many
        return reswap(retarget(render(request, "keys/_key.html", context), "closest [data-key]"), "outerHTML")
    return _revealed(request, ring, **context)


@require_POST
@with_keyring
def copy(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    """The bare key, or a text with it, for the script that puts it on the clipboard; without the script a page."""
    wanted = request.POST.get("form", "")
    if wanted and wanted not in FORMS:
        raise BadRequest("a form of which there is no text")
    form = FORMS.get(wanted)
    full = ring.reveal(name, key_id, action=Action.COPY, **({"form": form.title} if form else {}))
    text = form.text(full.value) if form else full.value
    if request.htmx:
        return HttpResponse(text, content_type="text/plain; charset=utf-8")
    return _revealed(request, ring, key=full.key, value=text, text=form, copying=True)


@require_POST
@with_keyring
def try_key(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    """Send a request with the key to the operator's test route, and show what came back."""
    if not gateway.can_try():
        raise Http404
    key, trial = ring.try_key(name, key_id)
    context: dict[str, Any] = {"key": key, "trial": trial, "url": gateway.url(), "plans_url": plans_url()}
    if request.htmx:
        return render(request, "keys/_trial.html", context)
    return dialog_response(request, ring, "keys/_tried.html", **context)


@require_form
@with_keyring
@allowed(Action.CREATE)
def create(request: Request, ring: KeyRing, name: str = "") -> HttpResponse:
    form = CreateForm(post_data(request), url=request.path)
    if form.is_valid():
        wanted = {"label": form.cleaned_data["label"], "ends": form.key_ends, "token": form.cleaned_data["token"]}
        if name:
            return _new_key(request, ring, ring.create(name, **wanted))
        return first_key_response(request, ring, ring.create_first(**wanted))
    consumer = told.consumer_of(request, name) if name else None
    if name and not consumer:
        consumer = ring.consumer(name)
        rules_for(ring.actor).may_create(ring.actor, consumer)
    elif not name:
        ring.check_newcomer()
    return dialog_response(request, ring, "keys/_create.html", form, consumer=consumer)


@require_form
@with_keyring
@allowed(Action.ROTATE)
def rotate(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    form = RotateForm(post_data(request), url=request.path)
    if form.is_valid():
        change = ring.rotate(name, key_id, old_ends=form.old_ends, token=form.cleaned_data["token"])
        return _new_key(request, ring, change)
    # When the new key ends may hang on the log, which is for managers: the row is believed only where it does not.
    known = told.key_of(request, name, key_id)
    key = require_live(known if known and not known.expires_on else _asked(ring, name, key_id))
    form.offer_until(key.expires_on)
    return dialog_response(
        request, ring, "keys/_rotate.html", form, key=key, new_key_ends=renewed_end(key, ring.environment)
    )


@require_form
@with_keyring
@allowed(Action.CHANGE_END)
def keep(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    """Of a key that was replaced: let it expire now, or keep it until another time within its own end."""
    form = KeepForm(post_data(request), url=request.path)
    if form.is_valid():
        change = ring.change_end(name, key_id, ends=form.old_ends, token=form.cleaned_data["token"], keeps=True)
        return changed_response(request, ring, change, _said_of_end(change))
    key = require_live(_asked(ring, name, key_id))
    form.offer_until(own_end(key, ring.environment) if key.is_replaced else key.expires_on)
    is_now = "now" in {request.GET.get("grace"), form.data.get("grace")}
    return dialog_response(request, ring, "keys/_end_now.html" if is_now else "keys/_keep.html", form, key=key)


@require_form
@with_keyring
@allowed(Action.ROTATE_ALL)
def rotate_all(request: Request, ring: KeyRing, name: str) -> HttpResponse:
    form = RotateAllForm(post_data(request), url=request.path)
    if form.is_valid():
        seen, token = form.cleaned_data["seen"], form.cleaned_data["token"]
        new = {"ends": form.key_ends, "each": form.cleaned_data["new"] == "each"}
        return _new_key(request, ring, ring.rotate_all(name, old_ends=form.old_ends, token=token, seen=seen, **new))
    if consumer := told.consumer_of(request, name):
        form.initial["seen"], live = request.GET["mark"], int(request.GET["live"])
    else:
        consumer = ring.consumer(name)
        check_rotate_all(consumer)
        form.initial["seen"], live = consumer.mark, len(consumer.live_keys)
    return dialog_response(request, ring, "keys/_rotate_all.html", form, consumer=consumer, live=live)


@require_form
@with_keyring
@allowed(Action.RENAME)
def rename(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    form = LabelForm(post_data(request), url=request.path)
    if form.is_valid():
        change = ring.rename(name, key_id, label=form.new_label, token=form.cleaned_data["token"])
        return changed_response(request, ring, change, _("Renamed."))
    key = _key(request, ring, name, key_id)
    form.shows(key.label)
    return dialog_response(request, ring, "keys/_rename.html", form, key=key)


@require_form
@with_keyring
@allowed(Action.RENAME_CONSUMER)
def rename_consumer(request: Request, ring: KeyRing, name: str) -> HttpResponse:
    form = LabelForm(post_data(request), url=request.path)
    if form.is_valid():
        change = ring.rename_consumer(name, label=form.new_label, token=form.cleaned_data["token"])
        return changed_response(request, ring, change, _("Renamed."))
    consumer = told.consumer_of(request, name) or ring.consumer(name)
    form.shows(consumer.label)
    return dialog_response(request, ring, "keys/_rename_consumer.html", form, consumer=consumer)


@require_form
@with_keyring
@allowed(Action.CHANGE_END)
def change_end(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    form = EndForm(post_data(request), url=request.path)
    if form.is_valid():
        ends, token = form.cleaned_data["ends_on"], form.cleaned_data["token"]
        change = ring.change_end(name, key_id, ends=ends, token=token)
        return changed_response(request, ring, change, _said_of_end(change))
    key = require_live(_key(request, ring, name, key_id))
    form.shows(key.expires_on)
    return dialog_response(request, ring, "keys/_end.html", form, key=key)


@require_form
@with_keyring
@allowed(Action.DELETE)
def delete(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    form = OnceForm(post_data(request), url=request.path)
    if form.is_valid():
        change = ring.delete(name, key_id, token=form.cleaned_data["token"])
        return changed_response(request, ring, change, " ".join([_("Key deleted."), *_refusal_of(change)]))
    if key := told.key_of(request, name, key_id):
        is_last = "last" in request.GET
    else:
        consumer = ring.consumer(name)
        key = consumer.key(key_id)
        is_last = consumer.live_keys == [key] and not consumer.unread_keys
    return dialog_response(request, ring, "keys/_delete.html", form, key=key, last=is_last)


# What they share


def first_key_response(request: Request, ring: KeyRing, change: Change) -> HttpResponse:
    """The answer to a newcomer's first key: the key, and behind it a page that has to be loaded anew."""
    response = _new_key(request, ring, change, has_card=False)
    return trigger_client_event(response, "page:stale")


def _key(request: Request, ring: KeyRing, name: str, key_id: str) -> ApiKey:
    """The key that a dialog is about: as the row shows it, or as it is at this moment."""
    return told.key_of(request, name, key_id) or _asked(ring, name, key_id)


def _asked(ring: KeyRing, name: str, key_id: str) -> ApiKey:
    (consumer,) = with_replacements([ring.consumer(name)], ring.environment)
    return consumer.key(key_id)


def _requests(consumers: Iterable[Consumer] = ()) -> dict[str, Any]:
    """Context of ready requests; the first key that works stands in them until another one is chosen."""
    name, before = gateway.header()
    first = next((key for consumer in consumers for key in consumer.live_keys), None)
    return {
        "gateway_url": settings.GATEWAY_URL,
        "request_url": gateway.url(),
        "header": name,
        "before_key": before,
        "can_try": gateway.can_try(),
        "first_key": first,
    }


def _said_of_end(change: Change) -> str:
    """Notice of another end; of one that has come also when the gateway refuses the key."""
    return " ".join([_("The key has expired."), refusals.sentence()]) if change.has_ended_old else _("Expiry changed.")


def _refusal_of(change: Change) -> list[str]:
    """When the gateway refuses the key that is gone, if it worked until now."""
    return [] if change.key is None or change.key.is_ended else [refusals.sentence()]


def _revealed(request: Request, ring: KeyRing, **context: Any) -> HttpResponse:
    """A page that shows a key for a minute: without the script nothing else takes it away again."""
    context = {"text": None, "copying": False} | context
    context["hands_over"] = not context["text"]
    response = dialog_response(request, ring, "keys/_revealed.html", **context)
    response["Refresh"] = f"60; url={back_to(request, ring)}"
    return response


def _headline(ring: KeyRing, change: Change) -> str:
    """Title over a new key: what took its place, or whose it is, unless staff made it for others."""
    if change.event.action == Action.ROTATE and change.key:
        return _("%(title)s rotated") % {"title": change.key.title}
    return _("New key") if ring.actor.staff else _("Your new key")


def _new_one(change: Change) -> str:
    """The id of the key that the card is to show, wherever somebody was in its pages."""
    made = change.made[0].key if change.made else change.key
    return made.id if made else ""


def _new_key(request: Request, ring: KeyRing, change: Change, *, has_card: bool = True) -> HttpResponse:
    """The one answer that holds the new key; with htmx also the card of its consumer, where the page has one."""
    new = _new_one(change)
    response = dialog_response(
        request,
        ring,
        "keys/_new_keys.html" if change.made or change.left else "keys/_new_key.html",
        headline=_headline(ring, change),
        back=row_at(request, ring.environment, change.consumer, new) if new else back_to(request, ring),
        change=change,
        key=change.key,
        value=change.value,
        consumer=card_again(ring, change.consumer) if has_card else None,
        place=replace(place_of(request), key=new),
        token=uuid.uuid4(),
        **_requests(),
    )
    return trigger_client_event(response, "keys:changed") if request.htmx and not in_admin(request) else response
