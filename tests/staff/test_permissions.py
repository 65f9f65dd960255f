"""C8: who may do what in Django admin, as a table of everyone against every screen and every verb."""

import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.people import passes
from tests.helpers.staff import ACME, CHANGES, EVERY_VERB, LIST, STAFF_VERBS, OwnVerb, by_action, forms, permit, screens
from tests.helpers.verbs import FULL_KEY, acme

pytestmark = pytest.mark.django_db

COLLEAGUES = {
    "without rights": (),
    "change without view": ("change", "reveal"),
    "view": ("view",),
    "change": ("view", "change"),
    "reveal": ("view", "reveal"),
    "change and reveal": ("view", "change", "reveal"),
    "superuser": ("view", "change", "reveal"),
}
every_colleague = pytest.mark.parametrize("who", COLLEAGUES)
every_verb = pytest.mark.parametrize("verb", EVERY_VERB, ids=by_action)


@pytest.fixture(autouse=True)
def test_route(sandbox: Sandbox, settings) -> None:
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = sandbox.url, "/_sandbox/hello"


@pytest.fixture
def colleague(make_person, client_of):
    """A client in which a colleague of this kind is signed in."""

    def colleague(who: str) -> Client:
        person = make_person("sue@portal.test", is_staff=True, is_superuser=who == "superuser")
        return client_of(person if who == "superuser" else permit(person, *COLLEAGUES[who]))

    return colleague


def may(who: str, right: str) -> bool:
    return "view" in COLLEAGUES[who] and right in COLLEAGUES[who]


def is_explained(response) -> bool:
    return response.status_code == 403 and "permission" in response.text


def assert_nothing_happened(sandbox: Sandbox, before) -> None:
    assert sandbox.consumers() == before
    assert {call.method for call in sandbox.journal()} <= {"GET"}
    assert not any("visible" in call.query for call in sandbox.journal())


@every_colleague
def test_screens_need_the_permission_to_view(who, sandbox: Sandbox, colleague) -> None:
    """C8: and show no key."""
    acme(sandbox)
    client = colleague(who)
    for name, url in screens(sandbox).items():
        sandbox.clear_journal()
        response = client.get(url)
        if may(who, "view"):
            assert response.status_code == 200, name
        else:
            assert is_explained(response), name
            assert sandbox.journal() == [], name
        words = b"".join(response) if response.streaming else response.content
        assert not FULL_KEY.search(words.decode()), name
    found = client.post(LIST + "find/", {"value": sandbox.keys("acme")[0]["key"]})
    assert found.status_code == (200 if may(who, "view") else 403)


@every_colleague
def test_forms_are_offered_to_those_who_may_send_them(who, sandbox: Sandbox, colleague) -> None:
    acme(sandbox)
    client = colleague(who)
    for name, url in forms(sandbox).items():
        response = client.get(url)
        assert response.status_code == 200 if may(who, "change") else is_explained(response), name
    for address, words in ((ACME, ("Copy", "Reveal")), (screens(sandbox)["key"], ("Reveal", "Try it"))):
        page = client.get(address).text
        assert (">Rotate<" in page) is may(who, "change")
        for word in words:
            assert (f"{word}</button>" in page) is may(who, "reveal"), word


@every_colleague
@every_verb
def test_verbs_need_the_permission_to_change_or_to_reveal(verb, who, sandbox: Sandbox, colleague) -> None:
    """C8, H2: whoever may not writes nothing upstream, reads no key, and is on record with the try."""
    before = acme(sandbox)
    everything = sandbox.consumers()
    client = colleague(who)
    url = verb.url(sandbox)
    reads = getattr(verb, "reads", False)
    sandbox.clear_journal()
    response = verb.send(client, url)
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.staff_email, event.email) == (verb.action, "sue@portal.test", "")
    if may(who, "reveal" if reads else "change"):
        assert response.status_code in {200, 303}
        assert verb.is_done(sandbox) if isinstance(verb, OwnVerb) else verb.done(before, sandbox.keys("acme"))
        assert event.outcome == Outcome.DONE
    else:
        assert is_explained(response)
        assert_nothing_happened(sandbox, everything)
        assert event.outcome == Outcome.REFUSED
    assert bool(FULL_KEY.search(response.text)) is (
        may(who, "reveal")
        and response.status_code == 200
        and (reads or may(who, "change"))
        and verb.action != Action.TRY
    )


@pytest.mark.parametrize("who", ["nobody", "customer"])
@every_verb
def test_who_is_no_colleague_is_led_to_the_door(verb, who, sandbox: Sandbox, client, ann_client) -> None:
    """Managing the consumer as a customer opens nothing here."""
    acme(sandbox)
    everything = sandbox.consumers()
    browser = ann_client if who == "customer" else client
    addresses = [verb.url(sandbox), *screens(sandbox).values()]
    sandbox.clear_journal()
    for url in addresses:
        for answer in (browser.get(url), browser.post(url, verb.fields)):
            assert answer.status_code in {302, 405}
            assert answer.status_code == 405 or answer["Location"].startswith("/admin/login/?next=")
    assert browser.get(LIST, follow=True).status_code == (403 if who == "customer" else 200)
    assert sandbox.journal() == []
    assert sandbox.consumers() == everything


@every_verb
def test_a_forged_request_is_refused(verb, sandbox: Sandbox, sam, client_of) -> None:
    """F4: with a page that itself holds together."""
    acme(sandbox)
    everything = sandbox.consumers()
    response = verb.send(client_of(sam, strict=True), verb.url(sandbox))
    assert response.status_code == 403
    assert_nothing_happened(sandbox, everything)


def test_a_second_factor_is_asked_for_here_too(sandbox: Sandbox, sam, sam_client, settings) -> None:
    acme(sandbox)
    settings.STAFF_SECOND_FACTOR = True
    for url in [*screens(sandbox).values(), *forms(sandbox).values(), LIST.replace("consumers/production", "consumer")]:
        assert sam_client.get(url)["Location"] == "/accounts/2fa/"
    for verb in EVERY_VERB:
        assert verb.send(sam_client, verb.url(sandbox))["Location"] == "/accounts/2fa/"
    assert sandbox.journal() == []
    TOTP.activate(sam, generate_totp_secret())
    assert sam_client.get(LIST).status_code == 200


@pytest.mark.parametrize("verb", [one for one in EVERY_VERB if "rename" not in one.action], ids=by_action)
def test_an_old_sign_in_leads_to_the_proof_and_back(verb, sandbox: Sandbox, sam_client) -> None:
    """B4, B5: to the form, or to the consumer where there is none."""
    acme(sandbox)
    everything, url = sandbox.consumers(), verb.url(sandbox)
    passes(sam_client, proof=121)
    sandbox.clear_journal()
    response = verb.send(sam_client, url)
    assert response.status_code == 303
    back = ACME if getattr(verb, "reads", False) else url
    assert response["Location"] == f"/accounts/step-up/?next={back.replace('/', '%2F')}"
    assert_nothing_happened(sandbox, everything)
    passes(sam_client, proof=-121)
    assert verb.send(sam_client, url).status_code in {200, 303}


def test_a_permission_taken_away_counts_at_once(sandbox: Sandbox, make_person, client_of) -> None:
    """C6"""
    acme(sandbox)
    sue = permit(make_person("sue@portal.test"), "view", "change", "reveal")
    client = client_of(sue)
    assert client.get(LIST).status_code == 200
    sue.user_permissions.clear()
    assert is_explained(client.get(LIST))
    sue.is_staff = False
    sue.save()
    assert client.get(LIST).status_code == 302


def test_the_index_of_django_admin_leads_there(sandbox: Sandbox, make_person, client_of) -> None:
    acme(sandbox)
    sue = permit(make_person("sue@portal.test"), "view")
    page = client_of(sue).get("/admin/").text
    assert "API Key Service" in page
    assert client_of(sue).get(re.search(r'href="(/admin/keys/consumer/)"', page)[1])["Location"] == LIST
    assert client_of(sue).get("/admin/keys/consumer/add/").status_code in {302, 403, 404}
    permit(sue)
    assert "API Key Service" not in client_of(sue).get("/admin/").text


def test_the_permissions_are_there_by_name_and_there_is_no_table(db, capsys) -> None:
    names = set(Permission.objects.filter(content_type__model="consumer").values_list("codename", flat=True))
    assert names == {"view_consumer", "change_consumer", "reveal_key"}
    call_command("dumpdata", "keys")
    assert capsys.readouterr().out.strip() == "[]"


@pytest.mark.parametrize(
    "path", ["consumers/nowhere/", "consumers/production/look/nothing/", "consumer/production/nobody/"]
)
def test_what_is_not_there_is_said_to_be_missing(path, sandbox: Sandbox, sam_client) -> None:
    assert sam_client.get("/admin/keys/" + path).status_code == 404


@pytest.mark.parametrize("verb", [verb for verb in STAFF_VERBS if verb.action != Action.COPY], ids=by_action)
def test_pages_here_are_whole_whatever_script_asks(verb, sandbox: Sandbox, sam_client) -> None:
    acme(sandbox)
    response = verb.send(sam_client, verb.url(sandbox), htmx=True)
    assert "HX-Trigger" not in response
    assert "<html" in response.text if response.status_code == 200 else response.status_code == 303


def test_copy_answers_its_script_with_the_bare_key(sandbox: Sandbox, sam_client) -> None:
    """And says what is wrong without a page around it; who must prove who is there is led to the proof."""
    (key, _laptop) = acme(sandbox)
    url, by_script = f"{ACME}{key['id']}/copy/", {"HX-Request": "true"}
    response = sam_client.post(url, headers=by_script)
    assert (response.text, response["Content-Type"]) == (key["key"], "text/plain; charset=utf-8")
    assert "no-store" in response["Cache-Control"]
    sandbox.fault("*", "*", "drop", times=0)
    response = sam_client.post(url, headers=by_script)
    assert response.status_code == 503
    assert "data-error" in response.text
    assert "<html" not in response.text


def test_the_portal_itself_shows_colleagues_nothing_of_others(sandbox: Sandbox, sam_client) -> None:
    """Their permissions count in Django admin alone."""
    acme(sandbox)
    assert "Acme" not in sam_client.get("/keys/").text
    for verb in STAFF_VERBS:
        url = verb.url(sandbox).replace("/admin/keys/consumer/", "/keys/")
        assert verb.send(sam_client, url).status_code == 404
    assert not AuditEvent.objects.exclude(outcome=Outcome.REFUSED).exists()


def test_every_change_that_only_staff_make_is_in_the_table() -> None:
    shaping = {action for action in Action if action.value.startswith("consumer:")}
    shaping -= {Action.REMINDERS_OFF, Action.REMINDERS_ON, Action.ASK_FOR_ACCESS, Action.INVITE}  # of customers alone
    assert shaping <= {verb.action for verb in CHANGES}
