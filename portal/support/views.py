"""Support views: say why, and begin to look at the portal as this person; the button that ends it."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from keys.access import INTERRUPTED
from keys.errors import NotAllowed
from keys.http import Request
from keys.models import WISHES, Action, VisitEnd
from keys.web.forms import WordsField
from portal.accounts import step_up
from portal.models import User
from portal.support import impersonation


class ReasonForm(forms.Form):
    reason = WordsField(
        label=gettext_lazy("Reason"),
        max_length=impersonation.REASON_LENGTH,
        widget=forms.TextInput({"size": 70, "autofocus": True, "autocomplete": "off"}),
        help_text=gettext_lazy("The customer sees this. For example, the ticket number and what it's about."),
    )


def page(request: Request, pk: int) -> HttpResponse:
    """Ask for the reason; what is sent begins it, after a proof of a few minutes ago."""
    person = get_object_or_404(User, pk=pk)
    colleague = cast(User, request.user)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if not form.is_valid() and (sentence := impersonation.why_not(colleague, person)):
        raise NotAllowed(sentence)  # with a reason it is `begin` that says so, and puts it on record
    if not step_up.is_proved(request, min(step_up.ACCOUNT_MINUTES, settings.STEP_UP_MINUTES)):
        request.session[INTERRUPTED] = str(WISHES[Action.SUPPORT])
        return redirect(step_up.url_for(request.path))
    if form.is_valid():
        impersonation.begin(request, person, form.cleaned_data["reason"])
        return redirect("keys:page")
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("View as %(email)s") % {"email": person.email},
        "person": person,
        "form": form,
        "minutes": settings.SUPPORT_MINUTES,
        "may_change": colleague.has_perm(impersonation.MAY_CHANGE),
        "tells_customer": settings.SUPPORT_MAIL_CUSTOMER,
    }
    return render(request, "admin/portal/user/support.html", context, status=422 if form.is_bound else 200)


@require_POST
def stop(request: Request) -> HttpResponse:
    """The button in the banner; pressed twice, the second time there is nothing to end."""
    visit = request.visit
    if visit is None:
        return redirect("home")
    impersonation.end(request, visit, VisitEnd.STOPPED)
    request.user = cast(User, request.colleague)
    messages.success(request, _("You're back in your own account."))
    return redirect(impersonation.page_of(request, visit))
