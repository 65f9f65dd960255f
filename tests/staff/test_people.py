"""Django admin: the same door, a second factor for colleagues, and nobody proves or signs in for somebody else."""

from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from portal.models import User
from tests.helpers.people import CONFIRM, LOGIN, SIGNUP, last_code, signed_in_as
from tests.helpers.staff import permit
from tests.helpers.verbs import acme
from tests.portal.test_settings import PRODUCTION, settings_of

pytestmark = pytest.mark.django_db


def test_the_admin_site_uses_the_same_door(client, sam, ann_client, sam_client):
    """A9"""
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")
    assert client.get("/admin/login/?next=/admin/").headers["Location"] == "/accounts/login/?next=%2Fadmin%2F"
    sam.set_password("open-sesame")
    sam.save()
    client.post("/admin/login/", {"username": "sam@portal.test", "password": "open-sesame"})
    assert signed_in_as(client) is None
    assert ann_client.get("/admin/", follow=True).status_code == 403
    assert sam_client.get("/admin/").status_code == 302  # the password was changed meanwhile


def test_admins_see_people_but_cannot_prove_addresses_or_set_passwords(ann, sam_client):
    assert "ann@acme.test" in sam_client.get("/admin/portal/user/").text
    page = sam_client.get(f"/admin/portal/user/{ann.pk}/change/")
    assert page.status_code == 200
    assert 'name="emailaddress_set-0-verified"' not in page.text
    assert 'name="password"' not in page.text
    assert sam_client.get("/admin/account/emailaddress/").status_code == 404
    assert "password1" not in sam_client.get(f"/admin/portal/user/{ann.pk}/password/", follow=True).text
    assert sam_client.get("/admin/password_change/").headers["Location"] == "/accounts/password/change/"


def test_an_admin_adds_a_person_who_then_proves_the_address(client, sam_client):
    sam_client.post("/admin/portal/user/add/", {"email": "Zoe@acme.test"})
    zoe = User.objects.get(email="zoe@acme.test")
    assert not zoe.has_usable_password()
    client.post(LOGIN, {"login": "zoe@acme.test"})
    assert not EmailAddress.objects.get(user=zoe).verified
    client.post(CONFIRM, {"code": last_code()})  # one code proves it and signs in
    assert signed_in_as(client) == "zoe@acme.test"
    assert EmailAddress.objects.get(email="zoe@acme.test").verified


def test_what_colleagues_did_in_admin_is_not_deleted_with_their_account(sam, sam_client):
    """H2: not even by one who is no colleague any more."""
    sam_client.post("/admin/portal/user/add/", {"email": "zoe@acme.test"})
    sam_client.post("/admin/portal/user/add/", {"email": "eve@acme.test"})
    for is_staff in (True, False):
        User.objects.filter(pk=sam.pk).update(is_staff=is_staff, is_superuser=is_staff)
        assert "Delete account" not in sam_client.get("/accounts/delete/").text
        refused = sam_client.post("/accounts/delete/", {"sure": "yes"})
        assert refused.status_code == 403
        assert "Ask a superuser to disable it." in refused.text
    assert LogEntry.objects.filter(user=sam).count() == 2


def change_by_form(browser, person, factor=None, **fields):
    """Send the form of a person in Django admin, as the page has it."""
    for name, row in (("emailaddress_set", EmailAddress.objects.get(user=person)), ("authenticator_set", factor)):
        inline = {"TOTAL_FORMS": 1 if row else 0, "INITIAL_FORMS": 1 if row else 0}
        inline |= {"0-id": row.pk, "0-user": person.pk} if row else {}
        fields |= {f"{name}-{field}": value for field, value in inline.items()}
    return browser.post(f"/admin/portal/user/{person.pk}/change/", fields)


def test_staff_who_may_change_people_cannot_raise_anybody(unverified, sam, make_person, client_of):
    clerk = make_person("clerk@portal.test", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    browser = client_of(clerk)
    extra = {"is_staff": "on", "is_superuser": "on", "email": "other@evil.test", "emailaddress_set-0-verified": "on"}
    assert change_by_form(browser, unverified, **extra).status_code == 302
    unverified.refresh_from_db()
    assert unverified.is_active is False  # the one field that is his to change
    assert (unverified.is_staff, unverified.is_superuser, unverified.email) == (False, False, "ann@acme.test")
    assert not EmailAddress.objects.get(user=unverified).verified
    assert change_by_form(browser, sam).status_code == 403
    assert browser.post(f"/admin/portal/user/{sam.pk}/delete/", {"post": "yes"}).status_code == 403


def test_staff_who_may_change_groups_cannot_raise_themselves_by_one(sam_client, make_person, client_of):
    """C8"""
    group = Group.objects.create(name="Support")
    clerk = make_person("clerk@portal.test", is_staff=True)
    clerk.groups.add(group)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="auth", content_type__model="group"))
    reveal = Permission.objects.get(codename="reveal_key")
    form, url = {"name": "Support", "permissions": [reveal.pk]}, f"/admin/auth/group/{group.pk}/"
    browser = client_of(clerk)
    assert browser.get(f"{url}change/").status_code == 200  # to be looked at
    for path in (f"{url}change/", f"{url}delete/", "/admin/auth/group/add/"):
        assert browser.post(path, form | {"post": "yes"}).status_code == 403
    browser.post("/admin/auth/group/", {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"})
    assert not group.permissions.exists()
    assert sam_client.post(f"{url}change/", form).status_code == 302
    assert list(group.permissions.all()) == [reveal]


def test_permissions_offered_are_those_that_count_here_and_those_that_somebody_has(ann, sam_client):
    """What is not offered would be taken away by saving."""
    other = Permission.objects.get(codename="change_session")
    ann.user_permissions.add(other)
    offered = {}
    for person in (ann, User.objects.get(email="sam@portal.test")):
        page = BeautifulSoup(sam_client.get(f"/admin/portal/user/{person.pk}/change/").content, "html.parser")
        boxes = page.select("input[type=checkbox][name=user_permissions]")
        offered[person.email] = {int(box["value"]): box.has_attr("checked") for box in boxes}
    assert offered["ann@acme.test"][other.pk]
    assert other.pk not in offered["sam@portal.test"]
    assert Permission.objects.get(codename="reveal_key").pk in offered["sam@portal.test"]


def create_admin(email: str) -> str:
    said = StringIO()
    call_command("create_admin", email, stdout=said)
    return said.getvalue()


def test_the_first_admin_is_made_on_the_command_line_and_signs_in_by_code(client):
    assert "boss@acme.test is now an admin." in create_admin("Boss@acme.test")
    assert "already was" in create_admin("boss@acme.test")
    assert not User.objects.get().has_usable_password()
    client.post(LOGIN, {"login": "boss@acme.test"})
    client.post(CONFIRM, {"code": last_code()})
    assert client.get("/admin/").status_code == 200


def test_a_customer_is_made_an_admin_by_any_proved_address(make_person):
    person = make_person("ann@acme.test", "ann@home.test")
    create_admin("ann@home.test")
    person.refresh_from_db()
    assert person.is_superuser
    assert User.objects.count() == 1


def test_whoever_waits_with_the_admins_unproved_address_gets_nothing(client):
    stranger = Client()
    stranger.post(SIGNUP, {"email": "boss@acme.test"})
    code = last_code()
    create_admin("boss@acme.test")
    stranger.post(CONFIRM, {"code": code})
    assert signed_in_as(stranger) is None
    assert User.objects.count() == 1


def test_no_admin_is_made_of_what_is_no_address(db):
    with pytest.raises(CommandError, match="no email address"):
        create_admin("boss")


# A second factor


def test_colleagues_need_a_second_factor_in_production():
    assert settings_of(**PRODUCTION)["STAFF_SECOND_FACTOR"] is True
    assert settings_of()["STAFF_SECOND_FACTOR"] is False
    assert settings_of(**PRODUCTION | {"STAFF_SECOND_FACTOR": "0"})["STAFF_SECOND_FACTOR"] is False


@pytest.mark.parametrize("path", ["/admin/", "/admin/portal/user/", "/admin/jsi18n/", "/admin/logout/"])
@pytest.mark.parametrize("is_superuser", [True, False])
def test_without_one_admin_stays_closed_and_the_way_to_one_is_shown(path, is_superuser, sam, sam_client, settings):
    settings.STAFF_SECOND_FACTOR = True
    User.objects.filter(pk=sam.pk).update(is_superuser=is_superuser)
    assert sam_client.get(path).headers["Location"] == "/accounts/2fa/"
    assert "Staff need a second factor." in sam_client.get("/accounts/2fa/").text
    assert sam_client.post("/admin/portal/user/add/", {"email": "x@y.test"}).headers["Location"] == "/accounts/2fa/"
    assert not User.objects.filter(email="x@y.test").exists()


def test_recovery_codes_alone_are_none(sam, sam_client, settings):
    settings.STAFF_SECOND_FACTOR = True
    Authenticator.objects.create(user=sam, type="recovery_codes", data={})
    assert sam_client.get("/admin/").status_code == 302
    TOTP.activate(sam, generate_totp_secret())
    assert sam_client.get("/admin/").status_code == 200


def test_customers_are_not_asked_for_one_and_visitors_are_led_to_sign_in(client, ann_client, settings):
    settings.STAFF_SECOND_FACTOR = True
    assert ann_client.get("/admin/", follow=True).status_code == 403
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].startswith("/accounts/login/")


def test_a_superuser_takes_a_lost_factor_off_and_sees_no_secret(ann, ann_client, sam_client):
    """B2: the owner is told of it, and whoever has found the phone is signed out and has no recovery code left."""
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    RecoveryCodes.activate(ann)
    page = sam_client.get(f"/admin/portal/user/{ann.pk}/change/")
    assert "totp" in page.text.lower()
    assert secret not in page.text
    for name in (
        "mfa/authenticator",
        "socialaccount/socialapp",
        "socialaccount/socialaccount",
        "usersessions/usersession",
    ):
        assert sam_client.get(f"/admin/{name}/").status_code == 404
    change_by_form(
        sam_client,
        ann,
        **{"is_active": "on", "authenticator_set-0-DELETE": "on"},
        factor=Authenticator.objects.get(type="totp"),
    )
    assert not Authenticator.objects.exists()
    assert signed_in_as(ann_client) is None
    (message,) = mail.outbox
    assert message.to == ["ann@acme.test"]
    assert "Support has removed a passkey or an authenticator app from" in message.body


def test_a_persons_page_says_what_support_needs_first(ann, sam_client, make_person, client_of):
    """Addresses with their state and their consumers, the last sign-in, the second factor."""
    url = f"/admin/portal/user/{ann.pk}/change/"
    page = BeautifulSoup(sam_client.get(url).content, "html.parser")
    assert page.select_one(".field-second_factor img")["alt"] == "False"
    assert page.select_one(".field-last_login")
    links = {link.text: link["href"] for link in page.select(".field-consumers a")}
    assert links == {"production": "/admin/keys/consumers/production/?manager=ann%40acme.test"}
    TOTP.activate(ann, generate_totp_secret())
    clerk = make_person("clerk@portal.test", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_user"))
    page = BeautifulSoup(client_of(clerk).get(url).content, "html.parser")
    assert page.select_one(".field-second_factor img")["alt"] == "True"
    assert not page.select(".field-consumers")


# From a consumer to its people


def of_address(client, email: str, **more: str):
    return client.get("/admin/portal/user/of-address/", {"email": email} | more)


def test_a_managers_address_leads_to_the_person_and_to_support(sandbox, make_person, sam_client):
    acme(sandbox)
    ann = make_person("first@acme.test", "ann@acme.test")
    page = sam_client.get("/admin/keys/consumer/production/acme/").text
    assert 'href="/admin/portal/user/of-address/?email=ann%40acme.test"' in page
    assert 'href="/admin/portal/user/of-address/?email=ann%40acme.test&amp;support"' in page
    assert of_address(sam_client, "ANN@acme.test")["Location"] == f"/admin/portal/user/{ann.pk}/change/"
    assert of_address(sam_client, "ann@acme.test", support="")["Location"] == f"/admin/portal/user/{ann.pk}/support/"


def test_an_address_that_nobody_has_proved_leads_to_a_search(unverified, sam_client):
    """A1"""
    answer = sam_client.get("/admin/portal/user/of-address/", {"email": "ann@acme.test"}, follow=True)
    assert "No account has verified ann@acme.test." in answer.text
    assert answer.redirect_chain[-1][0] == "/admin/portal/user/?q=ann%40acme.test"


def test_who_may_not_see_people_gets_no_way_to_them(sandbox, make_person, client_of):
    """C8"""
    acme(sandbox)
    clerk = permit(make_person("clerk@portal.test"), "view")
    browser = client_of(clerk)
    assert "of-address" not in browser.get("/admin/keys/consumer/production/acme/").text
    assert of_address(browser, "ann@acme.test").status_code == 403


def test_a_colleague_who_manages_nothing_lands_in_administration(sandbox, sam, sam_client, ann_client):
    acme(sandbox)
    assert sam_client.get("/keys/")["Location"] == "/admin/"
    assert sam_client.get("/keys/production/").status_code == 200, "where a first key can be made"
    assert ann_client.get("/keys/").status_code == 200
    sandbox.add_consumer("own", managers=[sam.email])
    assert sam_client.get("/keys/").status_code == 200
    sandbox.fault("GET", "*", "drop", times=0)
    assert sam_client.get("/keys/").status_code == 503, "an outage is not nothing"


def test_where_no_other_page_is_named_colleagues_stay(settings, sandbox, sam_client):
    """As in a host project, where `is_staff` says nothing about keys."""
    settings.KEYS_STAFF_URL = ""
    assert sam_client.get("/keys/").status_code == 200
