"""Styleguide at /styleguide/: every component in every state, for those who change them; in debug mode only."""

import time
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.audit.visits import Visit
from keys.errors import ApiUnavailable, NotAllowed, OutcomeUnknown, RateLimited
from keys.types import ApiKey, Consumer, Manager
from keys.web.forms import CreateForm, LabelForm, RotateForm
from keys.zuplo.gateway import Trial

TOKENS = {
    "Surfaces": ["paper", "surface", "raised", "sunken", "hover"],
    "Ink and lines": ["ink", "muted", "line", "line-strong", "line-field"],
    "Accent": ["accent", "accent-soft", "accent-fill", "accent-fill-strong"],
    "States": ["ok", "ok-soft", "warn", "warn-soft", "danger", "danger-soft", "danger-fill"],
}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    if not settings.DEBUG:
        raise Http404
    key = _key("Production server", "7f3c")
    context = {
        "sizes": ["3xl", "2xl", "xl", "lg"],
        "tokens": TOKENS,
        "buttons": [
            "",
            "button-primary",
            "button-quiet",
            "button-due",
            "button-quiet button-danger",
            "button-danger-fill",
        ],
        "environment": "production",
        "consumer": _consumer(),
        "empty": replace(_consumer(), name="empty", label="Empty Ltd", keys=()),
        "watched": replace(_consumer(), name="watched", label="Watched Ltd", keys=(_key("Theirs", "0e1f", 9, 2),)),
        "key": key,
        "addresses": ["ann@acme.test"],
        "pages": Paginator(range(30), 10).page(2),
        "errors": [
            RateLimited(30, 42),
            ApiUnavailable("", 5),
            NotAllowed("Acme Inc has reached its limit of 10 keys."),
        ],
        "unknown": OutcomeUnknown(""),
        "label_form": LabelForm(QueryDict("label=")),
        "create_form": CreateForm(),
        "rotate_form": RotateForm(),
        "trials": [
            Trial(200, "OK", 84, ('{"message": "Hello, acme!"}',), is_cut=False),
            Trial(401, "Unauthorized", 31, ('{"message": "This key does not work."}',)),
            Trial(503, "Service Unavailable", 5012, ("<html>",), is_cut=True),
            Trial(trouble="The gateway took too long to respond."),
        ],
        "visit": Visit(1, 1, 2, "ann@acme.test", "sam@portal.test", "Ticket 4711", time.time() + 25 * 60),
        "can_reveal": True,
        "can_change": True,
    }
    return render(request, "styleguide.html", context)


def _key(label: str, ending: str, age: float = 150, ends: float | None = None) -> ApiKey:
    now = timezone.now()
    made = now - timedelta(days=age)
    return ApiKey(ending, "acme", label, ending, made, None if ends is None else now + timedelta(days=ends))


def _consumer() -> Consumer:
    new = _key("CI pipeline", "6b08", 0.1)
    old = replace(_key("CI pipeline", "55bb", 90, 0.9), replaced_by=new)
    keys = (new, old, _key("Laptop", "cc4f", 87, 3), _key("", "41d8", 400, 60), _key("Old backend", "09af", 95, -12))
    managers = ("ann@acme.test", "ben@acme.test", "cleo@acme.test", "dan@acme.test")
    return Consumer(
        "acme", "Acme Inc", tuple(map(Manager, managers)), keys, {"org": "acme"}, {"plan": "pro", "seats": 25}
    )
