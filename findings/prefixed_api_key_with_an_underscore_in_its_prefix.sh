#!/usr/bin/env bash
# prefixed-api-key 1.1.1 (npm; Node 20): keys whose prefix says for what they are, such as acme_live or acme_test.
#
# Plausible guess: a key is PREFIX_SHORT_LONG; the short token is stored to find the key by, and extractShortToken(key)
#   gives back the one that generateAPIKey() made. A prefix with an underscore works, or is refused.
# What happens:    the long token is read from the end of the key, the short one as the second part from its beginning. Of
#   acme_live_... it is "live", for each key that was ever made, while checkAPIKey() says true, and a new key comes with
#   the right shortToken: tests of making and checking are content. A shortTokenPrefix takes the places of the random
#   characters: one of eight gives all keys the same short token. Without a prefix generateAPIKey() answers {}.
# Why it matters:  whoever looks keys up by the short token finds none; whoever stores what getTokenComponents() says has
#   one name for the keys of all customers, and blocks all of them with the one that leaked. A portal for API keys shows
#   that name in its lists and its history. Take the prefix off first, as it is known, or choose one without an underscore.
# Source:          dist/index.js, extractShortToken and generateAPIKey; its README, by which the short token tells keys
#   apart and blocks them, says nothing of which prefixes may be used; found by reading, then seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts prefixed-api-key@1.1.1 >/dev/null
cat >try.cjs <<'JS'
const { checkAPIKey, extractShortToken, generateAPIKey, getTokenComponents } = require("prefixed-api-key");

async function run(options) {
  const [made, read, named] = [new Set(), new Set(), new Set()];
  let good = 0, same = 0;
  for (let number = 0; number < 50; number++) {
    const key = await generateAPIKey(options);
    if (!key.token) return console.log(`${JSON.stringify(options)}: ${JSON.stringify(key)}`);
    good += checkAPIKey(key.token, key.longTokenHash);
    same += extractShortToken(key.token) === key.shortToken;
    made.add(key.shortToken);
    read.add(extractShortToken(key.token));
    named.add(getTokenComponents(key.token).shortToken);
  }
  console.log(`${JSON.stringify(options)}: ${good} good, ${same} read as made; ${made.size} made, ${read.size} read, ${named.size} named`);
}
(async () => {
  await run({ keyPrefix: "acme" });
  await run({ keyPrefix: "acme_live" });
  await run({ keyPrefix: "acme", shortTokenPrefix: "internal" });
  await run({ keyPrefix: "" });
})();
JS
seen=$(timeout 60 node try.cjs)
echo "$seen"
[ "$seen" = '{"keyPrefix":"acme"}: 50 good, 50 read as made; 50 made, 50 read, 50 named
{"keyPrefix":"acme_live"}: 50 good, 0 read as made; 50 made, 1 read, 1 named
{"keyPrefix":"acme","shortTokenPrefix":"internal"}: 50 good, 50 read as made; 1 made, 1 read, 1 named
{"keyPrefix":""}: {}' ] || { echo "it behaves differently now"; exit 1; }
echo "As described: all keys of such a prefix are called alike."
