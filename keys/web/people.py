"""Views of who manages a consumer: the list of people, adding and removing one, leaving, and asking for access."""

from dataclasses import replace

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from keys.access import may_see
from keys.audit.notifications import address_asked_for
from keys.http import Request
from keys.models import Action
from keys.provisioning import rules_for
from keys.service import access_requests
from keys.service.keyring import KeyRing
from keys.service.people import people_of
from keys.types import Consumer
from keys.web.answers import changed_response, dialog_response, post_data, require_form
from keys.web.decorators import allowed, with_keyring
from keys.web.forms import AccessRequestForm, ManagerForm, OnceForm
from keys.web.portal_or_admin import page_of

INVITED = {
    True: gettext_lazy("%(email)s has access now. We've emailed an invitation."),
    False: gettext_lazy("%(email)s has access now, but the invitation couldn't be sent."),
    None: gettext_lazy("%(email)s has access now."),
}
"""Notice for whoever gave access, by whether the invitation was mailed; None after a form that was sent again."""


@require_safe
@with_keyring
def page(request: Request, ring: KeyRing, name: str) -> HttpResponse:
    return _dialog_of_people(request, ring, ring.consumer(name), ManagerForm())


@require_form
@with_keyring
@allowed(Action.ADD_MANAGER)
def add(request: Request, ring: KeyRing, name: str) -> HttpResponse:
    form = ManagerForm(post_data(request), url=request.path)
    form.initial["email"] = address_asked_for(request.GET.get("for", ""))
    if form.is_valid():
        email = form.cleaned_data["email"]
        change = ring.add_manager(name, email, token=form.cleaned_data["token"])
        return changed_response(request, ring, change, INVITED[change.is_mailed] % {"email": email})
    return _dialog_of_people(request, ring, ring.consumer(name), form)


@require_POST
@with_keyring
def invite_again(request: Request, ring: KeyRing, name: str, manager_id: str) -> HttpResponse:
    form = OnceForm(request.POST, url=request.path)
    if not form.is_valid():
        return _dialog_of_people(request, ring, ring.consumer(name), ManagerForm())
    change = ring.invite_again(name, manager_id, token=form.cleaned_data["token"])
    notice = _("We've emailed %(email)s the invitation again.") % {"email": change.event.facts["address"]}
    return changed_response(request, ring, change, notice)


@require_form
@with_keyring
@allowed(Action.REMOVE_MANAGER)
def remove(request: Request, ring: KeyRing, name: str, manager_id: str) -> HttpResponse:
    form = OnceForm(post_data(request), url=request.path)
    if form.is_valid():
        change = ring.remove_manager(name, manager_id, token=form.cleaned_data["token"])
        if not may_see(ring.actor, change.consumer):
            return _left(request, ring, change.consumer)
        email = change.event.facts["address"]
        return changed_response(request, ring, change, _("%(email)s no longer has access.") % {"email": email})
    consumer = ring.consumer(name)
    manager = consumer.manager(manager_id)
    rules_for(ring.actor).may_remove_manager(ring.actor, consumer, manager)
    without = replace(consumer, managers=tuple(one for one in consumer.managers if one != manager))
    leaves = not may_see(ring.actor, without)
    return dialog_response(
        request, ring, "keys/_remove_manager.html", form, consumer=consumer, manager=manager, leaves=leaves
    )


@require_POST
@with_keyring
def ask_for_access(request: Request, ring: KeyRing) -> HttpResponse:
    """The answer is the same whether there is such a consumer or not."""
    form = AccessRequestForm(request.POST)
    if form.is_valid():
        access_requests.ask(ring, form.cleaned_data["consumer"])
        messages.success(request, _("If that matches, we've emailed the people with access. They can add you."))
    for problem in form.errors.get("consumer", []):
        messages.error(request, str(problem))
    return HttpResponseRedirect(page_of(request, ring.environment), status=303)


def _dialog_of_people(request: Request, ring: KeyRing, consumer: Consumer, form: ManagerForm) -> HttpResponse:
    return dialog_response(
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
    messages.success(request, _("You no longer have access to %(title)s.") % {"title": consumer.title})
    page = page_of(request, ring.environment)
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page, status=303)
