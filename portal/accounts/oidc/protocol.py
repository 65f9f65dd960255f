"""OpenID Connect on the wire: discovery, code exchange, ID token and userinfo, each answer checked.

By OpenID Connect Core 1.0 and Discovery 1.0, and OAuth 2.0 (RFC 6749, RFC 9207). What does not hold raises
`SignInRefused`. Signatures are not looked at: ID token and userinfo come straight from the provider's own endpoints
over TLS, which Core 3.1.3.7 point 6 accepts in their place; the portal takes tokens from nowhere else.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlsplit

from allauth.socialaccount import app_settings
from django.core.cache import cache

from portal.accounts.oidc.refusals import SignInRefused

WELL_KNOWN = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
NEEDED = ENDPOINTS[:2]
BASIC, POST = TOKEN_AUTH = ("client_secret_basic", "client_secret_post")
"""How the client proves itself at the token endpoint. Basic first: who registers no method has it (RFC 7591)."""
CLIENT_REFUSED = {"invalid_client", "unauthorized_client"}
LEEWAY = 30
"""So many seconds may the clocks of the portal and the provider differ."""
JWT = "application/jwt"
Claims = dict[str, Any]


# Discovery


def discover(session: Any, issuer: str) -> Claims:
    """The provider's configuration; `issuer` as configured, with or without a last slash."""
    issuer = issuer.partition("/.well-known/")[0].rstrip("/")
    with _answering("discovery"):
        found = _object("discovery", session.get(issuer + WELL_KNOWN))
    told = found.get("issuer")
    if not isinstance(told, str) or told.rstrip("/") != issuer:
        raise SignInRefused("discovery", "issuer_mismatch", f"It calls itself {told}. Set that as its issuer.")
    for name in ENDPOINTS:
        address = found.get(name)
        if address is None and name not in NEEDED:
            continue
        if _scheme(address) not in {"https", urlsplit(issuer).scheme}:
            raise SignInRefused("discovery", "malformed", f"{name} is missing, not encrypted, or no address.")
    return found


def _scheme(address: object) -> str:
    try:
        return urlsplit(address).scheme if isinstance(address, str) else ""
    except ValueError:
        return ""


def token_auth_methods(config: Claims, chosen: str = "") -> list[str]:
    """The methods to try at the token endpoint, in this order; [] if the provider lists none that the portal speaks."""
    if chosen:
        return [chosen]
    listed = config.get("token_endpoint_auth_methods_supported")
    return [method for method in TOKEN_AUTH if not isinstance(listed, list) or method in listed]


# From the code to the claims


def check_issuer(config: Claims, told: str | None) -> None:
    """Refuse the answer of another issuer (RFC 9207), and one that names none where the provider says that it does."""
    is_promised = config.get("authorization_response_iss_parameter_supported") is True
    if told is None and not is_promised:
        return
    if told != config["issuer"]:
        raise SignInRefused("authorization", "issuer_mismatch", "The answer is of another issuer, or names none.")


def exchange_code(session: Any, config: Claims, app: Any, data: dict[str, str]) -> Claims:
    """Trade the code for tokens. A method that the provider refuses gives way to the other one that it lists.

    Many list both, and take only the one that the client was registered with; some call what they miss an invalid
    request (RFC 6749, 5.2). A refused client has not used up the code. The method that worked is remembered, so that
    the provider does not see a failure at each sign-in.
    """
    methods = token_auth_methods(config, app.settings.get("token_auth_method", ""))
    if not methods:
        raise SignInRefused("token", "no_common_method", "It takes neither client_secret_basic nor client_secret_post.")
    remembered = f"oidc-token-auth:{app.provider_id}:{app.client_id}"
    worked = cache.get(remembered) if len(methods) > 1 else None
    methods.sort(key=lambda method: method != worked)
    refusals: list[SignInRefused] = []
    for method in methods:
        try:
            tokens = _ask_for_tokens(session, config["token_endpoint"], app, data, method)
            break
        except SignInRefused as refusal:
            refusals.append(refusal)
            if not (client_is_refused(refusal) or refusal.code == "invalid_request"):
                raise
    else:
        raise min(refusals, key=client_is_refused)  # one that says more than that the client is unknown
    if method != worked:
        cache.set(remembered, method, timeout=24 * 60 * 60)
    if not all(tokens.get(name) and isinstance(tokens[name], str) for name in ("access_token", "id_token")):
        raise SignInRefused("token", "malformed", "The answer holds no access token or no ID token.")
    return tokens


def try_client(session: Any, config: Claims, app: Any, method: str, redirect_uri: str) -> SignInRefused:
    """The refusal of a code that never was; `client_is_refused` if the client itself was not known."""
    data = {"grant_type": "authorization_code", "code": "no-code", "redirect_uri": redirect_uri}
    try:
        _ask_for_tokens(session, config["token_endpoint"], app, data | {"code_verifier": "v" * 43}, method)
    except SignInRefused as refusal:
        return refusal
    return SignInRefused("token", "malformed", "It gave tokens for a code that never was.")


def client_is_refused(refusal: SignInRefused) -> bool:
    """True if the client was not believed: Auth0 says `access_denied` then, and as all others do 401."""
    return refusal.code in CLIENT_REFUSED or refusal.status == 401


def published_keys(session: Any, config: Claims) -> list[Claims]:
    """The keys that the provider signs with, at least one."""
    with _answering("keys"):
        found = _object("keys", session.get(config.get("jwks_uri", ""))).get("keys")
    if not isinstance(found, list) or not found or not all(isinstance(key, dict) for key in found):
        raise SignInRefused("keys", "malformed", "The answer holds no keys.")
    return found


def _ask_for_tokens(session: Any, url: str, app: Any, data: dict[str, str], method: str) -> Claims:
    headers = {"Accept": "application/json"}
    if method == BASIC:
        # Both halves form-encoded first (RFC 6749, 2.3.1), or a colon in the client id would end it.
        pair = f"{quote_plus(app.client_id)}:{quote_plus(app.secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        data = data | {"client_id": app.client_id, "client_secret": app.secret}
    with _answering("token"):  # a redirect would carry the secret to another address
        return _object("token", session.post(url, data=data, headers=headers, allow_redirects=False))


def nonce_for(code_verifier: str) -> str:
    """The nonce that belongs to a PKCE verifier, which waits in the session of the browser that began."""
    return sha256(f"nonce {code_verifier}".encode()).hexdigest()


def read_id_token(config: Claims, client_id: str, token: str, nonce: str) -> Claims:
    """The ID token's claims, if it is for this client and this sign-in, of this issuer and now."""
    claims = _decoded("id_token", token, ["iss", "sub", "aud", "exp"], config, client_id)
    if claims.get("nonce") != nonce:
        raise SignInRefused("id_token", "nonce_mismatch", "The ID token is of another sign-in, or names none.")
    is_for_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if is_for_several else client_id) != client_id:  # Core 3.1.3.7, 4 and 5
        raise SignInRefused("id_token", "azp_mismatch", "The ID token was made for another client.")
    longest = app_settings.UID_MAX_LENGTH
    if not 0 < len(claims["sub"]) <= longest or not claims["sub"].isprintable():
        raise SignInRefused("id_token", "invalid_sub", f"sub must be text of 1 to {longest} readable characters.")
    return claims


def read_userinfo(session: Any, config: Claims, client_id: str, access_token: str, sub: str) -> Claims:
    """Claims of the userinfo endpoint; {} where there is none, or where it does not say of whom."""
    url = config.get("userinfo_endpoint")
    if not url:  # recommended, not required, by Discovery 1.0, 3
        return {}
    with _answering("userinfo"):
        response = session.get(url, headers={"Authorization": f"Bearer {access_token}", "Accept": "application/json"})
        if response.ok and response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == JWT:
            told = _decoded("userinfo", response.text.strip(), ["iss", "aud"], config, client_id)
        else:
            told = _object("userinfo", response)
    if told.get("sub") is None:
        return {}
    if told["sub"] != sub:
        raise SignInRefused("userinfo", "sub_mismatch", "Userinfo speaks of somebody else than the ID token.")
    return told


def merged(id_token: Claims, userinfo: Claims) -> Claims:
    """All claims as one: userinfo's where both speak. An address counts only with what is said of that same address.

    `email_verified` beside another address would vouch for one that nobody has looked at.
    """
    told = (claims.get("email") for claims in (userinfo, id_token))
    email = next((text for text in told if text and isinstance(text, str)), None)
    said = [
        claims["email_verified"]
        for claims in (userinfo, id_token)
        if claims.get("email") == email and "email_verified" in claims
    ]
    is_verified = bool(said) and all(one is True for one in said)
    return {**id_token, **userinfo, "email": email, "email_verified": is_verified}


# Answers


@contextmanager
def _answering(stage: str) -> Iterator[None]:
    try:
        yield
    except OSError as problem:  # every failure of requests is one
        raise SignInRefused(stage, "unreachable", type(problem).__name__) from problem
    except UnicodeError as problem:  # a token or an address that HTTP cannot carry
        raise SignInRefused(stage, "malformed", type(problem).__name__) from problem


def _object(stage: str, response: Any) -> Claims:
    """The JSON object of an answer; an OAuth error that it holds instead is raised."""
    try:
        found = response.json()
    except (ValueError, RecursionError):
        found = None
    told = found if isinstance(found, dict) else {}
    if not response.ok or response.is_redirect:
        code = told.get("error") if isinstance(told.get("error"), str) else f"http_{response.status_code}"
        raise SignInRefused(stage, code, told.get("error_description"), status=response.status_code)
    if not told:
        raise SignInRefused(stage, "malformed", "The answer is no JSON object.")
    return told


def _decoded(stage: str, token: str, needed: list[str], config: Claims, client_id: str) -> Claims:
    import jwt  # with cryptography's certificates a megabyte, for those who sign in by a provider

    checks = ("exp", "nbf", "iat", "iss", "aud", "sub")
    options: Any = {"verify_signature": False, "require": needed} | {f"verify_{name}": True for name in checks}
    try:
        return jwt.decode(token, options=options, audience=client_id, issuer=config["issuer"], leeway=LEEWAY)
    except jwt.PyJWTError as problem:
        raise SignInRefused(stage, f"invalid_{stage}", str(problem)) from problem
    except (TypeError, ValueError, ArithmeticError, RecursionError) as problem:  # claims of a type that no token has
        raise SignInRefused(stage, f"invalid_{stage}", type(problem).__name__) from problem
