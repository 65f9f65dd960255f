"""Step-up middleware: each page of the account needs a proof, or is known to need none, whatever the method."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.accounts import middleware
from tests.helpers.people import code_of_app, passes, sign_in

pytestmark = pytest.mark.django_db


FREE = {
    # before anybody is signed in, or to sign out
    "account_login",
    "account_logout",
    "account_inactive",
    "account_signup",
    "account_reset_password",
    "account_confirm_login_code",
    "account_request_login_code",
    "account_confirm_password_reset_code",
    "account_complete_password_reset",
    "account_password_reset_completed",
    "mfa_authenticate",
    "mfa_login_webauthn",
    "socialaccount_signup",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
    "google_login_by_token",
    *middleware.PROVIDERS,
    # the proof itself, and what only shows a list or signs out
    "account_reauthenticate",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "step_up",
    "step_up_code",
    "mfa_index",
    "mfa_list_webauthn",
    "usersessions_list",
    "end_device",
    "more_mails",
}


OF_ONE = {"mfa_edit_webauthn", "mfa_remove_webauthn", "remove_address"}
"""The addresses that name a thing by its number."""


def names_under(resolver: URLResolver, prefix: str = "") -> set[str]:
    found = set()
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            found |= {pattern.name} if path.startswith("accounts/") and pattern.name else set()
        else:
            found |= names_under(pattern, path)
    return found


def test_every_address_of_the_account_is_guarded_or_known_to_need_no_proof():
    """When allauth brings a new page, somebody has to decide."""
    assert names_under(get_resolver()) == middleware.PROVED.keys() | FREE


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_no_method_but_post_changes_the_account_and_none_gets_around_the_proof(ann, app_secret, ann_client, method):
    """A8, B4: Django's own views take PUT for POST, and DELETE for the form that asks "sure?"."""
    key = Authenticator.objects.create(user=ann, type="webauthn", data={"name": "Laptop", "credential": {}})
    before = list(Authenticator.objects.order_by("pk").values())
    passes(ann_client, proof=16)
    for name in sorted(middleware.PROVED):
        path = reverse(name, args=[key.pk] if name in OF_ONE else [])
        answer = ann_client.generic(method, path)
        assert answer.status_code == 405, path
        assert answer["Allow"] == "GET, HEAD, POST"
    assert list(Authenticator.objects.order_by("pk").values()) == before


def test_what_nobody_signed_in_has_sent_is_not_done_after_somebodys_proof(ann, app_secret):
    """B5: it leads to sign-in, and the session keeps nothing of it."""
    client = Client()
    for name in sorted(middleware.PROVED.keys() - {middleware.WHILE_SIGNING_UP}):
        path = reverse(name, args=[7] if name in OF_ONE else [])
        for answer in (client.get(path), client.post(path)):
            assert answer.headers["Location"] == f"/accounts/login/?next={path}"
    assert not client.session.keys()
    before = Authenticator.objects.get(type="recovery_codes").data
    path = reverse("mfa_generate_recovery_codes")
    sign_in(client, "ann@acme.test")
    client.post("/accounts/2fa/authenticate/", {"code": RecoveryCodes.activate(ann).get_unused_codes()[0]})
    passes(client, proof=121)
    client.post("/accounts/2fa/reauthenticate/", {"code": code_of_app(app_secret), "next": path})
    assert Authenticator.objects.get(type="recovery_codes").data["seed"] == before["seed"]


@pytest.mark.parametrize("name", ["mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes"])
def test_second_factors_are_shown_and_added_after_a_fresh_proof_only(name, ann, app_secret, ann_client):
    passes(ann_client, proof=16)
    assert ann_client.get(reverse(name)).headers["Location"].startswith("/accounts/step-up/")
