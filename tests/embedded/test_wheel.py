"""The wheel: what is in it, and what an environment with it holds."""

import re
import subprocess
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from django.template import Engine
from django.template.backends.django import get_installed_libraries

from sandbox import Sandbox
from tests.embedded.conftest import NEWEST, ROOT, Host

IMPORT_ALL = """
import importlib, pkgutil, sys
import django
django.setup()
for app in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(app).__path__, f"{app}."):
        importlib.import_module(module.name)
unwanted = {"portal", "plans", "sandbox", "allauth", "gevent", "hijack", "stripe"} - set(sys.argv)
print(sorted(unwanted & set(sys.modules)))
"""
VISIT = """
from django.contrib.auth import get_user_model
from django.test import Client
client = Client(SERVER_NAME="127.0.0.1")
asked = client.get("/account/keys/")
client.force_login(get_user_model().objects.create_superuser("ann", "ann@acme.test"))
page, plans = client.get("/account/keys/"), client.get("/account/plans/")
get_user_model().objects.create_user("mallory", "mallory@example.com", "open-sesame")
stranger = Client(SERVER_NAME="127.0.0.1")
stranger.post("/sign-in/?next=/account/keys/", {"username": "mallory", "password": "open-sesame"})
assert "Create your first key" in stranger.get("/account/keys/").content.decode()
print(asked["Location"], *(name for name in ("Acme Inc", "Server") if name in page.content.decode()))
print(asked.status_code, page.status_code, plans.status_code)
"""
PAID_BY_STRIPE = """
import django
django.setup()
from django.core.checks import run_checks
from django.test import override_settings
with override_settings(STRIPE_API_KEY="sk_test_1"):
    print(*(f"{message.id}: {message.hint}" for message in run_checks()), sep="\\n")
"""

WITHOUT_ADMIN = """
import sys, types
from django.conf import settings
settings.INSTALLED_APPS.remove("django.contrib.admin")
settings.TEMPLATES[0]["DIRS"] = sys.argv[1:]
urls = types.ModuleType("plain_urls")
sys.modules["plain_urls"] = urls
settings.ROOT_URLCONF = "plain_urls"
import django
django.setup()
from django.contrib.auth import get_user_model, views
from django.core.checks import run_checks
from django.test import Client
from django.urls import include, path
sign_in = views.LoginView.as_view()
urls.urlpatterns = [
    path("in/", sign_in, name="login"),
    path("prove/", sign_in, name="prove"),
    path("keys/", include("keys.urls")),
]
client = Client(SERVER_NAME="127.0.0.1")
client.force_login(get_user_model().objects.get(username="sam"))
print(run_checks(), client.get("/keys/").status_code)
"""
DELIVERED = """
import warnings
import django
django.setup()
from django.core.mail import EmailMessage
from keys.audit.mails import deliver
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    deliver([EmailMessage("Of keys", "Something", "keys@tidewater.test", ["ann@acme.test"])])
print([str(one.message) for one in told])
"""


def test_it_holds_keys_and_plans_and_nothing_of_the_portal(wheel: Path):
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"keys", "plans"}
    assert len(names) == len(set(names))
    for name in (
        "keys/py.typed",
        "keys/migrations/0001_initial.py",
        "keys/templates/keys/base.html",
        "keys/templates/keys/page.html",
        "keys/templates/admin/keys/page.html",
        "keys/static/keys/css/embedded.css",
        "keys/static/keys/js/site.js",
        "keys/locale/de/LC_MESSAGES/django.mo",
        "plans/py.typed",
        "plans/migrations/0001_initial.py",
        "plans/templates/plans/page.html",
        "plans/templates/admin/plans/planrequest/answer.html",
        "plans/static/keys/css/plans.css",
    ):
        assert name in names


def test_every_template_loads_what_it_uses(wheel: Path, tmp_path: Path):
    """Those of the portal need not: there our tags are built in, and so they would be missing elsewhere only."""
    with zipfile.ZipFile(wheel) as content:
        content.extractall(tmp_path)
    folders = [tmp_path / app / "templates" for app in ("keys", "plans")]
    (tmp_path / "base.html").touch()
    libraries = {name: path for name, path in get_installed_libraries().items() if name != "portal"}
    engine = Engine([tmp_path, *folders], app_dirs=False, libraries=libraries)
    names = [path.relative_to(folder) for folder in folders for path in folder.rglob("*.*")]
    assert len(names) > 100
    for name in names:
        engine.get_template(str(name))


def test_it_asks_for_little(wheel: Path):
    with zipfile.ZipFile(wheel) as content:
        (name,) = [name for name in content.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(content.read(name).decode())
    needed = [line for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line]
    ours = {"django", "django-htmx", "heroicons", "icalendar", "requests", "tqdm"}
    assert {re.split("[<>]", line)[0] for line in needed} == ours


def test_our_styles_stay_inside_their_element(wheel: Path):
    """All rules stand in one layer and one scope, but for the one that keeps the host's out."""
    with zipfile.ZipFile(wheel) as content:
        style = content.read("keys/static/keys/css/embedded.css").decode()
        plans = content.read("plans/static/keys/css/plans.css").decode()
    order = "@layer api-keys {\n  @layer tokens, base, components, plans, keys, site;\n\n  @scope (.api-keys) {\n"
    assert order in style
    assert plans.startswith(order), "in whichever order the two are loaded"
    assert "\n    @layer plans {\n" in plans
    assert [line for line in plans.splitlines() if line[:1] not in {"", " ", "}"}] == ["@layer api-keys {"]
    assert style.count("@layer api-keys {\n") == 1
    at_the_edge = [line for line in style.splitlines() if line[:1] not in {"", " ", "}", "/"}]
    assert at_the_edge[0] == "@layer api-keys {"
    assert all(line.startswith(".api-keys :not(") for line in at_the_edge[1:])
    inside = style.partition("@scope (.api-keys) {\n")[2]
    assert "color-scheme:" not in inside
    assert "@font-face" not in inside


@pytest.mark.parametrize(("plans", "apps"), [("off", ["keys"]), ("portal", ["keys", "plans"])])
def test_every_module_is_imported_without_the_portal(host: Host, plans: str, apps: list[str]):
    """Nor is Stripe's library there, which only those need who are paid by it."""
    told = host.run("-W", "error::DeprecationWarning:keys", "-c", IMPORT_ALL, *apps, PLANS=plans)
    assert told.strip() == "[]"
    where = host.run("-c", "import keys, django; print(keys.__file__, django.VERSION[0])").split()
    assert Path(where[0]).is_relative_to(host.folder / "environment")
    assert (int(where[1]) >= 6) == (host.django == NEWEST)


def test_payment_without_stripes_library_is_named(host: Host):
    told = host.run("-c", PAID_BY_STRIPE, PLANS="portal").splitlines()
    assert [line[:11] for line in told] == ["plans.E004:", "plans.E005:"]
    assert 'pip install "stripe>=13"' in told[0]


def test_the_pages_do_without_django_admin(host: Host, acme: Sandbox, tmp_path: Path):
    blocks = "".join(f"{{% block {name} %}}{{% endblock %}}" for name in ("title", "extra_head", "content"))
    (tmp_path / "base.html").write_text(blocks)
    told = host.run("-c", WITHOUT_ADMIN, str(tmp_path))
    assert told.splitlines()[-1] == "[] 200"


def test_mails_are_sent_in_no_deprecated_way(host: Host):
    told = host.run("-c", DELIVERED)
    assert "To: ann@acme.test" in told
    assert told.splitlines()[-1] == "[]"


def test_the_page_shows_the_mapping_of_the_example():
    """Its colours are for light and dark: one of them alone cannot be read in the other."""
    page = (ROOT / "docs" / "embedding.md").read_text()
    (mapping,) = re.findall(r"```css\n(.*?)```", page, re.DOTALL)
    assert (ROOT / "examples" / "embedded" / "static" / "tidewater" / "site.css").read_text().endswith(mapping)
    assert re.findall(r": #", mapping) == []


def test_its_migrations_are_complete(host: Host):
    host.run("manage.py", "makemigrations", "--check", "--dry-run", PLANS="portal")


def test_the_steps_of_the_page_lead_to_the_page(host: Host, acme: Sandbox, tmp_path: Path):
    """What docs/embedding.md says to write, in a new project in an empty folder."""
    page = (ROOT / "docs" / "embedding.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (settings,) = [code for code in snippets if "from_environment" in code]
    (plans,) = [code for code in snippets if "PlanPanels" in code]
    (urls,) = [code for code in snippets if "keys.staff.urls" in code]
    (shell,) = re.findall(r"^mkdir -p templates\S*\n.*?^END\n(?=```)", page, re.DOTALL | re.MULTILINE)
    environment = host.environment | {
        "DJANGO_SETTINGS_MODULE": "example.settings",
        "ZUPLO_BUCKETS": f"production:{acme.bucket}",
        "PLANS": "",
    }

    def run(*command: str | Path) -> str:
        done = subprocess.run(list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(host.python, "-m", "django", "startproject", "--settings=django.conf.global_settings", "example", ".")
    run("sh", "-ec", shell)
    (tmp_path / "verified.py").write_text("def has_proved_the_address(user):\n    return True\n")
    for name, code in (("urls", urls), ("settings", settings), ("settings", plans.partition("# urls.py\n")[0])):
        with (tmp_path / "example" / f"{name}.py").open("a") as file:
            file.write(code)
    with (tmp_path / "example" / "urls.py").open("a") as file:
        file.write(plans.partition("# urls.py\n")[2])
    run(host.python, "manage.py", "check", "--fail-level=WARNING")
    run(host.python, "manage.py", "migrate", "--verbosity=0")
    run(host.python, "manage.py", "check_api")
    told = run(host.python, "manage.py", "shell", "-c", VISIT)
    assert told.split()[-3:] == ["302", "200", "200"]
    assert "/sign-in/?next=/account/keys/" in told
    assert "Acme Inc Server" in told
