"""Signing up, signing in and out, by the real pages: an address is proved by a code, in the browser that asked."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

LOGIN, SIGNUP = "/accounts/login/", "/accounts/signup/"
CONFIRM, PROVE = "/accounts/login/code/confirm/", "/accounts/confirm-email/"
WRONG = "AAAA-AAAA"

pytestmark = pytest.mark.django_db
User = get_user_model()


def code_in(message) -> str:
    return re.search(r"^[A-Z]{4}-[A-Z]{4}$", message.body, re.MULTILINE)[0]


def last_code() -> str:
    return code_in(mail.outbox[-1])


def signed_in_as(client: Client) -> str | None:
    user = client.get("/").context["user"]
    return user.email if user.is_authenticated else None


def later(client: Client, seconds: int) -> None:
    """Make what this browser asked for so much older."""
    session = client.session
    for state in _states(dict(session.items())):
        state["at"] -= seconds
    session["account_login"] = session.get("account_login")
    session.save()


def _states(value):
    if isinstance(value, dict):
        if isinstance(value.get("at"), float):
            yield value
        for inner in value.values():
            yield from _states(inner)


def seen(response) -> tuple[int, str]:
    """What can be told from an answer, but for the address and what differs in every answer."""
    page = re.sub(r'value="[A-Za-z0-9]{64}"|[\w.-]+@[\w.-]+|<code>[0-9a-f]{12}</code>', "", response.text)
    return response.status_code, page


# In by a code


def test_a_new_person_signs_up_with_an_address_and_its_code(client):
    form = client.get(SIGNUP).context["form"]
    assert list(form.fields) == ["email"]
    assert client.post(SIGNUP, {"email": "New@Startup.test"}).headers["Location"] == PROVE
    assert signed_in_as(client) is None
    assert not EmailAddress.objects.get(email="new@startup.test").verified
    done = client.post(PROVE, {"code": last_code()})
    assert done.headers["Location"] == "/keys/"
    assert signed_in_as(client) == "new@startup.test"
    assert EmailAddress.objects.get(email="new@startup.test").verified
    assert not User.objects.get().has_usable_password()


@pytest.mark.django_db(transaction=True)
def test_signing_up_from_many_windows_at_once_makes_one_account():
    def sign_up(_number: int) -> int:
        try:
            return Client().post(SIGNUP, {"email": "new@startup.test"}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as windows:
        answers = list(windows.map(sign_up, range(8)))
    assert set(answers) <= {302, 429}
    assert User.objects.count() == 1


def test_signing_up_takes_no_password_even_if_one_is_sent(client):
    client.post(SIGNUP, {"email": "new@startup.test", "password1": "slipped-in-9", "password": "slipped-in-9"})
    assert not User.objects.get().has_usable_password()


def test_a_known_person_signs_in_by_code(client, ann):
    assert client.post(LOGIN, {"login": "Ann@acme.test"}).headers["Location"] == CONFIRM
    assert mail.outbox[-1].to == ["ann@acme.test"]
    done = client.post(CONFIRM, {"code": last_code().lower().replace("-", " ")})
    assert done.headers["Location"] == "/keys/"
    assert signed_in_as(client) == "ann@acme.test"


def test_any_proved_address_of_a_person_leads_in(client, make_person):
    make_person("ann@acme.test", "ann@home.test")
    client.post(LOGIN, {"login": "ann@home.test"})
    assert mail.outbox[-1].to == ["ann@home.test"]
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"


def test_a_code_works_once(client, ann):
    client.post(LOGIN, {"login": "ann@acme.test"})
    code = last_code()
    client.post(CONFIRM, {"code": code})
    client.post("/accounts/logout/")
    assert signed_in_as(client) is None
    assert client.post(CONFIRM, {"code": code}).headers["Location"].startswith("/accounts/login/")
    assert signed_in_as(client) is None


def test_a_code_works_only_in_the_browser_that_asked(client, ann):
    client.post(LOGIN, {"login": "ann@acme.test"})
    other = Client()
    other.post(LOGIN, {"login": "ann@acme.test"})
    first, second = (code_in(message) for message in mail.outbox[-2:])
    assert client.post(CONFIRM, {"code": second}).status_code == 200
    assert signed_in_as(client) is None
    client.post(CONFIRM, {"code": first})
    assert signed_in_as(client) == "ann@acme.test"
    assert signed_in_as(other) is None


@pytest.mark.parametrize(
    ("start", "entry", "page"), [(LOGIN, {"login": "ann@acme.test"}, CONFIRM), (SIGNUP, {"email": "x@new.test"}, PROVE)]
)
class TestEveryCode:
    def test_ends_after_three_wrong_tries(self, client, ann, start, entry, page):
        client.post(start, entry)
        code = last_code()
        assert [client.post(page, {"code": WRONG}).status_code for _ in range(3)] == [200, 200, 302]
        assert client.post(page, {"code": code}).status_code == 302
        assert signed_in_as(client) is None

    def test_gains_no_tries_by_asking_for_a_new_one(self, client, ann, start, entry, page):
        client.post(start, entry)
        client.post(page, {"code": WRONG})
        client.post(page, {"code": WRONG})
        cache.clear()  # the time between two mails has passed
        client.post(page, {"action": "resend"})
        assert client.post(page, {"code": WRONG}).status_code == 302
        client.post(page, {"code": last_code()})
        assert signed_in_as(client) is None

    def test_ends_after_ten_minutes(self, client, ann, start, entry, page):
        client.post(start, entry)
        later(client, 9 * 60)
        assert client.get(page).status_code == 200
        later(client, 61)
        assert client.post(page, {"code": last_code()}).status_code == 302
        assert signed_in_as(client) is None


def test_a_new_code_replaces_the_old_one(client, ann):
    client.post(LOGIN, {"login": "ann@acme.test"})
    client.post(CONFIRM, {"action": "resend"})
    old, new = (code_in(message) for message in mail.outbox)
    client.post(CONFIRM, {"code": old})
    assert signed_in_as(client) is None
    client.post(CONFIRM, {"code": new})
    assert signed_in_as(client) == "ann@acme.test"


# Nobody learns who has an account


def test_signing_in_looks_the_same_with_a_known_and_an_unknown_address(ann):
    known, unknown = Client(), Client()
    answers = [
        (
            seen(browser.post(LOGIN, {"login": address})),
            seen(browser.get(CONFIRM)),
            seen(browser.post(CONFIRM, {"code": WRONG})),
            seen(browser.post(CONFIRM, {"action": "resend"}, follow=True)),
            seen(browser.post(CONFIRM, {"code": WRONG})),
            seen(browser.post(CONFIRM, {"code": WRONG}, follow=True)),
        )
        for browser, address in ((known, "ann@acme.test"), (unknown, "nobody@acme.test"))
    ]
    assert answers[0] == answers[1]
    texts = {message.to[0]: message.body for message in mail.outbox}
    assert "There is no account with this address" in texts["nobody@acme.test"]


def test_signing_up_looks_the_same_with_a_known_and_an_unknown_address(ann):
    known, unknown = Client(), Client()
    answers = [
        (
            seen(browser.post(SIGNUP, {"email": address})),
            seen(browser.get(PROVE)),
            seen(browser.post(PROVE, {"code": WRONG})),
            seen(browser.post(PROVE, {"code": WRONG})),
            seen(browser.post(PROVE, {"code": WRONG}, follow=True)),
        )
        for browser, address in ((known, "ann@acme.test"), (unknown, "nobody@acme.test"))
    ]
    assert answers[0] == answers[1]
    assert "There already is one" in mail.outbox[0].body
    assert User.objects.filter(email="ann@acme.test").count() == 1


def test_a_wrong_password_looks_the_same_with_a_known_and_an_unknown_address(client, ann):
    ann.set_password("open-sesame")
    ann.save()
    answers = [
        seen(client.post(LOGIN, {"login": address, "password": "guess"}))
        for address in ("ann@acme.test", "nobody@acme.test")
    ]
    assert answers[0] == answers[1]
    assert mail.outbox == []


# Whose an address is


def test_an_unproved_address_leads_to_its_proof_first(client, unverified):
    unverified.set_password("open-sesame")
    unverified.save()
    client.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame"})
    assert signed_in_as(client) is None
    assert client.get("/keys/").status_code == 302
    client.post(PROVE, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"


def test_whoever_owns_an_address_that_a_stranger_signed_up_with_gets_the_account_alone(client):
    stranger = Client()
    stranger.post(SIGNUP, {"email": "victim@acme.test"})
    cache.clear()
    client.post(LOGIN, {"login": "victim@acme.test"})
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "victim@acme.test"
    for data in ({"action": "resend"}, {"action": "change", "email": "evil@evil.test"}, {"code": WRONG}, {}):
        cache.clear()
        stranger.post(PROVE, data)
        assert signed_in_as(stranger) is None
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("victim@acme.test", True)]


def test_an_address_that_a_stranger_has_on_his_account_does_not_lead_its_owner_there(client, mallory):
    EmailAddress.objects.create(user=mallory, email="victim@acme.test", verified=False)
    client.post(LOGIN, {"login": "victim@acme.test"})
    done = client.post(CONFIRM, {"code": last_code()}, follow=True)
    assert signed_in_as(client) is None
    assert done.redirect_chain[-1][0] == SIGNUP
    assert "There is no account with this address yet." in done.text
    assert not EmailAddress.objects.filter(email="victim@acme.test").exists()
    client.post(SIGNUP, {"email": "victim@acme.test"})
    client.post(PROVE, {"code": last_code()})
    assert signed_in_as(client) == "victim@acme.test"


def test_a_further_address_is_added_in_the_own_session_and_counts_once_proved(ann, ann_client):
    ann_client.post("/accounts/email/", {"action_add": "", "email": "ann@home.test"})
    assert not EmailAddress.objects.filter(email="ann@home.test").exists()
    ann_client.post(PROVE, {"code": last_code()})
    assert EmailAddress.objects.get(email="ann@home.test").user == ann
    assert EmailAddress.objects.get(email="ann@home.test").verified


def test_an_address_of_somebody_else_cannot_be_added(ben, ann_client):
    ann_client.post("/accounts/email/", {"action_add": "", "email": "ben@acme.test"})
    ann_client.post(PROVE, {"code": last_code()})
    assert list(EmailAddress.objects.filter(email="ben@acme.test").values_list("user__email", flat=True)) == [ben.email]


@pytest.mark.parametrize("path", ["/accounts/confirm-email/abc/", "/accounts/password/reset/key/1-abc/"])
def test_there_are_no_links_that_prove_an_address(client, path):
    assert client.get(path).status_code == 404


# Passwords are for those who want one


def test_a_password_that_was_added_later_leads_in(client, ann, client_of):
    client_of(ann).post("/accounts/password/set/", {"password1": "open-sesame-9", "password2": "open-sesame-9"})
    assert "password" in mail.outbox[-1].subject.lower()
    client.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame-9"})
    assert signed_in_as(client) == "ann@acme.test"


def test_a_forgotten_password_is_replaced_by_a_code(client, ann):
    client.post("/accounts/password/reset/", {"email": "ann@acme.test"})
    client.post("/accounts/password/reset/confirm/", {"code": last_code()})
    client.post("/accounts/password/reset/complete/", {"password1": "open-sesame-9", "password2": "open-sesame-9"})
    client.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame-9"})
    assert signed_in_as(client) == "ann@acme.test"


def test_five_wrong_passwords_close_the_account_to_guesses_from_everywhere(ann):
    ann.set_password("open-sesame")
    ann.save()
    for number in range(5):
        # another address, another port in the Host header, another claim of a proxy: nothing gives more tries
        Client(
            REMOTE_ADDR=f"192.0.2.{number}", HTTP_HOST=f"127.0.0.1:{number + 1}", HTTP_X_FORWARDED_FOR="198.51.100.1"
        ).post(LOGIN, {"login": "ann@acme.test", "password": "guess"})
    late = Client(REMOTE_ADDR="192.0.2.99", HTTP_HOST="127.0.0.1:99")
    late.post(LOGIN, {"login": "ann@acme.test", "password": "open-sesame"})
    assert signed_in_as(late) is None


def test_only_so_many_codes_are_mailed_to_one_address(ann):
    for number in range(5):
        Client(REMOTE_ADDR=f"192.0.2.{number}").post(LOGIN, {"login": "ann@acme.test"})
    assert len(mail.outbox) == 3


def test_only_so_many_codes_are_asked_for_by_one_client(db):
    answers = [Client().post(LOGIN, {"login": f"person-{number}@acme.test"}) for number in range(25)]
    assert len(mail.outbox) == 20
    assert answers[-1].status_code == 200


def test_a_client_is_told_apart_by_what_the_trusted_proxies_say(settings):
    settings.TRUSTED_PROXY_COUNT = 1
    for number in range(25):
        heard = f"203.0.113.{number}, 192.0.2.{number}"
        Client(HTTP_X_FORWARDED_FOR=heard).post(LOGIN, {"login": f"person-{number}@acme.test"})
    assert len(mail.outbox) == 25
    for number in range(25):
        Client(HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 198.51.100.9").post(
            LOGIN, {"login": f"other-{number}@acme.test"}
        )
    assert len(mail.outbox) == 45


# Mails


def test_mails_name_the_portal_and_point_to_it_wherever_the_request_went(client, ann, settings):
    settings.PORTAL_NAME, settings.PORTAL_URL = "Acme Keys", "https://keys.acme.test"
    settings.PORTAL_SUPPORT_URL = "https://help.acme.test"
    settings.ALLOWED_HOSTS = ["evil.test"]
    for path, entry in (
        (LOGIN, {"login": "ann@acme.test"}),
        (LOGIN, {"login": "nobody@acme.test"}),
        (SIGNUP, {"email": "ann@acme.test"}),
        (SIGNUP, {"email": "somebody@acme.test"}),
        ("/accounts/password/reset/", {"email": "ann@acme.test"}),
        ("/accounts/password/reset/", {"email": "anybody@acme.test"}),
    ):
        Client(HTTP_HOST="evil.test:1234").post(path, entry)
    assert len(mail.outbox) == 6
    for message in mail.outbox:
        text = f"{message.subject}\n{message.body}"
        assert "evil.test" not in text
        assert "Acme Keys" in text
        assert "https://help.acme.test" in text
        assert not re.search(r"https?://(?!keys\.acme\.test|help\.acme\.test)", text)
        assert "\n" not in message.subject


class BrokenMail:
    """A mail server that is down."""

    def __init__(self, **_options):
        pass

    def send_messages(self, _messages):
        raise ConnectionRefusedError(111, "Connection refused")


def test_where_mail_is_down_the_page_says_so_for_everybody_alike(ann, settings):
    settings.EMAIL_BACKEND = f"{__name__}.BrokenMail"
    answers = []
    for address in ("ann@acme.test", "nobody@acme.test"):
        response = Client().post(LOGIN, {"login": address}, follow=True)
        assert "The mail could not be sent. Please try again in a few minutes." in response.text
        answers.append(seen(response))
    assert answers[0] == answers[1]
    response = Client().post(SIGNUP, {"email": "new@startup.test"}, follow=True)
    assert "The mail could not be sent." in response.text


def test_a_password_is_set_although_nobody_can_be_told(ann, ann_client, settings):
    settings.EMAIL_BACKEND = f"{__name__}.BrokenMail"
    ann_client.post("/accounts/password/set/", {"password1": "open-sesame-9", "password2": "open-sesame-9"})
    ann.refresh_from_db()
    assert ann.check_password("open-sesame-9")


# Sessions


def test_the_session_is_another_one_after_signing_in(client, ann):
    client.post(LOGIN, {"login": "ann@acme.test"})
    before = client.session.session_key
    client.post(CONFIRM, {"code": last_code()})
    assert client.session.session_key != before
    assert not client.session.exists(before)


@pytest.mark.parametrize(("person", "hours"), [("ann", 168), ("sam", 12)])
@pytest.mark.parametrize("password", ["", "open-sesame"])
def test_a_session_ends_at_a_fixed_time_sooner_for_staff(client, request, person, hours, password):
    user = request.getfixturevalue(person)
    user.set_password("open-sesame")
    user.save()
    client.post(LOGIN, {"login": user.email, "password": password})
    if not password:
        client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == user.email
    ends = client.session.get_expiry_date()
    assert abs(ends - timezone.now() - timedelta(hours=hours)) < timedelta(minutes=1)
    session = client.session
    session["something"] = "else"
    session.save()
    assert client.session.get_expiry_date() == ends


def test_signing_out_needs_a_post_and_ends_the_session_on_the_server(ann, ann_client):
    key = ann_client.session.session_key
    ann_client.get("/accounts/logout/")
    assert signed_in_as(ann_client) == ann.email
    assert ann_client.post("/accounts/logout/").headers["Location"] == "/"
    assert not ann_client.session.exists(key)


def test_a_disabled_person_is_out_with_the_next_request(ann, ann_client):
    ann.is_active = False
    ann.save()
    assert signed_in_as(ann_client) is None
    client = Client()
    client.post(LOGIN, {"login": "ann@acme.test"})
    assert "There is no account" in mail.outbox[-1].body


def test_next_stays_on_the_site(client, ann):
    for target, reached in (("https://evil.test/", "/keys/"), ("//evil.test", "/keys/"), ("/admin/", "/admin/")):
        cache.clear()
        client.post(LOGIN, {"login": "ann@acme.test", "next": target}, follow=True)
        done = client.post(CONFIRM, {"code": last_code(), "next": target})
        assert done.headers["Location"] == reached
        client.post("/accounts/logout/")


# Admin


def test_the_admin_site_uses_the_same_door(client, sam, ann_client, sam_client):
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
    client.post(CONFIRM, {"code": last_code()})
    cache.clear()
    if signed_in_as(client) is None:
        client.post(PROVE, {"code": last_code()})
    assert signed_in_as(client) == "zoe@acme.test"
    assert EmailAddress.objects.get(email="zoe@acme.test").verified


def change_by_form(browser, person, **fields):
    """Send the form of a person in Django admin, as the page has it."""
    address = EmailAddress.objects.get(user=person)
    inline = {"TOTAL_FORMS": 1, "INITIAL_FORMS": 1, "0-id": address.pk, "0-user": person.pk}
    fields |= {f"emailaddress_set-{name}": value for name, value in inline.items()}
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
    stranger.post(PROVE, {"code": code})
    assert signed_in_as(stranger) is None
    assert User.objects.count() == 1


def test_no_admin_is_made_of_what_is_no_address(db):
    with pytest.raises(CommandError, match="no e-mail address"):
        create_admin("boss")
