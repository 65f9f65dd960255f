"""The wheel: what is in it, and what an environment with it holds."""

import re
import zipfile
from email.parser import Parser
from pathlib import Path

from tests.embedded.conftest import NEWEST, Host

IMPORT_ALL = """
import importlib, pkgutil, sys
import django
django.setup()
import keys
for module in pkgutil.walk_packages(keys.__path__, "keys."):
    importlib.import_module(module.name)
print(sorted(name for name in ("portal", "plans", "sandbox", "allauth", "gevent", "hijack") if name in sys.modules))
"""


def test_it_holds_keys_and_nothing_of_the_portal(wheel: Path):
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"keys"}
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
    ):
        assert name in names


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
    assert style.count("@layer api-keys {\n") == 1
    at_the_edge = [line for line in style.splitlines() if line[:1] not in {"", " ", "}", "/"}]
    assert at_the_edge[0] == "@layer api-keys {"
    assert all(line.startswith(".api-keys :not(") for line in at_the_edge[1:])
    inside = style.partition("@scope (.api-keys) {\n")[2]
    assert "color-scheme:" not in inside
    assert "@font-face" not in inside


def test_every_module_is_imported_without_the_portal(host: Host):
    assert host.run("-W", "error::DeprecationWarning:keys", "-c", IMPORT_ALL).strip() == "[]"
    where = host.run("-c", "import keys, django; print(keys.__file__, django.VERSION[0])").split()
    assert Path(where[0]).is_relative_to(host.folder / "environment")
    assert (int(where[1]) >= 6) == (host.django == NEWEST)


def test_its_migrations_are_complete(host: Host):
    host.run("manage.py", "makemigrations", "--check", "--dry-run")
