#!/usr/bin/env bash
# standardwebhooks 1.1.0 (PyPI; Python 3.11) signs, standardwebhooks 1.1.1 (npm; Node 20), of the same project, is the measure.
#
# Plausible guess: sign(id, timestamp, body) takes a datetime that knows its zone for the moment that it is, as its own
#   timestamp() does, with which the header webhook-timestamp is written. UTC or London is all the same.
# What happens:    it replaces the zone by UTC, so that the hands of the clock are signed, not the moment. In London the
#   two are the same all winter, and an hour apart from the end of March; in Berlin they never are. datetime.now() without
#   a zone, which is local time to Python, is signed as UTC too. Nothing raises: the signature is well-formed, and each
#   receiver says that none matches.
# Why it matters:  a portal for API keys that tells customers by webhook that a key was rotated passes its tests in a
#   British winter, and all year on a server in UTC. From the last Sunday of March every customer refuses every one
#   of them, and looks for the fault in the secret. Sign with datetime.now(timezone.utc).
# Source:          standardwebhooks/webhooks.py, Webhook.sign (timestamp.replace), by which PyPI's svix signs, too;
#   github.com/standard-webhooks/standard-webhooks, issue 251, open since 2025; found by reading, then seen by running.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check standardwebhooks==1.1.0 tzdata==2025.2 2>/dev/null
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts standardwebhooks@1.1.1 >/dev/null
cat >sign.py <<'PY'
import json
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from standardwebhooks.webhooks import Webhook

webhook = Webhook("whsec_" + sys.argv[1])


def tell(zone, at):
    signed = {"month": f"{at:%B}", "zone": zone, "header": int(at.timestamp())}
    print(json.dumps(signed | {"signature": webhook.sign("msg_1", at, "{}")}))


for moment in ("2026-01-15T12:00:00+00:00", "2026-07-15T12:00:00+00:00"):
    for zone in ("UTC", "Europe/London", "Europe/Berlin"):
        at = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))
        tell(zone, at)
    tell("datetime.now() in Berlin", datetime.fromtimestamp(datetime.fromisoformat(moment).timestamp()))
PY
cat >compare.mjs <<'JS'
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook("whsec_" + process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  const { month, zone, header, signature } = JSON.parse(line);
  for (const hours of [0, 1, 2]) {
    const signed = webhook.sign("msg_1", new Date((header + 3600 * hours) * 1000), "{}");
    if (signed === signature) console.log(`${month}, ${zone}: the signature is that of ${hours} hours after the header`);
  }
}
JS
secret=$(venv/bin/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(24)).decode())')
seen=$(TZ=CET-1CEST,M3.5.0,M10.5.0/3 timeout 60 venv/bin/python sign.py "$secret" | timeout 60 node compare.mjs "$secret")
echo "$seen"
[ "$seen" = "January, UTC: the signature is that of 0 hours after the header
January, Europe/London: the signature is that of 0 hours after the header
January, Europe/Berlin: the signature is that of 1 hours after the header
January, datetime.now() in Berlin: the signature is that of 1 hours after the header
July, UTC: the signature is that of 0 hours after the header
July, Europe/London: the signature is that of 1 hours after the header
July, Europe/Berlin: the signature is that of 2 hours after the header
July, datetime.now() in Berlin: the signature is that of 2 hours after the header" ] || { echo "it behaves differently now"; exit 1; }
echo "As described: only in UTC is it the moment in the header that is signed."
