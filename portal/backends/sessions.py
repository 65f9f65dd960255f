"""Database sessions of which the database holds only a digest of each id.

Whoever reads the file, a backup or a replica finds no id there that would open a session. The id itself is in the
cookie alone: `session_key` is the digest everywhere inside, in the table of sessions and in the list of devices.
"""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any

from django.conf import settings
from django.contrib.sessions import middleware
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.db.models import CharField, DateTimeField
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import get_random_string

from keys.prepared import Blank, Prepared

ID_LENGTH = 32  # 165 random bits: no salt or slow hash is needed where nobody can guess
DIGEST_LENGTH = 40  # as much as the columns take, and 240 bits


class SessionKey(str):
    """Digest of a session id, which knows the id that it was made of."""

    secret: str

    @classmethod
    def of(cls, secret: str) -> "SessionKey":
        digest = hashlib.sha256(secret.encode()).digest()
        key = cls(urlsafe_b64encode(digest).decode()[:DIGEST_LENGTH])
        key.secret = secret
        return key


_LIVING = Prepared(
    lambda _names: (
        SessionStore.get_model_class()
        .objects.filter(session_key=Blank("session_key", CharField()), expire_date__gt=Blank("now", DateTimeField()))
        .values_list("session_data")
    )
)


class SessionStore(db.SessionStore):
    def __init__(self, session_key: str | None = None) -> None:
        """Takes a `SessionKey`, a digest, as the list of devices has it, or an id. Of cookies take only ids."""
        if session_key and len(session_key) != DIGEST_LENGTH:
            session_key = SessionKey.of(session_key)
        super().__init__(session_key)

    def load(self) -> dict[str, Any]:
        rows = _LIVING.rows(session_key=self.session_key, now=timezone.now())
        if not rows:
            self._session_key = None
        return self.decode(rows[0][0]) if rows else {}

    def _get_new_session_key(self) -> str:
        while True:
            key = SessionKey.of(get_random_string(ID_LENGTH, VALID_KEY_CHARS))
            if not self.exists(key):
                return key


class SessionMiddleware(middleware.SessionMiddleware):
    """The one place where ids come in and go out."""

    def process_request(self, request: HttpRequest) -> None:
        secret = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        request.session = SessionStore(SessionKey.of(secret) if secret else None)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        cookie, key = response.cookies.get(settings.SESSION_COOKIE_NAME), request.session.session_key
        if cookie is not None and cookie.value and isinstance(key, SessionKey):
            response.cookies[settings.SESSION_COOKIE_NAME] = key.secret  # keeps the attributes
        return response
