"""Support by impersonation: what is shut and refused meanwhile, and what a further permission opens."""

import uuid

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from keys.models import Action, AuditEvent, Outcome
from portal.support import middleware
from tests.helpers.support_visits import buttons, grant, start
from tests.helpers.verbs import CHANGES, FULL_KEY, MAKING, PEOPLE, VERBS, Verb, acme, by_action, named, new_keys

pytestmark = pytest.mark.django_db
every_verb = pytest.mark.parametrize("verb", [*VERBS, *PEOPLE], ids=by_action)


def names_of_pages(resolver: URLResolver, app: str = "") -> set[str]:
    found = set()
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            found |= {f"{app}{pattern.name}"} if pattern.name else set()
        else:
            found |= names_of_pages(pattern, f"{app}{pattern.app_name}:" if pattern.app_name else app)
    return found


def test_only_the_pages_of_keys_are_open(visiting):
    """D2: whatever page is added later is shut until somebody decides."""
    shut = {name for name in names_of_pages(get_resolver()) if not name.startswith("keys:")} - middleware.OPEN
    assert {"account_email", "account_change_password", "mfa_index", "usersessions_list", "step_up", "admin:index"} <= (
        shut
    )


CLOSED = [
    "account_email",
    "account_change_password",
    "account_set_password",
    "account_delete",
    "account_login",
    "account_signup",
    "account_reauthenticate",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_generate_recovery_codes",
    "mfa_reauthenticate",
    "socialaccount_connections",
    "usersessions_list",
    "step_up",
    "step_up_code",
    "admin:index",
    "admin:portal_user_changelist",
    "admin:keys_auditevent_changelist",
]


@pytest.mark.parametrize("name", CLOSED)
def test_the_account_is_closed_and_a_way_back_is_shown(name, visiting, ann):
    """D2: also for a superuser's rights, and though the customer has no password that could be asked for."""
    for answer in (visiting.get(reverse(name)), visiting.post(reverse(name), {"email": "evil@evil.test"})):
        assert answer.status_code == 403
        assert "Not available to support" in answer.text
        assert 'href="/keys/"' in answer.text
    fragment = visiting.get(reverse(name), headers={"HX-Request": "true"})
    assert "data-error" in fragment.text


def test_nothing_of_the_account_can_be_changed(visiting, ann):
    """D2"""
    visiting.post("/accounts/email/", {"action_add": "", "email": "evil@evil.test"})
    visiting.post("/accounts/password/set/", {"password1": "open-sesame-2", "password2": "open-sesame-2"})
    visiting.post("/accounts/delete/", {"sure": "yes"})
    ann.refresh_from_db()
    assert not ann.has_usable_password()
    assert [address.email for address in EmailAddress.objects.filter(user=ann)] == ["ann@acme.test"]


@every_verb
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_reveal_copy_and_changes_are_refused_with_a_sentence(verb: Verb, htmx, visiting, sandbox, clerk, ann):
    """D2, D4: nothing is even asked upstream that shows or writes, and the try is on record with both names."""
    before = sandbox.keys("acme")
    answer = verb.send(visiting, verb.url(sandbox), htmx=htmx)
    assert answer.status_code == 403
    assert "do this for customers" in answer.text
    assert not FULL_KEY.search(answer.text)
    assert sandbox.keys("acme") == before
    assert sandbox.journal() == []
    if not verb.reads:
        assert visiting.get(verb.url(sandbox)).status_code == 403
    event = AuditEvent.objects.get(action=verb.action)
    assert (event.outcome, event.user, event.staff) == (Outcome.REFUSED, ann, clerk)
    assert (event.email, event.staff_email, event.reason) == ("ann@acme.test", "clerk@portal.test", "Ticket 7")


@every_verb
def test_other_customers_keys_are_none_of_the_visit(verb: Verb, browser, clerk, ben, sandbox):
    """D2, C1"""
    grant(clerk, "support_user", "change_as_user")
    acme(sandbox)
    sandbox.add_consumer("other", managers=["mallory@evil.test"])
    start(browser, ben)
    url = verb.url(sandbox, consumer="other")
    assert verb.send(browser, url).status_code in {403, 404}
    assert {call.method for call in sandbox.journal()} <= {"GET"}


@pytest.mark.parametrize("verb", CHANGES, ids=by_action)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_with_the_further_permission_keys_can_be_changed_and_are_not_shown(
    verb: Verb, htmx, changing, sandbox, clerk, ann
):
    """D2, D4: a new key's value goes to nobody here; the managers hear who did it."""
    before = sandbox.keys("acme")
    answer = verb.send(changing, verb.url(sandbox), htmx=htmx)
    assert answer.status_code in {200, 303}
    after = sandbox.keys("acme")
    assert verb.done(before, after)
    assert not FULL_KEY.search(answer.text)
    if verb in MAKING:
        assert "You don't have permission to see it; its managers can reveal and copy it." in answer.text
        assert "keeps working" not in answer.text
    event = AuditEvent.objects.get(action=verb.action)
    assert (event.outcome, event.user, event.staff) == (Outcome.DONE, ann, clerk)
    for message in mail.outbox:
        assert "Support (clerk@portal.test)" in message.body


@pytest.mark.parametrize("verb", PEOPLE, ids=by_action)
def test_no_permission_changes_who_has_access(verb: Verb, changing, sandbox):
    """D2, C9: it is seen, with nothing to press, and never done in a customer's name."""
    before = sandbox.consumer("acme")["managers"]
    page = changing.get("/keys/production/acme/people/")
    assert page.status_code == 200
    assert "ben@acme.test" in page.text
    assert "do this for customers" in page.text
    assert "people/add/" not in page.text
    assert "/remove/" not in page.text
    assert "/invite/" not in page.text
    for answer in (changing.get(verb.url(sandbox)), verb.send(changing, verb.url(sandbox))):
        assert answer.status_code == 403
    assert sandbox.consumer("acme")["managers"] == before
    assert mail.outbox == []
    assert AuditEvent.objects.get(action=verb.action).outcome == Outcome.REFUSED


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.reads], ids=by_action)
def test_no_permission_reveals_a_key(verb: Verb, changing, sandbox):
    """D2: not even a superuser's."""
    answer = verb.send(changing, verb.url(sandbox))
    assert answer.status_code == 403
    assert sandbox.journal() == []


def test_a_superuser_reveals_nothing_either(sam_client, ann, sandbox):
    """D2"""
    acme(sandbox)
    start(sam_client, ann)
    page = sam_client.get("/keys/").text
    assert buttons(page) == {"People", "Rotate", "Rotate all", "Change expiry", "Rename", "Delete", "Create key"}
    assert "shown only once" not in page, "which is true of the bucket, not of who looks"
    assert VERBS[0].send(sam_client, VERBS[0].url(sandbox)).status_code == 403


def test_the_same_form_again_shows_no_key_either(changing, sandbox):
    """D2, G6"""
    verb, token = MAKING[0], str(uuid.uuid4())
    url = verb.url(sandbox)
    verb.send(changing, url, token)
    again = verb.send(changing, url, token)
    assert again.status_code == 200
    assert "You don't have permission to see it" in again.text
    assert not FULL_KEY.search(again.text)
    assert len(named(sandbox.keys("acme"), "New")) == 1
    assert not AuditEvent.objects.filter(action=Action.REVEAL).exists()


@pytest.mark.parametrize("verb", MAKING, ids=by_action)
def test_no_key_is_made_that_nobody_could_ever_see(verb: Verb, changing, sandbox):
    """D2: where a key is shown only as it is made, and its maker may not see it."""
    sandbox.set(retrievable="refused")
    before = sandbox.keys("acme")
    answer = verb.send(changing, verb.url(sandbox))
    assert answer.status_code == 403
    assert "only once here, to the person who creates them" in answer.text
    assert changing.get(verb.url(sandbox)).status_code == 403
    assert sandbox.keys("acme") == before
    assert {call.method for call in sandbox.journal()} == {"GET"}


def test_an_old_key_ends_though_the_new_one_is_withheld(changing, sandbox):
    """D2, G7: the managers can have it shown."""
    rotate = next(verb for verb in MAKING if verb.action == Action.ROTATE)
    before = sandbox.keys("acme")
    rotate.send(changing, rotate.url(sandbox))
    after = sandbox.keys("acme")
    assert len(new_keys(before, after)) == 1
    assert next(key for key in after if key["id"] == before[0]["id"])["expiresOn"]


def test_an_old_key_goes_on_while_nobody_could_be_shown_the_new_one(changing, sandbox):
    """D2, G7: where the bucket does not say that it hides keys, and does."""
    sandbox.set(retrievable="masked")
    sandbox.fault("GET", f"*/{sandbox.bucket}", "wrong_type", body={"name": sandbox.bucket}, times=0)
    rotate = next(verb for verb in MAKING if verb.action == Action.ROTATE)
    before = sandbox.keys("acme")
    answer = rotate.send(changing, rotate.url(sandbox))
    assert "still works, because no one has seen the new one yet" in answer.text
    assert not FULL_KEY.search(answer.text)
    assert len(sandbox.keys("acme")) == len(before) + 1
    assert sandbox.keys("acme")[: len(before)] == before
