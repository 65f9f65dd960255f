"""Session lifetimes: absolute and idle time-outs, the list of devices, and what ends other sessions.

A session ends at a fixed time after sign-in and after some idleness, whichever comes first; sooner for staff. When
it was last used is written at most once a minute. All sessions of a person but the current one end when a password,
an address or what is asked for beside them changes: each session carries the number that `User.sessions_ended` had
when it began.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.account import signals
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY, update_session_auth_hash
from django.contrib.auth.middleware import get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.core import signing
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from keys.access import PROVED_AT
from keys.http import Request
from portal.accounts.mfa import STRONG
from portal.models import User

SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"
SIGNED_UP = "signed_up"
"""Session key: the account that this session has made."""
WRITE_EVERY = 60.0
DEVICE_COOKIE = "device"
DEVICE_SECONDS = 60 * 60 * 24 * 365

GetResponse = Callable[[Request], HttpResponse]


# How long


def hours(user: User) -> int:
    return min(settings.SESSION_HOURS, settings.STAFF_SESSION_HOURS) if user.is_staff else settings.SESSION_HOURS


def idle_minutes(user: User) -> int:
    usual, staff = settings.SESSION_IDLE_MINUTES, settings.STAFF_SESSION_IDLE_MINUTES
    return min(usual, staff) if user.is_staff else usual


@receiver(user_logged_in)
def begin(request: Request, user: User, **_kwargs: Any) -> None:
    now = time.time()
    request.signed_in = user.pk
    request.session.update({SIGNED_IN_AT: now, SEEN_AT: now, PROVED_AT: now})
    limit(request, user)


def limit(request: HttpRequest, user: User) -> None:
    """Absolute time-out: end the session at a fixed time from now, however busy it is."""
    request.session.set_expiry(timezone.now() + timedelta(hours=hours(user)))


def expire_sessions(get_response: GetResponse) -> GetResponse:
    """Make `request.user` anonymous once the session has expired; lazily, only if somebody asks."""

    def middleware(request: Request) -> HttpResponse:
        request.user = SimpleLazyObject(lambda: _user_unless_expired(request, get_user(request)))  # type: ignore[assignment]
        return get_response(request)

    return middleware


def _user_unless_expired(request: Request, user: Any) -> Any:
    if not user.is_authenticated:
        if SESSION_KEY in request.session:  # disabled or deleted: nothing revives this session
            request.session.flush()
        return user
    now, session = time.time(), request.session
    began, seen = session.get(SIGNED_IN_AT, 0.0), session.get(SEEN_AT, 0.0)
    if now - began > hours(user) * 3600 or now - seen > idle_minutes(user) * 60:
        UserSession.objects.filter(session_key=session.session_key).delete()
        session.flush()
        return AnonymousUser()
    if now - seen > WRITE_EVERY:
        session[SEEN_AT] = now
        UserSession.objects.filter(session_key=session.session_key).update(last_seen_at=timezone.now())
    request.signed_in = user.pk
    return user


# What ends the others


def renew_id(request: HttpRequest) -> None:
    """Session fixation: renew the id, so that one from before is worth nothing. The list of devices keeps its row."""
    before = request.session.session_key
    request.session.cycle_key()
    _moved(request, before)


def end_others(request: HttpRequest, user: User) -> None:
    """Sign the person out everywhere but here."""
    user.end_sessions()
    before = request.session.session_key
    if request.user.is_authenticated and request.user.pk == user.pk:
        update_session_auth_hash(request, user)  # renews the id as well
        _moved(request, before)
    UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key).delete()


def _moved(request: HttpRequest, before: str | None) -> None:
    UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


@receiver([signals.password_changed, signals.password_set, signals.email_changed, signals.email_removed])
def end_others_after_change(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    end_others(request, User.objects.get(pk=user.pk))


@receiver(authenticator_removed)
def end_others_after_factor_removed(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    end_others(request, User.objects.get(pk=user.pk))


@receiver(authenticator_added)
def end_others_after_first_factor(request: HttpRequest, user: User, authenticator: Any, **_kwargs: Any) -> None:
    """End sessions that were opened without a second factor: they must not pass for such that were opened with it."""
    factors = Authenticator.objects.filter(user_id=user.pk, type__in=STRONG)
    if not factors.exclude(pk=authenticator.pk).exists():
        end_others(request, User.objects.get(pk=user.pk))


# A device that nobody has seen before


@receiver(signals.user_logged_in)
def mail_about_new_device(request: HttpRequest, user: User, response: HttpResponse, **_kwargs: Any) -> None:
    """New-device mail at the first sign-in from a browser; a cookie remembers whose sign-ins it has seen."""
    known = _people_of_this_device(request)
    if user.pk in known:
        return
    cookie = signing.dumps([*known[-9:], user.pk], salt=DEVICE_COOKIE)
    response.set_cookie(
        device_cookie_name(),
        cookie,
        max_age=DEVICE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    if request.session.get(SIGNED_UP) != user.pk:
        get_adapter(request).send_notification_mail("account/email/new_device", user)


def has_signed_in_here(request: HttpRequest, user: User) -> bool:
    """True in a browser in which this account has been signed in to before."""
    return user.pk in _people_of_this_device(request)


def is_device_of(request: HttpRequest, email: str) -> bool:
    """True in a browser in which the person with this address has signed in before."""
    addresses = EmailAddress.objects.filter(email=email.lower(), verified=True)
    return bool(addresses.filter(user__in=_people_of_this_device(request)).exists())


def device_cookie_name() -> str:
    return f"__Host-{DEVICE_COOKIE}" if settings.SESSION_COOKIE_SECURE else DEVICE_COOKIE


def _people_of_this_device(request: HttpRequest) -> list[int]:
    try:
        known = signing.loads(request.COOKIES.get(device_cookie_name(), ""), salt=DEVICE_COOKIE, max_age=DEVICE_SECONDS)
    except signing.BadSignature:
        return []
    return [pk for pk in known if isinstance(pk, int)]
