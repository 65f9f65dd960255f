#!/usr/bin/env bash
# zudoku 0.76.0 (npm; Node 20), the portal that Zuplo's gateways come with: the key with which its playground tries a call.
#
# Plausible guess: the playground offers a customer's consumers by name, and sends for the chosen one a key that works: one
#   that has not ended, the newest one after a rotation. A consumer that has no key is not offered, or sends none.
# What happens:    it sends the first of the list, without a look at its expiresOn. Where the old key is listed before
#   the new one, as by age, a rotated consumer is tried with the ended key. Without any key the header is there all the
#   same: "Authorization: Bearer undefined". If the list cannot be read, nobody is offered, and nothing says why.
# Why it matters:  the customer has rotated, tries the key in the place made for it, gets 401 and takes the new key for broken;
#   support finds a good key, and in the gateway's log a call with another. Whoever gives such a list to it puts the key
#   that is to be tried first, and leaves out consumers that have none. A portal for API keys says which key it tries.
# Source:          src/lib/plugins/api-keys/index.tsx, getIdentities; src/lib/plugins/openapi/playground/Playground.tsx;
#   zudoku.dev/docs/guides/managing-api-keys-and-identities (says nothing of an order); found by reading, seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts \
  zudoku@0.76.0 react@19.2.0 react-dom@19.2.0 esbuild@0.27.7 >/dev/null
cat >try.ts <<'TS'
import { apiKeyPlugin } from "zudoku/plugins/api-keys";

const day = 86_400_000;
const at = (days: number) => new Date(Date.now() + days * day).toISOString();
const ended = { id: "1", key: "the-ended-one", createdOn: at(-90), expiresOn: at(-1) };
const good = { id: "2", key: "the-good-one", createdOn: at(-8) };
const consumers = [
  { id: "a", label: "rotated, by age", apiKeys: [ended, good] },
  { id: "b", label: "rotated, newest first", apiKeys: [good, ended] },
  { id: "c", label: "without a key", apiKeys: [] },
];
const identities = (getConsumers: () => Promise<unknown>) => (apiKeyPlugin as any)({ getConsumers }).getIdentities({});
for (const identity of await identities(async () => consumers)) {
  const request = await identity.authorizeRequest(new Request("https://api.test/hello"));
  console.log(`${identity.label}: ${request.headers.get("Authorization")}`);
}
const none = await identities(async () => {
  throw new Error("the service is down");
});
console.log(`the list cannot be read: ${none.length} to choose from`);
TS
node_modules/.bin/esbuild try.ts --bundle --platform=node --format=esm --outfile=try.mjs --log-level=error \
  --banner:js='import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'
seen=$(timeout 60 node try.mjs)
echo "$seen"
[ "$seen" = "rotated, by age: Bearer the-ended-one
rotated, newest first: Bearer the-good-one
without a key: Bearer undefined
the list cannot be read: 0 to choose from" ] || { echo "it behaves differently now"; exit 1; }
echo "As described: the first one, whatever it is."
