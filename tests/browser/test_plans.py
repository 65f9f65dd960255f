"""Plans in a browser whose JavaScript is off: choose, change, cancel, take back, ask for one, and pay."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sandbox import Sandbox
from sandbox.metering import samples
from tests.helpers import stripe_server
from tests.helpers.verbs import in_british, in_time
from tests.plans.conftest import make_plan

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def bare(open_page: Callable[..., Page], sign_in: Callable[[Page, Any], None], ann: Any) -> Page:
    """Ann's page, without any script."""
    page = open_page(java_script_enabled=False)
    sign_in(page, ann)
    return page


@pytest.fixture
def zuplo(sandbox: Sandbox, settings: Any) -> Sandbox:
    settings.PLANS, settings.KEYS_PANELS = "zuplo", "plans.web.panels.PlanPanels"
    free, pro, business = samples.three_plans()
    sandbox.metering.add_plans(free, samples.plan("team", "Team", samples.metered(5000)), pro, business)
    return sandbox


def press(page: Page, name: str) -> None:
    page.locator("main").get_by_role("button", name=name, exact=True).click()


def follow(page: Page, name: str) -> None:
    page.locator("main").get_by_role("link", name=name).locator("visible=true").first.click()


@pytest.mark.parametrize("width", [320, 360])
def test_the_header_stays_on_one_line_of_a_phone(
    open_page: Callable[..., Page], sign_in: Callable[[Page, Any], None], ann: Any, zuplo: Sandbox, width: int
) -> None:
    """In German, whose words are longest: the portal's name gives way."""
    page = open_page(locale="de", viewport={"width": width, "height": 700})
    sign_in(page, ann)
    page.goto("/plans/")
    parts = page.locator(".site-header > *:visible")
    assert len({round(part["y"] + part["height"] / 2) for part in (one.bounding_box() for one in parts.all())}) == 1
    expect(page.get_by_role("link", name="API Portal")).to_be_in_viewport()


def test_a_newcomer_comes_from_the_plans_to_a_key(bare: Page, zuplo: Sandbox) -> None:
    bare.goto("/plans/")
    follow(bare, "Start for free Free")
    bare.get_by_label("Label").fill("Server")
    press(bare, "Start plan")
    (consumer,) = zuplo.consumers()
    expect(bare.locator(".secret-value").first).to_have_value(consumer["apiKeys"][0]["key"])
    bare.goto("/keys/")
    expect(bare.locator(".plan-panel")).to_contain_text("0 of 1,000 used")


def test_a_plan_is_changed_canceled_and_kept(bare: Page, zuplo: Sandbox) -> None:
    zuplo.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    zuplo.metering.subscribe("acme", "free", email="ann@acme.test")
    bare.goto("/keys/")
    follow(bare, "Plan and usage")
    follow(bare, "Change plan")
    follow(bare, "Team")
    expect(bare.get_by_role("heading", name="Upgrade to Team")).to_be_visible()
    press(bare, "Change plan")
    expect(bare.get_by_role("heading", name="Team")).to_be_visible()
    expect(bare.locator("main")).to_contain_text("0 of 5,000 used")

    zuplo.metering.subscribe("acme", "business", email="ann@acme.test")
    bare.reload()
    follow(bare, "Cancel plan")
    bare.get_by_label("to confirm").fill("Team")
    press(bare, "Cancel plan")
    expect(bare.locator("main")).to_contain_text("That isn't the plan's name.")
    bare.get_by_label("to confirm").fill("Business")
    press(bare, "Cancel plan")
    expect(bare.locator("main")).to_contain_text("Cancelled. The plan stays active until")
    press(bare, "Resume plan")
    expect(bare.locator("main")).not_to_contain_text("Cancelled.")

    follow(bare, "Change plan")
    follow(bare, "Pro")
    bare.get_by_label("Message (optional)").fill("We grow")
    press(bare, "Send request")
    expect(bare.locator("main")).to_contain_text("You requested the Pro plan.")
    press(bare, "Withdraw request")
    expect(bare.locator("main")).not_to_contain_text("You requested the Pro plan.")


def test_a_newcomer_who_pays_comes_back_to_a_key(bare: Page, sandbox: Sandbox, settings: Any) -> None:
    """Stripe's own page is not opened: nothing outside is asked in a test."""
    settings.PLANS, settings.KEYS_PANELS = "portal", "plans.web.panels.PlanPanels"
    make_plan("pro", limit=50_000, amount=49, stripe_price="price_pro")
    with stripe_server.running() as stripe:
        settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = stripe_server.KEY, stripe_server.SECRET
        settings.STRIPE_API_URL = stripe.url
        bare.route(re.compile("checkout.stripe.com"), lambda route: route.fulfill(body="Stripe"))
        bare.goto("/plans/")
        follow(bare, "Choose this plan Pro")
        bare.get_by_label("Label").fill("Server")
        press(bare, "Continue to payment")
        expect(bare).to_have_url("https://checkout.stripe.com/c/1")
        bare.goto("/plans/production/paid/?session=cs_1")
        expect(bare.get_by_role("heading", name="Almost there")).to_be_visible()
        stripe.subscription("sub_1", price="price_pro")
        stripe.finish("sub_1")
        bare.wait_for_url(re.compile("/keys/production/"))
    expect(bare.locator("main")).to_contain_text("your first key is here")
    expect(bare.locator("[data-key]")).to_have_count(1)


def test_a_card_fetches_a_plan_that_was_never_looked_at(
    open_page: Callable[..., Page], sign_in: Callable[[Page, Any], None], ann: Any, zuplo: Sandbox
) -> None:
    zuplo.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"], keys=[{"description": "CI"}])
    zuplo.metering.use(zuplo.metering.subscribe("acme", "free"), 870)
    page = open_page()
    sign_in(page, ann)
    page.goto("/keys/")
    expect(page.locator(".plan-panel")).to_contain_text("870 of 1,000 used")


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_the_days_of_a_chart_are_the_same_in_every_zone(
    zone: str, open_page: Callable[..., Page], sign_in: Callable[[Page, Any], None], ann: Any, zuplo: Sandbox
) -> None:
    zuplo.add_consumer("acme", label="Acme Inc", managers=["ann@acme.test"])
    zuplo.metering.use(zuplo.metering.subscribe("acme", "free"), 7)
    page = open_page(timezone_id=zone, locale="en-GB")
    sign_in(page, ann)
    for _visit in range(2):  # by the second one the server knows the zone
        before = in_time()
        page.goto("/plans/production/consumer/acme/")
        today = "|".join({in_british(before), in_british(in_time())})  # midnight may have been in between
        expect(page.locator(".chart-ends")).to_contain_text(re.compile(rf"({today}) \(UTC\)"))
        expect(page.locator("tbody th").last).to_have_text(re.compile(f"^({today})$"), use_inner_text=False)
