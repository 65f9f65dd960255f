"""Exceptions: what can go wrong with keys, a few kinds, each meaning a different next step.

`str(error)` is for the log. The texts are for the customer, and hold nothing that the Developer API said.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class ApiError(Exception):
    """Base class: a key operation did not go as asked."""

    status = 503
    title: Text = _("The key service is unavailable")
    text: Text = _("The key service didn't respond as expected.")
    changed: Text = _("Nothing was changed.")
    advice: Text = _("Existing keys keep working. Try again in a minute.")
    retry_after: int | None = None
    tells_all = False
    """True where the person needs no support: what is said is all there is to know, and the log knows no more."""
    passes_by_itself = False
    """True where the same page may soon be had; a page that only shows things then tries again."""

    @property
    def is_for_support(self) -> bool:
        """True if support can find out more by the reference: also of a refusal that came from an odd answer."""
        return not self.tells_all or isinstance(self.__cause__, OddAnswer)


class NotFound(ApiError):
    """Not found, for this person: missing, malformed and somebody else's look the same."""

    status = 404
    title = _("This no longer exists")
    text = _("Someone may have deleted or changed it, maybe you in another window.")
    advice = _("Reload to see the current state.")
    tells_all = True


class NotAllowed(ApiError):
    """Forbidden by one of our own rules; the sentence given is shown to the customer, `title` names the thing."""

    status = 403
    title: Text = _("You can't do this")
    tells_all = True

    def __init__(self, text: Text, advice: Text = "", *, title: Text = "") -> None:
        super().__init__(str(text))
        self.title = title or self.title
        self.text = text
        self.advice = advice


class StepUpNeeded(ApiError):
    """Step-up authentication: the last proof of identity is too old for this `wish`. Nothing was sent upstream."""

    status = 403
    title = _("Please confirm it's you")

    def __init__(self, wish: Text) -> None:
        super().__init__(f"too long ago to {wish}")
        self.wish = wish


class Busy(ApiError):
    """Lock contention: another change to the same consumer has not ended yet."""

    status = 409
    title = _("Another change is in progress")
    text = _("Someone is changing these keys right now, maybe you in another window.")
    advice = _("Try again in a few seconds.")
    tells_all = True


class ChangedMeanwhile(ApiError):
    """Optimistic concurrency: things are not as they were when the form was opened; decide anew."""

    status = 409
    title = _("This has changed")
    text = _("Someone changed this while you were editing, maybe you in another window.")
    advice = _("Reload and check before saving.")
    tells_all = True


class DoneBefore(ApiError):
    """Idempotency: the form was sent before and carried out; what came of it cannot be shown now."""

    title = _("You already sent this form")
    text = _("It was processed then, but we can't show the result right now.")
    changed = _("Nothing was done a second time.")
    advice = _("Reload the API keys page in a minute to see the current state.")


class RateLimited(ApiError):
    """Rate limit: the person does this more often than the operator lets anybody; wait."""

    status = 429
    title = _("Too many requests")
    text = _("To protect the keys, we limit how many you can show or change per minute.")
    advice = ""
    tells_all = True

    def __init__(self, limit: int, retry_after: int) -> None:
        super().__init__(f"more than {limit} in a minute")
        self.retry_after = retry_after


class NotMailed(ApiError):
    """Mail trouble, where the mail is all that was asked for: nobody got it."""

    title = _("Invitation not sent")
    text = _("We couldn't send the email. Try again in a few minutes.")
    advice = ""


class ValueHidden(ApiError):
    """The Developer API shows a mask where the full key was asked for."""

    status = 409
    title = _("This key can't be shown")
    text = _("The key service shows a key only once, when it's created.")
    advice = _("If you no longer have it, rotate it. You'll see the new key then.")
    tells_all = True


class ApiUnavailable(ApiError):
    """Upstream unavailable: no usable answer, and surely nothing was done. Ask again later."""

    passes_by_itself = True

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class ApiRefused(ApiError):
    """Upstream refusal: the Developer API understood and said no; `code` is its HTTP status."""

    status = 502
    title = _("The key service refused this change")
    text = _("The key service didn't accept it.")
    advice = _("Reload to see the current state. If it happens again, contact support.")

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


class ApiMisconfigured(ApiError):
    """Misconfiguration: the Developer API does not accept the portal's own token; only the operator can help."""

    title = _("The portal isn't set up correctly")
    text = _("The portal can't sign in to the key service.")
    advice = _("We've been notified. Existing keys keep working. Try again later.")


class OddAnswer(ApiError):
    """Invalid response: an answer of another shape, or about another object, than asked for; not to be used."""

    status = 502
    title = _("Unexpected response from the key service")
    passes_by_itself = True


class OutcomeUnknown(ApiError):
    """Unknown outcome: a write may or may not have been done. Read back first, and never send it again."""

    title = _("We couldn't confirm this change")
    text = _("The key service didn't say whether it was done.")
    changed = _("It may or may not have been done.")
    advice = _("Reload in a minute and check before you try again.")
