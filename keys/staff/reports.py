"""Reports over all consumers in Django admin: a stretch at a time on pages, or all of them as CSV."""

import functools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import Http404, HttpResponse, HttpResponseBase
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from keys.audit.csv_export import csv_response
from keys.errors import ApiError
from keys.http import Request
from keys.staff.consumers import offset_of, page_context
from keys.staff.decorators import with_directory
from keys.staff.directory import Directory
from keys.staff.search import criteria
from keys.staff.search.scan import Finder, Finding, ScanResult, scan_all
from keys.types import wire_time
from keys.web.decorators import api_for
from keys.web.portal_or_admin import render_here
from keys.zuplo.pages import NewAPI

logger = logging.getLogger(__name__)

Wish = dict[str, Any]


class NoForm(forms.Form):
    """A report without parameters."""


def days_form(days: int) -> type[forms.Form]:
    field = forms.IntegerField(label=gettext_lazy("Days"), min_value=1, max_value=3650, initial=days)
    return type("DaysForm", (forms.Form,), {"days": field})


class WordsForm(forms.Form):
    words = forms.CharField(label=gettext_lazy("Name, label or manager contains"), min_length=2, max_length=100)


@dataclass(frozen=True, slots=True)
class Report:
    """A report: a list of keys, or of consumers, and then perhaps with the reasons."""

    title: str | Promise
    lead: str | Promise
    finder: Callable[[Wish, NewAPI], Finder]
    form: type[forms.Form] = NoForm
    of_keys: bool = True
    says_why: bool = False


REPORTS = {
    "ending": Report(
        gettext_lazy("Keys that expire soon"),
        gettext_lazy("Active keys that expire within this many days. Their managers may need to rotate them."),
        lambda wish, new_api: criteria.ending_within(wish["days"]),
        days_form(30),
    ),
    "never": Report(
        gettext_lazy("Keys without expiry"),
        gettext_lazy("If one of these leaks unnoticed, it works until someone deletes it."),
        lambda wish, new_api: criteria.never_ending(),
    ),
    "old": Report(
        gettext_lazy("Old keys"),
        gettext_lazy("Active keys created more than this many days ago."),
        lambda wish, new_api: criteria.older_than(wish["days"]),
        days_form(365),
    ),
    "unseen": Report(
        gettext_lazy("Consumers no one has access to"),
        gettext_lazy("They have no managers, or only addresses that no one can sign in with. Their keys still work."),
        lambda wish, new_api: criteria.unreachable_consumers(new_api),
        of_keys=False,
        says_why=True,
    ),
    "search": Report(
        gettext_lazy("Search names, labels and managers"),
        gettext_lazy(
            "The key service only finds whole names, tags and addresses, so the portal searches all consumers."
        ),
        lambda wish, new_api: criteria.matching(wish["words"]),
        WordsForm,
        of_keys=False,
    ),
}


@require_safe
@with_directory
def look(request: Request, directory: Directory, topic: str) -> HttpResponse:
    """One stretch of a report; each answer says how to go on. Before it is asked for, only what stands on one page."""
    about, form = _topic(topic), _form(request, topic)
    stretch, is_stopped = None, "stopped" in request.GET
    if form.is_bound and form.is_valid() and not is_stopped:
        finder = about.finder(form.cleaned_data, lambda: directory.api)
        stretch = directory.look_through(offset_of(request), finder)
    elif not form.is_bound and (usual := _usual_wish(form)) is not None:
        stretch = directory.look_if_small(about.finder(usual, lambda: directory.api))
    context = page_context(directory) | {
        "title": about.title,
        "topic": topic,
        "about": about,
        "form": form,
        "stretch": stretch,
        "stopped_at": offset_of(request) if is_stopped else None,
        "query": urlencode(_wish(form)),
    }
    response = render_here(request, "keys/look.html", context, status=422 if form.errors else 200)
    if stretch and stretch.next is not None and "auto" in request.GET and not stretch.findings and not stretch.trouble:
        # Goes on by itself until there is something to read; the page has a link that stops it.
        response["Refresh"] = f"1; url={request.path}?{urlencode({**_wish(form), 'from': stretch.next, 'auto': 1})}"
    return response


@require_safe
@with_directory
def export(request: Request, directory: Directory, topic: str) -> HttpResponseBase:
    about, form = _topic(topic), _form(request, topic)
    if form.fields and not form.is_valid():
        return look(request, environment=directory.environment, topic=topic)
    wish = form.cleaned_data if form.fields else {}
    header = KEY_COLUMNS if about.of_keys else CONSUMER_COLUMNS
    response = csv_response(f"{topic}-{directory.environment}", header, _rows(directory.environment, about, wish))
    response["X-Accel-Buffering"] = "no"
    return response


KEY_COLUMNS = ("environment", "consumer", "label", "managers", "key", "key label", "key ending", "created", "ends")
CONSUMER_COLUMNS = ("environment", "consumer", "label", "managers", "live keys", "why")


def _rows(environment: str, about: Report, wish: Wish) -> Iterator[tuple[object, ...]]:
    """Rows of the CSV file; one that is not whole says so in its last line."""
    stretch, new_api = ScanResult(0, 0), functools.partial(api_for, environment)
    line = _key_line if about.of_keys else _consumer_line
    try:
        for finding in scan_all(new_api, stretch, about.finder(wish, new_api)):
            yield (environment, *line(finding))
    except ApiError as trouble:
        logger.warning("an export stopped after %s consumers: %s", stretch.end, trouble)
    if stretch.next is not None:
        words = _("NOT COMPLETE: the key service stopped answering after %(number)d consumers.")
        yield (words % {"number": stretch.end},)
    if stretch.odd:
        yield (_("NOT COMPLETE: %(number)d consumers couldn't be read.") % {"number": stretch.odd},)
    if stretch.partly:
        yield (_("NOT COMPLETE: %(number)d consumers couldn't be read in full.") % {"number": stretch.partly},)


def _key_line(finding: Finding) -> tuple[object, ...]:
    key = finding.key
    assert key is not None  # noqa: S101, for the type checker
    ends = wire_time(key.expires_on) if key.expires_on else ""
    return (*_names(finding), key.id, key.label, key.ending, wire_time(key.created_on), ends)


def _consumer_line(finding: Finding) -> tuple[object, ...]:
    return (*_names(finding), len(finding.consumer.live_keys), " ".join(finding.words))


def _names(finding: Finding) -> tuple[str, str, str]:
    consumer = finding.consumer
    return consumer.name, consumer.label, ", ".join(manager.email for manager in consumer.managers)


def _topic(name: str) -> Report:
    if name not in REPORTS:
        raise Http404
    return REPORTS[name]


def _form(request: Request, topic: str) -> forms.Form:
    form = REPORTS[topic].form
    return form(request.GET) if "from" in request.GET or form.base_fields.keys() & request.GET.keys() else form()


def _usual_wish(form: forms.Form) -> Wish | None:
    """Parameters as the form begins with them; None where it takes some that have to be typed in."""
    usual = {name: field.initial for name, field in form.fields.items()}
    return None if None in usual.values() else usual


def _wish(form: forms.Form) -> Wish:
    return {name: form.data[name] for name in form.fields if name in form.data}
