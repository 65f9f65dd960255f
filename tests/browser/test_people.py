"""Giving a colleague access as people do it, with and without JavaScript; the colleague's way in; who did what."""

import re
from typing import Any

import pytest
from django.core import mail
from playwright.sync_api import Locator, Page, expect

from keys.models import Action, AuditEvent, Outcome
from sandbox import Sandbox
from tests.helpers.people import last_code
from tests.helpers.verbs import acme


class Clicks:
    """Counts what is pressed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, target: Locator) -> None:
        self.count += 1
        target.click()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_colleague_gets_access_by_two_clicks(
    javascript: bool, open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    acme(sandbox)
    page: Page = open_page(java_script_enabled=javascript)
    sign_in(page, ann)
    page.goto("/keys/")
    click = Clicks()
    click(page.locator("[data-consumer=acme]").get_by_role("button", name="People"))
    page.get_by_label("Email address").fill("zoe@acme.test")
    click(page.get_by_role("button", name="Give access"))
    expect(page.locator("[data-notice=success]")).to_contain_text("zoe@acme.test has access now")
    if javascript:
        expect(page.locator("[data-consumer=acme]").get_by_role("button", name="People")).to_be_focused()
    assert click.count == 2
    assert "zoe@acme.test" in [one["email"] for one in sandbox.consumer("acme")["managers"]]

    (invitation,) = [message for message in mail.outbox if message.to == ["zoe@acme.test"]]
    assert "/keys/production/acme/" in invitation.body
    mail.outbox.clear()
    zoes: Page = open_page(java_script_enabled=javascript)
    zoes.goto("/keys/production/acme/")
    zoes.get_by_label("Email address").first.fill("zoe@acme.test")
    zoes.get_by_role("button", name="Email me a code").click()
    zoes.get_by_label("Code").fill(last_code())
    zoes.get_by_label("Code").press("Enter")
    zoes.wait_for_url("**/keys/production/acme/")
    expect(zoes.locator("[data-consumer=acme]")).to_be_visible()
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("javascript", [True, False])
def test_an_invitation_is_sent_again(
    javascript: bool, open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    acme(sandbox, invites=["zoe@acme.test"])
    page: Page = open_page(java_script_enabled=javascript)
    sign_in(page, ann)
    page.goto("/keys/")
    page.locator("[data-consumer=acme]").get_by_role("button", name="People").click()
    page.get_by_role("button", name="Resend").click()
    expect(page.locator("[data-notice=success]")).to_contain_text("zoe@acme.test the invitation again")
    (invitation,) = mail.outbox
    assert invitation.to == ["zoe@acme.test"]


@pytest.mark.parametrize("javascript", [True, False])
def test_reminders_are_turned_off_in_their_place(
    javascript: bool, open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    acme(sandbox)
    page: Page = open_page(java_script_enabled=javascript)
    sign_in(page, ann)
    page.goto("/keys/reminders/")
    page.evaluate("document.body.dataset.same = ''")
    page.get_by_role("button", name="Turn off").click()
    expect(page.locator("[data-notice=success]")).to_contain_text("Reminders for Acme Inc turned off.")
    expect(page.locator("[data-reminders=acme] .badge")).to_have_text("Off")
    expect(page.locator("[data-same]")).to_have_count(1 if javascript else 0)
    if javascript:
        expect(page.get_by_role("button", name="Turn on")).to_be_focused()


@pytest.mark.parametrize("javascript", [True, False])
def test_somebody_is_removed_and_one_leaves(
    javascript: bool, open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    acme(sandbox)
    sandbox.set_managers("acme", ["ann@acme.test", "ben@acme.test", "zoe@acme.test"])
    page: Page = open_page(java_script_enabled=javascript)
    sign_in(page, ann)
    page.goto("/keys/")
    for name, sees in (
        ("Remove", "ben@acme.test no longer has access"),
        ("Leave", "You no longer have access to Acme Inc"),
    ):
        page.locator("[data-consumer=acme]").get_by_role("button", name="People").click()
        page.get_by_role("button", name=name).first.click()
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator("[data-notice=success]")).to_contain_text(sees)
    expect(page.locator("[data-consumer=acme]")).to_have_count(0)
    assert [one["email"] for one in sandbox.consumer("acme")["managers"]] == ["zoe@acme.test"]


def test_the_field_has_the_focus_and_escape_gives_it_back(page: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    acme(sandbox)
    sign_in(page, ann)
    page.goto("/keys/")
    people = page.locator("[data-consumer=acme]").get_by_role("button", name="People")
    people.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Email address")).to_be_focused()
    page.keyboard.press("Escape")
    expect(people).to_be_focused()


@pytest.mark.parametrize("javascript", [True, False])
def test_the_history_is_filtered_at_once_or_by_a_button(
    javascript: bool, open_page: Any, sign_in: Any, ann: Any, sandbox: Sandbox
) -> None:
    acme(sandbox)
    for action in (Action.CREATE, Action.REVEAL, Action.REVEAL):
        common = {"environment": "production", "consumer": "acme", "outcome": Outcome.DONE, "key_label": "CI"}
        AuditEvent.objects.create(user=ann, email=ann.email, action=action, **common)
    page: Page = open_page(java_script_enabled=javascript)
    sign_in(page, ann)
    page.goto("/keys/activity/")
    events, apply = page.locator("[data-event]"), page.get_by_role("button", name="Apply")
    expect(events).to_have_count(3)
    page.get_by_label("Show").focus()
    page.get_by_label("Show").select_option("made")
    if javascript:
        expect(apply).to_be_hidden()
        expect(page.get_by_label("Show")).to_be_focused()
    else:
        apply.click()
    expect(events).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/activity/production/\?kind=made$"))
    expect(page.get_by_role("link", name="Download CSV")).to_have_attribute("href", re.compile(r"\?kind=made$"))
    page.go_back()
    expect(events).to_have_count(3)
    expect(page.get_by_label("Show")).to_have_value("")
