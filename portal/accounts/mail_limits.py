"""Rate limits on mails that anybody can cause by typing an address, over all doors: for the address and the client.

Sign-up, sign-in, reset and the proof of an address mail to whoever is typed in. Without a limit over all of them a
stranger fills a mailbox. One client gets a part of what an address gets, so that it cannot keep its owner out; and
several cannot either where the owner is known: a browser that has signed in before, and the networks from which the
owner is signed in, count by themselves. Elsewhere the mailbox tells the owner from strangers: the last mail of a share
holds a link, and the browser in which it is opened has a share of its own.
"""

import ipaddress
import logging

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from keys import counter
from portal.accounts import sessions

logger = logging.getLogger(__name__)

HOUR, DAY = 60 * 60, 24 * 60 * 60
ASKED_FOR = {
    f"account/email/{name}"
    for name in (
        "account_already_exists",
        "email_confirmation",
        "email_confirmation_signup",
        "login_code",
        "password_reset_code",
        "step_up_code",
        "unknown_account",
    )
}
"""Templates of these mails. All others tell of something that was done, and are never held back."""


READER, LINK = "mailbox_reader", "portal.mail_limits.link"
"""Session key with the digest of a mailbox that is read in this browser; the salt of the link that makes it so."""


def check(request: HttpRequest, email: str) -> dict[str, str]:
    """Count one mail that was asked for, and return what its template takes beside: a link, if it is the last one.

    Raises `ImmediateHttpResponse` with a page if there were too many.
    """
    client, mailbox = _network(str(get_adapter(request).get_client_ip(request))), counter.mailbox(email)
    is_last, is_reader = False, request.session.get(READER) == _digest(mailbox)
    if is_reader:
        counted = [(f"reader {mailbox}", settings.CODE_MAILS_TO_ADDRESS_BY_CLIENT)]
    elif sessions.is_device_of(request, email):
        counted = [(f"device {mailbox}", settings.CODE_MAILS_TO_ADDRESS_BY_CLIENT)]
    else:
        counted = [
            (f"{client} {mailbox}", settings.CODE_MAILS_TO_ADDRESS_BY_CLIENT),
            (client, settings.CODE_MAILS_BY_CLIENT),
        ]
        if _is_signed_in_from(client, email):
            counted.append((f"networks {mailbox}", settings.CODE_MAILS_TO_ADDRESS_BY_CLIENT))
        else:
            counted.append((mailbox, settings.CODE_MAILS_TO_ADDRESS))
    for who, limits in counted:
        for seconds, most in zip((HOUR, DAY), limits, strict=True):
            number = counter.count(f"mails:{seconds}:{_digest(who)}", seconds)
            if number > most:
                has_link = mailbox in who and not is_reader
                raise ImmediateHttpResponse(_too_many(request, seconds, has_link=has_link))
            is_last |= number == most
    if is_reader or not is_last:
        return {}
    return {"more_url": reverse("more_mails", args=[signing.dumps(_digest(mailbox), salt=LINK)])}


def remember_reader(request: HttpRequest, token: str) -> bool:
    """Give this browser a share of its own, if the link is one of ours and of today. It signs nobody in."""
    try:
        request.session[READER] = signing.loads(token, salt=LINK, max_age=DAY)
    except signing.BadSignature:
        return False
    return True


def _too_many(request: HttpRequest, seconds: int, *, has_link: bool) -> HttpResponse:
    logger.warning("No mail was sent: too many were asked for in %s seconds.", seconds)
    if seconds == DAY:
        words = _("We've sent too many emails today. Use the newest code you have, or try again tomorrow.")
    else:
        words = _("We've sent too many emails. Use the newest code you have, or try again in an hour.")
    if has_link:
        words += " " + _("The newest of these emails has a link to get another one right away.")
    if settings.LOCAL_SIGN_IN:
        words += " " + _("You can still sign in with a passkey or password.")
    return render(request, "429.html", {"words": words}, status=429)


def _is_signed_in_from(network: str, email: str) -> bool:
    """True in a network from which the person with this address is signed in. Known or not, it is one query."""
    proved = {"user__emailaddress__email": email.lower(), "user__emailaddress__verified": True}
    addresses = UserSession.objects.filter(**proved).values_list("ip", flat=True).distinct()
    return any(_network(address) == network for address in addresses)


def _network(address: str) -> str:
    """The network of a client: one household or host has a whole /64 of IPv6 (RFC 6177)."""
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address


def _digest(who: str) -> str:
    return salted_hmac("portal.mail_limits", who, algorithm="sha256").hexdigest()
