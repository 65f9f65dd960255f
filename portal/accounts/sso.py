"""Single sign-on by OpenID Connect, Google or GitHub: which of a provider's claims are believed.

An address counts as proved only if the provider says so with the JSON value true, and may speak for such addresses;
anything else leads to proving it by code. And nobody comes into an account that was there before without that
account's own proof.
"""

import logging
from typing import Any, cast
from urllib.parse import urlsplit

from allauth.account import signals
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.forms import SignupForm
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess, Provider
from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from portal.accounts import allauth_texts, company_domains, provider_addresses, sso_refusals
from portal.accounts.forms import SignInForm, domain_is_welcome
from portal.accounts.receivers import BY_CREDENTIAL
from portal.models import User

logger = logging.getLogger(__name__)

LOGINS = {"openid_connect_login", "google_login", "github_login"}


class ProviderAdapter(DefaultSocialAccountAdapter):
    error_messages = DefaultSocialAccountAdapter.error_messages | allauth_texts.PROVIDERS

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Provider:
        """Provider whose addresses are judged as it wrote them: after that only allauth's reading is left.

        Nothing else that it tells is kept.
        """
        found = super().get_provider(request, provider, client_id)
        listed = found.extract_email_addresses

        def extract_email_addresses(data: dict[str, Any]) -> list[EmailAddress]:
            addresses: list[EmailAddress] = listed(data)
            for address in addresses:
                true_to_the_letter = vouches_for(found.id, data, address) and is_read_to_the_letter(address.email)
                address.verified = true_to_the_letter and company_domains.speaks_for(found.sub_id, address.email)
            return addresses

        found.extract_email_addresses = extract_email_addresses
        found.extract_extra_data = lambda _data: {}
        return cast(Provider, found)

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """New user with the first vouched address, if there is one; a link that is there keeps what it rests on."""
        account = sociallogin.account
        basis = provider_addresses.kept(account.provider, account.uid)
        account.extra_data = provider_addresses.told_now(sociallogin) if basis is None else basis
        kept = _kept(sociallogin.email_addresses)
        if any(address.verified for address in kept) and data.get("email") not in {one.email for one in kept}:
            data = data | {"email": kept[0].email}
        data = data | {"first_name": "", "last_name": "", "name": ""}  # the portal needs none of it
        return cast(User, super().populate_user(request, sociallogin, data))

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if request.user.is_authenticated and sociallogin.state.get("process") == AuthProcess.CONNECT:
            return
        has_changed = sociallogin.is_existing and not provider_addresses.still_fits(sociallogin)
        if has_changed:
            self._after_change(request, sociallogin)
        elif sociallogin.is_existing and provider_addresses.needs_code(request, sociallogin):
            self._in_new_browser(request, sociallogin)
        if not sociallogin.is_existing:
            sociallogin.email_addresses = _kept(sociallogin.email_addresses)
        vouched = [address.email for address in sociallogin.email_addresses if address.verified]
        if sociallogin.is_existing:
            self._confirm_vouched(request, sociallogin.user, vouched)
        elif others := self._providers_of_others(sociallogin):
            raise ImmediateHttpResponse(company_domains.redirect_to_provider(request, others[0]))
        elif known := _known(vouched):
            raise ImmediateHttpResponse(self._link_after_proof(request, sociallogin, known))
        elif has_changed:
            for address in sociallogin.email_addresses:
                address.verified = False  # a number that has changed hands once is not believed without a code

    def _after_change(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Ask for a code to the account's own address, or make a newcomer of who comes with another one."""
        email, user = provider_addresses.address_to_prove(sociallogin), sociallogin.user
        provider_addresses.doubt(request, sociallogin)
        if email:
            request.session[BY_CREDENTIAL] = user.pk
            raise ImmediateHttpResponse(
                self._link_after_proof(request, sociallogin, email, why=company_domains.CHANGED)
            )
        provider_addresses.detach(sociallogin)
        words = _("%(provider)s gave us a different address for you. Confirm it with the code we've emailed.")
        messages.warning(request, words % {"provider": sociallogin.provider.name})

    def _in_new_browser(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Ask for a code to the account's own address, if that can be opened; one not yet proved is proved later."""
        email = provider_addresses.address_for_code(sociallogin)
        if email and sociallogin.user.is_active:
            page = self._link_after_proof(request, sociallogin, email, why=company_domains.NEW_BROWSER)
            provider_addresses.record_code(request, sociallogin)
            raise ImmediateHttpResponse(page)

    def _providers_of_others(self, sociallogin: SocialLogin) -> list[str]:
        """Other companies' providers, to which an address that this one tells is bound."""
        wanted = [company_domains.provider_for(address.email) for address in sociallogin.email_addresses]
        return [one for one in wanted if one not in {"", sociallogin.account.provider}]

    def _confirm_vouched(self, request: HttpRequest, user: User, vouched: list[str]) -> None:
        """Confirm later what the provider did not vouch for at first: then no code is needed any more."""
        addresses = EmailAddress.objects.filter(user=user)
        if not addresses.filter(verified=True).exists():
            request.session[BY_CREDENTIAL] = user.pk
            for address in addresses.filter(email__in=vouched)[:1]:
                get_account_adapter(request).confirm_email(request, address)

    def _link_after_proof(
        self, request: HttpRequest, sociallogin: SocialLogin, email: str, *, why: str = ""
    ) -> HttpResponse:
        """Account linking: ask for the proof of the account that is there; `connect_pending_provider` joins them."""
        if request.user.is_authenticated:  # as somebody else, perhaps; allauth signs out at this point too
            get_account_adapter(request).logout(request)
        sociallogin.token = None
        form = SignInForm({"login": email}, request=request)
        if not form.is_valid():
            return render(request, "429.html", status=429)
        company_domains.remember_pending(request, sociallogin, email, why)
        return form.login(request, sociallogin.get_redirect_url(request))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Provider,
        error: str = "",
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        sso_refusals.refuse(request, provider, error, exception, extra_context or {})

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        addresses = [address.email for address in sociallogin.email_addresses]
        return not addresses or domain_is_welcome(addresses[0])

    def get_requests_session(self) -> Any:
        session = super().get_requests_session()
        session.trust_env = False  # no proxy and no .netrc that somebody left on the machine
        return session


class ProviderSignUpForm(SignupForm):
    """Sign-up form for those whose provider names no address."""

    def clean_email(self) -> str:
        email = str(super().clean_email())
        if email and not domain_is_welcome(email):
            raise get_account_adapter().validation_error("domain_not_welcome")
        return email


def _kept(addresses: list[EmailAddress]) -> list[EmailAddress]:
    """The vouched addresses, the primary one first and no more than anybody may have; or else one other."""
    vouched = sorted((one for one in addresses if one.verified), key=lambda one: not one.primary)
    return vouched[: settings.ACCOUNT_MAX_EMAIL_ADDRESSES] or addresses[:1]


def is_read_to_the_letter(written: object) -> bool:
    """True if allauth, which lower-cases every letter, changes nothing but the case of ASCII letters.

    The Kelvin sign becomes a k: somebody else's address, for which the provider has not vouched.
    """
    any_text = ("utf-8", "surrogatepass")
    return isinstance(written, str) and written.lower().encode(*any_text) == written.encode(*any_text).lower()


def vouches_for(provider: str, data: dict[str, Any], address: EmailAddress) -> bool:
    """True if the provider vouches for the address with the value true: allauth takes any word, "false" too."""
    if provider == "google":  # of which allauth has made a truth value already
        return data.get("email_verified", data.get("verified_email")) is True
    return address.verified is True


def _known(emails: list[str]) -> str:
    """The first of these addresses that some account has, proved or not."""
    for email in emails:
        if User.objects.filter(Q(email=email) | Q(emailaddress__email=email)).exists():
            return email
    return ""


@receiver(signals.user_logged_in)
def connect_pending_provider(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    """Account linking: join the account just proved with the provider's, if that vouches for a proved address of it."""
    sociallogin = company_domains.pending(request)
    request.session.pop(company_domains.PENDING, None)
    if sociallogin is None:
        return
    number = sociallogin.account
    linked = SocialAccount.objects.filter(provider=number.provider, uid=number.uid).first()
    if linked is not None:
        provider_addresses.proved_again(user, linked, sociallogin)
        return
    vouched = [address.email for address in sociallogin.email_addresses if address.verified]
    if EmailAddress.objects.filter(user=user, verified=True, email__in=vouched).exists():
        sociallogin.connect(request, user)


def redirect_by_page(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Redirect to a provider by a page rather than by an answer to the form; other answers are returned as they are.

    The policy says `form-action 'self'`, and browsers hold a form's redirect to it as well. To name the providers
    there would not do: they may redirect on to others.
    """
    target = response.get("Location", "")
    match = request.resolver_match
    is_login = match is not None and match.url_name in LOGINS
    if request.method != "POST" or not is_login or urlsplit(target).netloc in {"", request.get_host()}:
        return response
    page = render(request, "socialaccount/leaving.html", {"target": target})
    page.cookies.update(response.cookies)
    return page
