"""Impersonation steps, for tests of support."""

from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client

from keys.models import Action, AuditEvent
from portal.support import impersonation

STOP = "/support/stop/"


def grant(person, *names: str) -> None:
    person.user_permissions.set(Permission.objects.filter(codename__in=names))


def page_of(person) -> str:
    return f"/admin/portal/user/{person.pk}/support/"


def start(browser: Client, person, reason: str = "Ticket 7", **more: str):
    return browser.post(page_of(person), {"reason": reason} | more)


def is_visiting(browser: Client) -> bool:
    return 'class="support-banner"' in browser.get("/").text


def buttons(page: str) -> set[str]:
    """Actions that the page offers on keys."""
    offered = "[data-consumer] :is([formaction], form button:not([type=button])), [data-copy]"
    found = BeautifulSoup(page, "html.parser").select(offered)
    return {button.get_text().strip() for button in found}


def ends(browser: Client, path: str = "/keys/") -> str:
    """Ended: the very next request is refused and led away; returns where to."""
    answer = browser.get(path)
    assert answer.status_code == 302
    assert not is_visiting(browser)
    return answer["Location"]


def the_end() -> AuditEvent:
    return AuditEvent.objects.get(action=Action.SUPPORT_ENDED)


def ago(browser: Client, minutes: float) -> None:
    session = browser.session
    session[impersonation.VISIT]["until"] -= minutes * 60
    session.save()
