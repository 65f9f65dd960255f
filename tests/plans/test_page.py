"""The public page of plans: what everybody sees, what is only for some, and what caches may keep."""

import uuid
from decimal import Decimal

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from plans.models import Invitation, Plan
from tests.plans.conftest import make_plan

pytestmark = pytest.mark.usefixtures("portal_plans")


def columns(response) -> dict[str, str]:
    """The head of each plan in the comparison, by its name."""
    page = BeautifulSoup(response.content, "html.parser")
    heads, ways = page.select(".plans-table thead th"), page.select(".plan-ways td")[1:]
    words = [f"{head.get_text(' ')} {way.get_text(' ')}" for head, way in zip(heads, ways, strict=True)]
    return {head.select_one("strong").text: " ".join(text.split()) for head, text in zip(heads, words, strict=True)}


def test_everybody_sees_the_plans_with_prices_and_limits(client: Client, sandbox) -> None:
    response = client.get("/plans/")
    heads = columns(response)
    assert list(heads) == ["Free", "Team", "Pro", "Scale"]
    assert "Free To try things out Start for free" in heads["Free"]
    assert "$49 a month" in heads["Pro"]
    assert "Most popular" in heads["Pro"]
    assert "Free for the first 14 days" in heads["Pro"]
    assert "On request Contact sales" in heads["Scale"]
    page = BeautifulSoup(response.content, "html.parser")
    rows = {
        row.th.text: [cell.get_text(" ", strip=True) for cell in row.select("td")] for row in page.select("tbody tr")
    }
    assert rows["API requests"][0] == "1,000 a month"
    assert rows["API requests"][2] == "50,000 a month"
    assert rows["Support"][2] == "Within 4 hours"
    assert "Not included" in rows["Support"][0]
    assert "Included" in rows["Webhooks"][2]
    assert sandbox.journal() == [], "it asks nobody"


def test_caches_keep_it_for_strangers_only(client: Client, ann_client: Client, sandbox) -> None:
    response = client.get("/plans/")
    assert {"public", "max-age=300"} <= set(response["Cache-Control"].split(", "))
    assert {"Cookie", "Accept-Language"} <= set(response["Vary"].split(", "))
    assert response.cookies == {}
    assert "no-store" in ann_client.get("/plans/")["Cache-Control"]


def test_a_page_that_brings_a_cookie_is_kept_for_nobody_else(client: Client, settings, tmp_path) -> None:
    """Around it is the shell of a host project: a form in it, as of a newsletter, would go to the next visitor."""
    (options,) = settings.TEMPLATES
    settings.TEMPLATES = [options | {"DIRS": [tmp_path, *options["DIRS"]]}]
    (tmp_path / "base.html").write_text("<form>{% csrf_token %}</form>{% block content %}{% endblock %}")
    response = client.get("/plans/")
    assert "csrftoken" in response.cookies
    assert "public" not in response.get("Cache-Control", "")


def test_ones_own_plan_is_marked(ann_client: Client, mallory_client: Client, acme) -> None:
    assert "Your plan" in columns(ann_client.get("/plans/"))["Free"]
    assert "Your plan" not in columns(ann_client.get("/plans/"))["Pro"]
    assert "Your plan" not in str(columns(mallory_client.get("/plans/")))


def test_the_page_goes_on_while_ones_own_plans_cannot_be_had(ann_client: Client, sandbox, acme) -> None:
    sandbox.fault("GET", "*", "status", status=500, times=0)
    response = ann_client.get("/plans/")
    assert response.status_code == 200
    assert "which plan you have right now" in response.content.decode()
    assert "Your plan" not in str(columns(response))


def test_who_cannot_be_judged_is_told(ann_client: Client, sandbox, acme) -> None:
    """G5: a list without managers does not make a newcomer of whoever has a plan."""
    sandbox.set(listed_managers="absent")
    response = ann_client.get("/plans/")
    assert response.status_code == 200
    assert "which plan you have right now" in response.text
    assert ann_client.get("/plans/production/choose/team/").status_code == 502
    form = {"label": "New", "ends": "90", "token": str(uuid.uuid4())}
    assert ann_client.post("/plans/production/start/team/", form).status_code == 502
    assert len(sandbox.consumers()) == 1


def test_a_private_plan_is_for_those_who_are_invited(
    client: Client, ann_client: Client, mallory_client: Client, make_person, client_of, sandbox
) -> None:
    Invitation.objects.create(email="mallory@evil.test", plan_key="partner")
    assert "Partner" in columns(mallory_client.get("/plans/"))
    for other in (client, ann_client):
        assert "Partner" not in columns(other.get("/plans/"))
    assert ann_client.get("/plans/production/choose/partner/").status_code == 404
    Invitation.objects.create(email="eve@acme.test", plan_key="partner")
    unproved = make_person("eve@acme.test", verified=False)
    assert "Partner" not in columns(client_of(unproved).get("/plans/")), "a typed-in address is nobody's"


@pytest.mark.parametrize("path", ["/plans/", "/plans/production/", "/plans/production/choose/free/"])
def test_without_plans_there_is_no_such_page(path: str, ann_client: Client, settings) -> None:
    settings.PLANS = "off"
    assert ann_client.get(path).status_code == 404
    assert 'href="/plans/"' not in ann_client.get("/").content.decode()


def test_without_plans_keys_are_shown_though_panels_are_still_named(
    ann_client: Client, mallory_client: Client, settings, sandbox, acme
) -> None:
    """A host project may switch off PLANS alone."""
    assert "keys/css/plans.css" in ann_client.get("/keys/").text
    settings.PLANS = "off"
    key = sandbox.keys("acme")[0]["id"]
    renamed = ann_client.post(
        f"/keys/production/acme/{key}/rename/",
        {"label": "Renamed", "token": str(uuid.uuid4())},
        headers={"HX-Request": "true"},
    )
    pages = [ann_client.get("/keys/"), mallory_client.get("/keys/"), renamed]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert not [page for page in pages if "plan-panel" in page.text or "/plans/" in page.text]


def test_prices_in_several_currencies_say_which(client: Client, sandbox) -> None:
    make_plan("euro", name="Euro", limit=10, amount=Decimal("39.50"), currency="EUR", order=5)
    make_plan("krona", name="Krona", limit=10, amount=Decimal(400), currency="SEK", order=6)
    response = client.get("/plans/")
    assert "€39.50 a month" in columns(response)["Euro"]
    assert "400 SEK a month" in columns(response)["Krona"]
    assert "currency shown with each plan" in response.content.decode()
    german = columns(client.get("/plans/", headers={"Accept-Language": "de"}))
    assert "39,50 €" in german["Euro"].replace("\xa0", " ")


def test_what_operators_write_is_text(client: Client, sandbox) -> None:
    Plan.objects.filter(key="free").update(name="<b>Free</b>", description="<script>alert(1)</script>")
    page = client.get("/plans/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;b&gt;Free&lt;/b&gt;" in page
