"""manage.py check_provider: try the OpenID Connect providers with the settings as they are, and say what works."""

from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.accounts.oidc import protocol
from portal.accounts.oidc.refusals import SignInRefused


class Command(BaseCommand):
    help = "Ask each OpenID Connect provider, or those named, for its configuration and keys, and try the client."
    requires_system_checks = ()  # it may be the very first thing that an operator tries

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", nargs="*", help="a name from OIDC_PROVIDERS")

    def handle(self, *args: Any, **options: Any) -> None:
        told = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect", {"APPS": []})["APPS"]
        apps = {app["provider_id"]: SocialApp(provider="openid_connect", **app) for app in told}
        names = options["provider"] or list(apps)
        if not names or not set(names) <= apps.keys():
            raise CommandError(f"OIDC_PROVIDERS names {', '.join(apps) or 'none'}.")
        works = [self._check(apps[name]) for name in names]
        if not all(works):
            raise CommandError("Nobody can sign in by a provider that failed here.")

    def _check(self, app: Any) -> bool:
        issuer = app.settings["server_url"]
        self.stdout.write(f"{app.provider_id}: {app.name} at {issuer}")
        with get_adapter().get_requests_session() as session:
            try:
                config = protocol.discover(session, issuer)
            except SignInRefused as refusal:
                self.stdout.write(f"  discovery: FAILED, {_reason(refusal)}")
                return False
            self.stdout.write(f"  discovery: ok{'' if config.get('userinfo_endpoint') else ', without userinfo'}")
            self.stdout.write(f"  keys: {_keys(session, config)}")
            works = self._try_client(session, config, app)
        self.stdout.write(f"  callback to register: {_callback(app.provider_id)}")
        return works

    def _try_client(self, session: Any, config: protocol.Claims, app: Any) -> bool:
        """Send a code that never was, by each method: whoever is told so was known as the client before."""
        works = False
        methods = protocol.token_auth_methods(config, app.settings.get("token_auth_method", ""))
        if not methods:
            self.stdout.write("  client: FAILED, the provider lists neither client_secret_basic nor client_secret_post")
        for method in methods:
            answer = protocol.try_client(session, config, app, method, _callback(app.provider_id))
            refused = protocol.client_is_refused(answer) or answer.code == "unreachable"
            works |= not refused
            self.stdout.write(f"  {method}: {'refused, ' + _reason(answer) if refused else 'ok'}")
        if methods and not works:
            name = app.provider_id.upper()
            self.stdout.write(f"  client: FAILED, compare OIDC_{name}_CLIENT_ID and OIDC_{name}_CLIENT_SECRET")
        return works


def _keys(session: Any, config: protocol.Claims) -> str:
    """The published keys. Signing in does without them, so this fails nothing."""
    try:
        kinds = [str(key.get("alg") or key.get("kty")) for key in protocol.published_keys(session, config)]
    except SignInRefused as refusal:
        return f"not to be had ({_reason(refusal)}), and not needed"
    return f"ok, {len(kinds)} ({', '.join(sorted(set(kinds)))})"


def _callback(provider: str) -> str:
    return f"{settings.PORTAL_URL}/accounts/oidc/{provider}/login/callback/"


def _reason(refusal: SignInRefused) -> str:
    return f"{refusal.code}: {refusal.description}" if refusal.description else refusal.code
