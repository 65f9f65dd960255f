#!/usr/bin/env bash
# canaille 0.3.6 (PyPI; Python 3.11, authlib as pip resolves it): `sub` is the user name, and is handed on.
#
# Plausible guess: the subject of an ID token names one person for good ("never reassigned", OpenID Connect Core 1.0,
#   section 2), and a server that lists email_verified in claims_supported sends it.
# What happens:    `sub` is the user name. Delete a user, give the name to a newcomer, and the newcomer has the same
#   `sub` with another address. email_verified is listed, and is in no token and no userinfo.
# Why it matters:  a portal for API keys that knows a person by `sub` alone gives the newcomer the keys of whoever had
#   the name before. It must compare the address that the provider names at each sign-in, and prove it itself.
# Source:          canaille/oidc/configuration.py, UserInfoMappingSettings.SUB; canaille/oidc/metadata.py.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'canaille[front,oidc,server,sqlite]==0.3.6' 2>/dev/null

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
key=$(venv/bin/canaille jwk create rsa 2>/dev/null | python3 -c '
import json, sys
print(", ".join(f"{name} = {json.dumps(value)}" for name, value in json.load(sys.stdin).items()))')
cat >canaille.toml <<END
SECRET_KEY = "only for this"
SERVER_NAME = "127.0.0.1:$port"
PREFERRED_URL_SCHEME = "http"
[CANAILLE]
DATABASE = "sql"
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///$folder/db.sqlite"
[CANAILLE_OIDC]
DYNAMIC_CLIENT_REGISTRATION_OPEN = true
ACTIVE_JWKS = [{ $key }]
END
export CANAILLE_CONFIG="$folder/canaille.toml"
venv/bin/canaille install >/dev/null 2>&1
person() { venv/bin/canaille create user --user-name jd --emails "$1" --family-name "$2" --password "correct horse battery" >/dev/null 2>&1; }
person jane@example.com Jane
venv/bin/flask --app canaille:create_app run --port "$port" >log 2>&1 &
server=$!

cat >sign_in.py <<'END'
"""Registers a client, signs jd in by the pages, and prints sub, address and what is said of the address."""
import base64, hashlib, json, re, sys, time, urllib.parse
import httpx

issuer, back = sys.argv[1], "https://portal.example.com/callback"
for _ in range(300):
    try:
        config = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
        break
    except httpx.TransportError:
        time.sleep(0.2)
wanted = {"client_name": "Portal", "redirect_uris": [back], "scope": "openid email", "client_uri": "http://127.0.0.1",
          "grant_types": ["authorization_code"], "response_types": ["code"]}
client = httpx.post(config["registration_endpoint"], json=wanted).json()
query = {"client_id": client["client_id"], "redirect_uri": back, "scope": "openid email", "response_type": "code",
         "state": "s", "nonce": "n"}
address, data, jar = f"{config['authorization_endpoint']}?{urllib.parse.urlencode(query)}", None, {}
for _ in range(20):
    cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
    answer = httpx.request("POST" if data else "GET", address, data=data, headers={"Cookie": cookies})
    jar |= {cookie.name: cookie.value for cookie in answer.cookies.jar}
    data = None
    if answer.is_redirect:
        address = urllib.parse.urljoin(address, answer.headers["Location"])
        if address.startswith(back):
            break
    else:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.text)[1]
        data = {"csrf_token": token, "login": "jd", "password": "correct horse battery", "answer": "accept"}
code = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["code"][0]
told = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
tokens = httpx.post(config["token_endpoint"], data=told, auth=(client["client_id"], client["client_secret"])).json()
bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
info = httpx.get(config["userinfo_endpoint"], headers=bearer).json()
listed = "email_verified" in config["claims_supported"]
print(info["sub"], info["email"], f"email_verified listed: {listed}, sent: {'email_verified' in info}")
END
venv/bin/python -c 'import httpx' 2>/dev/null || venv/bin/pip install -q --disable-pip-version-check httpx==0.28.1 2>/dev/null
first=$(venv/bin/python sign_in.py "http://127.0.0.1:$port")
venv/bin/canaille delete user --user-name jd --noconfirm >/dev/null 2>&1
person john@example.com John
second=$(venv/bin/python sign_in.py "http://127.0.0.1:$port")
echo "before: $first"
echo "after:  $second"
[ "$first" = "jd jane@example.com email_verified listed: True, sent: False" ]
[ "$second" = "jd john@example.com email_verified listed: True, sent: False" ]
echo "As described: another person has the same sub."
