#!/usr/bin/env bash
# nanoidp 3.4.0 (PyPI; Python 3.11), as `nanoidp init` makes it: email_verified is true for whatever address stands in the file.
#
# Plausible guess: email_verified says something about the one address: the server has mailed to it, or an administrator
#   has said so; a server that knows neither leaves the claim out, or says false.
# What happens:    it is the constant true, for any text that users.yaml gives as an address, and it comes with every
#   userinfo, even where the scope "email" was not asked for.
# Why it matters:  a portal for API keys that opens keys by email_verified gives everybody's keys to whoever writes that
#   file. So a company's provider is to be believed of the company's own domains only.
# Source:          nanoidp/services/userinfo.py and services/token.py; OpenID Connect Core 1.0, section 5.1.
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
sed -i "s#test@example.org#ceo@another-company.example#" config/users.yaml
venv/bin/nanoidp --config config >log 2>&1 &
server=$!

cat >ask.py <<'END'
import base64, json, re, sys, time, urllib.error, urllib.parse, urllib.request
from http.cookiejar import CookieJar

issuer, back = sys.argv[1], "https://portal.example.com/callback"

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None

browser = urllib.request.build_opener(Stay, urllib.request.HTTPCookieProcessor(CookieJar()))

def ask(address, form=None, **headers):
    request = urllib.request.Request(address, urllib.parse.urlencode(form).encode() if form else None, headers)
    try:
        return browser.open(request)
    except urllib.error.HTTPError as answer:
        return answer

for _ in range(300):
    try:
        config = json.load(ask(f"{issuer}/.well-known/openid-configuration"))
        break
    except urllib.error.URLError:
        time.sleep(0.2)
query = {"client_id": "demo-client", "redirect_uri": back, "scope": "openid", "response_type": "code", "state": "s"}
address = f"{config['authorization_endpoint']}?{urllib.parse.urlencode(query)}"
form = None
for _ in range(10):
    answer = ask(address, form)
    if 300 <= answer.status < 400:
        address, form = urllib.parse.urljoin(address, answer.headers["Location"]), None
        if address.startswith(back):
            break
        continue
    hidden = re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', answer.read().decode())
    form = dict(hidden) | {"username": "testuser", "password": "test123"}
code = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["code"][0]
basic = "Basic " + base64.b64encode(b"demo-client:demo-secret").decode()
told = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
tokens = json.load(ask(config["token_endpoint"], told, Authorization=basic))
info = json.load(ask(config["userinfo_endpoint"], Authorization=f"Bearer {tokens['access_token']}"))
print(f"scope openid alone: {info['email']}, email_verified {json.dumps(info['email_verified'])}")
END
seen=$(venv/bin/python ask.py "http://127.0.0.1:$port")
echo "$seen"
[ "$seen" = "scope openid alone: ceo@another-company.example, email_verified true" ]
echo "As described: any address is vouched for, and nobody asked for it."
