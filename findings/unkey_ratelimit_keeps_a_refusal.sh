#!/usr/bin/env bash
# @unkey/ratelimit 2.1.4 (npm; Node 20), with its defaults: what follows a call that was refused.
#
# Plausible guess: limit(name, {cost}) asks the service each time, at most it remembers that nothing is left. A call that costs
#   more than what is left is refused and takes nothing, so a cheap one passes; and an override, which support sets for a
#   customer to get more calls at once, counts from the next call on.
# What happens:    a refusal is kept in the process by name, limit and duration, not by cost, until the window ends, and the
#   service is not asked again until then; the option `cache` only says where. One call that cost 20 where 10 were left
#   refuses all that cost 1, with "remaining: 10" in each refusal, and after an override the customer stays refused.
#   Another process, or the same after a restart, lets both in.
# Why it matters:  with a limit for a day, a customer who was given more calls at noon is refused until midnight, by some
#   of the API's processes; support finds the override in place and calls left. A portal for API keys must not say "counts
#   at once" of a limit that others remember. A `cache` of one's own that is emptied after a change mends it.
# Source:          dist/index.js, Ratelimit._limit (cacheKey); github.com/unkeyed/unkey, internal/services/ratelimit/
#   ratelimit.go, which takes nothing for a refusal, and docs/engineering/architecture/rfcs/0015, which counts a customer
#   who is kept out by one call that cost too much among the faults of a blocklist on the server; seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts \
  @unkey/ratelimit@2.1.4 @unkey/api@2.5.1 >/dev/null
cat >try.mjs <<'JS'
import { createServer } from "node:http";
import { Ratelimit } from "@unkey/ratelimit";

// A limiter as Unkey describes its own: a refusal takes nothing, and an override is the limit.
const used = {}, override = {}, reset = Date.now() + 86_400_000;
let asked = 0;
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    asked++;
    const { identifier, cost, ...call } = JSON.parse(body), limit = override[identifier] ?? call.limit;
    const success = (used[identifier] ?? 0) + cost <= limit;
    used[identifier] = (used[identifier] ?? 0) + (success ? cost : 0);
    response.setHeader("Content-Type", "application/json");
    const data = { limit, remaining: limit - used[identifier], reset, success };
    response.end(JSON.stringify({ meta: { requestId: "req_1" }, data }));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const baseUrl = `http://127.0.0.1:${server.address().port}`;
const process_ = () => new Ratelimit({ rootKey: "anything", baseUrl, namespace: "api", limit: 10, duration: "24h" });

async function call(words, limiter, name, cost) {
  const before = asked, { success, remaining } = await limiter.limit(name, { cost });
  console.log(`${words}: ${success ? "passes" : "refused"}, ${remaining} left, ${asked > before ? "asked" : "not asked"}`);
}
const one = process_(), another = process_();
await call("acme, cost 20", one, "acme", 20);
await call("acme, cost 1", one, "acme", 1);
await call("acme, cost 1, another process", another, "acme", 1);
await call("globex, cost 10", one, "globex", 10);
await call("globex, cost 1", one, "globex", 1);
override.globex = 1000;
await call("globex, cost 1, limit now 1000", one, "globex", 1);
await call("globex, cost 1, limit now 1000, another process", another, "globex", 1);
server.close();
server.closeAllConnections();
JS
seen=$(timeout 60 node try.mjs)
echo "$seen"
[ "$seen" = "acme, cost 20: refused, 10 left, asked
acme, cost 1: refused, 10 left, not asked
acme, cost 1, another process: passes, 9 left, asked
globex, cost 10: passes, 0 left, asked
globex, cost 1: refused, 0 left, asked
globex, cost 1, limit now 1000: refused, 0 left, not asked
globex, cost 1, limit now 1000, another process: passes, 989 left, asked" ] || { echo "it behaves differently now"; exit 1; }
echo "As described: a refusal holds until the window ends, whatever it was for."
