"""Sentences: an audit event in words, for the history and for the subjects of mails.

Each has blanks for what it names, as `%(who)s`; see `NAMES`.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from keys.models import DONE, WISHES, Action, AuditEvent

NAMES = ("who", "key", "address", "title")
"""Who did it, the key, the manager concerned, and the consumer, as it was called before."""

DONE_SENTENCES: dict[Action, Promise] = {
    Action.REVEAL: _("%(who)s revealed the key %(key)s"),
    Action.COPY: _("%(who)s copied the key %(key)s"),
    Action.CREATE: _("%(who)s created the key %(key)s"),
    Action.ROTATE: _("%(who)s rotated the key %(key)s"),
    Action.ROTATE_ALL: _("%(who)s rotated all keys"),
    Action.RENAME: _("%(who)s renamed the key %(key)s"),
    Action.CHANGE_END: _("%(who)s changed the expiry of the key %(key)s"),
    Action.DELETE: _("%(who)s deleted the key %(key)s"),
    Action.TRY: _("%(who)s sent a test request with the key %(key)s"),
    Action.RENAME_CONSUMER: _("%(who)s renamed %(title)s"),
    Action.CHANGE_CONSUMER: _("%(who)s changed the details of %(title)s"),
    Action.CREATE_CONSUMER: _("%(who)s created %(title)s"),
    Action.DELETE_CONSUMER: _("%(who)s deleted %(title)s and its keys"),
    Action.ADD_MANAGER: _("%(who)s gave %(address)s access"),
    Action.REMOVE_MANAGER: _("%(who)s removed the access of %(address)s"),
    Action.INVITE: _("%(who)s sent %(address)s the invitation again"),
    Action.ASK_FOR_ACCESS: _("%(who)s asked for access"),
    Action.REMINDERS_OFF: _("%(who)s turned off their reminders"),
    Action.REMINDERS_ON: _("%(who)s turned on their reminders"),
    Action.START_PLAN: _("%(who)s started a plan"),
    Action.CHANGE_PLAN: _("%(who)s changed the plan"),
    Action.CANCEL_PLAN: _("%(who)s cancelled the plan"),
    Action.RESUME_PLAN: _("%(who)s resumed the plan"),
    Action.CALENDAR: _("%(who)s created a calendar address"),
    Action.CALENDAR_REVOKED: _("%(who)s revoked their calendar address"),
    Action.PROVIDER_ADDRESS: _("The sign-in provider of %(who)s named another address"),
    Action.PROVIDER_CODE: _("%(who)s was asked for a code to sign in with a provider in a new browser"),
    Action.SUPPORT: _("%(who)s opened your page"),
    Action.SUPPORT_ENDED: _("%(who)s closed your page"),
}

TRIES = WISHES | {
    Action.RENAME: _("rename the key"),
    Action.RENAME_CONSUMER: _("change the name"),
    Action.INVITE: _("send an invitation again"),
    Action.ASK_FOR_ACCESS: _("ask for access"),
    Action.REMINDERS_OFF: _("turn off reminders"),
    Action.REMINDERS_ON: _("turn on reminders"),
    Action.CALENDAR_REVOKED: _("revoke the calendar address"),
}
"""Phrases that complete "Tried to ..."."""


def sentence_of(event: AuditEvent) -> str:
    """Who did what, or tried to, with its blanks."""
    action = Action(event.action)
    if event.outcome in DONE or action not in TRIES:
        return gettext("%(who)s left") if has_left(event) else str(DONE_SENTENCES[action])
    wish = {"who": "%(who)s", "wish": TRIES[action], "key": "%(key)s"}
    if event.key_label or event.key_ending:
        return gettext("%(who)s tried to %(wish)s: %(key)s") % wish
    return gettext("%(who)s tried to %(wish)s") % wish


def has_left(event: AuditEvent) -> bool:
    """True for people who removed themselves."""
    is_own = not event.staff_email and event.facts.get("address", "").lower() == event.email.lower()
    return event.action == Action.REMOVE_MANAGER and is_own


def in_words(event: AuditEvent, title: str) -> str:
    """The sentence as plain text; `title` is what its consumer is called."""
    names = {
        "who": event.who,
        "key": event.key_label or event.masked,
        "address": event.facts.get("address", ""),
        "title": old_title(event) or title,
    }
    return sentence_of(event) % names


def old_title(event: AuditEvent) -> str:
    """Title of the consumer before it was renamed, if that is known."""
    return str(event.facts.get("were", {}).get("label") or "") if event.action == Action.RENAME_CONSUMER else ""
