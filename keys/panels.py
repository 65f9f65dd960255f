"""Extension point: what another app adds to the API Keys page. KEYS_PANELS names the class; "" adds nothing."""

from collections.abc import Mapping, Sequence

from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from keys.conf import settings
from keys.service.keyring import KeyRing
from keys.types import Consumer

NOTHING = SafeString("")


class Panels:
    """Adds nothing; derive yours from it. Trouble of your own must not take the keys away: catch it."""

    stylesheets: Sequence[str] = ()
    """Static files that pages of keys link to, as `{% static %}` names them."""

    def of_consumers(self, ring: KeyRing, consumers: Sequence[Consumer]) -> Mapping[str, SafeString]:
        """HTML for the cards of these consumers, by name. They are the person's own."""
        return {}

    def before_deletion(self, ring: KeyRing, consumer: Consumer) -> SafeString:
        """HTML for whoever is about to delete the consumer: of what goes on without it."""
        return NOTHING

    def after_change(self, consumer: Consumer) -> SafeString:
        """HTML for a card that htmx puts in the place of another; here nothing should be asked of anybody."""
        return NOTHING

    def for_newcomer(self, ring: KeyRing) -> SafeString:
        """HTML for the page of somebody who has no keys yet."""
        return NOTHING


def plans_url() -> str:
    """Where people change their plan: as `PLANS_URL` says, or at the page of the app `plans`; "" for nowhere."""
    if settings.PLANS_URL or settings.PLANS == "off":
        return str(settings.PLANS_URL)
    try:
        return reverse("plans:page")
    except NoReverseMatch:
        return ""


def panels() -> Panels:
    """The class that is named, or the one that adds nothing."""
    chosen: Panels = import_string(settings.KEYS_PANELS)() if settings.KEYS_PANELS else Panels()
    return chosen
