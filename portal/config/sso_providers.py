"""SSO providers from the environment, as allauth wants them; see docs/sign-in.md."""

from collections.abc import Mapping
from typing import Any

from portal.config.environment import development, fitting, flag, names, text, web_address, wrong


def providers() -> dict[str, Any]:
    """Settings of all providers, as allauth wants them; none by default.

    OIDC_PROVIDERS names the OpenID Connect providers; of each the issuer, the client and the words on the button
    are in variables that carry its name. Google and GitHub are there as soon as they have a client.
    """
    found: dict[str, Any] = {}
    apps: list[dict[str, Any]] = []
    rule = "Name each provider once, as in acme,partner, of a-z, 0-9 and _."
    for name in names("OIDC_PROVIDERS"):
        fitting("OIDC_PROVIDERS", name, r"[a-z][a-z0-9_]{0,29}", rule)
        if name in {app["provider_id"] for app in apps} | {"google", "github", "openid_connect"}:
            wrong("OIDC_PROVIDERS", f"names {name} twice, or the name is taken. {rule}")
        apps.append(_openid_provider(name, name.upper()))
        if [app["client_id"] for app in apps].count(apps[-1]["client_id"]) > 1:  # allauth tells them apart by it
            client = f"OIDC_{name.upper()}_CLIENT_ID"
            wrong(client, "is another provider's too. Choose another.")
    if apps:
        found["openid_connect"] = {"OAUTH_PKCE_ENABLED": True, "APPS": apps}
    for name, client, secret in (
        ("google", text("GOOGLE_CLIENT_ID"), text("GOOGLE_CLIENT_SECRET")),
        ("github", text("GITHUB_CLIENT_ID"), text("GITHUB_CLIENT_SECRET")),
    ):
        if bool(client) != bool(secret):
            upper = name.upper()
            wrong(f"{upper}_CLIENT_ID", f"and {upper}_CLIENT_SECRET belong together. Set both.")
        if client:
            found[name] = {"OAUTH_PKCE_ENABLED": True, "APPS": [{"client_id": client, "secret": secret}]}
    return found


def _openid_provider(provider: str, upper: str) -> dict[str, Any]:
    issuer = web_address(f"OIDC_{upper}_ISSUER", https=not development())
    if not issuer:
        wrong(f"OIDC_{upper}_ISSUER", f"is not set, and OIDC_PROVIDERS names {provider}. Set it.")
    title = text(f"OIDC_{upper}_NAME", provider.capitalize())
    fitting(f"OIDC_{upper}_NAME", title, r"[^\x00-\x1f\x7f]{1,40}", "Use one short line.")
    app: dict[str, Any] = {
        "provider_id": provider,
        "name": title,
        "client_id": text(f"OIDC_{upper}_CLIENT_ID"),
        "secret": text(f"OIDC_{upper}_CLIENT_SECRET"),
        "settings": {"server_url": issuer},
    }
    if method := text(f"OIDC_{upper}_TOKEN_AUTH"):
        rule = "Use client_secret_basic or client_secret_post, or leave it out."
        fitting(f"OIDC_{upper}_TOKEN_AUTH", method, r"(client_secret_)?(basic|post)", rule)
        app["settings"]["token_auth_method"] = f"client_secret_{method.removeprefix('client_secret_')}"
    if flag(f"OIDC_{upper}_STABLE_SUB", default=False):
        app["settings"]["stable_sub"] = True
    if not app["client_id"] or not app["secret"]:
        client = f"OIDC_{upper}_CLIENT_ID"
        wrong(client, f"and OIDC_{upper}_CLIENT_SECRET must both be set.")
    return app


def domains(name: str) -> list[str]:
    rule = "Name domains as in example.com,example.org."
    return [fitting(name, domain.lower(), r"[a-z0-9-]+(\.[a-z0-9-]+)+", rule) for domain in names(name)]


def provider_domains(found: Mapping[str, Any]) -> dict[str, str]:
    """Provider of each domain whose people sign in by that provider only."""
    apps = found.get("openid_connect", {"APPS": []})["APPS"]
    bound: dict[str, str] = {}
    ours = [app["provider_id"] for app in apps]
    variables = {provider: f"OIDC_{provider.upper()}_DOMAINS" for provider in ours}
    for provider, name in (variables | {"google": "GOOGLE_DOMAINS", "github": "GITHUB_DOMAINS"}).items():
        for domain in domains(name):
            if provider not in (*ours, *found):
                wrong(name, "is set, and there is no client for this provider. Set one, or leave it out.")
            elif domain in bound:
                wrong(name, f"names {domain} twice, or it is bound to {bound[domain]} already. Name it once.")
            bound[domain] = provider
    return bound
