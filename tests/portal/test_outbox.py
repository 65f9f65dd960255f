"""Mail goes into a table in the request, and leaves by itself; no request waits for a mail server."""

import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import cache
from django.core.mail import send_mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone, translation

from portal.mail import outbox
from portal.models import OutgoingMail
from tests.helpers.mail_server import MailServer

ROOT = Path(__file__).resolve().parent.parent.parent
LOGIN, SIGNUP, RESET = "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def box(settings, server) -> MailServer:
    """The outbox as in production, on a mail server that takes everything; nothing is delivered by itself."""
    settings.EMAIL_BACKEND = "portal.mail.outbox.EmailBackend"
    settings.OUTBOX_BACKEND = "portal.mail.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 30
    settings.MAIL_IMMEDIATELY = False
    return server


@pytest.fixture
def box_at_once(box, settings) -> Iterator[MailServer]:
    settings.MAIL_IMMEDIATELY = True
    yield box
    box.slow.set()
    in_time(lambda: not OutgoingMail.objects.waiting().filter(attempts=0).exists())
    at_rest()


def in_time(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def at_rest() -> None:
    """Wait until no thread delivers, or looks for more: one that does would take a mail from whoever asks for it."""
    in_time(lambda: outbox._at_work._value == outbox.THREADS and not outbox._more.is_set())


def later(**ahead: float) -> None:
    """Let all mails be so much older."""
    for mail in OutgoingMail.objects.all():
        for name in ("created_at", "due_at", "useless_at", "sent_at", "failed_at"):
            if moment := getattr(mail, name):
                setattr(mail, name, moment - timedelta(**ahead))
        mail.save()


def test_a_mail_is_a_row_until_it_is_sent_and_then_its_words_are_gone(box):
    send_mail("Hello", "Your code: ABCD-EFGH", None, ["ann@acme.test"])
    row = OutgoingMail.objects.get()
    assert (row.subject, row.recipients, row.body) == ("Hello", ["ann@acme.test"], "Your code: ABCD-EFGH")
    assert box.mails == []
    assert outbox.deliver_due() == 1
    row.refresh_from_db()
    assert row.sent_at
    assert row.body == ""
    (mail,) = box.mails
    assert mail["To"] == "ann@acme.test"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().strip() == "Your code: ABCD-EFGH"
    assert outbox.deliver_due() == 0


def test_what_was_rolled_back_is_not_mailed(box):
    with transaction.atomic():
        send_mail("Hello", "words", None, ["ann@acme.test"])
        transaction.set_rollback(True)
    assert outbox.deliver_due() == 0
    assert box.mails == []


def test_a_mail_leaves_at_once_while_the_request_waits_for_nothing(box_at_once, ann, settings):
    settings.EMAIL_TIMEOUT = 60  # longer than the mail server thinks: a request that waited would find the mail sent
    box_at_once.slow.clear()  # the mail server thinks for as long as the request lasts
    assert Client().post(LOGIN, {"login": "ann@acme.test"}).status_code == 302
    assert box_at_once.mails == []
    box_at_once.slow.set()
    in_time(lambda: len(box_at_once.mails) == 1)
    in_time(lambda: OutgoingMail.objects.get().sent_at is not None)
    assert "sign-in code" in box_at_once.mails[0]["Subject"]


def test_many_mails_at_once_are_all_sent_and_each_once(box_at_once):
    for number in range(30):
        send_mail(f"Mail {number}", "words", None, ["ann@acme.test"])
    in_time(lambda: not OutgoingMail.objects.waiting().exists())
    assert sorted(mail["Subject"] for mail in box_at_once.mails) == sorted(f"Mail {number}" for number in range(30))


@pytest.fixture
def no_room_for_threads() -> Iterator[None]:
    size = threading.stack_size(1 << 46)
    yield
    threading.stack_size(size)


def test_where_no_thread_can_be_started_nothing_fails_and_mails_wait(box, settings, log, no_room_for_threads):
    settings.MAIL_IMMEDIATELY = True
    for _ in range(outbox.THREADS + 1):
        send_mail("Hello", "words", None, ["ann@acme.test"])
    assert log.text.count("mails wait for the next try") == outbox.THREADS + 1, "a thread that was not is waited for"
    assert outbox.deliver_due() == outbox.THREADS + 1


def test_whatever_stops_a_delivery_is_told_in_the_log(box, settings, log):
    settings.OUTBOX_BACKEND = "nowhere.EmailBackend"
    settings.MAIL_IMMEDIATELY = True
    send_mail("Hello", "words", None, ["ann@acme.test"])
    in_time(lambda: "mails wait for the next try" in log.text)
    at_rest()
    assert "No module named 'nowhere'" in log.text


def test_what_fails_is_tried_again_after_ever_longer_waits(box):
    send_mail("Hello", "words", None, ["ann@acme.test"])
    box.refusal = "451 later, please"
    waits = []
    for _ in range(4):
        outbox.deliver_due()
        row = OutgoingMail.objects.get()
        waits.append((row.due_at - timezone.now()).total_seconds())
        assert row.trouble == "451 later, please"
        assert row.body == "words"
        assert outbox.deliver_due() == 0  # not before it is due
        later(seconds=waits[-1] + 1)
    assert [round(wait / 15) for wait in waits] == [1, 2, 4, 8]
    box.refusal = ""
    outbox.deliver_due()
    assert [mail["Subject"] for mail in box.mails] == ["Hello"]
    assert OutgoingMail.objects.get().attempts == 5


def test_a_dead_mail_server_fails_no_request_and_the_code_comes_once_it_is_back(box, ann, settings):
    settings.EMAIL_PORT = 9  # nothing listens there
    settings.MAIL_IMMEDIATELY = True
    answers = {Client().post(LOGIN, {"login": name}).status_code for name in ("ann@acme.test", "no@acme.test")}
    assert answers == {302}
    in_time(lambda: OutgoingMail.objects.filter(trouble="ConnectionRefusedError").count() == 2)
    at_rest()
    settings.EMAIL_PORT = box.port
    later(minutes=1)
    call_command("send_mail")
    assert sorted(mail["To"] for mail in box.mails) == ["ann@acme.test", "no@acme.test"]


def test_a_code_that_has_ended_is_not_mailed_any_more(box, ann):
    Client().post(LOGIN, {"login": "ann@acme.test"})
    assert "@" not in OutgoingMail.objects.get().headers
    assert outbox.LIFETIME not in OutgoingMail.objects.get().headers
    later(minutes=11)
    call_command("send_mail")
    row = OutgoingMail.objects.get()
    assert box.mails == []
    assert row.failed_at
    assert row.body == ""


def test_after_two_days_a_mail_is_given_up_and_after_two_weeks_forgotten(box):
    send_mail("Hello", "words", None, ["ann@acme.test"])
    later(days=2)
    outbox.deliver_due()
    assert OutgoingMail.objects.get().failed_at
    assert OutgoingMail.objects.get().body == ""
    later(days=15)
    call_command("send_mail")
    assert not OutgoingMail.objects.exists()


def test_a_worker_that_died_with_a_mail_in_hand_gives_it_back(box):
    send_mail("Hello", "words", None, ["ann@acme.test"])
    mail = OutgoingMail.objects.get()
    assert outbox._take(mail)
    assert not outbox._take(mail), "only one may have it"
    assert outbox.deliver_due() == 0
    later(minutes=8)
    assert outbox.deliver_due() == 1
    assert len(box.mails) == 1


def test_the_worker_runs_until_it_is_told_to_stop(box):
    name = django_settings.DATABASES["default"]["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = re.sub(r"^(\w+://[^/]*/)[^?]*", rf"\g<1>{name}", os.environ["DATABASE_URL"])
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "EMAIL_URL": f"smtp://127.0.0.1:{box.port}",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "manage.py", "send_mail", "--loop"]
    worker = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        for number in range(2):
            send_mail(f"Mail {number}", "words", None, ["ann@acme.test"])
            in_time(lambda number=number: len(box.mails) == number + 1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
    finally:
        worker.kill()
        worker.wait()


# A server that takes its time, and one that says no


def test_a_server_that_thinks_for_long_about_a_mail_gets_it_once(box_at_once):
    """RFC 5321 gives it ten minutes; whoever gives up after five seconds delivers eight copies in half an hour."""
    box_at_once.slow.clear()
    send_mail("Hello", "words", None, ["ann@acme.test"])
    in_time(lambda: OutgoingMail.objects.filter(handed_over_at__isnull=False).exists())
    threading.Event().wait(6)  # longer than any client used to wait
    assert OutgoingMail.objects.waiting().get().attempts == 1
    box_at_once.slow.set()
    in_time(lambda: OutgoingMail.objects.get().sent_at is not None)
    assert len(box_at_once.mails) == 1


def test_a_mail_that_the_server_got_and_said_nothing_about_is_not_sent_again(box, settings, sam_client, log):
    settings.MAIL_DECISION_TIMEOUT = 0.5
    box.silent = True
    send_mail("Hello", "Your code: ABCD-EFGH", None, ["ann@acme.test"])
    assert outbox.deliver_due() == 1
    row = OutgoingMail.objects.get()
    assert (row.sent_at, row.body) == (None, "")
    assert row.failed_at
    assert "perhaps delivered" in log.text
    assert "possibly delivered" in sam_client.get("/admin/portal/outgoingmail/").text
    later(hours=1)
    assert outbox.deliver_due() == 0
    assert len(box.mails) == 1


def test_who_dies_while_the_server_thinks_does_not_make_it_two_mails(box):
    send_mail("Hello", "words", None, ["ann@acme.test"])
    mail = OutgoingMail.objects.get()
    assert outbox._take(mail)
    outbox._Lease(mail).hand_over()
    later(minutes=8)
    assert outbox.deliver_due() == 0  # the server may still be at it
    later(minutes=10)
    assert outbox.deliver_due() == 1
    row = OutgoingMail.objects.get()
    assert row.failed_at
    assert row.handed_over_at
    assert box.mails == []


def test_a_mail_that_is_tried_again_is_the_same_mail(box):
    """One Message-ID, in the sender's domain, by which whoever gets two can tell."""
    send_mail("Hello", "words", None, ["ann@acme.test"])
    first = OutgoingMail.objects.get().headers
    box.refusal = "451 later, please"
    outbox.deliver_due()
    box.refusal = ""
    later(minutes=1)
    outbox.deliver_due()
    (mail,) = box.mails
    assert mail["Message-ID"] == first["Message-ID"]
    assert mail["Date"] == first["Date"]
    assert re.fullmatch(r"<[^@\s]+@127\.0\.0\.1>", mail["Message-ID"])


@pytest.mark.parametrize(
    ("verb", "said", "told"),
    [
        (b"RCPT", "550 5.1.1 <ann@acme.test>: no such user ann", "550 5.1.1 [address]: no such user [address]"),
        (b"MAIL", "553 5.7.1 not your sender", "553 5.7.1 not your sender"),
        (b"DATA", "554 5.7.1 looks like spam", "554 5.7.1 looks like spam"),
    ],
)
def test_a_refusal_for_good_is_final_and_told_without_the_address(box, sam_client, log, verb, said, told):
    box.refusals = {verb: said}
    send_mail("Hello", "words", None, ["ann@acme.test"])
    assert outbox.deliver_due() == 1
    row = OutgoingMail.objects.get()
    assert row.failed_at
    assert (row.body, row.trouble, row.attempts) == ("", told, 0 + 1)
    assert f"was refused for good: {told}" in log.text
    assert "ann@acme.test" not in log.text
    assert told in sam_client.get("/admin/portal/outgoingmail/").text
    later(hours=2)
    assert outbox.deliver_due() == 0


def test_a_refusal_of_the_whole_mail_is_final_too(box):
    box.refusal = "552 5.2.2 mailbox full"
    send_mail("Hello", "words", None, ["ann@acme.test"])
    outbox.deliver_due()
    row = OutgoingMail.objects.get()
    assert (row.trouble, row.handed_over_at) == ("552 5.2.2 mailbox full", None)
    assert row.failed_at


def test_a_refused_login_is_the_operators_trouble_and_no_mail_is_lost(box, settings):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "portal", "wrong"
    send_mail("Hello", "words", None, ["ann@acme.test"])
    outbox.deliver_due()
    assert OutgoingMail.objects.waiting().get().trouble
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    later(minutes=1)
    outbox.deliver_due()
    assert len(box.mails) == 1


def test_the_greeting_and_the_headers_are_the_senders_own(box, settings):
    settings.MAIL_DOMAIN = "example.com"
    settings.PORTAL_SUPPORT_URL = "mailto:help@example.com?subject=Keys"
    with translation.override("de"):
        send_mail("Hallo", "words", None, ["ann@acme.test"])
    outbox.deliver_due()
    (mail,) = box.mails
    assert box.greetings == ["example.com"]
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail["Reply-To"] == "help@example.com"
    assert mail["Content-Language"] == "de"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_long_lines_are_folded_and_addresses_left_whole(box):
    link = "https://portal.example.com/" + "a" * 120
    send_mail("Hello", f"{'Word after word. ' * 40}\n\nKey:    CI\n{link}\n.\n..two", None, ["ann@acme.test"])
    outbox.deliver_due()
    lines = box.mails[0].get_content().splitlines()
    assert max(len(line) for line in lines if line != link) <= 78
    assert {link, "Key:    CI", ".", "..two"} <= set(lines)


def test_check_mail_sends_a_mail_and_says_so(box, capsys):
    call_command("check_mail", "ann@acme.test")
    (mail,) = box.mails
    assert mail["To"] == "ann@acme.test"
    assert f"127.0.0.1:{box.port} took it" in capsys.readouterr().out
    assert not OutgoingMail.objects.exists()


def test_check_mail_says_what_the_server_said(box):
    box.refusals = {b"RCPT": "550 5.1.1 no such user"}
    with pytest.raises(CommandError, match=r"did not take it: 550 5\.1\.1 no such user$"):
        call_command("check_mail", "ann@acme.test")


def test_check_mail_does_not_call_refused_what_was_perhaps_delivered(box, settings):
    settings.MAIL_DECISION_TIMEOUT = 0.2
    box.silent = True
    with pytest.raises(CommandError, match="never said what became of it: perhaps delivered"):
        call_command("check_mail", "ann@acme.test")
    assert len(box.mails) == 1


def test_check_mail_says_that_an_address_is_none(box):
    with pytest.raises(CommandError, match="did not take it: ValueError"):
        call_command("check_mail", "ann@acme.test\nBcc: ben@acme.test")
    assert box.mails == []


def test_check_mail_does_not_pass_where_nothing_is_sent(settings):
    settings.OUTBOX_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    with pytest.raises(CommandError, match="EMAIL_URL names no mail server"):
        call_command("check_mail", "ann@acme.test")


def test_staff_see_that_a_mail_left_and_never_what_it_says(box, ann, sam_client):
    Client().post(LOGIN, {"login": "ann@acme.test"})
    row = OutgoingMail.objects.get()
    code = next(line for line in row.body.splitlines() if line[4:5] == "-")
    for path in ("", f"{row.pk}/change/"):
        page = sam_client.get(f"/admin/portal/outgoingmail/{path}")
        assert page.status_code == 200
        assert "ann@acme.test" in page.text
        assert code not in page.text


class CostlyHasher(PBKDF2PasswordHasher):
    """Takes several times as long as the rest of a request; as production does it, it takes twenty times as long."""

    iterations = 200_000


@pytest.mark.parametrize(
    ("path", "field", "more"),
    [
        (LOGIN, "login", {}),
        (LOGIN, "login", {"password": "a-wrong-guess"}),
        (SIGNUP, "email", {}),
        (RESET, "email", {}),
    ],
)
def test_known_and_unknown_addresses_take_the_same_time(box_at_once, ann, settings, path, field, more):
    """A7: with hashes that cost something. One that one of them lacked would be most of the time."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CostlyHasher"]
    ann.set_password("open-sesame")
    ann.save()
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for number in range(9):
        for kind, address in (("known", "ann@acme.test"), ("unknown", f"nobody-{number}@acme.test")):
            cache.clear()
            browser, entry = Client(REMOTE_ADDR=f"192.0.2.{number + 1}"), {field: address} | more
            begin = time.thread_time()  # of the processor: other work on the machine does not count
            browser.post(path, entry)
            times[kind].append(time.thread_time() - begin)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert max(known, unknown) < 2 * min(known, unknown)
