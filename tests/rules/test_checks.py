"""System checks of the keys app: each names what is wrong in a host project, and the cure."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.checks import CheckMessage, run_checks
from django.template.loader import get_template
from django.urls import include, path

from keys.access import Actor
from keys.conf import DEFAULTS

ROOT = Path(__file__).resolve().parent.parent.parent
OF_THE_PORTAL = "portal.middleware.ErrorPages"


@pytest.fixture
def host(settings):
    """A project like those of others: `KEYS`, the one middleware, and no setting by our names beside it."""
    others = [one for one in settings.MIDDLEWARE if one != OF_THE_PORTAL]
    settings.MIDDLEWARE = [*others, "keys.middleware.KeysMiddleware"]
    return settings


def found(number: str) -> list[CheckMessage]:
    return [message for message in run_checks() if message.id == f"keys.{number}"]


def test_the_portal_has_nothing_to_mend() -> None:
    assert [message for message in run_checks() if (message.id or "").startswith("keys.")] == []


def test_nor_has_a_project_with_the_one_middleware(host) -> None:
    test_the_portal_has_nothing_to_mend()


@pytest.mark.parametrize(
    ("name", "value", "number", "words", "cure"),
    [
        ("ZUPLO_ACCOUNT", "", "E001", "ZUPLO_ACCOUNT isn't set", "Zuplo account"),
        ("ZUPLO_API_KEY", "", "E001", "ZUPLO_API_KEY isn't set", "from the environment"),
        ("ZUPLO_BUCKETS", {}, "E002", "names no bucket", '"production": "zprj-..."'),
        ("ZUPLO_BUCKETS", {"production": ""}, "E002", "has no bucket for production", "zprj-"),
        ("ZUPLO_BUCKETS", {"activity": "zprj-x"}, "E002", "environment called activity", "another name"),
        ("ZUPLO_BUCKETS", {"reminders": "zprj-x"}, "E002", "environment called reminders", "another name"),
        ("ZUPLO_BUCKETS", {"create": "zprj-x"}, "E002", "environment called create", "another name"),
        ("ZUPLO_BUCKETS", {"live now": "zprj-x"}, "E002", "environment called live now", "another name"),
        ("KEYS", {"KEYS_ACTR": "a.b"}, "E003", "KEYS_ACTR, which isn't a setting", "KEYS_ACTOR?"),
        (
            "KEYS",
            {"KEYS_PER_CONSUMER": "10"},
            "E004",
            "KEYS_PER_CONSUMER must be int, not str",
            "default is 10",
        ),
        ("KEYS", {"KEYS_MAIL_MANAGERS": 0}, "E004", "KEYS_MAIL_MANAGERS must be bool, not int", "default is True"),
        ("KEYS_ACTOR", "nowhere.actor", "E005", "KEYS_ACTOR names nowhere.actor", "dotted path"),
        ("KEYS_EMAIL_IS_VERIFIED", "keys.nothing", "E005", "KEYS_EMAIL_IS_VERIFIED names keys.nothing", "dotted path"),
        ("KEYS_PANELS", "plans.nowhere.Panels", "E005", "KEYS_PANELS names", "dotted path"),
        ("KEYS_LANGUAGES", "keys.conf.DEFAULTS", "E006", "can't be called", "a function or a class"),
        ("KEYS_PROVISIONING", "keys.types.Consumer", "E006", "isn't a keys.provisioning.Provisioning", "Derive"),
        ("MIDDLEWARE", [], "E008", "KeysMiddleware is missing", "as the last of MIDDLEWARE"),
        ("ROOT_URLCONF", "django.contrib.auth.urls", "E009", "no URL named keys:page", 'include("keys.urls")'),
        ("ROOT_URLCONF", "django.contrib.auth.urls", "E009", "no URL named service:page", 'namespace="service"'),
        ("KEYS_STEP_UP_URL", "nowhere", "E010", "KEYS_STEP_UP_URL is 'nowhere'", "name of a URL pattern"),
        ("KEYS_ADDRESSES_URL", "nowhere", "E010", "KEYS_ADDRESSES_URL is 'nowhere'", "begins with /"),
        ("KEYS_STAFF_URL", "nowhere", "E010", "KEYS_STAFF_URL is 'nowhere'", "begins with /"),
        ("LOGIN_URL", "/nowhere/", "W002", "LOGIN_URL leads to /nowhere/", 'LOGIN_URL = "login"'),
        ("PORTAL_URL", "", "E011", "links in emails would lead nowhere", "Name your site"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(host, name: str, value: Any, number: str, words: str, cure: str) -> None:
    setattr(host, name, value)
    told = found(number)
    assert any(words in message.msg and cure in (message.hint or "") for message in told), told


def test_the_middleware_stands_behind_sign_in(host) -> None:
    host.MIDDLEWARE = [host.MIDDLEWARE[-1], *host.MIDDLEWARE[:-1]]
    (message,) = found("E008")
    assert "too early" in message.msg


class StaffBelow:
    """A urls.py in which the admin's own line takes what is meant for ours."""

    app_name = "staff_below"
    urlpatterns = (
        path("keys/", include("keys.urls")),
        path("admin/", admin.site.urls),
        path("admin/keys/", include("keys.staff.urls", namespace="service")),
    )


def test_a_line_of_ours_below_that_of_the_admin_is_named(host) -> None:
    host.ROOT_URLCONF = StaffBelow
    (message,) = found("E009")
    assert "the URL named service:page" in message.msg
    assert "/admin/keys/consumer/" in message.msg
    assert "above that of admin.site.urls" in (message.hint or "")


@pytest.mark.parametrize("page", ["https://sso.example.com/in", "account_login"])
def test_people_may_sign_in_elsewhere(host, page: str) -> None:
    host.LOGIN_URL = page
    assert found("W002") == []


def test_panels_of_an_app_that_is_not_installed_are_named(host, tmp_path, monkeypatch) -> None:
    """As in a project without `plans`: Django refuses to load its models."""
    (tmp_path / "left_out.py").write_text(
        "from django.db import models\n\n\nclass Panels(models.Model):\n    name = models.TextField()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    host.KEYS_PANELS = "left_out.Panels"
    (message,) = found("E005")
    assert "INSTALLED_APPS: 'left_out'" in (message.hint or "")


def test_an_app_that_is_needed_is_named(host) -> None:
    host.INSTALLED_APPS = [one for one in host.INSTALLED_APPS if one != "django_htmx"]
    (message,) = found("E007")
    assert "'django_htmx'" in (message.hint or "")


def test_addresses_that_nobody_vouches_for_are_warned_of(host) -> None:
    host.KEYS_ACTOR = "keys.web.actor.by_email"
    (message,) = found("W001")
    assert "KEYS_EMAIL_IS_VERIFIED" in (message.hint or "")
    host.KEYS = {"KEYS_EMAIL_IS_VERIFIED": lambda user: user.is_active}
    assert run_checks() == []


def test_a_function_may_stand_for_its_path(host) -> None:
    host.KEYS = {"KEYS_ACTOR": lambda request: Actor(request.user.pk, ())}
    del host.KEYS_ACTOR
    assert run_checks() == []


@pytest.fixture
def templates(host, tmp_path):
    """A host project's own templates, before all others."""
    (options,) = host.TEMPLATES
    host.TEMPLATES = [options | {"DIRS": [tmp_path, *options["DIRS"]]}]
    return tmp_path


@pytest.mark.parametrize(
    ("base", "missing"),
    [
        ("<html>{% block extra_head %}{% endblock %}</html>", "keys_content, keys_dialogs"),
        ("{% block content %}{% endblock %}", "keys_head"),
        ("<html></html>", "keys_content, keys_dialogs, keys_head"),
    ],
)
def test_a_base_template_without_our_blocks_is_named(templates, base: str, missing: str) -> None:
    (templates / "base.html").write_text(base)
    (templates / "keys").mkdir()
    (templates / "keys" / "base.html").write_text(
        '{% extends "base.html" %}'
        "{% block extra_head %}{% block keys_head %}{% endblock %}{% endblock %}"
        "{% block content %}{% block keys_content %}{% endblock %}{% block keys_dialogs %}{% endblock %}{% endblock %}"
    )
    (message,) = found("E012")
    assert missing in message.msg
    assert "{% block extra_head %}" in (message.hint or "")


def test_a_project_may_draw_its_own_shell_around_ours(templates) -> None:
    """Under the same name it may also extend the one that comes along, to change one block."""
    (templates / "keys").mkdir()
    (templates / "keys" / "base.html").write_text('{% extends "keys/base.html" %}{% block title_site %}{% endblock %}')
    assert found("E012") == []


def test_the_base_template_of_the_documents_shows_all_blocks(templates) -> None:
    (example,) = re.findall(r"```django\n(.*?)```", (ROOT / "docs" / "embedding.md").read_text(), re.DOTALL)
    blocks = [f"{{% block {name} %}}{{% endblock %}}" for name in ("page_title", "head", "body")]
    (templates / "layout.html").write_text("".join(blocks))
    (templates / "keys").mkdir()
    (templates / "keys" / "base.html").write_text(example)
    assert found("E012") == []
    page = get_template("keys/error.html").render({"title": "Here it is"})
    assert page.count("Here it is") == 2
    assert "embedded.css" in page
    plans = get_template("plans/page.html").render({})
    assert plans.index("embedded.css") < plans.index("plans.css")


def test_the_documents_name_every_setting() -> None:
    page = (ROOT / "docs" / "embedding.md").read_text()
    named = {
        name for line in re.findall(r"^\| (`[A-Z_`, ]+`) \|", page, re.MULTILINE) for name in re.findall(r"\w+", line)
    }
    assert named == set(DEFAULTS)


@pytest.fixture
def planned(host):
    """A project with plans of its own, shown on the cards."""
    host.KEYS = {
        "PLANS": "portal",
        "KEYS_PANELS": "plans.web.panels.PlanPanels",
        "PLAN_REQUESTS_TO": ["sales@example.com"],
    }
    del host.PLANS, host.KEYS_PANELS, host.PLANS_URL, host.PLAN_REQUESTS_TO
    return host


def about_plans() -> list[CheckMessage]:
    return [message for message in run_checks() if (message.id or "").startswith("plans.")]


def test_a_project_with_plans_has_nothing_to_mend(planned) -> None:
    assert about_plans() == []


@pytest.mark.parametrize(
    ("name", "value", "number", "words", "cure"),
    [
        ("PLANS", "Portal", "E001", "PLANS is 'Portal'", "Did you mean portal?"),
        ("PLANS", "stripe", "E001", "PLANS is 'stripe'", "portal, zuplo or off"),
        ("ROOT_URLCONF", "keys.urls", "E002", "no URL named plans:page", 'include("plans.urls")'),
        ("ROOT_URLCONF", "keys.urls", "E002", "no URL named admin:index", "admin.site.urls"),
        ("KEYS_PANELS", "", "W001", "shows no plans", '"KEYS_PANELS": "plans.web.panels.PlanPanels"'),
        ("PLANS_URL", "/pricing/", "W003", "PLANS_URL is '/pricing/'", "Write '/plans/'"),
        ("PLANS_URL", "plans:page", "W003", "PLANS_URL is 'plans:page'", "Write '/plans/'"),
        ("PLAN_REQUESTS_TO", [], "W004", "nobody gets an email", '["sales@example.com"]'),
        ("KEYS", {}, "W002", "PLANS isn't set", '"PLANS": "portal"'),
        ("STRIPE_API_KEY", "sk_test_1", "E005", "STRIPE_WEBHOOK_SECRET isn't set", "from Stripe"),
    ],
)
def test_what_plans_lack_is_named_with_its_cure(
    planned, name: str, value: Any, number: str, words: str, cure: str
) -> None:
    setattr(planned, name, value)
    told = [message for message in about_plans() if message.id == f"plans.{number}"]
    assert any(words in message.msg and cure in (message.hint or "") for message in told), told


def test_while_plans_are_off_nothing_is_asked_of_them(planned) -> None:
    planned.KEYS = {"PLANS": "off"}
    planned.ROOT_URLCONF = "keys.urls"
    assert about_plans() == []


@pytest.mark.parametrize("address", ["/account/plans/", "https://example.com/plans/"])
def test_the_line_that_is_missing_has_the_address_that_is_set(planned, address: str) -> None:
    planned.PLANS_URL = address
    planned.ROOT_URLCONF = "keys.urls"
    hints = [message.hint or "" for message in about_plans()]
    line = 'path("account/plans/", ' if address.startswith("/") else 'path("plans/", '
    assert any(line in hint for hint in hints), hints


def test_a_plans_page_elsewhere_is_theirs_to_keep(planned) -> None:
    planned.PLANS_URL = "https://example.com/pricing/"
    assert about_plans() == []


OUR_BLOCKS = ("keys_head", "keys_content", "keys_dialogs")


def test_a_shell_without_the_place_for_our_styles_is_named(planned, templates) -> None:
    (templates / "keys").mkdir()
    blocks = "".join(f"{{% block {name} %}}{{% endblock %}}" for name in OUR_BLOCKS)
    (templates / "keys" / "base.html").write_text(f"<html>{blocks}</html>")
    (message,) = about_plans()
    assert "keys_panels" in message.msg


def test_what_the_base_template_lacks_is_told_once(planned, templates) -> None:
    """Without a keys/base.html of the project's own nothing is to be said about one."""
    (templates / "base.html").write_text("{% block body %}{% endblock %}")
    ours = (ROOT / "keys" / "templates" / "keys" / "base.html").read_text()
    (templates / "keys").mkdir()
    (templates / "keys" / "base.html").write_text(ours)
    assert len(found("E012")) == 1
    assert about_plans() == []


def test_a_missing_base_template_is_named(templates) -> None:
    (templates / "keys").mkdir()
    (templates / "keys" / "base.html").write_text('{% extends "layout.html" %}')
    (message,) = found("E012")
    assert "layout.html" in message.msg


class ElsewhereRouter:
    def db_for_write(self, model: Any, **_hints: Any) -> str | None:
        return "archive" if model._meta.app_label == "keys" else None


def test_tables_in_another_database_are_named(host) -> None:
    host.DATABASE_ROUTERS = [f"{__name__}.ElsewhereRouter"]
    (message,) = found("E014")
    assert "in the database archive" in message.msg


def test_a_context_processor_that_is_needed_is_named(host) -> None:
    (options,) = host.TEMPLATES
    left = [one for one in options["OPTIONS"]["context_processors"] if not one.endswith(".messages")]
    host.TEMPLATES = [options | {"OPTIONS": options["OPTIONS"] | {"context_processors": left}}]
    (message,) = found("E013")
    assert "django.contrib.messages.context_processors.messages" in message.msg
