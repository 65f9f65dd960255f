"""allauth's OAuth 2.0 adapter for OpenID Connect: it asks `protocol` at each step."""

from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin, SocialToken
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest

from portal.accounts.oidc import protocol


class OpenIDConnectAdapter(OpenIDConnectOAuth2Adapter):
    nonce = ""
    basic_auth = False  # `protocol` decides it; allauth's own answer stumbles over odd lists

    @property
    def openid_config(self) -> protocol.Claims:
        if not hasattr(self, "_openid_config"):
            with get_adapter().get_requests_session() as session:
                app = self.get_provider().app
                self._openid_config = protocol.discover(session, app.settings["server_url"])
        return self._openid_config

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> protocol.Claims:
        config, verifier = self.openid_config, pkce_code_verifier or ""
        protocol.check_issuer(config, request.GET.get("iss"))
        self.nonce = protocol.nonce_for(verifier)
        data = {
            "grant_type": "authorization_code",
            "code": request.GET["code"],
            "redirect_uri": client.callback_url,
            "code_verifier": verifier,
        }
        with get_adapter().get_requests_session() as session:
            return protocol.exchange_code(session, config, app, data)

    def parse_token(self, data: protocol.Claims) -> SocialToken:
        return SocialToken(token=data["access_token"])  # used once and not kept, so when it expires is of no interest

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **facts: Any) -> SocialLogin:
        config = self.openid_config
        id_token = protocol.read_id_token(config, app.client_id, facts["response"]["id_token"], self.nonce)
        with get_adapter().get_requests_session() as session:
            userinfo = protocol.read_userinfo(session, config, app.client_id, token.token, id_token["sub"])
        told = protocol.merged(id_token, userinfo)
        return self.get_provider().sociallogin_from_response(request, {"userinfo": told})
