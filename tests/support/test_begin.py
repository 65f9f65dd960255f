"""Support by impersonation: who may begin it, on whom, and how."""

import re

import pytest
from django.core import mail

from keys.models import Action, AuditEvent, Outcome
from portal.models import User
from portal.support import impersonation
from tests.helpers.people import passes, signed_in_as
from tests.helpers.support_visits import STOP, buttons, grant, is_visiting, page_of, start
from tests.helpers.verbs import FULL_KEY

pytestmark = pytest.mark.django_db


def test_a_colleague_with_the_permission_sees_what_the_customer_sees(visiting, sandbox):
    """D2: under a banner that names both, with keys masked, and without a button for what is refused."""
    page = visiting.get("/keys/").text
    assert "Acme Inc" in page
    assert not FULL_KEY.search(page)
    assert buttons(page) == {"People"}
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
    request.session, request.user, request.reference = visiting.session, clerk, ""
    with pytest.raises(impersonation.NotAllowed, match="already"):
        impersonation.begin(request, ben, "Ticket 8")


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
