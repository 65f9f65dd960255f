#!/usr/bin/env bash
# canaille 0.3.6 (PyPI; Python 3.11): a client registered with what RFC 7591 requires gets 500 at the authorization endpoint.
#
# Plausible guess: grant_types and response_types may be left out of a registration: the server takes
#   "authorization_code" and "code" (RFC 7591, section 2), or refuses with invalid_client_metadata.
# What happens:    the registration answers 201, with neither in the client. Each authorization request of this client
#   is answered by 500 and "argument of type 'NoneType' is not iterable", which says nothing of the client.
# Why it matters:  an operator who registers a portal for API keys by a short request sees a sign-in that fails at the
#   provider, before the portal is asked anything. The log to look into is the provider's.
# Source:          RFC 7591, section 2, "grant_types" and "response_types"; seen by the test of this repository.
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
venv/bin/flask --app canaille:create_app run --port "$port" >log 2>&1 &
server=$!

venv/bin/canaille create user --user-name jd --emails jane@example.com --family-name Jane \
    --password "correct horse battery" >/dev/null 2>&1

cat >ask.py <<'END'
"""Registers a client twice, with and without both types, and signs jd in by the pages as far as that goes."""
import re, sys, time, urllib.parse
import httpx

issuer, back = sys.argv[1], "https://portal.example.com/callback"
for _ in range(300):
    try:
        config = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
        break
    except httpx.TransportError:
        time.sleep(0.2)

def sign_in(client_id):
    query = {"client_id": client_id, "redirect_uri": back, "scope": "openid email", "response_type": "code",
             "state": "s", "nonce": "n"}
    address, data, jar = f"{config['authorization_endpoint']}?{urllib.parse.urlencode(query)}", None, {}
    for _ in range(20):
        cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
        answer = httpx.request("POST" if data else "GET", address, data=data, headers={"Cookie": cookies})
        jar |= {cookie.name: cookie.value for cookie in answer.cookies.jar}
        if answer.is_error:
            return f"{answer.status_code}, {answer.json().get('error_description')}"
        data = None
        if answer.is_redirect:
            address = urllib.parse.urljoin(address, answer.headers["Location"])
            if address.startswith(back):
                return "a code" if "code=" in address else address
        else:
            token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.text)[1]
            data = {"csrf_token": token, "login": "jd", "password": "correct horse battery", "answer": "accept"}

for more in ({}, {"grant_types": ["authorization_code"], "response_types": ["code"]}):
    wanted = {"client_name": "Portal", "redirect_uris": [back], "scope": "openid email"} | more
    made = httpx.post(config["registration_endpoint"], json=wanted)
    print(f"registered {'with' if more else 'without'} both types: {made.status_code}; "
          f"authorization: {sign_in(made.json()['client_id'])}")
END
venv/bin/python -c 'import httpx' 2>/dev/null || venv/bin/pip install -q --disable-pip-version-check httpx==0.28.1 2>/dev/null
seen=$(venv/bin/python ask.py "http://127.0.0.1:$port")
echo "$seen"
grep -q "^registered without both types: 201; authorization: 500, argument of type 'NoneType' is not iterable$" <<<"$seen"
grep -q "^registered with both types: 201; authorization: a code$" <<<"$seen"
echo "As described: without both types every sign-in is a 500."
