"""A stand-in for Stripe on a real socket, in today's shape: the period of a subscription stands on its items.

Written by Stripe's public reference (API version 2025-03-31 and later). Its messages are signed as the library checks.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import stripe

SECRET = "whsec_" + "a1b2c3d4" * 4
KEY = "sk_test_" + "standin"


@dataclass
class StripeServer:
    """Record of what it was asked, and the subscriptions that it knows."""

    url: str = ""
    asked: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    failing: int = 0
    """So many next calls are answered with 500."""
    after_next_read: Callable[[], object] | None = None
    """Done once, behind the back of whoever has just read something."""

    def subscription(self, key: str, *, price: str, status: str = "active", **more: Any) -> dict[str, Any]:
        """Begin or change one; its facts are those of the last checkout unless given."""
        now = int(time.time())
        item = {"object": "subscription_item", "price": {"id": price, "object": "price"}, "quantity": 1}
        period = {"current_period_start": now - 86_400, "current_period_end": now + 29 * 86_400}
        known = {
            "id": key,
            "object": "subscription",
            "status": status,
            "customer": "cus_1",
            "created": len(self.subscriptions),
            "cancel_at_period_end": False,
            "cancel_at": None,
            "items": {"object": "list", "data": [item | period]},
            "metadata": self.facts(),
        }
        known["created"] = self.subscriptions.get(key, known)["created"]
        self.subscriptions[key] = known | more
        return self.subscriptions[key]

    def finish(self, subscription: str) -> str:
        """Mark the last checkout as paid, by which the subscription began; its id, which people come back with."""
        session = list(self.sessions.values())[-1]
        session |= {"status": "complete", "subscription": subscription, "metadata": self.facts()}
        return str(session["id"])

    def facts(self) -> dict[str, str]:
        """The metadata of the last checkout."""
        wish = next((form for path, form, _key in reversed(self.asked) if path.endswith("/checkout/sessions")), {})
        begin = "subscription_data[metadata]["
        return {name.removeprefix(begin)[:-1]: value[0] for name, value in wish.items() if name.startswith(begin)}

    def message(self, kind: str, thing: dict[str, Any], *, number: int = 1, late: int = 0) -> tuple[bytes, str]:
        """A message and its signature, made by the library; `late` seconds ago."""
        event = {"id": f"evt_{number}", "object": "event", "type": kind, "data": {"object": thing}}
        body, moment = json.dumps(event), int(time.time()) - late
        signature = stripe.WebhookSignature._compute_signature(f"{moment}.{body}", SECRET)
        return body.encode(), f"t={moment},v1={signature}"


@contextlib.contextmanager
def running() -> Iterator[StripeServer]:
    state = StripeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
            key = self.headers.get("Idempotency-Key", "")
            state.asked.append((self.path, form, key))
            kind = "checkout.session" if "checkout" in self.path else "billing_portal.session"
            number = len(state.sessions) + 1
            session = {"id": f"cs_{number}", "object": kind, "url": f"https://checkout.stripe.com/c/{number}"}
            session |= {"status": "open", "subscription": None, "metadata": state.facts()}
            self.answer(state.sessions.setdefault(key, session))

        def do_GET(self) -> None:
            state.asked.append((self.path, {}, ""))
            name = self.path.partition("?")[0].rpartition("/")[2]
            sessions = {session["id"]: session for session in state.sessions.values()}
            known = state.subscriptions.get(name) or sessions.get(name)
            self.answer(known or {"error": {"type": "invalid_request_error"}}, 200 if known else 404)
            if change := state.after_next_read:
                state.after_next_read = None
                change()

        def answer(self, thing: dict[str, Any], status: int = 200) -> None:
            if state.failing:
                state.failing -= 1
                thing, status = {"error": {"type": "api_error"}}, 500
            body = json.dumps(thing).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
