"""The exception for a sign-in that ended badly: at which stage, and the OAuth error code with its description."""

import re

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from keys.redaction import harmless

LONGEST_WORD = 60
"""Descriptions may quote what was sent. A token is longer than this, and no word of a sentence is."""


class SignInRefused(OAuth2Error):
    """One step of a sign-in that did not succeed. Holds no token: descriptions lose every long word.

    The stages, in their order: state, discovery, authorization, token, id_token, userinfo; "answer" is one of these
    where allauth does not say which. `status` is that of the provider's answer, 0 where it was not about that.
    """

    def __init__(self, stage: str, code: object, description: object = "", status: int = 0) -> None:
        self.stage, self.code, self.description = stage, _told(code) or "unknown", _told(description)
        self.status = status
        super().__init__(f"{self.stage}: {self.code}" + (f" ({self.description})" if self.description else ""))


def _told(words: object) -> str:
    words = harmless(words) if isinstance(words, str) else ""
    return re.sub(rf"\S{{{LONGEST_WORD},}}", "[removed]", words)[:200]
