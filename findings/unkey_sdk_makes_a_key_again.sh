#!/usr/bin/env bash
# @unkey/api 2.5.1 (npm; Node 20), with its defaults: a key is created while a proxy in between has a bad moment.
#
# Plausible guess: keys.createKey() is one POST. If its answer is lost or is a 502, the call raises, as nobody can know whether
#   there is a key by now; or it is sent again with something by which the server knows it, as SDKs for payments do.
# What happens:    every call is sent again by itself for ten seconds, after each 5xx and each lost connection, and the repeats
#   are the same request, byte for byte, with no header or field that tells them from another wish for a key. Two answers
#   that were lost make three keys that work. The caller gets the last, and no word of the others. rerollKey() is repeated
#   like it, and so is verifyKey() with credits, which are taken off each time.
# Why it matters:  keys that nobody was ever shown work on, under the customer's name and with the same rights. Whoever
#   rotates after a leak or counts keys for a bill sees them, and nobody knows whose they are. A portal for API keys makes such
#   calls with retries: {strategy: "none"}, and after a failure reads the list before it tries again.
# Source:          dist/esm/funcs/keysCreateKey.js (retryConfig, retryCodes); github.com/unkeyed/unkey, svc/api/routes/
#   v2_keys_create_key/handler.go, which makes a key of each request; seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts @unkey/api@2.5.1 >/dev/null
cat >try.mjs <<'JS'
import { createServer } from "node:http";
import { Unkey } from "@unkey/api";

// Does each request, and then loses the answers of the first two: a 502 of a proxy, and a connection that ends.
let requests = [], failures = [];
const answer = { key: "its value", valid: true, code: "VALID" };
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    const headers = request.rawHeaders.filter((_, place) => place % 2 === 0).map((name) => name.toLowerCase());
    requests.push({ what: `${request.method} ${request.url} ${request.rawHeaders} ${body}`, headers });
    const failure = failures.shift();
    if (failure === "lost") return request.socket.destroy();
    response.statusCode = failure ?? 200;
    response.setHeader("Content-Type", "application/json");
    const name = `key_${requests.length}`;
    response.end(failure ? "{}" : JSON.stringify({ meta: { requestId: "req_1" }, data: { keyId: name, ...answer } }));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const serverURL = `http://127.0.0.1:${server.address().port}`;

async function run(words, options, ask) {
  [requests, failures] = [[], [502, "lost"]];
  let told;
  try {
    told = `the caller gets ${(await ask(new Unkey({ rootKey: "anything", serverURL, ...options }))).data.keyId}`;
  } catch (error) {
    told = "the caller gets an error";
  }
  const alike = new Set(requests.map((request) => request.what)).size === 1;
  const marked = requests.some((request) => request.headers.some((name) => /idempot|retry|request-id/.test(name)));
  console.log(`${words}: ${requests.length} done, alike: ${alike}, marked: ${marked}, ${told}`);
}
await run("createKey", {}, (unkey) => unkey.keys.createKey({ apiId: "api_1", name: "Acme, CI" }));
await run("rerollKey", {}, (unkey) => unkey.keys.rerollKey({ keyId: "key_0", expiration: 86_400_000 }));
await run("verifyKey", {}, (unkey) => unkey.keys.verifyKey({ key: "its value", credits: { cost: 10 } }));
await run("createKey without retries", { retryConfig: { strategy: "none" } }, (unkey) =>
  unkey.keys.createKey({ apiId: "api_1", name: "Acme, CI" }),
);
server.close();
server.closeAllConnections();
JS
seen=$(timeout 60 node try.mjs)
echo "$seen"
[ "$seen" = "createKey: 3 done, alike: true, marked: false, the caller gets key_3
rerollKey: 3 done, alike: true, marked: false, the caller gets key_3
verifyKey: 3 done, alike: true, marked: false, the caller gets key_3
createKey without retries: 1 done, alike: true, marked: false, the caller gets an error" ] || { echo "it behaves differently now"; exit 1; }
echo "As described: two keys that work, of which nobody was told."
