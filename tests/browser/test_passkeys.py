"""Passkeys, authenticator apps and the proof of who is there, in a browser with a (virtual) security chip.

The live server is called localhost: passkeys belong to a name.
"""

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from playwright.sync_api import Page, expect

from keys.access import PROVED_AT
from portal.backends.sessions import SessionStore
from sandbox import Sandbox
from tests.helpers.people import last_code
from tests.helpers.stage import choose, with_chip
from tests.helpers.verbs import FULL_KEY, acme


@pytest.fixture
def anns_page(page: Page, sign_in: Any, ann: Any) -> Page:
    with_chip(page)
    sign_in(page, ann)
    return page


def grow_old(page: Page, minutes: int = 121) -> None:
    """Let the last proof of who is there be so long ago."""
    key = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "sessionid")
    session = SessionStore(key)
    session[PROVED_AT] = time.time() - minutes * 60
    session.save()


def add_passkey(page: Page, name: str = "") -> None:
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Add a passkey").click()
    if name:
        page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Add passkey").click()


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("//[^/]+/$"))
    cache.clear()


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def test_a_passkey_is_added_and_signs_in_by_itself(anns_page: Page, sandbox: Sandbox) -> None:
    page = anns_page
    add_passkey(page, "Laptop")
    page.wait_for_url("**/recovery-codes/")
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    page.get_by_role("link", name="Done").click()
    expect(page.locator(".row").first).to_contain_text("Laptop")
    assert Authenticator.objects.get(type="webauthn").wrap().is_passwordless
    sign_out(page)
    page.goto("/accounts/login/?next=/accounts/sessions/")
    button(page, "Sign in with a passkey").click()
    page.wait_for_url("**/accounts/sessions/")
    expect(page.locator(".account")).to_contain_text("This device")


def test_a_button_pressed_before_other_scripts_have_come_asks_for_the_passkey(
    anns_page: Page, sandbox: Sandbox
) -> None:
    page = anns_page
    page.route("**/htmx-2.min*.js", lambda route: None)  # a slow network: deferred scripts run after this one
    page.goto("/accounts/2fa/webauthn/add/", wait_until="commit")
    button(page, "Add passkey").click()
    page.wait_for_url("**/recovery-codes/", wait_until="commit")


def test_with_a_passkey_a_mailed_code_alone_does_not_sign_in_any_more(anns_page: Page, sandbox: Sandbox) -> None:
    page = anns_page
    add_passkey(page)
    page.wait_for_url("**/recovery-codes/")
    sign_out(page)
    page.goto("/accounts/login/")
    page.get_by_label("Email address").first.fill("ann@acme.test")
    button(page, "Email me a code").click()
    page.get_by_label("Code").fill(last_code())
    page.get_by_label("Code").press("Enter")
    page.wait_for_url("**/2fa/authenticate/")
    page.goto("/keys/")
    page.wait_for_url("**/2fa/authenticate/**")
    button(page, "Use a passkey").click()
    page.wait_for_url("**/keys/")


def test_several_passkeys_are_kept_apart_renamed_and_removed(anns_page: Page) -> None:
    page = anns_page
    add_passkey(page, "Laptop")
    page.wait_for_url("**/recovery-codes/")
    with_chip(page, "usb")  # one chip keeps one passkey for an account
    add_passkey(page, "Phone")
    page.wait_for_url("**/2fa/")
    page.get_by_role("link", name="Rename Phone").click()
    page.get_by_label("Name").fill("Old phone")
    button(page, "Save").click()
    page.get_by_role("link", name="Remove Old phone").click()
    button(page, "Remove passkey").click()
    expect(page.get_by_text("Passkey removed.")).to_be_visible()
    names = page.locator(".rows").first.locator("strong")
    expect(names).to_have_text(["Laptop"])


def test_a_browser_that_gives_no_passkey_is_told_so(page: Page) -> None:
    with_chip(page)
    page.goto("/accounts/login/")
    page.evaluate("() => { navigator.credentials.get = () => Promise.reject(new DOMException('no')); }")
    button(page, "Sign in with a passkey").click()
    expect(page.get_by_text("That didn't work.")).to_be_visible()
    expect(button(page, "Sign in with a passkey")).to_be_enabled()
    assert page.locator("form[data-passkey] [aria-busy]").count() == 0


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/2fa/webauthn/add/"])
@pytest.mark.parametrize("missing", ["PublicKeyCredential.parseRequestOptionsFromJSON", "window.PublicKeyCredential"])
def test_a_browser_too_old_for_passkeys_is_told_so(page: Page, sign_in: Any, ann: Any, missing: str, path: str) -> None:
    page.add_init_script(f"delete {missing}")
    if "login" not in path:
        sign_in(page, ann)
    page.goto(path)
    expect(page.get_by_text("This browser is too old for passkeys.")).to_be_visible()
    expect(page.locator("form[data-passkey] button")).to_be_hidden()
    expect(page.get_by_text("That didn't work.")).to_be_hidden()
    if "login" not in path:
        page.get_by_role("link", name="Set up an authenticator app").click()
        page.wait_for_url("**/accounts/2fa/totp/activate/")


def test_a_passkey_of_nobody_signs_nobody_in(anns_page: Page, ann: Any) -> None:
    page = anns_page
    add_passkey(page)
    page.wait_for_url("**/recovery-codes/")
    sign_out(page)
    Authenticator.objects.all().delete()
    page.goto("/accounts/login/")
    button(page, "Sign in with a passkey").click()
    expect(page.locator("#notices")).to_contain_text("That isn't right.")
    page.goto("/keys/")
    page.wait_for_url("**/accounts/login/**")


def test_an_authenticator_app_is_set_up_and_asked_for(anns_page: Page, sandbox: Sandbox) -> None:
    page = anns_page
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Set up").click()
    secret = page.locator("#totp-secret").input_value()
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    page.get_by_label("Code from the app").fill(code)
    button(page, "Set up").click()
    page.wait_for_url("**/recovery-codes/")
    recovery = page.locator(".recovery-codes code").first.inner_text()
    sign_out(page)
    page.goto("/accounts/login/")
    page.get_by_label("Email address").first.fill("ann@acme.test")
    button(page, "Email me a code").click()
    page.get_by_label("Code").fill(last_code())
    page.get_by_label("Code").press("Enter")
    page.wait_for_url("**/2fa/authenticate/")
    page.get_by_label("Code").fill(recovery)
    button(page, "Sign in").click()
    page.wait_for_url("**/keys/")


# The proof of who is there


def test_an_old_sign_in_is_proved_by_the_passkey_and_then_the_key_is_shown(anns_page: Page, sandbox: Sandbox) -> None:
    page = anns_page
    (key, _laptop) = acme(sandbox)
    add_passkey(page)
    page.wait_for_url("**/recovery-codes/")
    page.goto("/keys/")
    grow_old(page)
    row = page.locator(f"[data-key={key['id']}]")
    row.get_by_role("button", name="Reveal").click()
    page.wait_for_url("**/webauthn/reauthenticate/**")
    expect(page.get_by_text("Before you can reveal the key")).to_be_visible()
    assert not FULL_KEY.search(page.content())
    button(page, "Use a passkey").click()
    page.wait_for_url(f"**/keys/production/#key-{key['id']}")
    expect(page.locator("#notices")).to_contain_text("You can now reveal the key")
    row.get_by_role("button", name="Reveal").click()
    expect(row.locator("code")).to_have_text(key["key"])


@pytest.mark.parametrize("verb", ["Create key", "Rotate", "Delete", "Rotate all", "Change expiry"])
def test_the_proof_takes_the_whole_page_and_never_a_dialog(anns_page: Page, sandbox: Sandbox, verb: str) -> None:
    page = anns_page
    acme(sandbox)
    page.goto("/keys/")
    grow_old(page)
    if verb in {"Create key", "Rotate"}:
        button(page, verb).first.click()
    else:
        choose(page if verb == "Rotate all" else page.locator("[data-key]").first, verb)
    page.wait_for_url("**/accounts/step-up/code/**")
    expect(page.get_by_role("dialog")).to_have_count(0)
    button(page, "Email me a code").click()
    page.get_by_label("Code").fill(last_code())
    page.get_by_label("Code").press("Enter")
    page.wait_for_url("**/keys/production/**")
    expect(page.locator("#notices")).to_contain_text("Confirmed. You can now")
    expect(page.locator("form.form")).to_be_visible()


def test_a_copy_is_done_after_the_proof_by_the_keyboard_alone(anns_page: Page, sandbox: Sandbox) -> None:
    page, (key, _) = anns_page, acme(sandbox)
    page.goto("/keys/")
    grow_old(page)
    page.locator(f"[data-key={key['id']}]").get_by_role("button", name="Copy", exact=True).press("Enter")
    expect(page.get_by_text("Before you can copy the key")).to_be_visible()
    expect(button(page, "Email me a code")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code")).to_be_focused()
    page.keyboard.type(f"{last_code()}\n")
    expect(button(page, "Copied")).to_be_focused()
    assert page.evaluate("navigator.clipboard.readText()") == key["key"]


def test_a_form_that_grew_old_while_open_is_offered_again(anns_page: Page, sandbox: Sandbox) -> None:
    """B5: nothing is done twice, and nothing before the proof."""
    page = anns_page
    before = acme(sandbox)
    page.goto("/keys/")
    page.locator(f"[data-key={before[0]['id']}]").get_by_role("button", name="Rotate", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The old key expires")
    grow_old(page)
    dialog.get_by_role("button", name="Rotate key").click()
    page.wait_for_url("**/accounts/step-up/code/**")
    assert sandbox.keys("acme") == before
    button(page, "Email me a code").click()
    page.get_by_label("Code").fill(last_code())
    page.get_by_label("Code").press("Enter")
    page.wait_for_url("**/rotate/")
    assert sandbox.keys("acme") == before
    page.get_by_role("button", name="Rotate key").click()
    expect(page.get_by_text("CI rotated")).to_be_visible()
    assert len(sandbox.keys("acme")) == len(before) + 1


def test_the_proof_works_without_javascript(page_without_js: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    page = page_without_js
    (key, _laptop) = acme(sandbox)
    sign_in(page, ann)
    page.goto("/keys/")
    grow_old(page)
    row = page.locator(f"[data-key={key['id']}]")
    row.get_by_role("button", name="Reveal").click()
    button(page, "Email me a code").click()
    page.get_by_label("Code").fill(last_code())
    button(page, "Confirm").click()
    expect(page.locator("#notices")).to_contain_text("You can now reveal the key")
    row.get_by_role("button", name="Reveal").click()
    assert key["key"] in page.content()


def test_the_account_pages_work_without_javascript(page_without_js: Page, sign_in: Any, ann: Any) -> None:
    page = page_without_js
    sign_in(page, ann)
    page.goto("/accounts/login/")
    for path in ("email/", "2fa/", "sessions/", "password/set/", "2fa/totp/activate/", "delete/"):
        assert page.goto(f"/accounts/{path}").status == 200
    page.goto("/accounts/2fa/webauthn/add/")
    expect(page.get_by_text("Passkeys need JavaScript.")).to_be_visible()
    expect(button(page, "Add passkey")).to_be_hidden()


def test_a_chip_in_somebody_elses_hand_proves_nothing(page: Page, sign_in: Any, ann: Any, sandbox: Sandbox) -> None:
    """B4: whoever finds the open desk and the key plugged in has neither the finger nor the PIN."""
    (key, _laptop) = acme(sandbox)
    falls_into_other_hands = with_chip(page)
    sign_in(page, ann)
    add_passkey(page)
    page.wait_for_url("**/recovery-codes/")
    falls_into_other_hands()
    page.goto("/keys/")
    grow_old(page)
    page.locator(f"[data-key={key['id']}]").get_by_role("button", name="Reveal").click()
    page.wait_for_url("**/webauthn/reauthenticate/**")
    page.locator("#passkey-options").evaluate(  # the page is in their hands as well
        "block => { block.textContent = block.textContent.replace('required', 'discouraged'); }"
    )
    button(page, "Use a passkey").click()
    expect(page.locator("#notices")).to_contain_text("That isn't right.")
    page.goto("/keys/")
    page.locator(f"[data-key={key['id']}]").get_by_role("button", name="Reveal").click()
    page.wait_for_url("**/webauthn/reauthenticate/**")
