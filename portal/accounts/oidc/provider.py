"""The OpenID Connect provider as allauth's registry finds it: with a nonce, and read by `protocol`."""

from typing import Any

from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider

from portal.accounts.oidc.adapter import OpenIDConnectAdapter
from portal.accounts.oidc.protocol import nonce_for


class PortalOpenIDConnectProvider(OpenIDConnectProvider):
    oauth2_adapter_class = OpenIDConnectAdapter
    package = "portal.accounts.oidc"  # where allauth looks for urls

    def get_pkce_params(self) -> dict[str, Any]:
        """With a nonce made of the verifier: allauth keeps the verifier in the session, and hands it over again."""
        params: dict[str, Any] = super().get_pkce_params()
        return params | {"nonce": nonce_for(params["code_verifier"])}


provider_classes = [PortalOpenIDConnectProvider]
