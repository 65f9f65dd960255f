#!/usr/bin/env bash
# ratelimit-header-parser 0.1.0 with express-rate-limit 8.7.5 (npm; Node 20), of the same authors: what is left of a limit.
#
# Plausible guess: the parser reads whatever the middleware sends, or returns undefined, as it does for an answer without such
#   headers, so that `if (limit && limit.remaining < 1) await until(limit.reset)` is a careful client.
# What happens:    the header of draft 8 is a structured field, "3-in-1min"; r=0; t=60. It is found, as it has the name of
#   draft 7's, and none of its numbers are: an object comes back whose limit, used and remaining are NaN, and whose reset is
#   an Invalid Date. Every comparison with NaN is false, so the client never waits, the 429 with Retry-After included.
# Why it matters:  a gateway that moves to the newer draft takes the brakes off its customers' clients, without an error
#   anywhere. A portal for API keys that shows "calls left" by such a library shows NaN, and a key that looks unlimited is
#   refused again and again. Read Retry-After first; ask Number.isFinite, not only whether something came back.
# Source:          draft-ietf-httpapi-ratelimit-headers-08, section 4 (parameters r and t); dist/index.mjs of the parser,
#   parseCombinedRateLimitHeader; its README names draft 7 as the last; seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts \
  express@5.2.1 express-rate-limit@8.7.5 ratelimit-header-parser@0.1.0 >/dev/null
cat >try.mjs <<'END'
import express from "express";
import { rateLimit } from "express-rate-limit";
import { parseRateLimit } from "ratelimit-header-parser";

for (const standardHeaders of ["draft-7", "draft-8"]) {
  const app = express();
  app.use(rateLimit({ windowMs: 60_000, limit: 1, standardHeaders, legacyHeaders: false }));
  app.get("/", (_request, response) => response.send("served"));
  const server = app.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const at = `http://127.0.0.1:${server.address().port}/`;
  await fetch(at);
  const refused = await fetch(at);
  const { remaining, reset } = parseRateLimit(refused);
  const waits = remaining < 1;
  console.log(`${standardHeaders}: ${refused.status}, remaining ${remaining}, reset valid ${!isNaN(reset)}, would wait ${waits}`);
  server.close();
  server.closeAllConnections();
}
console.log(`without any of the headers: ${parseRateLimit(new Headers())}`);
END
seen=$(node try.mjs)
echo "$seen"
[ "$seen" = "draft-7: 429, remaining 0, reset valid true, would wait true
draft-8: 429, remaining NaN, reset valid false, would wait false
without any of the headers: undefined" ] || { echo "it behaves differently now"; exit 1; }
echo "As described: an object without a number in it, where undefined or the numbers were to be expected."
