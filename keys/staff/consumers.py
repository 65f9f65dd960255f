"""Admin views of consumers: the list, one of them, and what only colleagues do to them."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from keys import refusals
from keys.conf import settings
from keys.http import Request
from keys.models import Action
from keys.panels import panels
from keys.service import confirmed_writes
from keys.service.idempotency import Change
from keys.service.replacements import with_replacements
from keys.staff.decorators import SAFE, changing, for_staff, with_directory
from keys.staff.directory import ON_A_PAGE, Directory, FirstKey
from keys.staff.fields import as_json
from keys.staff.forms import ConsumerForm, DeleteForm, FilterForm, NewConsumerForm
from keys.staff.search.unreachable import why_unseen
from keys.types import Consumer, NewConsumer
from keys.web.answers import undone
from keys.web.forms import ManagerForm, OnceForm
from keys.web.listing import Place, listing, page_at, place_of
from keys.web.portal_or_admin import ADMIN, page_of, render_here
from keys.web.views import key_context
from keys.zuplo import bucket_names

require_form = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@for_staff
def first(request: HttpRequest) -> HttpResponse:
    """Redirect from the index of Django admin to the first environment."""
    return redirect(f"{ADMIN}:environment", next(iter(settings.ZUPLO_BUCKETS)))


@require_safe
@with_directory
def page(request: Request, directory: Directory) -> HttpResponse:
    form = FilterForm(request.GET)
    offset, window, filters = offset_of(request), None, {}
    if form.is_valid():
        filters = {name: request.GET[name] for name, value in form.cleaned_data.items() if value}
        if name := form.cleaned_data["name"]:
            window = directory.named(name)
        else:
            window = directory.some(offset, email=form.cleaned_data["manager"], tag=form.cleaned_data["tag"])
    context = {
        "title": _("API Key Service"),
        "environments": bucket_names.environments(),
        "form": form,
        "filters": filters,
        "window": window,
        "first": offset + 1,
        "last": offset + len(window.items) + window.unread if window else 0,
        "previous": _query(filters, max(0, offset - ON_A_PAGE)) if offset else "",
        "next": _query(filters, window.next) if window and window.next is not None else "",
    }
    return render_here(
        request, "keys/consumers.html", page_context(directory) | context, status=200 if form.is_valid() else 422
    )


@require_safe
@with_directory
def consumer(request: Request, directory: Directory, name: str) -> HttpResponse:
    (found,) = with_replacements([directory.consumer(name)], directory.environment)
    context = {
        "title": found.title,
        "consumer": found,
        "place": place_of(request),
        "is_own_page": True,
        "metadata": as_json(found.metadata) if found.metadata else "",
        "unseen": why_unseen(found, lambda address, consumer: True),
    }
    return render_here(request, "keys/consumer.html", page_context(directory) | context)


@require_safe
@with_directory
def key(request: Request, directory: Directory, name: str, key_id: str) -> HttpResponse:
    """Page of one key: as its managers have it, with the verbs of colleagues."""
    context = key_context(request, directory, name, key_id)
    # Verbs lead from here to where the key stands in the list.
    context["place"] = listing(context["consumer"], Place(key=key_id)).place
    return render_here(request, "keys/key.html", page_context(directory) | context)


@require_form
@with_directory
@changing(Action.CREATE_CONSUMER)
def create(request: Request, directory: Directory) -> HttpResponse:
    form = NewConsumerForm(_post_data(request), url=request.path)
    if form.is_valid():
        wish = form.cleaned_data
        first = FirstKey(wish["key_label"], form.key_ends) if form.has_key else None
        change = directory.create_consumer(_new_consumer(wish), first, token=wish["token"])
        return _created(request, directory, change)
    return render_form(request, directory, "_create_consumer", form, title=_("Create consumer"))


def _new_consumer(wish: dict[str, Any]) -> NewConsumer:
    added = [{"email": email, "sub": confirmed_writes.sub_of(email)} for email in wish["managers"]]
    return NewConsumer(
        name=wish["name"],
        label=wish["label"],
        managers=tuple(wish["managers"]) if wish["invite"] else tuple(added),
        tags=wish["tags"],
        metadata=wish["metadata"],
    )


def _created(request: Request, directory: Directory, change: Change) -> HttpResponse:
    """With its first key the one page that shows it."""
    if change.key is None and not change.is_gone:
        return redirect_with_message(request, directory, change.consumer, _("Consumer created."))
    if change.key:
        messages.success(request, _("Consumer created."))
    context = {
        "change": change,
        "key": change.key,
        "value": change.value,
        "consumer": change.consumer,
        "partial": "keys/_new_key.html",
        "back": page_of(request, directory.environment, change.consumer.name),
    }
    return render_here(request, "keys/dialog.html", page_context(directory) | context)


@require_form
@with_directory
@changing(Action.CHANGE_CONSUMER)
def change(request: Request, directory: Directory, name: str) -> HttpResponse:
    form = ConsumerForm(_post_data(request), url=request.path, consumer=directory.consumer(name))
    if form.is_valid():
        change = directory.change_consumer(form.consumer, form.wanted, token=form.cleaned_data["token"])
        return redirect_with_message(request, directory, change.consumer, _("Consumer saved."))
    return render_form(request, directory, "_change_consumer", form, consumer=form.consumer)


@require_form
@with_directory
@changing(Action.DELETE_CONSUMER)
def delete(request: Request, directory: Directory, name: str) -> HttpResponse:
    form = DeleteForm(_post_data(request), url=request.path, name=name)
    if form.is_valid():
        change = directory.delete_consumer(name, token=form.cleaned_data["token"])
        words = _("%(title)s and all its keys were deleted.") % {"title": change.consumer.title}
        if change.consumer.live_keys:
            words += " " + refusals.sentence(many=True)
        messages.success(request, words)
        return HttpResponseRedirect(page_of(request, directory.environment), status=303)
    consumer = directory.consumer(name)
    beside = panels().before_deletion(directory, consumer)
    return render_form(request, directory, "_delete_consumer", form, consumer=consumer, beside=beside)


@require_form
@with_directory
@changing(Action.ADD_MANAGER)
def add_manager(request: Request, directory: Directory, name: str) -> HttpResponse:
    form = ManagerForm(_post_data(request), url=request.path)
    if form.is_valid():
        email = form.cleaned_data["email"]
        change = directory.add_manager(name, email, token=form.cleaned_data["token"])
        words = undone() if change.is_gone else _("%(email)s is now a manager.") % {"email": email}
        return redirect_with_message(request, directory, change.consumer, words)
    return render_form(request, directory, "_add_manager", form, consumer=directory.consumer(name))


@require_form
@with_directory
@changing(Action.REMOVE_MANAGER)
def remove_manager(request: Request, directory: Directory, name: str, manager_id: str) -> HttpResponse:
    form = OnceForm(_post_data(request), url=request.path)
    if form.is_valid():
        change = directory.remove_manager(name, manager_id, token=form.cleaned_data["token"])
        email = change.event.facts.get("address", "")
        words = undone() if change.is_gone else _("%(email)s is no longer a manager.") % {"email": email}
        return redirect_with_message(request, directory, change.consumer, words)
    found = directory.consumer(name)
    return render_form(request, directory, "_remove_manager", form, consumer=found, manager=found.manager(manager_id))


# What these views share


def _post_data(request: Request) -> Any:
    return None if request.method in SAFE else request.POST


def page_context(directory: Directory) -> dict[str, Any]:
    return {
        "environment": directory.environment,
        "can_reveal": directory.can_reveal,
        "can_change": directory.may(Action.CHANGE_CONSUMER),
        "mails_managers": settings.KEYS_MAIL_MANAGERS,
    }


def render_form(request: Request, directory: Directory, partial: str, form: Form, **context: Any) -> HttpResponse:
    """A form on a page of its own; 422 when it came back with errors."""
    consumer = context.get("consumer")
    context |= page_context(directory) | {
        "form": form,
        "partial": f"keys/{partial}.html",
        "kept": place_of(request).query,
        "back": page_at(request, directory.environment, consumer.name if consumer else ""),
    }
    return render_here(request, "keys/dialog.html", context, status=422 if form.is_bound else 200)


def redirect_with_message(request: Request, directory: Directory, consumer: Consumer, words: str) -> HttpResponse:
    messages.success(request, words)
    return HttpResponseRedirect(page_at(request, directory.environment, consumer.name), status=303)


def offset_of(request: Request, name: str = "from") -> int:
    """Offset in the list of all consumers; whatever else is sent means the beginning."""
    said = request.GET.get(name) or request.POST.get(name) or ""
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0


def _query(filters: dict[str, str], offset: int) -> str:
    return "?" + urlencode(filters | {"from": offset})
