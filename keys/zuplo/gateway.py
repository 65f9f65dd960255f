"""Gateway request: how a key is sent to the operator's own API, and one request that tries a key out."""

import json
import re
import time
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys.conf import settings
from keys.green_threads import give_back_connection, semaphore
from keys.redaction import Secret, harmless
from keys.types import FullKey
from keys.zuplo.transport import NoAnswer, NotSent, send

TRY_SECONDS = 5.0
FIRST_BYTES = 4096
FIRST_LINES = 12
TRIES_AT_ONCE = 16

# A silent gateway may not keep every thread of a worker busy.
_places = semaphore(TRIES_AT_ONCE)


class Reason(StrEnum):
    """Classification of a refusal; only `KEY` is about the key itself."""

    UNKNOWN = ""
    KEY = "key"
    NO_PLAN = "no plan"
    PLAN = "plan"
    QUOTA = "quota"
    RATE = "rate"
    PAYMENT = "payment"
    BLOCKED = "blocked"


WORDS = {
    Reason.UNKNOWN: gettext_lazy("The gateway refused this request. The key may still be fine."),
    Reason.KEY: gettext_lazy("The gateway doesn't accept this key. An expired key never works again."),
    Reason.NO_PLAN: gettext_lazy("The gateway doesn't know this key, or it has no active plan."),
    Reason.PLAN: gettext_lazy("The key is valid, but its plan doesn't include this, or the included usage is used up."),
    Reason.QUOTA: gettext_lazy("The key is valid, but the calls in its plan are used up."),
    Reason.RATE: gettext_lazy("The key is valid, but there were too many calls in a short time."),
    Reason.PAYMENT: gettext_lazy("The key is valid, but a payment for its plan hasn't been made."),
    Reason.BLOCKED: gettext_lazy("The key is valid, but access was blocked. Contact support."),
}

# Words of `detail` in the refusals of Zuplo's policies, as its runtime 7.6.4 was seen to send them; first match wins.
_DETAILS = (
    (r"exceeded the allowed limit|Quota exceeded", Reason.QUOTA),
    (r"(?i)payment", Reason.PAYMENT),
    (r"blocked by the administrator", Reason.BLOCKED),
    (r"expired subscription|does not have access to the API", Reason.NO_PLAN),
    (r"meter|[Ee]ntitlement", Reason.PLAN),
    (r"API Key has expired|Authorization", Reason.KEY),
)
_BY_STATUS = {401: Reason.KEY, 429: Reason.RATE}


@dataclass(frozen=True, slots=True)
class Trial:
    """Result of trying a key: the gateway's answer, or in `trouble` why there is none."""

    status: int = 0
    phrase: str = ""
    milliseconds: int = 0
    lines: tuple[str, ...] = ()
    is_cut: bool = False
    trouble: str = ""
    reason: Reason = Reason.UNKNOWN

    @property
    def works(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_refused(self) -> bool:
        return self.status in {401, 403, 429}

    @property
    def is_about_the_plan(self) -> bool:
        return self.reason not in {Reason.UNKNOWN, Reason.KEY}

    @property
    def words(self) -> str:
        """Meaning of the refusal."""
        return str(WORDS[self.reason])


def url() -> str:
    """URL of ready requests; without a test route the gateway itself."""
    return str(settings.GATEWAY_URL + settings.GATEWAY_TEST_PATH)


def header() -> tuple[str, str]:
    """The header that carries a key, and what stands before the key in it: "Authorization" and "Bearer "."""
    name, _colon, scheme = settings.GATEWAY_HEADER.partition(":")
    return name, f"{scheme.strip()} " if scheme.strip() else ""


def can_try() -> bool:
    return bool(settings.GATEWAY_URL and settings.GATEWAY_TEST_PATH)


def try_out(full: FullKey, seconds: float) -> Trial:
    """One GET of the operator's test route with this key. Redirects are not followed, and it ends in time."""
    name, before = header()
    seconds = min(TRY_SECONDS, seconds)
    if seconds < 1 or not _places.acquire(blocking=False):
        return Trial(trouble=_("The portal is busy. Try again in a moment."))
    give_back_connection()
    started = time.monotonic()
    try:
        headers = {
            name: Secret(before + full.value),
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": "portal",
        }
        answer = send("GET", url(), headers=headers, body=None, seconds=seconds, first=FIRST_BYTES)
    except NotSent:
        return Trial(trouble=_("The gateway couldn't be reached."))
    except NoAnswer as problem:
        slow, odd = _("The gateway took too long to respond."), _("The gateway sent an unexpected response.")
        return Trial(trouble=slow if problem.slow else odd)
    finally:
        _places.release()
    passed = round((time.monotonic() - started) * 1000)
    is_cut = len(answer.body) >= FIRST_BYTES
    lines = _lines(answer.body, full, is_cut=is_cut)
    is_cut = is_cut or len(lines) > FIRST_LINES
    reason = _reason(answer.status, answer.body)
    return Trial(answer.status, _phrase(answer.status), passed, lines[:FIRST_LINES], is_cut, reason=reason)


def _reason(status: int, body: bytes) -> Reason:
    """Why the gateway refused, by the `detail` of its problem document (RFC 9457), else by the status alone."""
    usual = _BY_STATUS.get(status, Reason.UNKNOWN)
    if status not in {401, 403, 429}:
        return usual
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return usual
    detail = document.get("detail") if isinstance(document, dict) else None
    words = detail if isinstance(detail, str) else ""
    return next((reason for pattern, reason in _DETAILS if re.search(pattern, words)), usual)


def _lines(body: bytes, full: FullKey, *, is_cut: bool) -> tuple[str, ...]:
    """The answer as text for a page, redacted: an API that repeats the key it was sent shall show no part of it."""
    value = full.value.encode()
    masked = body.replace(value, full.key.masked.encode())
    text = (masked[: -len(value)] if is_cut else masked).decode("utf-8", "replace")
    return tuple(harmless(line) for line in text.splitlines())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
