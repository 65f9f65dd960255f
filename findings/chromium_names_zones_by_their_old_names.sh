#!/usr/bin/env bash
# Node 20.20 (V8 and ICU, as in Chromium) against tzdata 2025.2 (PyPI; Python 3.11): the name of the visitor's time zone.
#
# Plausible guess: Intl.DateTimeFormat().resolvedOptions().timeZone is the name that the time zone database calls by now,
#   so that a server may keep a list of zones such as Asia/Kolkata or Europe/Kyiv, and compare with it.
# What happens:    V8 answers with the older names: Asia/Calcutta, Europe/Kiev, Asia/Saigon, America/Buenos_Aires, also when
#   the system is set to the newer one. In the database these are links, which Python's zoneinfo takes; pytz's
#   common_timezones and a list of "canonical" names lack them.
# Why it matters:  a portal for API keys that checks the visitor's zone against such a list shows people in India, Ukraine,
#   Vietnam and Argentina UTC, or refuses their dates. Whoever opens the name as a zone is right.
# Source:          tzdata, file backward; ECMA-402 left the choice of the name to the implementation.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check tzdata==2025.2 pytz==2025.2 2>/dev/null
for zone in Asia/Kolkata Europe/Kyiv Asia/Ho_Chi_Minh America/Argentina/Buenos_Aires; do
    echo "$zone $(TZ=$zone node -p 'Intl.DateTimeFormat().resolvedOptions().timeZone')"
done >said
node --version
venv/bin/python - <<'END'
from zoneinfo import ZoneInfo
import pytz

others = 0
for line in open("said"):
    asked, told = line.split()
    others += asked != told
    print(f"{asked}: told as {told}; zoneinfo: {ZoneInfo(told).key}; among pytz.common_timezones: {told in pytz.common_timezones}")
    assert told == asked or told not in pytz.common_timezones, "it behaves differently now"
assert others >= 2, "it behaves differently now"
END
