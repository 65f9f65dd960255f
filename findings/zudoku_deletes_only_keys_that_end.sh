#!/usr/bin/env bash
# zudoku 0.76.0 (npm; Node 20), the portal that Zuplo's gateways come with: which of a customer's keys can be deleted.
#
# Plausible guess: with deleteKey in the service each key of the list has its button, and the one without an end first of
#   all: nothing else will ever end it. Its own dialog for a new key offers "Never" as well as 7 to 90 days.
# What happens:    the button is there for each key that has an end, even one that has long passed. A key without an end
#   has none, and nothing says so. "Roll key" is no way to it: it asks for the consumer, not for a key, and what becomes of
#   the old ones is up to the service. With Zuplo's own service, where a consumer has one key that lasts, that is meant.
# Why it matters:  a key that never ends is the one that a customer has to be able to end by himself, at night, after it
#   was published. He finds a bin beside every key but that one. Whoever uses this page with a service of his own should
#   give each key an end, be it in ten years, or add a way. A portal for API keys counts on no end for "delete".
# Source:          src/lib/plugins/api-keys/settings/RevealApiKey.tsx (expiresOn && onDeleteKey) and CreateApiKey.tsx;
#   github.com/zuplo/zudoku, pull request 1170; found by reading, seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts \
  zudoku@0.76.0 react@19.2.0 react-dom@19.2.0 esbuild@0.27.7 >/dev/null
cat >try.tsx <<'TSX'
import { renderToStaticMarkup } from "react-dom/server";
import { RevealApiKey } from "./node_modules/zudoku/src/lib/plugins/api-keys/settings/RevealApiKey.js";

const at = (days: number) => new Date(Date.now() + days * 86_400_000 - 1000).toISOString();
for (const [words, expiresOn] of [["in 5 days", at(5)], ["in 3,650 days", at(3650)], ["3 days ago", at(-3)], ["never"]]) {
  const key = { id: "1", key: "anything-at-all", createdOn: at(-10), expiresOn };
  const page = renderToStaticMarkup(<RevealApiKey apiKey={key} onDeleteKey={() => {}} />);
  const texts = page.replace(/<svg.*?<\/svg>/g, "").replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
  const button = page.includes('aria-label="Delete API key"') ? "can be deleted" : "cannot be deleted";
  console.log(`ends ${words}: ${button};${texts.slice(texts.indexOf(" Created"))}`.trim());
}
TSX
node_modules/.bin/esbuild try.tsx --bundle --platform=node --format=esm --jsx=automatic --outfile=try.mjs --log-level=error \
  --banner:js='import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'
seen=$(timeout 60 node try.mjs)
echo "$seen"
[ "$seen" = "ends in 5 days: can be deleted; Created 10 days ago. Expires in 5 days.
ends in 3,650 days: can be deleted; Created 10 days ago.
ends 3 days ago: can be deleted; Created 10 days ago. Expired 3 days ago.
ends never: cannot be deleted; Created 10 days ago." ] || { echo "it behaves differently now"; exit 1; }
echo "As described: the key that nothing else ends has no button."
