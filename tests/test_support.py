"""Support by impersonation, rule by rule: who may, what is shut, what ends it, and what is on record of it."""

import re
import time
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from hijack.signals import hijack_ended, hijack_started

from keys.models import Action, AuditEvent, Outcome
from portal import support
from portal.models import User
from tests.people import passes, sign_in, signed_in_as
from tests.test_settings import settings_of
from tests.verbs import CHANGES, FULL_KEY, MAKING, VERBS, Verb, acme, by_action, named, new_keys

pytestmark = pytest.mark.django_db
every_verb = pytest.mark.parametrize("verb", VERBS, ids=by_action)
STOP = "/support/stop/"


@pytest.fixture
def clerk(make_person):
    """A colleague who may support, and nothing else."""
    person = make_person("clerk@portal.test", is_staff=True)
    grant(person, "view_user", "support_user")
    return person


def grant(person, *names: str) -> None:
    person.user_permissions.set(Permission.objects.filter(codename__in=names))


@pytest.fixture
def browser(clerk, client_of) -> Client:
    return client_of(clerk)


def page_of(person) -> str:
    return f"/admin/portal/user/{person.pk}/support/"


def start(browser: Client, person, reason: str = "Ticket 7", **more: str):
    return browser.post(page_of(person), {"reason": reason} | more)


@pytest.fixture
def visiting(browser, ann, sandbox) -> Client:
    """The clerk's browser, looking as Ann, who manages acme."""
    acme(sandbox)
    assert start(browser, ann)["Location"] == "/keys/"
    return browser


def buttons(page: str) -> set[str]:
    """What can be done with the keys on the page."""
    found = BeautifulSoup(page, "html.parser").select("[data-consumer] button, [data-consumer] form, [data-copy]")
    return {button.get_text().strip() for button in found}


def is_visiting(browser: Client) -> bool:
    return 'class="support-banner"' in browser.get("/").text


# Who may begin (D1)


def test_a_colleague_with_the_permission_sees_what_the_customer_sees(visiting, sandbox):
    """D2: under a banner that names both, with keys masked, and without a button for what is refused."""
    page = visiting.get("/keys/").text
    assert "Acme Inc" in page
    assert not FULL_KEY.search(page)
    assert buttons(page) == set()
    banner = page.partition('class="support-banner"')[2].partition("</aside>")[0]
    for words in ("clerk@portal.test", "ann@acme.test", "Ticket 7", "60 minutes left", STOP):
        assert words in banner
    assert banner.count("<button") == 1


@pytest.mark.parametrize("path", ["/", "/keys/", "/keys/activity/", "/nowhere", "/accounts/email/", "/admin/"])
def test_the_banner_stands_on_every_page(path, visiting):
    """D2"""
    assert 'class="support-banner"' in visiting.get(path).text


def test_without_the_permission_nobody_begins(ann, ben, make_person, client_of):
    """D1: not a customer, nor a colleague who may do everything else with people."""
    other = make_person("other@portal.test", is_staff=True)
    grant(other, "view_user", "change_user", "delete_user", "change_as_user")
    for person, answer in ((ben, 302), (other, 403)):
        browser = client_of(person)
        assert start(browser, ann).status_code == answer
        assert start(browser, ann, reason="").status_code == answer
        assert browser.get(page_of(ann)).status_code == answer
        assert signed_in_as(browser) == person.email
    assert ">Support<" not in client_of(other).get(f"/admin/portal/user/{ann.pk}/change/").text
    assert set(AuditEvent.objects.values_list("outcome", flat=True)) == {Outcome.REFUSED}
    assert mail.outbox == []


def test_it_begins_by_post_with_a_csrf_token_only(ann, clerk, client_of):
    """D1"""
    browser = client_of(clerk, strict=True)
    assert browser.get(page_of(ann), {"reason": "Ticket 7"}).status_code == 200
    assert start(browser, ann).status_code == 403
    assert browser.put(page_of(ann)).status_code in {403, 405}
    assert not is_visiting(browser)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(page_of(ann)).text)[1]
    assert start(browser, ann, csrfmiddlewaretoken=token).status_code == 302
    assert is_visiting(browser)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "two\x00lines"])
def test_it_needs_a_reason(reason, ann, browser):
    """D1: which the customer can read."""
    answer = start(browser, ann, reason)
    assert answer.status_code == 422
    assert "error" in answer.text
    assert not is_visiting(browser)
    assert not AuditEvent.objects.exists()


def test_a_reason_may_hold_two_hundred_characters_of_any_kind(ann, browser):
    reason = "<b>ünï</b> " + "x" * 189
    start(browser, ann, reason)
    assert "&lt;b&gt;ünï&lt;/b&gt;" in browser.get("/").text


@pytest.mark.parametrize("which", ["staff", "superuser", "inactive", "self"])
def test_nobody_looks_as_a_colleague_a_disabled_person_or_himself(which, ann, clerk, browser):
    """D1: also a superuser who is no staff is none."""
    User.objects.filter(pk=ann.pk).update(
        is_staff=which == "staff", is_superuser=which == "superuser", is_active=which != "inactive"
    )
    person = clerk if which == "self" else ann
    assert start(browser, person).status_code == 403
    assert browser.get(page_of(person)).status_code == 403
    assert signed_in_as(browser) == clerk.email
    assert not is_visiting(browser)
    assert ">Support<" not in browser.get(f"/admin/portal/user/{person.pk}/change/").text
    assert AuditEvent.objects.get().outcome == Outcome.REFUSED


def test_superusers_may_support_and_are_never_supported(sam, sam_client, ann):
    """D1"""
    assert start(sam_client, sam).status_code == 403
    assert start(sam_client, ann).status_code == 302
    assert signed_in_as(sam_client) == ann.email


def test_never_in_a_chain(visiting, ben, ann):
    """D1: whoever looks as somebody begins nothing new, for the page that begins it is shut."""
    assert start(visiting, ben).status_code == 403
    assert signed_in_as(visiting) == ann.email
    assert AuditEvent.objects.filter(action=Action.SUPPORT).count() == 1


def test_nor_by_way_of_a_session_that_looks_as_somebody_already(visiting, ben, rf, clerk):
    """D1: the rule itself, beneath the shut page."""
    request = rf.post("/")
    request.session, request.user = visiting.session, clerk
    with pytest.raises(support.NotAllowed, match="already"):
        support.begin(request, ben, "Ticket 8")


def test_it_begins_after_a_fresh_proof_only(ann, browser):
    """D1, B4: and after the proof the form is offered again, nothing is begun by it."""
    passes(browser, proof=16)
    for answer in (browser.get(page_of(ann)), start(browser, ann)):
        assert answer["Location"] == f"/accounts/step-up/?next=%2Fadmin%2Fportal%2Fuser%2F{ann.pk}%2Fsupport%2F"
    assert not AuditEvent.objects.exists()
    assert not is_visiting(browser)


def test_without_a_second_factor_it_does_not_begin_where_colleagues_need_one(ann, browser, settings):
    """D1"""
    settings.STAFF_SECOND_FACTOR = True
    assert start(browser, ann)["Location"] == "/accounts/2fa/"
    assert not AuditEvent.objects.exists()


# The session


def replay(client: Client, key: str) -> Client:
    thief = Client()
    thief.cookies["sessionid"] = key
    return thief


def test_the_id_of_the_session_changes_at_both_ends(ann, clerk, browser):
    """B1, D1: an id from before is worth nothing, neither as the customer nor as the colleague."""
    before = browser.session.session_key
    start(browser, ann)
    during = browser.session.session_key
    browser.post(STOP)
    after = browser.session.session_key
    assert len({before, during, after}) == 3
    assert signed_in_as(browser) == clerk.email
    assert signed_in_as(replay(browser, before)) is signed_in_as(replay(browser, during)) is None
    assert not Session.objects.filter(session_key__in=[before, during]).exists()


def test_form_tokens_from_before_are_worthless(ann, clerk, client_of):
    """B1: what still stands open in another window cannot be sent as somebody else."""
    browser = client_of(clerk, strict=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(page_of(ann)).text)[1]
    start(browser, ann, csrfmiddlewaretoken=token)
    assert browser.post(STOP, {"csrfmiddlewaretoken": token}).status_code == 403
    assert is_visiting(browser)


def test_stopping_leads_back_to_ones_own_session(visiting, ann, clerk):
    answer = visiting.post(STOP)
    assert answer["Location"] == f"/admin/portal/user/{ann.pk}/change/"
    page = visiting.get(answer["Location"])
    assert "You are yourself again." in page.text
    assert signed_in_as(visiting) == clerk.email
    assert visiting.post(STOP)["Location"] == "/"


def test_stopping_needs_a_post_with_a_token(ann, clerk, client_of, browser):
    """D1, F4"""
    start(browser, ann)
    assert browser.get(STOP).status_code == 405
    assert is_visiting(browser)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert strict.post(STOP).status_code == 403
    assert is_visiting(browser)


def test_it_does_not_look_like_a_sign_in_of_the_customer(ann, clerk, client):
    """D2: no mail about a new device, no other last sign-in, no row in the customer's list of devices."""
    ann.last_login = timezone.now() - timedelta(days=3)
    ann.save()
    sign_in(client, clerk.email)
    mail.outbox.clear()
    start(client, ann)
    assert [message.subject for message in mail.outbox] == ["Support looks at your API keys page"]
    last = ann.last_login
    ann.refresh_from_db()
    assert ann.last_login == last
    assert not UserSession.objects.filter(user=ann).exists()
    assert UserSession.objects.get(user=clerk).session_key == client.session.session_key
    client.post(STOP)
    assert UserSession.objects.get(user=clerk).session_key == client.session.session_key


def test_other_code_knows_it_for_a_hijack(ann, clerk, browser):
    """As django-hijack marks one: by its signals, and by `request.user.is_hijacked`."""
    heard = []

    def hear(**facts):
        heard.append((facts["signal"], facts["hijacker"].pk, facts["hijacked"].pk))

    hijack_started.connect(hear)
    hijack_ended.connect(hear)
    try:
        start(browser, ann)
        assert browser.get("/").context["user"].is_hijacked
        browser.post(STOP)
    finally:
        hijack_started.disconnect(hear)
        hijack_ended.disconnect(hear)
    assert heard == [(hijack_started, clerk.pk, ann.pk), (hijack_ended, clerk.pk, ann.pk)]
    assert not browser.get("/").context["user"].is_hijacked
    assert "/hijack/" not in str(get_resolver().reverse_dict)


def test_the_style_sheet_opens_no_session(visiting):
    """It is the same for everybody, and kept by caches."""
    assert "Cookie" not in visiting.get("/theme.css").headers.get("Vary", "")


# What ends it (D3)


def ends(browser: Client, path: str = "/keys/") -> str:
    """Whether the very next request is refused and led away; then where to."""
    answer = browser.get(path)
    assert answer.status_code == 302
    assert not is_visiting(browser)
    return answer["Location"]


def the_end() -> AuditEvent:
    return AuditEvent.objects.get(action=Action.SUPPORT_ENDED)


def ago(browser: Client, minutes: float) -> None:
    session = browser.session
    session[support.VISIT]["until"] -= minutes * 60
    session.save()


def test_it_ends_after_its_time(visiting, ann, clerk):
    """D3"""
    ago(visiting, 59)
    assert "1 minute left" in visiting.get("/").text
    ago(visiting, 1)
    assert ends(visiting) == f"/admin/portal/user/{ann.pk}/change/"
    assert signed_in_as(visiting) == clerk.email
    assert the_end().facts["how"] == "time"


def test_its_time_is_the_operators_choice_up_to_an_hour(ann, browser, settings):
    """D3"""
    settings.SUPPORT_MINUTES = 5
    start(browser, ann)
    assert browser.session[support.VISIT]["until"] - time.time() < 301
    with pytest.raises(Exception, match="SUPPORT_MINUTES is more than an hour"):
        settings_of(SUPPORT_MINUTES="61")
    assert settings_of()["SUPPORT_MINUTES"] == 60


def test_looking_around_makes_it_no_longer(visiting):
    """D3"""
    until = visiting.session[support.VISIT]["until"]
    passes(visiting, use=5)
    visiting.get("/keys/")
    assert visiting.session[support.VISIT]["until"] == until


@pytest.mark.parametrize("right", ["disabled", "demoted", "without the permission"])
def test_it_ends_with_the_next_request_when_the_colleague_loses_the_right(right, visiting, clerk):
    """D3, C6"""
    if right == "disabled":
        User.objects.filter(pk=clerk.pk).update(is_active=False)
    elif right == "demoted":
        User.objects.filter(pk=clerk.pk).update(is_staff=False)
    else:
        grant(clerk, "view_user")
    where = ends(visiting)
    if right == "disabled":
        assert where == "/accounts/login/"
        assert signed_in_as(visiting) is None
    else:
        assert signed_in_as(visiting) == clerk.email
    assert the_end().facts["how"] == ("signed-out" if right == "disabled" else "rights")
    assert the_end().staff_email == clerk.email


def test_it_ends_when_the_colleagues_sessions_were_ended_elsewhere(visiting, clerk):
    """D3: a new password, or "sign out everywhere else" at another desk."""
    clerk.end_sessions()
    assert ends(visiting) == "/accounts/login/"
    assert signed_in_as(visiting) is None
    assert the_end().facts["how"] == "signed-out"


def test_it_ends_when_the_colleague_signs_this_device_out_elsewhere(ann, clerk, client, client_of):
    """D3"""
    sign_in(client, clerk.email)
    start(client, ann)
    row = UserSession.objects.get(user=clerk)
    client_of(clerk).post(f"/accounts/sessions/{row.pk}/end/")
    assert signed_in_as(client) is None


def test_it_ends_with_the_colleagues_own_session(visiting):
    """D3, B3: which is idle or old sooner than a customer's."""
    passes(visiting, use=61)
    assert ends(visiting) == "/accounts/login/"
    assert the_end().facts["how"] == "signed-out"


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": True}, {"is_superuser": True}, None])
def test_it_ends_when_the_customer_may_not_be_looked_at_any_more(change, visiting, ann, clerk):
    """D1, D3"""
    if change:
        User.objects.filter(pk=ann.pk).update(**change)
    else:
        ann.delete()
    ends(visiting)
    assert signed_in_as(visiting) == clerk.email
    assert the_end().facts["how"] == "customer"


def test_signing_out_signs_the_colleague_out_and_not_the_customer(visiting, ann, ann_client):
    """D3"""
    visiting.post("/accounts/logout/")
    assert signed_in_as(visiting) is None
    assert signed_in_as(ann_client) == ann.email
    assert the_end().facts["how"] == "signed-out"


def test_when_the_customer_signs_out_everywhere_it_goes_on(visiting, ann):
    """It is not the customer's session."""
    ann.end_sessions()
    assert is_visiting(visiting)


@every_verb
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_what_is_sent_after_the_end_is_done_by_nobody(verb: Verb, htmx, sandbox, ann, make_person, client_of):
    """D3: not even as the colleague, who may well manage the same consumer."""
    before = acme(sandbox)
    sandbox.add_consumer("own", managers=["boss@portal.test"])
    boss = make_person("boss@portal.test", is_staff=True, is_superuser=True)
    browser = client_of(boss)
    start(browser, ann)
    ago(browser, 60)
    answer = verb.send(browser, verb.url(sandbox), htmx=htmx)
    target = answer["HX-Redirect"] if htmx else answer["Location"]
    assert target == f"/admin/portal/user/{ann.pk}/change/"
    assert sandbox.keys("acme") == before
    assert not FULL_KEY.search(answer.text)
    assert "any more: it ended as the time was over." in browser.get("/").text


# What is shut (D2)


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
    shut = {name for name in names_of_pages(get_resolver()) if not name.startswith("keys:")} - support.OPEN
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
        assert "Closed to support" in answer.text
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
    assert "You are here as support" in answer.text
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


# With the further permission


@pytest.fixture
def changing(browser, clerk, ann, sandbox) -> Client:
    """The clerk may change keys as well."""
    acme(sandbox)
    grant(clerk, "support_user", "change_as_user")
    start(browser, ann)
    mail.outbox.clear()
    return browser


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
        assert "You may not see it; those who manage it can reveal and copy it." in answer.text
        assert "goes on" not in answer.text
    event = AuditEvent.objects.get(action=verb.action)
    assert (event.outcome, event.user, event.staff) == (Outcome.DONE, ann, clerk)
    for message in mail.outbox:
        assert "Support (clerk@portal.test)" in message.body


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
    assert buttons(page) == {"Rotate", "Rotate all", "Change end", "Rename", "Delete", "Create key"}
    assert "shown once" not in page, "which is true of the bucket, not of who looks"
    assert VERBS[0].send(sam_client, VERBS[0].url(sandbox)).status_code == 403


def test_the_same_form_again_shows_no_key_either(changing, sandbox):
    """D2, G6"""
    verb, token = MAKING[0], str(uuid.uuid4())
    url = verb.url(sandbox)
    verb.send(changing, url, token)
    again = verb.send(changing, url, token)
    assert again.status_code == 200
    assert "You may not see it" in again.text
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
    assert "shown only once, to whoever makes it" in answer.text
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
    assert "was left as it was, as nobody has seen the new one yet" in answer.text
    assert not FULL_KEY.search(answer.text)
    assert len(sandbox.keys("acme")) == len(before) + 1
    assert sandbox.keys("acme")[: len(before)] == before


# What is on record (D4)


def test_beginning_and_end_are_on_record_with_both_names(visiting, ann, clerk):
    """D4"""
    visiting.post(STOP)
    began, ended = AuditEvent.objects.order_by("started_at")
    assert (began.action, ended.action) == (Action.SUPPORT, Action.SUPPORT_ENDED)
    for event in (began, ended):
        assert (event.user, event.staff, event.outcome) == (ann, clerk, Outcome.DONE)
        assert (event.email, event.staff_email) == ("ann@acme.test", "clerk@portal.test")
        assert (event.reason, event.address) == ("Ticket 7", "127.0.0.1")
        assert event.reference
    assert ended.facts["how"] == "stopped"


def test_a_visit_that_nobody_ended_is_on_record_as_over(visiting, ann, ann_client):
    """D4: the browser was closed, and nothing came any more. Once, however often it is looked at."""
    AuditEvent.objects.update(
        started_at=timezone.now() - timedelta(hours=2),
        facts={"until": (timezone.now() - timedelta(hours=1)).isoformat()},
    )
    call_command("settle", stdout=StringIO())
    ann_client.get("/keys/activity/")
    ago(visiting, 60)
    ends(visiting)
    assert the_end().facts == {"start": AuditEvent.objects.get(action=Action.SUPPORT).pk, "how": "time", "minutes": 60}
    assert timezone.now() - the_end().started_at > timedelta(minutes=59)


def test_the_customer_is_mailed_who_looks_and_why(browser, ann, clerk):
    """D4: unless the operator does not want it."""
    start(browser, ann)
    (message,) = mail.outbox
    assert message.to == ["ann@acme.test"]
    for words in ("Support (clerk@portal.test)", "Ticket 7", "until", "/keys/activity/", "stay masked"):
        assert words in message.body
    assert "may change keys" not in message.body


def test_the_mail_says_so_if_keys_may_be_changed(browser, ann, clerk):
    grant(clerk, "support_user", "change_as_user")
    start(browser, ann)
    assert "may change keys in your name" in mail.outbox[0].body


def test_an_address_that_nobody_proved_is_told_nothing(browser, unverified):
    """A1"""
    start(browser, unverified)
    assert is_visiting(browser)
    assert mail.outbox == []


def test_the_mail_can_be_switched_off(browser, ann, settings):
    settings.SUPPORT_MAIL_CUSTOMER = False
    start(browser, ann)
    assert mail.outbox == []
    assert is_visiting(browser)


def test_trouble_with_the_mail_stops_nothing(browser, ann, settings):
    """G15"""
    settings.EMAIL_BACKEND = "nothing.of.the.kind"
    start(browser, ann)
    assert is_visiting(browser)


def test_an_outage_is_explained_under_the_banner(visiting, sandbox):
    """H1"""
    sandbox.fault("GET", "*", "drop", times=0)
    page = visiting.get("/keys/")
    assert page.status_code == 503
    assert 'class="support-banner"' in page.text


def test_the_language_that_support_chooses_is_not_taken_for_the_customers(visiting, ann, clerk):
    visiting.post("/language/", {"language": "de"})
    ann.refresh_from_db()
    clerk.refresh_from_db()
    assert (ann.language, clerk.language) == ("", "de")


def test_the_customer_is_told_in_the_language_last_read_here(browser, ann):
    User.objects.filter(pk=ann.pk).update(language="es")
    start(browser, ann)
    assert [message.subject for message in mail.outbox] == ["Soporte está mirando su página de claves de API"]
