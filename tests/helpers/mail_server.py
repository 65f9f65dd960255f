"""A mail server on a real socket, which takes mails, or says that it cannot."""

import email
import email.policy
import socketserver
import threading
from email.message import EmailMessage
from types import TracebackType


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as is needed.

    `refusal` answers every mail while it is set, `refusals` every command of that name; `slow` makes each mail wait.
    While `silent`, mails are taken and never answered. `greetings` are the names that clients gave.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.mails: list[EmailMessage] = []
        self.refusal = ""
        self.refusals: dict[bytes, str] = {}
        self.greetings: list[str] = []
        self.silent = False
        self.over = threading.Event()
        self.slow = threading.Event()
        self.slow.set()
        self.port = self.server_address[1]

    def __enter__(self) -> "MailServer":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.slow.set()
        self.over.set()
        self.shutdown()
        self.server_close()


class _Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb in {b"EHLO", b"HELO"}:
                self.server.greetings.append(line[4:].decode().strip())
            if verb in self.server.refusals:
                self._say(self.server.refusals[verb])
            elif verb == b"DATA":
                self._take()
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _take(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line)
        self.server.slow.wait(30)
        if self.server.refusal:
            self._say(self.server.refusal)
            return
        lines = [line[1:] if line.startswith(b"..") else line for line in lines]
        self.server.mails.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))
        if self.server.silent:
            self.server.over.wait(60)
        else:
            self._say("250 taken")

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())
