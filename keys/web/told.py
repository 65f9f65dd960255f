"""Row facts: what a row shows, told back by htmx so that a dialog about it opens without asking the key service.

Only htmx is believed, for its header can be sent by no link and by no other site. Whatever is told, the dialog says it
to nobody but whoever sent it, and the verb behind its form asks the key service as ever: who may, and how things stand.
"""

import re
from datetime import UTC, datetime
from json.encoder import encode_basestring

from django.utils.safestring import SafeString

from keys.http import Request
from keys.types import ApiKey, Consumer, as_shown

UNSAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'"}


def key_facts(key: ApiKey) -> SafeString:
    """For the attribute `hx-vals` of a row."""
    ends = key.expires_on.timestamp() if key.expires_on else ""
    return _as_json(label=key.label, ending=key.ending, created=int(key.created_on.timestamp()), ends=ends)


def consumer_facts(consumer: Consumer) -> SafeString:
    """For the attribute `hx-vals` of a consumer's head."""
    return _as_json(label=consumer.label, live=len(consumer.live_keys), mark=consumer.mark)


def key_of(request: Request, name: str, key_id: str) -> ApiKey | None:
    """The key as the row shows it; None where the page did not say."""
    told = request.GET
    if not request.htmx or request.method != "GET" or "ending" not in told:
        return None
    try:
        created, ends = _moment(told["created"]), _moment(told["ends"]) if told["ends"] else None
        return ApiKey(key_id, name, as_shown(told["label"]), as_shown(told["ending"])[-4:], created, ends)
    except (LookupError, ValueError, OverflowError, OSError):
        return None


def consumer_of(request: Request, name: str) -> Consumer | None:
    """The consumer by its title alone; None where the page did not say."""
    told = request.GET
    is_told = "mark" in told and re.fullmatch("[0-9]{1,9}", told.get("live", ""))
    if not (request.htmx and request.method == "GET" and is_told):
        return None
    return Consumer(name, as_shown(told.get("label", "")), (), ())


def _moment(told: str) -> datetime:
    return datetime.fromtimestamp(float(told), UTC)


def _as_json(**facts: str | float) -> SafeString:
    # Between single quotes: double ones, of which there are many, need not be escaped then.
    told = [f'"{name}":{encode_basestring(fact) if isinstance(fact, str) else fact}' for name, fact in facts.items()]
    return SafeString("{" + ",".join(told).translate(UNSAFE) + "}")
