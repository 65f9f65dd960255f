"""Leak response: find whose a leaked key is without keeping it, expire it, and mail all who manage it."""

from django.core import signing
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from keys import refusals
from keys.audit.notifications import managers_to_tell
from keys.http import Request
from keys.models import Action
from keys.service.idempotency import Change
from keys.service.keyring import require_live
from keys.staff.consumers import offset_of, page_context, redirect_with_message, render_form
from keys.staff.decorators import SAFE, changing, with_directory
from keys.staff.directory import Directory
from keys.staff.forms import FindKeyForm, LeakForm
from keys.staff.search.criteria import matching_fingerprint
from keys.staff.search.fingerprint import Fingerprint
from keys.web.portal_or_admin import render_here

require_form = require_http_methods(["GET", "HEAD", "POST"])


@sensitive_post_parameters("value")
@sensitive_variables("form", "sought")
@require_form
@with_directory
def find(request: Request, directory: Directory) -> HttpResponse:
    """Search by a pasted key. It comes by POST alone; the form that goes on holds HMACs of its ending."""
    directory.check_view()
    form = FindKeyForm() if request.method in SAFE or "sought" in request.POST else FindKeyForm(request.POST)
    sought = _sought(request, form)
    stretch = directory.look_through(offset_of(request), matching_fingerprint(sought)) if sought else None
    context = page_context(directory) | {
        "title": _("Find a key"),
        "form": form,
        "stretch": stretch,
        "sought": sought.token if sought else "",
        "is_outdated": "sought" in request.POST and sought is None,
    }
    return render_here(request, "keys/find.html", context, status=422 if form.errors else 200)


def _sought(request: Request, form: FindKeyForm) -> Fingerprint | None:
    """The fingerprint of the key just pasted, or the one that the form carried on."""
    if form.is_bound:
        return Fingerprint.of(form.cleaned_data["value"]) if form.is_valid() else None
    try:
        return Fingerprint.from_token(request.POST.get("sought", ""))
    except (signing.BadSignature, ValueError, AttributeError):
        return None


@require_form
@with_directory
@changing(Action.CHANGE_END)
def leaked(request: Request, directory: Directory, name: str, key_id: str) -> HttpResponse:
    consumer = directory.consumer(name)
    key = consumer.key(key_id)
    data = None if request.method in SAFE else request.POST
    form = LeakForm(data, url=request.path, ending=key.ending)
    if form.is_valid():
        wish = form.cleaned_data
        change = directory.change_end(name, key_id, ends=wish["ends_on"], token=wish["token"], found=wish["found"])
        return redirect_with_message(request, directory, change.consumer, _what_was_done(change, wish["found"]))
    return render_form(request, directory, "_leaked", form, consumer=consumer, key=require_live(key))


def _what_was_done(change: Change, found: str) -> str:
    sentences = [_("The key has expired."), refusals.sentence()] if change.has_ended_old else [_("Expiry changed.")]
    if found and managers_to_tell(change.consumer):
        sentences.append(_("Its managers get an email."))
    elif found:
        sentences.append(_("No one was emailed: it has no manager with an email address."))
    return " ".join(sentences)
