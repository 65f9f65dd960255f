"""The page in Django admin on which a colleague says why to look at the portal as this person, and begins."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _

from keys.errors import NotAllowed
from keys.forms import readable
from keys.models import WISHES, Action
from portal import step_up, support
from portal.models import User


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=support.REASON_LENGTH,
        validators=[readable],
        widget=forms.TextInput({"size": 70, "autofocus": True, "autocomplete": "off"}),
        help_text=_("The customer reads it. For instance the number of the ticket, and what it is about."),
    )


def page(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for the reason; what is sent begins it, after a proof of a few minutes ago."""
    person = get_object_or_404(User, pk=pk)
    colleague = cast(User, request.user)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if not form.is_valid() and (sentence := support.why_not(colleague, person)):
        raise NotAllowed(sentence)  # with a reason it is `begin` that says so, and puts it on record
    if not step_up.is_proved(request, min(step_up.ACCOUNT_MINUTES, settings.STEP_UP_MINUTES)):
        request.session[step_up.INTERRUPTED] = str(WISHES[Action.SUPPORT])
        return redirect(step_up.url_for(request.path))
    if form.is_valid():
        support.begin(request, person, form.cleaned_data["reason"])
        return redirect("keys:page")
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Support"),
        "subtitle": person.email,
        "person": person,
        "form": form,
        "minutes": settings.SUPPORT_MINUTES,
        "may_change": colleague.has_perm(support.MAY_CHANGE),
        "tells_customer": settings.SUPPORT_MAIL_CUSTOMER,
    }
    return render(request, "admin/portal/user/support.html", context, status=422 if form.is_bound else 200)
