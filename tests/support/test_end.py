"""Support by impersonation: what ends it, and that nothing is done for anybody after that."""

import time

import pytest
from allauth.usersessions.models import UserSession

from keys.models import VisitEnd
from portal.models import User
from portal.support import impersonation
from tests.helpers.people import passes, sign_in, signed_in_as
from tests.helpers.support_visits import ago, ends, grant, is_visiting, start, the_end
from tests.helpers.verbs import FULL_KEY, VERBS, Verb, acme, by_action
from tests.portal.test_settings import settings_of

pytestmark = pytest.mark.django_db
every_verb = pytest.mark.parametrize("verb", VERBS, ids=by_action)


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
    assert browser.session[impersonation.VISIT]["until"] - time.time() < 301
    with pytest.raises(Exception, match="SUPPORT_MINUTES is more than an hour"):
        settings_of(SUPPORT_MINUTES="61")
    assert settings_of()["SUPPORT_MINUTES"] == 60


def test_looking_around_makes_it_no_longer(visiting):
    """D3"""
    until = visiting.session[impersonation.VISIT]["until"]
    passes(visiting, use=5)
    visiting.get("/keys/")
    assert visiting.session[impersonation.VISIT]["until"] == until


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
    assert f"no longer viewing the portal as ann@acme.test ({VisitEnd.TIME.label})." in browser.get("/").text
