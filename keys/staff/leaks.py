"""A key that leaked: whose it is, without keeping it; then its end, and a mail to all who manage it."""

from django.core import signing
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.audit.notifications import managers_to_tell
from keys.models import Action
from keys.service.keyring import live
from keys.staff.consumers import done, of, offset_of, shown
from keys.staff.decorators import SAFE, changing, with_directory
from keys.staff.directory import Directory
from keys.staff.forms import LeakForm, SoughtForm
from keys.staff.search.criteria import fitting
from keys.staff.search.fingerprint import Sought
from keys.types import Consumer
from keys.web.decorators import Request
from keys.web.portal_or_admin import render_here

require_form = require_http_methods(["GET", "HEAD", "POST"])


@sensitive_post_parameters("value")
@sensitive_variables("form", "sought")
@require_form
@with_directory
def find(request: Request, directory: Directory) -> HttpResponse:
    """The key comes by POST alone, and is gone with the request: what goes on looking holds digests of its end."""
    directory.check_view()
    form = SoughtForm() if request.method in SAFE or "sought" in request.POST else SoughtForm(request.POST)
    sought = _sought(request, form)
    stretch = directory.look_through(offset_of(request), fitting(sought)) if sought else None
    context = of(directory) | {
        "title": _("Find a key"),
        "form": form,
        "stretch": stretch,
        "sought": sought.token if sought else "",
        "is_outdated": "sought" in request.POST and sought is None,
    }
    return render_here(request, "keys/find.html", context, status=422 if form.errors else 200)


def _sought(request: Request, form: SoughtForm) -> Sought | None:
    """What to look for: the key just pasted, or what stands for one pasted before."""
    if form.is_bound:
        return Sought.of(form.cleaned_data["value"]) if form.is_valid() else None
    try:
        return Sought.from_token(request.POST.get("sought", ""))
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
        return done(request, directory, change.consumer, _what_was_done(change.consumer, wish["found"]))
    return shown(request, directory, "_leaked", form, consumer=consumer, key=live(key))


def _what_was_done(consumer: Consumer, found: str) -> str:
    if not found:
        return _("The key ends.")
    if managers_to_tell(consumer):
        return _("The key ends, and its managers are told.")
    return _("The key ends. Nobody could be told: it has no manager with an e-mail address.")
