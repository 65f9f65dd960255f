"""Redaction: take keys out of free text, and make upstream text safe to show."""

import re
import unicodedata

TEXT_LIMIT = 500


_KEY_SHAPED = re.compile(r"zpka_[0-9A-Za-z_]{8,}")


_JOINER = "\u200d"  # holds emoji together


def looks_masked(value: str) -> bool:
    """True if this is no full key; masks differ between sources, these marks are common to all."""
    return not value or any(mark in value for mark in ("*", "•", "…", "..."))


def without_keys(text: str) -> str:
    """Redact: the text without anything shaped like a key. People paste them where everybody reads."""
    return _KEY_SHAPED.sub("zpka_[removed]", text)


def ends_for_keys(text: str) -> str:
    """Mask: the text with no more of a pasted key than lists show."""
    return _KEY_SHAPED.sub(lambda found: ending_of(found[0]), text)


def harmless(text: str) -> str:
    """Sanitize: one line, without control, direction and invisible characters, and cut to a sane length."""
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if sign.isspace() else "\ufffd" if _is_harmful(sign) else sign for sign in text)


def _is_harmful(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cf", "Cs"} and sign != _JOINER


def ending_of(value: str) -> str:
    # Common to every documented mask: the last four characters are the key's own. A short value shows none.
    return value[-4:] if len(value) >= 12 and not looks_masked(value[-4:]) else ""
