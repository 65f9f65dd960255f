"""Sign-in steps by the test client; and the passing of time."""

import re
import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.contrib.auth import login
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import Client

from keys.access import PROVED_AT
from portal.accounts.sessions import SEEN_AT, SIGNED_IN_AT
from portal.backends.sessions import SessionStore
from portal.models import User

LOGIN, SIGNUP = "/accounts/login/", "/accounts/signup/"
CONFIRM, PROVE = "/accounts/login/code/confirm/", "/accounts/confirm-email/"
STEP_UP, STEP_UP_CODE = "/accounts/step-up/", "/accounts/step-up/code/"
WRONG = "AAAA-AAAA"


def code_in(message) -> str:
    return re.search(r"^[A-Z]{4}-[A-Z]{4}$", message.body, re.MULTILINE)[0]


def last_code() -> str:
    return next(code_in(message) for message in reversed(mail.outbox) if re.search(r"^[A-Z]{4}-", message.body, re.M))


def code_of_app(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def signed_in_as(client: Client) -> str | None:
    user = client.get("/").wsgi_request.user
    return user.email if user.is_authenticated else None


def csrf_token(page: HttpResponse) -> str:
    """CSRF token of the first form on the page."""
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]


def sign_in(client: Client, email: str, password: str = "", **more: str):
    """By a code, or by a password."""
    response = client.post(LOGIN, {"login": email, "password": password} | more)
    return response if password else client.post(CONFIRM, {"code": last_code()} | more)


def let_in(client: Client, person: User) -> None:
    """As `Client.force_login` does, which knows the digest of a session where its cookie holds the id."""
    request = HttpRequest()
    request.session = SessionStore()
    login(request, person, backend="allauth.account.auth_backends.AuthenticationBackend")
    request.session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key.secret


def passes(client: Client, *, proof: float = 0, use: float = 0, life: float = 0) -> None:
    """Let the last proof, the last use or the beginning of this session be so many minutes further back."""
    session = client.session
    for name, minutes in ((PROVED_AT, proof), (SEEN_AT, use), (SIGNED_IN_AT, life)):
        session[name] = session.get(name, time.time()) - minutes * 60
    session.save()
