#!/usr/bin/env bash
# better-auth 1.7.25 with @better-auth/api-key 1.7.5 (npm; Node 20): a key with a rate limit and a quota.
#
# Plausible guess: a call that the rate limit refuses was not served, so it is not taken off the key's quota (`remaining`);
#   a client that tries again too soon is refused on and on, and later finds its quota as it was.
# What happens:    verifyApiKey() takes one off `remaining` first and looks at the rate limit then (keys in the database, as
#   by default). Each RATE_LIMITED costs one, and the answer does not say so. When none is left, the next call deletes the
#   key itself, if its quota is not refilled: USAGE_EXCEEDED once, INVALID_API_KEY from then on, and the key is gone from
#   its owner's list.
# Why it matters:  a customer's retry loop turns a limit of two calls a minute into the loss of the key within seconds,
#   with two calls served of 20 that were paid for. A portal for API keys that shows `remaining` as "calls left" shows a
#   number that falls while nothing is served, and support finds no trace of a key that nobody deleted.
# Source:          validateApiKey() and claimUsageInDatabase() in dist/index.mjs of the package, whose schema calls
#   `remaining` the number of requests that are left; seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private": true, "type": "module"}' >package.json
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts --legacy-peer-deps \
    better-auth@1.7.25 @better-auth/api-key@1.7.5 >/dev/null
cat >try.mjs <<'END'
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { apiKey } from "@better-auth/api-key";

const tables = { user: [], session: [], account: [], verification: [], apikey: [] };
const { api } = betterAuth({
  baseURL: "http://127.0.0.1:3000", secret: "only for this, and long enough to be taken", logger: { disabled: true },
  telemetry: { enabled: false }, emailAndPassword: { enabled: true }, database: memoryAdapter(tables), plugins: [apiKey()],
});
const { user } = await api.signUpEmail({ body: { name: "Jane", email: "jane@example.com", password: "correct horse battery" } });

async function outcomes(calls, settings) {
  const { key, id } = await api.createApiKey({ body: { userId: user.id, ...settings } });
  const seen = [];
  for (let call = 0; call < calls; call++) {
    const { valid, error } = await api.verifyApiKey({ body: { key } });
    const outcome = valid ? "served" : error.code;
    seen.at(-1)?.[0] === outcome ? seen.at(-1)[1]++ : seen.push([outcome, 1]);
  }
  const row = tables.apikey.find((one) => one.id === id);
  return `${seen.map(([outcome, times]) => `${times} ${outcome}`).join(", ")}; ${row ? `${row.remaining} left` : "deleted"}`;
}

const limit = { rateLimitMax: 2, rateLimitTimeWindow: 60_000 };
console.log(`quota of 20, no limit, 2 calls:                ${await outcomes(2, { remaining: 20, rateLimitEnabled: false })}`);
console.log(`quota of 20, limit of 2 in a minute, 10 calls: ${await outcomes(10, { remaining: 20, ...limit })}`);
console.log(`quota of 20, limit of 2 in a minute, 23 calls: ${await outcomes(23, { remaining: 20, ...limit })}`);
END
seen=$(timeout 120 node try.mjs)
echo "$seen"
[ "$(cut -d: -f2 <<<"$seen" | tr -s ' ')" = " 2 served; 18 left
 2 served, 8 RATE_LIMITED; 10 left
 2 served, 18 RATE_LIMITED, 1 USAGE_EXCEEDED, 2 INVALID_API_KEY; deleted" ] || { echo "it behaves differently now"; exit 1; }
echo "As described."
