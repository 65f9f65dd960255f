#!/usr/bin/env bash
# icalendar 7.3.2 (PyPI; Python 3.11) and ical.js 2.2.1 (npm; Node 20), which was written for Thunderbird: how often to look.
#
# Plausible guess: Calendar.new(refresh_interval=timedelta(hours=6)) writes what every program that knows REFRESH-INTERVAL
#   understands; the library reads its own calendar back as a timedelta, so a test of it is content.
# What happens:    it writes REFRESH-INTERVAL:PT6H. RFC 7986 gives this property no type by default and requires
#   VALUE=DURATION, so to ical.js it is of type "unknown", a text without toSeconds(). With the parameter it is a duration.
#   Properties that do have a default, as DURATION of an event, are right without it.
# Why it matters:  a portal for API keys that gives people a calendar of when their keys end asks programs to look anew
#   every six hours. One that takes it for a text keeps its own pace, be it a day or a week, and a key that was given an
#   earlier end stops working before its event in the calendar.
# Source:          RFC 7986, section 5.7 ("DURATION -- no default"); icalendar/prop/factory.py, which counts it among the defaults.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check icalendar==7.3.2 2>/dev/null
npm install --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts ical.js@2.2.1 >/dev/null
venv/bin/python - <<'END'
from datetime import timedelta
from pathlib import Path
from icalendar import Calendar

interval = timedelta(hours=6)
calendar = Calendar.new(name="Keys", refresh_interval=interval)
Path("as_it_comes.ics").write_bytes(calendar.to_ical())
assert Calendar.from_ical(calendar.to_ical()).refresh_interval == interval
calendar["REFRESH-INTERVAL"].params["VALUE"] = "DURATION"
Path("with_its_type.ics").write_bytes(calendar.to_ical())
END
cat >read.mjs <<'END'
import { readFileSync } from "node:fs";
import ICAL from "ical.js";

for (const name of ["as_it_comes", "with_its_type"]) {
  const text = readFileSync(`${name}.ics`, "utf8");
  const property = new ICAL.Component(ICAL.parse(text)).getFirstProperty("refresh-interval");
  const value = property.getFirstValue();
  const read = value.toSeconds ? `${value.toSeconds() / 3600} hours` : `the ${typeof value} ${value}`;
  console.log(`${/REFRESH-INTERVAL.*/.exec(text)[0]} is of type ${property.type}, ${read}`);
}
END
seen=$(node read.mjs)
echo "$seen"
[ "$seen" = "REFRESH-INTERVAL:PT6H is of type unknown, the string PT6H
REFRESH-INTERVAL;VALUE=DURATION:PT6H is of type duration, 6 hours" ] || { echo "it behaves differently now"; exit 1; }
echo "As described: only with its type is it a duration."
