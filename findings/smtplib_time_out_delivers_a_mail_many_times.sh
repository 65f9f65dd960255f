#!/usr/bin/env bash
# Django 5.2.19 (PyPI; Python 3.11): a mail server that takes its time, and a client with the usual EMAIL_TIMEOUT.
#
# Plausible guess: when send() raises, the mail was not sent; so it is right to keep it and to try again later, and a
#   mail server can tell by the Message-ID that it is the same one.
# What happens:    the exception after a time-out is SMTPServerDisconnected, the same as for a lost connection, although
#   the server has the whole mail and goes on to deliver it. Each try is another mail to everybody: Django makes a new
#   Message-ID each time, which ends in the machine's own name, not in the sender's domain. RFC 5321 lets the server take
#   ten minutes for its answer to the final dot (4.5.3.2.6), and says that an earlier time-out duplicates mails.
# Why it matters:  a portal for API keys that retries mails sends somebody the same code or alarm eight times.
# Source:          RFC 5321, 4.5.3.2.6; django/core/mail/message.py, EmailMessage.message(); seen behind a portal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check Django==5.2.19 2>/dev/null

venv/bin/python - <<'END'
import email, socketserver, threading, time
from django.conf import settings

taken, TIMEOUT, THINKS = [], 1, 2


class Slow(socketserver.StreamRequestHandler):
    def say(self, words):
        try:
            self.wfile.write(f"{words}\r\n".encode())
        except OSError:
            pass

    def handle(self):
        self.say("220 ready")
        while line := self.rfile.readline():
            if line[:4].upper() == b"DATA":
                self.say("354 go on")
                mail = b""
                while (part := self.rfile.readline()) not in {b".\r\n", b""}:
                    mail += part
                time.sleep(THINKS)  # it looks for spam, say
                taken.append(email.message_from_bytes(mail))
                self.say("250 taken")
            else:
                self.say("250 fine")


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=server.server_address[1], EMAIL_TIMEOUT=TIMEOUT)
from django.core.mail import EmailMessage

message, raised = EmailMessage("Hello", "words", "Portal <portal@example.com>", ["ann@example.net"]), []
for _try in range(3):
    try:
        message.send()
    except Exception as problem:
        raised.append(type(problem).__name__)
time.sleep(THINKS + 1)
ids = {mail["Message-ID"] for mail in taken}
print(f"raised: {raised}")
print(f"delivered: {len(taken)} mails, with {len(ids)} Message-IDs, of which in the sender's domain: {sum('@example.com>' in one for one in ids)}")
assert raised == ["SMTPServerDisconnected"] * 3, "it behaves differently now"
assert len(taken) == len(ids) == 3, "it behaves differently now"
assert not any("@example.com>" in one for one in ids), "it behaves differently now"
END
