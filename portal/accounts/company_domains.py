"""SSO enforcement by domain: companies whose people sign in by the company's own provider and in no other way.

Nothing but the domain decides, so the answer tells nothing of who has an account. What is joined with the provider
meanwhile is remembered here, for the one way in that leads there by a code.
"""

import time
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from portal.models import User

PENDING = "provider_to_connect"
PENDING_SECONDS = 10 * 60
CHANGED, NEW_BROWSER = "changed", "new browser"
"""Why an account that was joined before is to be proved again; "" for one that is still to be joined."""
PUBLIC = {"google", "github"}


def provider_for(email: str) -> str:
    """Provider bound to the domain of this address; "" where its people may choose."""
    return str(settings.PROVIDER_DOMAINS.get(email.strip().rpartition("@")[2].lower(), ""))


def speaks_for(provider: str, email: str) -> bool:
    """True if this provider can vouch for such an address: that of a company only for its own domains.

    Whoever administers it can have it say anything. Google and GitHub ask everybody for a proof themselves.
    """
    bound = provider not in PUBLIC and provider in settings.PROVIDER_DOMAINS.values()
    return not bound or provider_for(email) == provider


def redirect_to_provider(request: HttpRequest, provider: str) -> HttpResponse:
    """Redirect to the page with the provider's button, and a word why."""
    found = get_adapter(request).get_provider(request, provider)
    messages.info(request, _("This address signs in with %(provider)s.") % {"provider": found.name})
    query = {"next": target} if (target := get_next_redirect_url(request)) else {}
    return redirect(found.get_login_url(request, process="login", **query))


def required_provider(request: HttpRequest, user: User, sociallogin: SocialLogin | None) -> str:
    """Provider by which this person should have come, if it was another way; any address of the account counts."""
    emails = EmailAddress.objects.filter(user=user).values_list("email", flat=True)
    wanted = {provider_for(email) for email in (user.email, *emails)} - {""}
    waiting = pending(request)
    used = {login.account.provider for login in (sociallogin, waiting) if login is not None}
    return "" if wanted & used else min(wanted, default="")


# An account that waits for its own proof, to be joined with a provider


def remember_pending(request: HttpRequest, sociallogin: SocialLogin, email: str, why: str) -> None:
    """Remember in the session until the code is entered, and why it is asked for: its page says that."""
    told = {"email": email.lower(), "name": sociallogin.provider.name, "why": why}
    request.session[PENDING] = {"at": time.time(), "login": sociallogin.serialize()} | told


def pending(request: HttpRequest) -> SocialLogin | None:
    found: dict[str, Any] | None = request.session.get(PENDING)
    if found is None or time.time() - found["at"] > PENDING_SECONDS:
        return None
    return SocialLogin.deserialize(found["login"])
