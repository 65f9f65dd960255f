"""Account linking that lasts: at each sign-in by a provider, compare the address that it names with the account.

A provider's number for a person (`sub`) may be handed on: where it is the user name, as in canaille, a newcomer gets
that of a former colleague. So a link is believed only while the provider still names an address that fits; see
`still_fits`. What was believed last is kept with the link: {"email": "ann@acme.test", "vouched": true}. And where the
provider vouches for no address, anybody may write the one that fits: a new browser needs a code, see `needs_code`.
"""

import logging
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.http import HttpRequest
from django.utils.translation import get_language, override

from keys.access import Actor
from keys.audit import log
from keys.models import Action, AuditEvent
from portal.accounts import company_domains, sessions
from portal.models import User

logger = logging.getLogger(__name__)

NO_ADDRESS = {"email": "", "vouched": False}


def told_now(sociallogin: SocialLogin) -> dict[str, Any]:
    """The basis of a new link: the address that the provider names, a vouched one first, and "" if it names none."""
    addresses = sorted(sociallogin.email_addresses, key=lambda one: (not one.verified, not one.primary))
    return {"email": addresses[0].email, "vouched": addresses[0].verified} if addresses else NO_ADDRESS


def kept(provider: str, uid: str) -> dict[str, Any] | None:
    """The basis that an existing link rests on, {} for links from before this was kept; None without a link."""
    found = SocialAccount.objects.filter(provider=provider, uid=uid).first()
    return None if found is None else dict(found.extra_data)


def still_fits(sociallogin: SocialLogin) -> bool:
    """True while the provider vouches for an address of the account, or says no less than when it was believed."""
    told, basis = sociallogin.email_addresses, sociallogin.account.extra_data
    if _is_vouched_for(sociallogin):
        return True
    if not told:
        return bool(basis.get("email") == "")
    return any(address.email == basis.get("email") and not basis["vouched"] for address in told)


def _is_vouched_for(sociallogin: SocialLogin) -> bool:
    fitting = {*_proved(sociallogin.user), sociallogin.account.extra_data.get("email")}
    return any(address.verified and address.email in fitting for address in sociallogin.email_addresses)


def _proved(user: User) -> list[str]:
    addresses = EmailAddress.objects.filter(user=user, verified=True).order_by("-primary")
    return list(addresses.values_list("email", flat=True))


def needs_code(request: HttpRequest, sociallogin: SocialLogin) -> bool:
    """True if nothing but the number speaks for the person, in a browser that does not know the account.

    Google and GitHub give no number twice, and an operator may say the same of a provider.
    """
    if _is_vouched_for(sociallogin) or sessions.has_signed_in_here(request, sociallogin.user):
        return False
    is_public = sociallogin.account.provider in company_domains.PUBLIC
    return not is_public and not sociallogin.provider.app.settings.get("stable_sub")


def address_for_code(sociallogin: SocialLogin) -> str:
    """The proved address that the provider names, or else the primary one; "" if none is: that is proved anyway."""
    proved, told = _proved(sociallogin.user), {address.email for address in sociallogin.email_addresses}
    return min(proved, key=lambda email: email not in told, default="")


def record_code(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """Record in the audit log that the number alone was not believed."""
    _record(request, sociallogin.user, Action.PROVIDER_CODE, provider=sociallogin.account.provider)


def address_to_prove(sociallogin: SocialLogin) -> str:
    """The address of the account whose proof makes the link good again; "" if the provider names only others."""
    addresses = list(EmailAddress.objects.filter(user=sociallogin.user).order_by("-primary"))
    own = {address.email for address in addresses}
    if sociallogin.email_addresses:
        return next((address.email for address in sociallogin.email_addresses if address.email in own), "")
    basis = sociallogin.account.extra_data.get("email", "")
    return str(basis if basis in own else sociallogin.user.email)


def doubt(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """Close what rested on the provider's word: sessions, and the address if only that word had proved it.

    It is recorded in the audit log, and mailed to the addresses of the account.
    """
    user, basis = sociallogin.user, sociallogin.account.extra_data
    addresses = EmailAddress.objects.filter(user=user)
    told = {address.email for address in addresses if address.verified}
    rested = basis.get("email", user.email) if basis.get("vouched", True) else None
    withdrawn = bool(addresses.filter(email=rested, verified=True).update(verified=False))
    if request.user.is_authenticated:  # the session of this very browser may be the account's
        get_adapter(request).logout(request)
    sessions.end_others(request, user)
    logger.warning("A provider no longer confirms the address that it gave for account %s", user.pk)
    _record(request, user, Action.PROVIDER_ADDRESS, provider=sociallogin.account.provider, withdrawn=withdrawn)
    with override(user.language or get_language()):
        for email in sorted(told):
            words = {"provider": sociallogin.provider.name}
            get_adapter(request).send_notification_mail("socialaccount/email/address_changed", user, words, email)


def _record(request: HttpRequest, user: User, action: Action, **facts: Any) -> None:
    actor = Actor(
        user_id=user.pk,
        emails=(user.email,),
        address=get_adapter(request).get_client_ip(request),
        reference=getattr(request, "reference", ""),
    )
    with log.recorded(actor, action, environment="", consumer="") as event:
        log.note(event, **facts)


def had_an_owner(user: User) -> bool:
    """True if an address of the account was proved once, and its provider has taken that back since."""
    events = AuditEvent.objects.filter(user=user, action=Action.PROVIDER_ADDRESS, facts__withdrawn=True)
    return events.exists()


def detach(sociallogin: SocialLogin) -> None:
    """Take the link off the account, so that whoever has the number now begins as a newcomer."""
    number = sociallogin.account
    number.delete()
    told = told_now(sociallogin)
    sociallogin.account = SocialAccount(provider=number.provider, uid=number.uid, extra_data=told)
    sociallogin.user = User(email=told["email"])
    sociallogin.user.set_unusable_password()


def proved_again(user: User, account: SocialAccount, sociallogin: SocialLogin) -> None:
    """Keep that the link rests on a proof of the person's own from now on, and not on the provider's word."""
    proved = _proved(user)
    told = [address.email for address in sociallogin.email_addresses]
    email = next((email for email in told if email in proved), None) if told else ""
    if account.user_id == user.pk and email is not None:
        account.extra_data = {"email": email, "vouched": False}
        account.save(update_fields=["extra_data"])
