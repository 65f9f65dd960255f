"""Access requests: somebody whom no consumer lists names one, and its managers are mailed.

The answer is the same, after the same calls, whether there is such a consumer or not. Only a verified address is told.
"""

import logging
import re
import time

from django.utils.translation import gettext as _

from keys import counter
from keys.access import Actor, is_named
from keys.audit import log
from keys.audit.notifications import ask_managers
from keys.conf import settings
from keys.errors import NotAllowed, NotFound, OddAnswer
from keys.models import Action
from keys.service.keyring import KeyRing
from keys.types import NAME, Consumer, Unread
from keys.zuplo.client import DeveloperAPI, read_entry

logger = logging.getLogger(__name__)

ENDING = re.compile(r"[A-Za-z0-9]{4}")
"""A key's last characters, as masks show them. A consumer may have such a name as well."""
PAGE, PAGES_AT_MOST = 500, 100
DAY = 24 * 60 * 60
BY_PERSON, OF_CONSUMER = 5, 5
"""Requests in a day: a name cannot be guessed by trying, nor the managers' mailboxes be filled."""


def may_ask(actor: Actor) -> bool:
    """True if managers could do what is asked of them, for somebody with an address of their own."""
    return bool(actor.email) and actor.staff is None and settings.KEYS_MANAGED_BY != "staff"


def ask(ring: KeyRing, words: str) -> None:
    """Mail the managers of the consumer that has this name, or a key with this ending, if there is exactly one.

    Each request is on record, refused where nobody was asked: managers read of those that reached them, colleagues of
    all, and the person who asks of none.
    """
    actor = ring.actor
    if not may_ask(actor):
        raise NotAllowed(
            _("Our team decides who has access."), advice=_("Contact support and say who should have access.")
        )
    if counter.count(f"keys:limit:asks:{actor.user_id}", DAY) > BY_PERSON:
        raise NotAllowed(_("You've asked too often today."), advice=_("Try again tomorrow."))
    try:
        with log.recorded(actor, Action.ASK_FOR_ACCESS, ring.environment, "") as event:
            found = _with_ending(ring.api, words) if ENDING.fullmatch(words) else _named(ring.api, words)
            event.consumer = found.name if found else ""
            log.note(event)
            ask_managers(ring.environment, _to_be_asked(ring, found), actor.email)
    except NotFound as nobody:
        logger.info("nobody is asked for access: %s", nobody)


def _to_be_asked(ring: KeyRing, found: Consumer | None) -> Consumer:
    """The consumer; raises `NotFound` where there is none, the person manages it, or its managers were asked today."""
    if found is None or is_named(ring.actor, found):
        raise NotFound("a consumer that is not there, not the only one, or the person's own")
    place = f"{ring.environment}/{found.name}"
    asked_before = counter.count(f"keys:asked:{place}:{ring.actor.user_id}", DAY) > 1
    if asked_before or counter.count(f"keys:asked:{place}", DAY) > OF_CONSUMER:
        raise NotFound("its managers were asked before today")
    return found


def _named(api: DeveloperAPI, name: str) -> Consumer | None:
    if not NAME.fullmatch(name):
        return None
    try:
        return api.consumer(name)
    except (NotFound, OddAnswer):  # what cannot be read looks like what is not there
        return None


def _with_ending(api: DeveloperAPI, ending: str) -> Consumer | None:
    """The one consumer of that name or with such a key, after a look at all: how long it takes tells nothing of it."""
    found, offset, stop = list[Consumer](), 0, time.monotonic() + settings.KEYS_SCAN_SECONDS
    for _page in range(PAGES_AT_MOST):
        window = api.some_consumers(offset, PAGE, decode=read_entry)
        found += [entry for entry in window.items if not isinstance(entry, Unread) and _is_meant(entry, ending)]
        if window.next is None:
            return found[0] if len({consumer.name for consumer in found}) == 1 else None
        if time.monotonic() > stop:
            break
        offset = window.next
    logger.warning("a request for access was given up after %s consumers", offset)
    return None


def _is_meant(consumer: Consumer, ending: str) -> bool:
    endings = {key.ending.casefold() for key in consumer.live_keys}
    return ending.casefold() in endings or ending == consumer.name
