"""Tolerant comparison: can what the service keeps be what it was sent? It may compose letters, cut, trim and round."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

ROUNDING = timedelta(days=1)  # to the day is the coarsest that anybody keeps an end
SHORTEST_CUT = 8  # characters; whoever cuts labels leaves at least these


def same_time(one: datetime | None, other: datetime | None) -> bool:
    """True if two ends are the same to the second; the wire keeps milliseconds, and may round."""
    if one is None or other is None:
        return one is other
    return abs(one - other) < timedelta(seconds=1)


def may_be_end(kept: datetime | None, sent: datetime | None) -> bool:
    """True for the same end, or one that was rounded."""
    if kept is None or sent is None:
        return kept is sent
    return abs(kept - sent) <= ROUNDING


def may_be_new_end(kept: datetime | None, sent: datetime, was: datetime | None) -> bool:
    """The same for an end that was changed: one that is as it was before says nothing of a change."""
    return same_time(kept, sent) or (may_be_end(kept, sent) and not same_time(kept, was))


def may_be_text(kept: str, sent: str) -> bool:
    """True for the same words, however their letters are composed, and for the beginning of them."""
    one, other = _folded(kept), _folded(sent)
    return one == other or (len(one) >= SHORTEST_CUT and other.startswith(one))


def may_be_new_text(kept: str, sent: str, was: str) -> bool:
    """The same for a text that was changed; the same letters, composed otherwise, are no change that could be seen."""
    return composed(kept) == composed(sent) or (may_be_text(kept, sent) and composed(kept) != composed(was))


def may_be_value(kept: Any, sent: Any) -> bool:
    """The same for JSON: of maps and lists each part. A text without any words is as good as none."""
    match kept, sent:
        case str(), str():
            return may_be_text(kept, sent)
        case Mapping(), Mapping():
            ours, theirs = _filled(kept), _filled(sent)
            return ours.keys() == theirs.keys() and all(may_be_value(ours[name], theirs[name]) for name in ours)
        case list(), list():
            return len(kept) == len(sent) and all(map(may_be_value, kept, sent))
    return bool(kept == sent)


def may_be_new_value(kept: Any, sent: Any, was: Any) -> bool:
    """The same for JSON that was changed."""
    return bool(_filled(kept) == _filled(sent) or (may_be_value(kept, sent) and _filled(kept) != _filled(was)))


def composed(text: str) -> str:
    """The text in one of its spellings (NFC), with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _folded(text: str) -> str:
    return composed(unicodedata.normalize("NFKC", text)).casefold()


def _filled(values: Any) -> Any:
    """A map without its empty texts; anything else as it is."""
    if not isinstance(values, Mapping):
        return values
    return {composed(name): value for name, value in values.items() if value != ""}
