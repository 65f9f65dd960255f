"""H3: send_reminders twice, on two machines at once, killed in the middle, and on a terminal."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import call_command
from django.db import connection

from keys.models import Reminder
from portal.mail.outbox import EmailBackend
from portal.models import OutgoingMail
from sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
CONSUMERS = 6

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def outbox(settings) -> None:
    settings.EMAIL_BACKEND = "portal.mail.outbox.EmailBackend"
    settings.MAIL_IMMEDIATELY = False
    settings.KEYS_REMINDER_CALLS_PER_SECOND = 1000


@pytest.fixture
def teams(sandbox: Sandbox) -> list[list[str]]:
    """Consumers of which a key ends in five days, each with a manager; answers the recipients of what is due."""
    ends = (datetime.now(UTC) + timedelta(days=5)).isoformat()
    for number in range(CONSUMERS):
        keys = [{"description": label, "expiresOn": ends} for label in ("CI", "Server")]
        sandbox.add_consumer(f"team-{number}", managers=[f"{number}@acme.test"], keys=keys)
    return [[f"{number}@acme.test"] for number in range(CONSUMERS)]


def sent() -> list[list[str]]:
    return sorted(OutgoingMail.objects.values_list("recipients", flat=True))


def send() -> None:
    call_command("send_reminders", stdout=StringIO(), stderr=StringIO())


def test_two_at_once_tell_everybody_once(teams) -> None:
    ready, trouble = threading.Barrier(2), []

    def run() -> None:
        ready.wait(30)
        try:
            send()
        except Exception as problem:  # noqa: BLE001, told in the test's own thread
            trouble.append(problem)
        finally:
            connection.close()

    runs = [threading.Thread(target=run) for _ in range(2)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert trouble == []
    assert sent() == teams
    assert Reminder.objects.count() == 2 * CONSUMERS
    headers = OutgoingMail.objects.values_list("headers", flat=True)
    assert {one["List-Unsubscribe"] for one in headers} == {"<http://127.0.0.1:8000/keys/reminders/production/>"}


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


class DiesAtTheFourth(BaseEmailBackend):
    """The outbox, in a process that dies as soon as the fourth mail is in it, before anything is committed."""

    def send_messages(self, messages) -> int:
        EmailBackend().send_messages(messages)
        if OutgoingMail.objects.count() == 4:
            raise Killed
        return len(messages)


def test_after_a_crash_the_next_run_does_what_is_left(teams, settings) -> None:
    """A mail and the row that says so are stored together, or neither is."""
    settings.EMAIL_BACKEND = f"{__name__}.DiesAtTheFourth"
    with pytest.raises(Killed):
        send()
    assert len(sent()) == 3
    assert Reminder.objects.count() == 6
    settings.EMAIL_BACKEND = "portal.mail.outbox.EmailBackend"
    send()
    assert sent() == teams
    send()
    assert sent() == teams


# At the terminal


def environment(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    told = {
        "DATABASE_URL": f"sqlite:///{folder / 'portal.sqlite3'}",
        "ZUPLO_API_URL": sandbox.url,
        "ZUPLO_ACCOUNT": sandbox.account,
        "ZUPLO_BUCKET": sandbox.bucket,
        "ZUPLO_API_KEY": sandbox.token,
    }
    return {"PATH": os.environ["PATH"], "TERM": "xterm"} | told


def manage(command: str, sandbox: Sandbox, folder: Path, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess:
    line = [sys.executable, "manage.py", command]
    told = environment(sandbox, folder)
    return subprocess.run(line, cwd=ROOT, env=told, stdout=subprocess.PIPE, stderr=stderr, text=True)


def test_a_bar_shows_how_far_it_is_on_a_terminal_only(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.seed_consumers(250)
    sandbox.set(total="present")
    assert manage("migrate", sandbox, tmp_path).returncode == 0
    piped = manage("send_reminders", sandbox, tmp_path)
    assert (piped.returncode, piped.stderr) == (0, "")
    assert piped.stdout == "production: consumers: 250, mails: 0\n"
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shown = manage("send_reminders", sandbox, tmp_path, stderr=theirs)
    bar = os.read(ours, 65536).decode()
    os.close(theirs)
    os.close(ours)
    assert shown.stdout == piped.stdout
    assert "250" in bar
    assert "consumers/s" in bar


def test_an_outage_is_an_exit_code_and_a_sentence(sandbox: Sandbox, tmp_path: Path) -> None:
    assert manage("migrate", sandbox, tmp_path).returncode == 0
    sandbox.fault("GET", "*", "drop", times=0)
    done = manage("send_reminders", sandbox, tmp_path)
    assert done.returncode == 1
    assert "production: stopped after 0 of the consumers" in done.stderr
    assert "Run it again later" in done.stderr
    assert "Traceback" not in done.stderr
