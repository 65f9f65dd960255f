#!/usr/bin/env bash
# nanoidp 3.4.0 (PyPI; Python 3.11), as `nanoidp init` makes it: discovery lists a method that the client may not use.
#
# Plausible guess: each method in token_endpoint_auth_methods_supported works for every client that has a secret, and
#   client_secret_post, which some libraries prefer where both are listed, does as well as client_secret_basic.
# What happens:    its client named no method, so it has client_secret_basic, the default of RFC 7591. The secret in the
#   body is answered by invalid_client, though discovery lists client_secret_post; only Basic comes as far as the code.
#   (npm's oidc-provider 9.13.3 takes both from such a client, so a trial there shows nothing.)
# Why it matters:  a portal for API keys that takes its method from discovery alone can never sign in at such a server.
#   Basic first, and the other listed method after invalid_client, works with all.
# Source:          RFC 7591, section 2; nanoidp/models.py, OAuthClient.token_endpoint_auth_method.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check nanoidp==3.4.0 2>/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/nanoidp init config >/dev/null
sed -i "s#http://localhost:8000#http://127.0.0.1:$port#; s#port: 8000#port: $port#" config/settings.yaml
venv/bin/nanoidp --config config >log 2>&1 &
server=$!

cat >ask.py <<'END'
import base64, json, sys, time, urllib.error, urllib.parse, urllib.request

issuer = sys.argv[1]
for _ in range(300):
    try:
        config = json.load(urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration"))
        break
    except urllib.error.URLError:
        time.sleep(0.2)
print("listed:", " ".join(config["token_endpoint_auth_methods_supported"]))
told = {"grant_type": "authorization_code", "code": "none", "redirect_uri": "https://portal.example.com/callback"}
secret = {"client_id": "demo-client", "client_secret": "demo-secret"}
basic = {"Authorization": "Basic " + base64.b64encode(b"demo-client:demo-secret").decode()}
for method, form, headers in (("client_secret_post", told | secret, {}), ("client_secret_basic", told, basic)):
    request = urllib.request.Request(config["token_endpoint"], urllib.parse.urlencode(form).encode(), headers)
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as problem:
        answer = problem
    print(f"{method}: {answer.status} {json.load(answer).get('error')}")
END
seen=$(venv/bin/python ask.py "http://127.0.0.1:$port")
echo "$seen"
grep -q "^listed: .*client_secret_post" <<<"$seen"
grep -q "^client_secret_post: 40[01] invalid_client$" <<<"$seen"
grep -q "^client_secret_basic: 400 invalid_grant$" <<<"$seen"
echo "As described: a listed method is refused as if the secret were wrong."
