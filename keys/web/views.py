"""Views of the API Keys page and its verbs: form in, one call of the key ring, template out."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, push_url, trigger_client_event

from keys import refusals
from keys.access import may_see
from keys.audit import history
from keys.audit.notifications import address_asked_for
from keys.conf import settings
from keys.errors import NotFound
from keys.http import Request
from keys.models import Action
from keys.panels import panels, plans_url
from keys.provisioning import rules_for
from keys.service import access_requests
from keys.service.idempotency import Change
from keys.service.keyring import KeyRing, check_rotate_all, require_live
from keys.service.lifetimes import renewed_end
from keys.service.people import people_of
from keys.service.replacements import with_replacements
from keys.types import ApiKey, Consumer
from keys.web import key_health, told
from keys.web.decorators import allowed, with_keyring
from keys.web.forms import (
    LABEL_LENGTH,
    AccessRequestForm,
    CreateForm,
    EndForm,
    LabelForm,
    ManagerForm,
    OnceForm,
    RotateAllForm,
    RotateForm,
)
from keys.web.hand_over import FORMS
from keys.web.history import history_of_key
from keys.web.portal_or_admin import in_admin, is_colleague_elsewhere, page_of, render_here
from keys.zuplo import gateway

CONSUMERS_ON_A_PAGE = 25
FIND_FROM = 6  # consumers, below which everything is in sight anyhow
require_form = require_http_methods(["GET", "HEAD", "POST"])


# The one page that is long, and it holds no secret: to compress those that do would tell of them by their length.
@gzip_page
@require_safe
@with_keyring
def page(request: Request, ring: KeyRing, name: str = "") -> HttpResponse:
    """All consumers of the person, or the one that is named: invitations lead to it."""
    mine, words = ring.consumers(), request.GET.get("find", "").strip()[:LABEL_LENGTH]
    if mine.is_empty and is_colleague_elsewhere(request):
        return redirect(settings.KEYS_STAFF_URL)
    known = with_replacements([one for one in mine.consumers if name in {"", one.name}], ring.environment)
    if name and not known:
        raise NotFound("absent, or not this person's")
    health = key_health.findings(known)
    only = next((finding for finding in health if finding.name == request.GET.get("only")), None)
    found = [consumer for consumer in known if consumer.matches(words) and (only is None or only.of(consumer))]
    consumers = Paginator(found, CONSUMERS_ON_A_PAGE).get_page(request.GET.get("page"))
    cards = _cards(ring, consumers.object_list)
    beside = panels().of_consumers(ring, cards)
    cards = [replace(consumer, panel=beside.get(consumer.name, "")) for consumer in cards]
    if only:
        cards = [replace(consumer, keys=only.of(consumer)) for consumer in cards]
    consumers.object_list = [consumer.narrowed(words) for consumer in cards]
    context = {
        "consumers": consumers,
        "environments": list(settings.ZUPLO_BUCKETS),
        "addresses": ring.actor.emails,
        "addresses_url": settings.KEYS_ADDRESSES_URL and resolve_url(settings.KEYS_ADDRESSES_URL),
        "is_newcomer": mine.is_empty,
        "access_form": AccessRequestForm() if mine.is_empty and access_requests.may_ask(ring.actor) else None,
        "panel": panels().for_newcomer(ring) if mine.is_empty and ring.actor.emails else "",
        "unread": mine.unread,
        "health": health,
        "only": only,
        "words": words,
        "can_find": words or len(mine.consumers) >= FIND_FROM or any(consumer.has_many_keys for consumer in cards),
    }
    return render(request, "keys/page.html", _page_context(ring) | _requests(consumers.object_list) | context)


@require_safe
@with_keyring
def key_page(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    """Page of one key, also of one that is gone while its history is kept; for htmx a panel beside the list."""
    (consumer,) = with_replacements([ring.consumer(name)], ring.environment)
    events = history.of_key(ring.actor, ring.environment, name, key_id)
    key = None if consumer.lacks_key(key_id) else consumer.key(key_id)
    known = (key.label, key.masked) if key else history.last_known(events, key_id)
    if known is None:
        raise NotFound(f"{name} never had a key {key_id}, as far as is known")
    label, masked = known
    context = {
        "consumer": consumer,
        "key": key,
        "key_id": key_id,
        "title": label or _("Unnamed key"),
        "masked": masked,
        "replaces": consumer.replaces(key) if key else [],
        "back": page_of(request, ring.environment) + (f"#key-{key_id}" if key else f"#consumer-{name}"),
    }
    context |= _page_context(ring) | _requests() | {"first_key": key}
    context |= history_of_key(request, ring, consumer, events)
    if request.htmx:
        return push_url(render(request, "keys/_key_panel.html", context), False)  # the page is still the list's
    return render(request, "keys/key.html", context)


@require_POST
@with_keyring
def reveal(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    full = ring.reveal(name, key_id)
    context = _page_context(ring) | {"key": full.key, "value": full.value}
    if request.htmx:
        template = "keys/_key_card.html" if request.htmx.target == "key-card" else "keys/_key.html"
        return render(request, template, context)
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
    return _dialog(request, ring, "keys/_tried.html", **context)


@require_form
@with_keyring
@allowed(Action.CREATE)
def create(request: Request, ring: KeyRing, name: str = "") -> HttpResponse:
    form = CreateForm(_post_data(request), url=request.path)
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
    return _dialog(request, ring, "keys/_create.html", form, consumer=consumer)


@require_form
@with_keyring
@allowed(Action.ROTATE)
def rotate(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    form = RotateForm(_post_data(request), url=request.path)
    if form.is_valid():
        change = ring.rotate(name, key_id, old_ends=form.old_ends, token=form.cleaned_data["token"])
        return _new_key(request, ring, change)
    # When the new key ends may hang on the log, which is for managers: the row is believed only where it does not.
    known = told.key_of(request, name, key_id)
    key = require_live(known if known and not known.expires_on else _asked(ring, name, key_id))
    form.offer_until(key.expires_on)
    return _dialog(request, ring, "keys/_rotate.html", form, key=key, new_key_ends=renewed_end(key, ring.environment))


@require_form
@with_keyring
@allowed(Action.ROTATE_ALL)
def rotate_all(request: Request, ring: KeyRing, name: str) -> HttpResponse:
    form = RotateAllForm(_post_data(request), url=request.path)
    if form.is_valid():
        seen, token = form.cleaned_data["seen"], form.cleaned_data["token"]
        change = ring.rotate_all(name, old_ends=form.old_ends, token=token, seen=seen)
        return _new_key(request, ring, change)
    if consumer := told.consumer_of(request, name):
        form.initial["seen"], live = request.GET["mark"], int(request.GET["live"])
    else:
        consumer = ring.consumer(name)
        check_rotate_all(consumer)
        form.initial["seen"], live = consumer.mark, len(consumer.live_keys)
    return _dialog(request, ring, "keys/_rotate_all.html", form, consumer=consumer, live=live)


@require_form
@with_keyring
@allowed(Action.RENAME)
def rename(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    form = LabelForm(_post_data(request), url=request.path)
    if form.is_valid():
        change = ring.rename(name, key_id, label=form.new_label, token=form.cleaned_data["token"])
        return _changed(request, ring, change, _("The key has its new label."))
    key = _key(request, ring, name, key_id)
    form.shows(key.label)
    return _dialog(request, ring, "keys/_rename.html", form, key=key)


@require_form
@with_keyring
@allowed(Action.RENAME_CONSUMER)
def rename_consumer(request: Request, ring: KeyRing, name: str) -> HttpResponse:
    form = LabelForm(_post_data(request), url=request.path)
    if form.is_valid():
        change = ring.rename_consumer(name, label=form.new_label, token=form.cleaned_data["token"])
        return _changed(request, ring, change, _("The new label is saved."))
    consumer = told.consumer_of(request, name) or ring.consumer(name)
    form.shows(consumer.label)
    return _dialog(request, ring, "keys/_rename_consumer.html", form, consumer=consumer)


@require_form
@with_keyring
@allowed(Action.CHANGE_END)
def change_end(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    form = EndForm(_post_data(request), url=request.path)
    if form.is_valid():
        ends, token = form.cleaned_data["ends_on"], form.cleaned_data["token"]
        change = ring.change_end(name, key_id, ends=ends, token=token)
        ended = " ".join([_("The key has ended."), refusals.sentence()])
        return _changed(request, ring, change, ended if change.has_ended_old else _("The key has its new end."))
    key = require_live(_key(request, ring, name, key_id))
    form.shows(key.expires_on)
    return _dialog(request, ring, "keys/_end.html", form, key=key)


@require_form
@with_keyring
@allowed(Action.DELETE)
def delete(request: Request, ring: KeyRing, name: str, key_id: str) -> HttpResponse:
    form = OnceForm(_post_data(request), url=request.path)
    if form.is_valid():
        change = ring.delete(name, key_id, token=form.cleaned_data["token"])
        return _changed(request, ring, change, " ".join([_("The key is deleted."), *_refusal_of(change)]))
    if key := told.key_of(request, name, key_id):
        is_last = "last" in request.GET
    else:
        consumer = ring.consumer(name)
        key = consumer.key(key_id)
        is_last = consumer.live_keys == [key] and not consumer.unread_keys
    return _dialog(request, ring, "keys/_delete.html", form, key=key, last=is_last)


# Who manages a consumer


@require_safe
@with_keyring
def people(request: Request, ring: KeyRing, name: str) -> HttpResponse:
    return _people(request, ring, ring.consumer(name), ManagerForm())


@require_form
@with_keyring
@allowed(Action.ADD_MANAGER)
def add_manager(request: Request, ring: KeyRing, name: str) -> HttpResponse:
    form = ManagerForm(_post_data(request), url=request.path)
    form.initial["email"] = address_asked_for(request.GET.get("for", ""))
    if form.is_valid():
        email = form.cleaned_data["email"]
        change = ring.add_manager(name, email, token=form.cleaned_data["token"])
        notice = _("%(email)s has access now, and is invited by mail.") % {"email": email}
        return _changed(request, ring, change, notice)
    return _people(request, ring, ring.consumer(name), form)


@require_form
@with_keyring
@allowed(Action.REMOVE_MANAGER)
def remove_manager(request: Request, ring: KeyRing, name: str, manager_id: str) -> HttpResponse:
    form = OnceForm(_post_data(request), url=request.path)
    if form.is_valid():
        change = ring.remove_manager(name, manager_id, token=form.cleaned_data["token"])
        if not may_see(ring.actor, change.consumer):
            return _left(request, ring, change.consumer)
        email = change.event.facts["address"]
        return _changed(request, ring, change, _("%(email)s has no access any more.") % {"email": email})
    consumer = ring.consumer(name)
    manager = consumer.manager(manager_id)
    rules_for(ring.actor).may_remove_manager(ring.actor, consumer, manager)
    without = replace(consumer, managers=tuple(one for one in consumer.managers if one != manager))
    leaves = not may_see(ring.actor, without)
    return _dialog(request, ring, "keys/_remove_manager.html", form, consumer=consumer, manager=manager, leaves=leaves)


@require_POST
@with_keyring
def ask_for_access(request: Request, ring: KeyRing) -> HttpResponse:
    """The answer is the same whether there is such a consumer or not."""
    form = AccessRequestForm(request.POST)
    if form.is_valid():
        access_requests.ask(ring, form.cleaned_data["consumer"])
        messages.success(request, _("If that is right, the people with access are mailed. They can let you in."))
    for problem in form.errors.get("consumer", []):
        messages.error(request, str(problem))
    return HttpResponseRedirect(page_of(request, ring.environment), status=303)


def _people(request: Request, ring: KeyRing, consumer: Consumer, form: ManagerForm) -> HttpResponse:
    return _dialog(
        request,
        ring,
        "keys/_people.html",
        form,
        consumer=consumer,
        people=people_of(ring.actor, ring.environment, consumer),
        may_remove=ring.may_change_managers(consumer),
        why_not=ring.why_no_manager(consumer),
        has_proof=ring.has_proof(Action.ADD_MANAGER),
    )


def _left(request: Request, ring: KeyRing, consumer: Consumer) -> HttpResponse:
    """Redirect of somebody who has left, to what is still theirs."""
    messages.success(request, _("You have no access to %(title)s any more.") % {"title": consumer.title})
    page = page_of(request, ring.environment)
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page, status=303)


# What views share, also those of other apps


def first_key_response(request: Request, ring: KeyRing, change: Change) -> HttpResponse:
    """The answer to a newcomer's first key: the key, and behind it a page that has to be loaded anew."""
    response = _new_key(request, ring, change, has_card=False)
    return trigger_client_event(response, "page:stale")


def undone() -> str:
    """Notice for a form that is sent again, when its doing was taken back meanwhile."""
    return _("That was done when the form was first sent. It has been changed since.")


def _post_data(request: Request) -> Any:
    return request.POST if request.method == "POST" else None


def _key(request: Request, ring: KeyRing, name: str, key_id: str) -> ApiKey:
    """The key that a dialog is about: as the row shows it, or as it is at this moment."""
    return told.key_of(request, name, key_id) or _asked(ring, name, key_id)


def _asked(ring: KeyRing, name: str, key_id: str) -> ApiKey:
    (consumer,) = with_replacements([ring.consumer(name)], ring.environment)
    return consumer.key(key_id)


def _page_context(ring: KeyRing) -> dict[str, Any]:
    return {
        "environment": ring.environment,
        "can_reveal": ring.can_reveal,
        "can_change": ring.may(Action.CREATE),
    }


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


def _refusal_of(change: Change) -> list[str]:
    """When the gateway refuses the key that is gone, if it worked until now."""
    return [] if change.key is None or change.key.is_ended else [refusals.sentence()]


def _cards(ring: KeyRing, consumers: Iterable[Consumer]) -> list[Consumer]:
    """The consumers with what their cards say beside: why there may be no more keys."""
    return [replace(consumer, no_more=ring.why_no_more(consumer)) for consumer in consumers]


def _card_again(ring: KeyRing, consumer: Consumer) -> Consumer:
    """The consumer for a card that takes the place of the one on the page."""
    paired = with_replacements([consumer], ring.environment)
    return replace(_cards(ring, paired)[0], panel=panels().after_change(consumer))


def _back(request: Request, ring: KeyRing) -> str:
    """To the page that the verb came from: in Django admin each consumer has one."""
    name = request.resolver_match.kwargs.get("name", "") if request.resolver_match and in_admin(request) else ""
    return page_of(request, ring.environment, name)


def _dialog(
    request: Request, ring: KeyRing, partial: str, form: OnceForm | None = None, **context: Any
) -> HttpResponse:
    """The partial for htmx, or a page around it; 422 when the form came back with errors."""
    context |= _page_context(ring) | {"form": form, "back": _back(request, ring), "partial": partial}
    status = 422 if form and form.is_bound else 200
    if request.htmx:
        return render(request, partial, context, status=status)
    return render_here(request, "keys/dialog.html", context, status=status)


def _revealed(request: Request, ring: KeyRing, **context: Any) -> HttpResponse:
    """A page that shows a key for a minute: without the script nothing else takes it away again."""
    context["hands_over"] = not context.get("text") and not in_admin(request)
    response = _dialog(request, ring, "keys/_revealed.html", **context)
    response["Refresh"] = f"60; url={_back(request, ring)}"
    return response


def _changed(request: Request, ring: KeyRing, change: Change, notice: str) -> HttpResponse:
    """The consumer as it is now for htmx, or back to the page."""
    if change.is_gone:
        deleted = _("That was done when the form was first sent. The key has been deleted since.")
        notice = deleted if change.event.key_id else undone()
    own_page = _page_of_its_own(request, ring, change)
    if request.htmx and not own_page:
        context = _page_context(ring) | {"consumer": _card_again(ring, change.consumer), "notice": notice}
        response = render(request, "keys/_changed.html", context)
        return trigger_client_event(response, "dialog:close")
    messages.success(request, notice)
    if own_page:
        return HttpResponseClientRedirect(own_page)
    return HttpResponseRedirect(page_of(request, ring.environment, change.consumer.name), status=303)


def _page_of_its_own(request: Request, ring: KeyRing, change: Change) -> str:
    """URL of the key's own page, if a script asked from there: nothing of the list is there to be put right."""
    if not request.htmx or not change.event.key_id:
        return ""
    url = reverse("keys:key", args=[ring.environment, change.consumer.name, change.event.key_id])
    return url if urlsplit(request.htmx.current_url_abs_path or "").path == url else ""


def _new_key(request: Request, ring: KeyRing, change: Change, *, has_card: bool = True) -> HttpResponse:
    """The one answer that holds the new key; with htmx also the card of its consumer, where the page has one."""
    return _dialog(
        request,
        ring,
        "keys/_new_key.html",
        headline=_("Your new key"),
        change=change,
        key=change.key,
        value=change.value,
        consumer=_card_again(ring, change.consumer) if has_card else None,
        token=uuid.uuid4(),
        **_requests(),
    )
