"""A load balancer in a few lines: each request goes to the next portal, whoever sends it."""

import http.client
import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RoundRobin(ThreadingHTTPServer):
    """Passes on what it is sent, to portals on these ports in turn; `served` counts the answers of each."""

    daemon_threads = True

    def __init__(self, ports: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _PassOn)
        self.served = dict.fromkeys(ports, 0)
        self._turns = itertools.cycle(ports)
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def next(self) -> int:
        with self._lock:
            port = next(self._turns)
            self.served[port] += 1
            return port

    def __enter__(self) -> "RoundRobin":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()


class _PassOn(BaseHTTPRequestHandler):
    server: RoundRobin

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        portal = http.client.HTTPConnection("127.0.0.1", self.server.next(), timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        portal.request(self.command, self.path, body, headers | {"Connection": "close"})
        answer = portal.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        portal.close()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass
