"""People on a consumer: who they are, one more, one less, who asks for access; and what may not be told or done."""

import re
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends import locmem
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.audit.notifications import page_of_consumer
from keys.errors import NotAllowed
from keys.models import Action, AuditEvent, Outcome
from keys.provisioning import Provisioning
from sandbox import Sandbox
from tests.helpers.people import CONFIRM, LOGIN, last_code, passes, signed_in_as
from tests.helpers.verbs import PEOPLE, Verb, acme, by_action

ClientOf = Callable[..., Client]
pytestmark = pytest.mark.django_db
URL = "/keys/production/acme/people/"
ADD = URL + "add/"
every_verb = pytest.mark.parametrize("verb", PEOPLE, ids=by_action)


def managers(sandbox: Sandbox, name: str = "acme") -> list[str]:
    return sorted(one["email"] for one in sandbox.consumer(name)["managers"])


def url_of(sandbox: Sandbox, email: str, verb: str, name: str = "acme") -> str:
    consumer = sandbox.consumer(name)
    people = consumer["managers"] + consumer.get("managerInvites", [])
    (found,) = [one["id"] for one in people if one["email"] == email]
    return f"/keys/production/{name}/people/{found}/{verb}/"


def remove_url(sandbox: Sandbox, email: str, name: str = "acme") -> str:
    return url_of(sandbox, email, "remove", name)


def send(client: Client, url: str, **fields: str):
    return client.post(url, {"token": str(uuid.uuid4())} | fields)


def states(client: Client, url: str = URL) -> dict[str, str]:
    """Each person on the page, with what is said of them."""
    page = BeautifulSoup(client.get(url).content, "html.parser")
    return {row["data-person"]: " ".join(row.get_text(" ").split()) for row in page.select("[data-person]")}


def without_tokens(response) -> str:
    """The page without what differs in every answer: CSRF tokens and the reference."""
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.text)
    return page.replace(response["X-Request-ID"], "")


# Looking


def test_each_consumer_has_one_link_to_its_people(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    (button,) = page.select(f"[data-consumer=acme] [formaction='{URL}'][hx-get]")
    assert button["form"] == "ask"
    fragment = ann_client.get(URL, headers={"HX-Request": "true"}).text
    assert "<html" not in fragment
    assert "data-person" in fragment
    assert "<html" in ann_client.get(URL).text


def test_it_says_who_is_active_invited_or_cannot_sign_in(
    sandbox: Sandbox, ann_client: Client, ben_client: Client
) -> None:
    """By the history that managers read, and by the address itself: not by who has an account."""
    people = ["ann@acme.test", "ben@acme.test", "no address", "kim@mail.example"]
    sandbox.add_consumer("acme", managers=people, invites=["una@acme.test"])
    send(ann_client, ADD, email="zoe@acme.test")
    send(ben_client, ADD, email="eve@acme.test")
    said = states(ann_client)
    assert next(iter(said)) == "ann@acme.test"
    assert "You" in said["ann@acme.test"]
    assert "Last active" in said["ben@acme.test"]
    assert "Invited Invited by ann@acme.test," in said["zoe@acme.test"]
    assert "Invited Invited by ben@acme.test," in said["eve@acme.test"]
    assert "Invited" in said["una@acme.test"]
    assert "Can't sign in “no address” isn't an email address" in said["no address"]
    assert "Can't sign in No email reaches mail.example" in said["kim@mail.example"]


def test_nothing_is_said_of_who_has_an_account(sandbox: Sandbox, ann_client: Client, make_person) -> None:
    """A7, C9: neither in the list nor by what adding answers."""
    others = ["has@acme.test", "has-not@acme.test", "shut@acme.test"]
    sandbox.add_consumer("acme", managers=["ann@acme.test", *others])
    make_person("has@acme.test")
    make_person("shut@acme.test", is_active=False)
    said = states(ann_client)
    assert len({said[email].replace(email, "") for email in others}) == 1
    make_person("known@acme.test")
    told = []
    for email in ("known@acme.test", "stranger@acme.test"):
        answer = ann_client.post(ADD, {"email": email, "token": str(uuid.uuid4())}, follow=True)
        notice = BeautifulSoup(answer.text.replace(email, ""), "html.parser").select_one("[data-notice=success]")
        told.append((answer.status_code, notice and notice.get_text()))
        send(ann_client, remove_url(sandbox, email))
        ann_client.get("/keys/")  # which says so
    assert told[0] == told[1]


def test_an_address_that_may_have_no_account_is_told_by_its_domain(
    sandbox: Sandbox, ann_client: Client, settings
) -> None:
    settings.SIGN_UP_DOMAINS = ["acme.test"]
    sandbox.add_consumer("acme", managers=["ann@acme.test", "ben@acme.test", "zoe@home.test"])
    said = states(ann_client)
    assert "Can't sign in Only addresses of certain companies can have an account here" in said["zoe@home.test"]
    assert "Can't sign in" not in said["ben@acme.test"]


@pytest.mark.parametrize("who", ["mallory", "unverified"])
@pytest.mark.parametrize("path", [URL, "/keys/production/acme/"])
def test_a_stranger_does_not_even_learn_that_it_exists(
    who: str, path: str, sandbox: Sandbox, client_of: ClientOf, request: pytest.FixtureRequest
) -> None:
    """C1, C5"""
    acme(sandbox)
    client = client_of(request.getfixturevalue(who))
    theirs, absent = client.get(path), client.get(path.replace("acme", "nobody"))
    assert theirs.status_code == absent.status_code == 404
    assert "ben@acme.test" not in theirs.text


def test_nobody_signed_in_is_led_through_the_sign_in(sandbox: Sandbox, client: Client) -> None:
    acme(sandbox)
    for path in (URL, "/keys/production/acme/"):
        assert client.get(path)["Location"] == f"{LOGIN}?next={path}"
    assert sandbox.journal() == []


@pytest.mark.parametrize("path", [URL, "/keys/production/acme/"])
def test_an_outage_does_not_look_like_nobody(path: str, sandbox: Sandbox, ann_client: Client) -> None:
    """H1"""
    acme(sandbox)
    sandbox.fault("GET", "*", "drop", times=0)
    answer = ann_client.get(path)
    assert answer.status_code == 503
    assert 'role="alert"' in answer.text


def test_managers_that_cannot_be_read_are_not_passed_over(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    sandbox.set_managers("acme", ["ben@acme.test", "ann@acme.test"])  # newest first, so Ben is the last
    sandbox.fault("GET", "*", "odd_object", object="manager", field="email", value=5, times=0)
    assert "not everyone could be read" in ann_client.get(URL).text


# One more


def test_whoever_is_added_is_invited_by_mail_and_signs_in_on_the_consumers_page(
    sandbox: Sandbox, ann_client: Client, client: Client
) -> None:
    """Three clicks: People, the address and Give access; one mail; and one flow for who never was here."""
    acme(sandbox)
    assert send(ann_client, ADD, email="Zoe@ACME.test").status_code == 303
    assert managers(sandbox) == ["ann@acme.test", "ben@acme.test", "zoe@acme.test"]
    assert sorted(message.to for message in mail.outbox) == [["ann@acme.test"], ["ben@acme.test"], ["zoe@acme.test"]]
    (invitation,) = [message for message in mail.outbox if message.to == ["zoe@acme.test"]]
    assert invitation.subject == "ann@acme.test gave you access to the API keys of Acme Inc"
    assert not re.search(r"^[A-Z]{4}-[A-Z]{4}$", invitation.body, re.MULTILINE)
    (link,) = re.findall(r"^http://127.0.0.1:8000(/keys/\S+)$", invitation.body, re.MULTILINE)
    assert link == "/keys/production/acme/"
    mail.outbox.clear()

    page = client.get(client.get(link)["Location"])
    wanted = re.search(r'name="next" value="([^"]+)"', page.text)[1]
    client.post(LOGIN, {"login": "zoe@acme.test", "next": wanted})
    done = client.post(CONFIRM, {"code": last_code(), "next": wanted}, follow=True)
    assert done.redirect_chain == [("/keys/production/acme/", 302)]
    assert 'data-consumer="acme"' in done.text
    assert signed_in_as(client) == "zoe@acme.test"
    assert len(mail.outbox) == 1
    event = AuditEvent.objects.get(action=Action.ADD_MANAGER)
    assert (event.outcome, event.email, event.facts["address"]) == (Outcome.DONE, "ann@acme.test", "zoe@acme.test")
    assert "zoe@acme.test" in ann_client.get("/keys/activity/").text


def test_the_invited_is_mailed_where_managers_are_not(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_MAIL_MANAGERS = False
    acme(sandbox)
    send(ann_client, ADD, email="zoe@acme.test")
    send(ann_client, remove_url(sandbox, "ben@acme.test"))
    assert [message.to for message in mail.outbox] == [["zoe@acme.test"]]


@pytest.mark.parametrize("label", ["Win at evil.test", "https://evil.test/", "See evil.test/now", "a@evil.test"])
def test_no_link_goes_to_strangers_in_a_label(sandbox: Sandbox, ann_client: Client, label: str) -> None:
    """F2: its managers choose the label, and whom it is mailed to."""
    sandbox.add_consumer("mine", label=label, managers=["ann@acme.test"])
    send(ann_client, "/keys/production/mine/people/add/", email="victim@home.test")
    send(ann_client, remove_url(sandbox, "victim@home.test", "mine"))
    told = [message for message in mail.outbox if message.to == ["victim@home.test"]]
    assert len(told) == 2
    for message in told:
        assert "evil.test" not in message.subject + message.body
        assert "API keys of mine" in message.subject


@pytest.mark.parametrize("email", ["", "no address", "zoe@", "zoe@ac\u200bme.test", "zoe@acme.test\nBcc: x@evil.test"])
def test_what_is_no_address_is_refused_in_the_same_place(sandbox: Sandbox, ann_client: Client, email: str) -> None:
    before = acme(sandbox)
    answer = send(ann_client, ADD, email=email)
    assert answer.status_code == 422
    assert "errorlist" in answer.text
    assert "ben@acme.test" in answer.text, "the list is still there"
    assert sandbox.keys("acme") == before
    assert mail.outbox == []


def test_who_is_there_already_is_not_added_again(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    answer = send(ann_client, ADD, email="BEN@acme.test")
    assert answer.status_code == 403
    assert "already has access" in answer.text
    assert mail.outbox == []


def test_what_was_undone_since_is_said_to_be(sandbox: Sandbox, ann_client: Client) -> None:
    """G6: Back, and Submit once more, after somebody was removed again."""
    acme(sandbox)
    form = {"email": "zoe@acme.test", "token": str(uuid.uuid4())}
    assert ann_client.post(ADD, form).status_code == 303
    assert send(ann_client, remove_url(sandbox, "zoe@acme.test")).status_code == 303
    ann_client.get("/keys/")  # shows what was said so far
    answer = ann_client.post(ADD, form, follow=True)
    assert "It has been changed since." in answer.text
    assert managers(sandbox) == ["ann@acme.test", "ben@acme.test"]


def test_there_is_a_limit(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_MANAGERS_PER_CONSUMER = 3
    acme(sandbox)
    assert send(ann_client, ADD, email="zoe@acme.test").status_code == 303
    page = ann_client.get(URL).text
    assert "Up to 3 people can have access to Acme Inc." in page
    assert ADD not in page
    assert send(ann_client, ADD, email="eve@acme.test").status_code == 403
    assert len(managers(sandbox)) == 3


def test_nobody_fills_mailboxes_by_adding_and_removing(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_INVITATIONS_PER_DAY = 2
    acme(sandbox)
    for _ in range(2):
        send(ann_client, ADD, email="victim@home.test")
        send(ann_client, remove_url(sandbox, "victim@home.test"))
    answer = send(ann_client, ADD, email="victim@home.test")
    assert answer.status_code == 403
    assert "reached the daily limit for invitations" in answer.text
    assert "victim@home.test" not in managers(sandbox)


def test_nor_do_several_people_by_turns(sandbox: Sandbox, ann_client: Client, ben_client: Client, settings) -> None:
    """However the address is written."""
    settings.KEYS_CHANGES_PER_MINUTE = 1000
    acme(sandbox)
    for number, client in enumerate([ann_client, ben_client] * 5):
        assert send(client, ADD, email=f"victim+{number}@home.test").status_code == 303
        send(client, remove_url(sandbox, f"victim+{number}@home.test"))
    answer = send(ben_client, ADD, email="victim@home.test")
    assert "reached the daily limit for invitations" in answer.text
    assert send(ben_client, ADD, email="zoe@home.test").status_code == 303


def test_an_old_proof_is_asked_for_before_the_address_is_typed(sandbox: Sandbox, ann_client: Client) -> None:
    """B5: looking needs none."""
    acme(sandbox)
    passes(ann_client, proof=999)
    page = ann_client.get(URL)
    assert page.status_code == 200
    assert 'name="email"' not in page.text
    asked = ann_client.get(ADD)
    assert asked["Location"].startswith("/accounts/step-up/")
    assert send(ann_client, ADD, email="zoe@acme.test")["Location"].startswith("/accounts/step-up/")
    assert managers(sandbox) == ["ann@acme.test", "ben@acme.test"]


# One less


def test_whoever_is_removed_sees_nothing_on_the_next_request_and_is_told(
    sandbox: Sandbox, ann_client: Client, ben_client: Client
) -> None:
    acme(sandbox)
    assert send(ann_client, remove_url(sandbox, "ben@acme.test")).status_code == 303
    assert managers(sandbox) == ["ann@acme.test"]
    assert ben_client.get(URL).status_code == 404
    mails = {message.to[0]: message for message in mail.outbox}
    assert mails.keys() == {"ann@acme.test", "ben@acme.test"}
    assert mails["ann@acme.test"].subject == "ann@acme.test removed the access of ben@acme.test (Acme Inc)"
    assert mails["ben@acme.test"].subject == "You no longer have access to the API keys of Acme Inc"
    assert "Done by: ann@acme.test" in mails["ben@acme.test"].body
    assert "/keys/" not in mails["ben@acme.test"].body, "it leads nowhere any more"


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_whoever_leaves_is_led_to_what_is_left_and_twice_does_no_harm(
    htmx: bool, sandbox: Sandbox, ben_client: Client
) -> None:
    """G6"""
    acme(sandbox)
    url, token = remove_url(sandbox, "ben@acme.test"), str(uuid.uuid4())
    assert "Leave Acme Inc?" in ben_client.get(url).text
    for _ in range(2):
        answer = ben_client.post(url, {"token": token}, headers={"HX-Request": "true"} if htmx else {})
        assert answer["HX-Redirect" if htmx else "Location"] == "/keys/production/"
        page = ben_client.get("/keys/production/").text
        assert "You no longer have access to Acme Inc." in page
        assert 'data-consumer="acme"' not in page
    assert managers(sandbox) == ["ann@acme.test"]
    assert AuditEvent.objects.filter(action=Action.REMOVE_MANAGER).count() == 1


def test_who_stays_by_another_address_does_not_leave(sandbox: Sandbox, make_person, client_of: ClientOf) -> None:
    sandbox.add_consumer("acme", managers=["ann@acme.test", "ann@home.test"])
    client = client_of(make_person("ann@acme.test", "ann@home.test"))
    url = remove_url(sandbox, "ann@home.test")
    assert "Remove ann@home.test?" in client.get(url).text
    assert send(client, url)["Location"] == "/keys/production/#consumer-acme"


def test_the_last_one_cannot_go(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"])
    assert "remove/" not in ann_client.get(URL).text
    url = remove_url(sandbox, "ann@acme.test")
    for answer in (ann_client.get(url), send(ann_client, url)):
        assert answer.status_code == 403
        assert "is the last person with access" in answer.text
        assert "Give someone else access first." in answer.text
    assert managers(sandbox) == ["ann@acme.test"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_leave_at_once_one_stays(sandbox: Sandbox, ann_client: Client, ben_client: Client) -> None:
    acme(sandbox)
    urls = [(ann_client, remove_url(sandbox, "ann@acme.test")), (ben_client, remove_url(sandbox, "ben@acme.test"))]

    def leave(of: tuple[Client, str]) -> int:
        try:
            return send(*of).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(leave, urls)) == [303, 403]
    assert len(managers(sandbox)) == 1


# The invitation again


def test_an_invitation_is_sent_again_to_who_has_not_been_here(
    sandbox: Sandbox, ann_client: Client, ben_client: Client
) -> None:
    """C9: to nobody else, once for each form; and it is on record."""
    acme(sandbox)
    send(ann_client, ADD, email="zoe@acme.test")
    mail.outbox.clear()
    url, form = url_of(sandbox, "zoe@acme.test", "invite"), {"token": str(uuid.uuid4())}
    for _ in range(2):
        answer = ben_client.post(url, form, follow=True)
        assert "emailed zoe@acme.test the invitation again." in answer.text
    (invitation,) = mail.outbox
    assert invitation.to == ["zoe@acme.test"]
    assert invitation.subject == "ben@acme.test gave you access to the API keys of Acme Inc"
    event = AuditEvent.objects.get(action=Action.INVITE)
    assert (event.outcome, event.email, event.facts["address"]) == (Outcome.DONE, "ben@acme.test", "zoe@acme.test")
    assert "Invited by ben@acme.test, just now" in states(ann_client)["zoe@acme.test"]
    history = BeautifulSoup(ann_client.get("/keys/activity/").content, "html.parser")
    assert "ben@acme.test sent zoe@acme.test the invitation again" in " ".join(history.get_text(" ").split())


def test_only_open_invitations_are_sent_again(sandbox: Sandbox, ann_client: Client, ben_client: Client) -> None:
    """Not to who has been here, to an address that nobody can have, to oneself, or to who was never invited."""
    people = ["ann@acme.test", "ben@acme.test", "eve@acme.test"]
    sandbox.add_consumer("acme", managers=people, invites=["no address", "una@acme.test"])
    send(ben_client, ADD, email="zoe@acme.test")
    page = BeautifulSoup(ann_client.get(URL).content, "html.parser")
    offered = [row["data-person"] for row in page.select("[data-person]:has([action$='/invite/'])")]
    assert offered == ["una@acme.test", "zoe@acme.test"]
    mail.outbox.clear()
    for email in ["ann@acme.test", "ben@acme.test", "eve@acme.test", "no address"]:
        answer = send(ann_client, url_of(sandbox, email, "invite"))
        assert answer.status_code == 403
        assert f"no open invitation for {email}." in answer.text
    assert mail.outbox == []


@pytest.mark.parametrize("who", ["mallory", "unverified"])
def test_a_stranger_sends_none_again(
    who: str, sandbox: Sandbox, client_of: ClientOf, request: pytest.FixtureRequest
) -> None:
    acme(sandbox, invites=["una@acme.test"])
    url = url_of(sandbox, "una@acme.test", "invite")
    client = client_of(request.getfixturevalue(who))
    assert send(client, url).status_code == send(client, url.replace("acme", "nobody")).status_code == 404
    assert mail.outbox == []


def test_invitations_sent_again_count_among_those_of_a_day(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_INVITATIONS_PER_DAY = 2
    acme(sandbox)
    send(ann_client, ADD, email="zoe@acme.test")
    url = url_of(sandbox, "zoe@acme.test", "invite")
    assert send(ann_client, url).status_code == 303
    answer = send(ann_client, url)
    assert answer.status_code == 403
    assert "reached the daily limit for invitations" in answer.text
    assert [message.to for message in mail.outbox].count(["zoe@acme.test"]) == 2


def test_an_invitation_that_could_not_be_mailed_is_called_so(sandbox: Sandbox, ann_client: Client, settings) -> None:
    """Nobody listens on that port. Who was added has access all the same; a mail that was not sent is nothing."""
    acme(sandbox)
    usual = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    added = ann_client.post(ADD, {"token": str(uuid.uuid4()), "email": "zoe@acme.test"}, follow=True)
    assert "zoe@acme.test has access now, but the invitation couldn&#x27;t be sent." in added.text
    url, form = url_of(sandbox, "zoe@acme.test", "invite"), {"token": str(uuid.uuid4())}
    answer = ann_client.post(url, form)
    assert answer.status_code == 503
    assert "We couldn&#x27;t send the email." in answer.text
    assert AuditEvent.objects.get(action=Action.INVITE).outcome == Outcome.FAILED
    settings.EMAIL_BACKEND = usual
    assert "the invitation again." in ann_client.post(url, form, follow=True).text
    assert [message.to for message in mail.outbox] == [["zoe@acme.test"]]


class NoMailForBen(locmem.EmailBackend):
    def send_messages(self, messages: Sequence[EmailMessage]) -> int:
        for message in messages:
            if "ben@acme.test" in message.to:
                raise SMTPRecipientsRefused({"ben@acme.test": (550, b"no such mailbox")})
            super().send_messages([message])
        return len(messages)


def test_whether_it_was_mailed_is_said_of_the_invitation_alone(sandbox: Sandbox, ann_client: Client, settings) -> None:
    """Of a colleague whose mailbox is gone nothing is said."""
    acme(sandbox)
    settings.EMAIL_BACKEND = f"{__name__}.NoMailForBen"
    form = {"token": str(uuid.uuid4()), "email": "zoe@acme.test"}
    assert "We&#x27;ve emailed an invitation." in ann_client.post(ADD, form, follow=True).text
    assert ["zoe@acme.test"] in [message.to for message in mail.outbox]


def test_of_a_form_sent_again_nobody_says_that_the_invitation_was_mailed(
    sandbox: Sandbox, ann_client: Client, settings
) -> None:
    acme(sandbox)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    form = {"token": str(uuid.uuid4()), "email": "zoe@acme.test"}
    assert "but the invitation couldn&#x27;t be sent." in ann_client.post(ADD, form, follow=True).text
    again = ann_client.post(ADD, form, follow=True).text
    assert "zoe@acme.test has access now." in again
    assert "invitation" not in again


def test_who_is_mailed_of_much_is_invited_again_all_the_same(sandbox: Sandbox, ann_client: Client, settings) -> None:
    """The limit of an hour is for what is done to keys; invitations have limits of their own."""
    settings.KEYS_CHANGES_PER_MINUTE = 1000
    key = acme(sandbox)[0]
    send(ann_client, ADD, email="zoe@acme.test")
    for days in range(22, 0, -1):
        ends = (timezone.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M")
        assert send(ann_client, f"/keys/production/acme/{key['id']}/end/", ends_on=ends).status_code == 303
    assert [message.to for message in mail.outbox].count(["zoe@acme.test"]) >= 20, "no more in an hour"
    mail.outbox.clear()
    assert send(ann_client, url_of(sandbox, "zoe@acme.test", "invite")).status_code == 303
    assert [message.to for message in mail.outbox] == [["zoe@acme.test"]]


def test_of_a_worker_that_died_nobody_says_whether_it_sent_the_invitation(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    send(ann_client, ADD, email="zoe@acme.test")
    url, token = url_of(sandbox, "zoe@acme.test", "invite"), str(uuid.uuid4())
    ann_client.post(url, {"token": token})
    died = AuditEvent.objects.filter(action=Action.INVITE)
    died.update(outcome=Outcome.STARTED, ended_at=None, started_at=timezone.now() - timedelta(minutes=3))
    ann_client.get("/keys/")
    assert died.get().outcome == Outcome.UNCONFIRMED
    assert ann_client.post(url, {"token": token}).status_code == 503
    assert [message.to for message in mail.outbox].count(["zoe@acme.test"]) == 2, "added, and invited again once"


# Who may


def test_the_operator_may_keep_it_to_staff(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_MANAGED_BY = "staff"
    acme(sandbox, invites=["una@acme.test"])
    page = ann_client.get(URL).text
    assert "Our team decides who has access to Acme Inc." in page
    for part in (ADD, "remove/", "invite/"):
        assert part not in page
    for url in (*(verb.url(sandbox) for verb in PEOPLE), url_of(sandbox, "una@acme.test", "invite")):
        assert send(ann_client, url, email="zoe@acme.test").status_code == 403
    assert managers(sandbox) == ["ann@acme.test", "ben@acme.test"]
    assert mail.outbox == []


class ByDomain(Provisioning):
    """A rule of an operator's own."""

    def may_change_managers(self, actor, consumer):
        if not actor.email.startswith("ann@"):
            raise NotAllowed("Ask Ann.")


def test_the_operator_may_have_a_rule(sandbox: Sandbox, ann_client: Client, ben_client: Client, settings) -> None:
    settings.KEYS_PROVISIONING = f"{__name__}.ByDomain"
    acme(sandbox)
    assert "Ask Ann." in ben_client.get(URL).text
    assert send(ben_client, ADD, email="zoe@acme.test").status_code == 403
    assert send(ann_client, ADD, email="zoe@acme.test").status_code == 303


def test_the_link_is_that_of_the_portal(settings) -> None:
    settings.PORTAL_URL = "https://keys.acme.test"
    assert page_of_consumer("production", "acme") == "https://keys.acme.test/keys/production/acme/"


@every_verb
def test_strangers_tries_are_not_told_to_the_managers(
    verb: Verb, sandbox: Sandbox, ann_client: Client, mallory_client: Client
) -> None:
    acme(sandbox)
    verb.send(mallory_client, verb.url(sandbox))
    assert "mallory" not in ann_client.get("/keys/activity/").text
    assert mail.outbox == []


# Asking for access


ASK = "/keys/ask/production/"


def asks(client: Client, words: str):
    return client.post(ASK, {"consumer": words}, follow=True)


@pytest.mark.parametrize("by", ["name", "ending"])
def test_who_asks_for_access_is_let_in_by_a_manager(
    by: str, sandbox: Sandbox, ann_client: Client, mallory_client: Client
) -> None:
    """Her address stands in the form already, to which one mail leads each manager."""
    key = acme(sandbox)[0]["key"]
    assert ASK in mallory_client.get("/keys/").text
    answer = asks(mallory_client, "acme" if by == "name" else key[-4:].upper())
    assert "emailed the people with access." in answer.text
    assert sorted(message.to for message in mail.outbox) == [["ann@acme.test"], ["ben@acme.test"]]
    message = mail.outbox[0]
    assert message.subject == "mallory@evil.test asks for access to Acme Inc"
    (link,) = re.findall(r"^http://127.0.0.1:8000(/keys/\S+)$", message.body, re.MULTILINE)
    assert "mallory" not in link
    form = BeautifulSoup(ann_client.get(link).content, "html.parser").select_one("[name=email]")
    assert form["value"] == "mallory@evil.test"
    assert managers(sandbox) == ["ann@acme.test", "ben@acme.test"]
    page = BeautifulSoup(ann_client.get("/keys/activity/?kind=managers").content, "html.parser")
    row = page.select_one(f"[data-event='{Action.ASK_FOR_ACCESS}']")
    assert "mallory@evil.test asked for access" in " ".join(row.get_text(" ").split())
    assert "127.0.0.1" not in row.get_text()
    form = BeautifulSoup(ann_client.get(row.a["href"]).content, "html.parser").select_one("[name=email]")
    assert form["value"] == "mallory@evil.test"
    send(ann_client, ADD, email=form["value"])
    assert 'data-consumer="acme"' in mallory_client.get("/keys/").text
    assert "?for=" not in ann_client.get("/keys/activity/").text


def test_requests_are_on_record_for_colleagues_and_the_managers_asked(
    sandbox: Sandbox, ann_client: Client, mallory_client: Client, sam_client: Client
) -> None:
    """C5: who asks reads of none; managers of those that reached them."""
    acme(sandbox)
    for words in ("acme", "acme", "nobody"):
        asks(mallory_client, words)
    events = AuditEvent.objects.filter(action=Action.ASK_FOR_ACCESS).order_by("pk")
    assert [(one.consumer, one.outcome) for one in events] == [
        ("acme", Outcome.DONE),
        ("acme", Outcome.REFUSED),
        ("", Outcome.REFUSED),
    ]
    assert ann_client.get("/keys/activity/").text.count("asked for access") == 1
    assert "data-event" not in mallory_client.get("/keys/activity/").text
    assert "mallory" not in mallory_client.get("/keys/activity/production.csv").getvalue().decode()
    log = sam_client.get("/admin/keys/auditevent/").text
    assert log.count("mallory@evil.test") == 3
    assert "Asked for access" in log


def test_an_asker_who_was_let_in_reads_the_history_with_the_own_request(
    sandbox: Sandbox, ann_client: Client, mallory_client: Client
) -> None:
    acme(sandbox)
    asks(mallory_client, "acme")
    send(ann_client, ADD, email="mallory@evil.test")
    assert "asked for access" in mallory_client.get("/keys/activity/").text


def test_the_link_survives_the_sign_in_and_the_proof(
    sandbox: Sandbox, ann, client: Client, mallory_client: Client
) -> None:
    acme(sandbox)
    asks(mallory_client, "acme")
    (link,) = re.findall(r"^http://127.0.0.1:8000(/keys/\S+)$", mail.outbox[0].body, re.MULTILINE)
    to_sign_in = client.get(link)["Location"]
    assert parse_qs(urlsplit(to_sign_in).query)["next"] == [link]
    client.force_login(ann)
    passes(client, proof=999)
    assert parse_qs(urlsplit(client.get(link)["Location"]).query)["next"] == [link]


@pytest.mark.parametrize("words", ["nobody", "0000", "no such thing", "..", "acme/keys", "globex"])
def test_whether_it_exists_is_not_told(words: str, sandbox: Sandbox, mallory_client: Client) -> None:
    """C5, C9: the same page after the same calls; one that cannot be read looks like none."""
    acme(sandbox)
    sandbox.add_consumer("org.example", label="globex", managers=["ann@acme.test"])
    right = asks(mallory_client, "acme")
    calls = [(call.method, "consumers" in call.path) for call in sandbox.journal()]
    sandbox.clear_journal()
    wrong = asks(mallory_client, words)
    assert without_tokens(right) == without_tokens(wrong)
    if re.fullmatch(r"[a-z]+", words):
        assert [(call.method, "consumers" in call.path) for call in sandbox.journal()] == calls
    assert len(mail.outbox) == 2


def test_an_ending_that_two_consumers_have_asks_nobody(sandbox: Sandbox, mallory_client: Client) -> None:
    """Else strangers' managers would be told of somebody who is none of their business."""
    ending = acme(sandbox)[0]["key"][-4:]
    sandbox.add_consumer(ending, managers=["eve@other.test"])
    asks(mallory_client, ending)
    assert mail.outbox == []


def test_the_same_person_is_told_of_once_a_day_and_asks_five_times(sandbox: Sandbox, mallory_client: Client) -> None:
    acme(sandbox)
    answers = [asks(mallory_client, "acme") for _ in range(6)]
    assert len(mail.outbox) == 2
    assert [answer.status_code for answer in answers] == [200] * 5 + [403]
    assert "asked too often today" in answers[-1].text


def test_many_strangers_do_not_fill_the_managers_mailboxes(sandbox: Sandbox, make_person, client_of: ClientOf) -> None:
    acme(sandbox)
    for number in range(7):
        asks(client_of(make_person(f"m{number}@evil.test")), "acme")
    assert len(mail.outbox) == 2 * 5


def test_nothing_is_told_of_an_address_that_is_not_proved(sandbox: Sandbox, make_person, client_of: ClientOf) -> None:
    """A1"""
    acme(sandbox)
    client = client_of(make_person("boss@acme.test", verified=False))
    assert ASK not in client.get("/keys/").text
    assert asks(client, "acme").status_code == 403
    assert mail.outbox == []
    assert sandbox.journal() == []


def test_where_only_staff_gives_access_managers_are_not_asked(
    sandbox: Sandbox, mallory_client: Client, settings
) -> None:
    settings.KEYS_MANAGED_BY = "staff"
    acme(sandbox)
    assert ASK not in mallory_client.get("/keys/").text
    assert asks(mallory_client, "acme").status_code == 403
    assert mail.outbox == []


def test_a_pasted_key_goes_nowhere(sandbox: Sandbox, mallory_client: Client) -> None:
    """E2"""
    key = acme(sandbox)[0]["key"]
    answer = asks(mallory_client, key)
    assert "This looks like it contains a key." in answer.text
    assert key not in answer.text
    assert mail.outbox == []


@pytest.mark.parametrize("signed", ["", "x", "ImV2aWxAZXZpbC50ZXN0Ig:1x:y"])
def test_a_link_of_somebody_else_fills_in_nothing(signed: str, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    page = BeautifulSoup(ann_client.get(ADD, {"for": signed}).content, "html.parser")
    assert not page.select_one("[name=email]").get("value")


def test_an_outage_is_explained_to_who_asks(sandbox: Sandbox, mallory_client: Client) -> None:
    """H1"""
    acme(sandbox)
    sandbox.fault("GET", "*", "drop", times=0)
    assert asks(mallory_client, "acme").status_code == 503
    assert mail.outbox == []
