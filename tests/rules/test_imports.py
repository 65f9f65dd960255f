"""Layers: imports go one way, and what a module may know of the others is written down here."""

import ast
import graphlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("portal", "keys", "plans", "sandbox")

# Layers, from the ground up: each part imports from layers below its own, and from nothing beside it.
KEYS = [
    {"conf", "counter", "errors", "green_threads", "models", "prepared", "times", "tolerance"},
    {"redaction", "refusals"},
    {"types"},
    {"access"},
    {"provisioning", "audit", "zuplo"},
    {"http", "service"},
    {"panels", "reminders"},
    {"web"},
    {"staff"},
    {"checks"},
    {"admin", "apps", "management", "middleware", "templatetags", "urls"},
]
PLANS = [
    {"models", "periods"},
    {"types"},
    {"words", "sources"},
    {"service"},
    {"web"},
    {"staff"},
    {"checks"},
    {"admin", "apps", "management", "templatetags", "urls"},
]
PORTAL = [
    {"models", "backends", "branding", "config", "formats", "gunicorn_worker", "proxies"},
    {"languages", "mail", "observability"},
    {"accounts", "context_processors"},
    {"support"},
    {"checks", "middleware", "settings", "styleguide", "views"},
    {"admin", "apps", "demo", "management", "urls", "wsgi"},
]


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts)


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by dots; name the package"
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


@pytest.mark.parametrize(
    ("folder", "unknown"),
    [
        ("keys", {"portal", "plans", "sandbox"}),
        ("plans", {"portal", "sandbox"}),
        ("sandbox", {"portal", "keys", "plans"}),
        ("portal", {"sandbox", "plans"}),
    ],
)
def test_a_package_knows_only_those_below_it(folder, unknown):
    assert {path.name: packages(path) & unknown for path in modules(folder) if packages(path) & unknown} == {}


def test_the_sandbox_stands_on_nothing_but_the_standard_library():
    assert [path.name for path in modules("sandbox") if "django" in packages(path)] == []


def test_only_the_transport_speaks_http():
    speakers = {
        str(path.relative_to(ROOT))
        for path in modules("portal") + modules("keys") + modules("plans")
        if packages(path) & {"requests", "urllib3", "httpx", "aiohttp"}
    }
    assert speakers <= {"keys/zuplo/transport.py", "keys/zuplo/client.py"}


def known_in(folder: str) -> dict[str, set[str]]:
    """Adjacency list: each module and subfolder of a package, with those that it imports."""
    known: dict[str, set[str]] = {}
    for path in modules(folder):
        part = path.relative_to(ROOT / folder).parts[0].removesuffix(".py")
        ours = {name.split(".")[1] for name in imported(path) if name.startswith(f"{folder}.")}
        known.setdefault(part, set()).update(ours - {part})
    return {part: names & known.keys() for part, names in known.items() if part != "__init__"}


@pytest.mark.parametrize(("folder", "layers"), [("keys", KEYS), ("plans", PLANS), ("portal", PORTAL)])
def test_imports_run_from_the_top_down(folder, layers):
    known = known_in(folder)
    assert known.keys() == set().union(*layers), "each part has its layer"
    below: set[str] = set()
    upwards = {}
    for layer in layers:
        upwards |= {part: known[part] - below for part in layer if known[part] - below}
        below |= layer
    assert upwards == {}


@pytest.mark.parametrize("folder", ["keys", "plans", "portal"])
def test_inside_a_package_no_two_modules_know_each_other(folder):
    known: dict[str, set[str]] = {}
    for path in modules(folder):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        known[name] = {other for other in imported(path) if other.startswith(f"{folder}.")}
    graph = {name: others & known.keys() for name, others in known.items()}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError where two know each other


def test_the_fullest_folder_can_be_taken_in_at_a_glance():
    folders = Counter(path.parent for folder in (*OURS, "tests", "bench") for path in (ROOT / folder).rglob("*.py"))
    assert {str(folder): count for folder, count in folders.items() if count > 22} == {}


def reads_environment(path: Path) -> bool:
    """True if it does more with the environment than to set a default for those who read it."""
    tree = ast.parse(path.read_text())
    allowed = {
        id(call.func.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "setdefault"
    }
    return any(
        (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"} and id(node) not in allowed)
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {"environ", "getenv"} & {n.name for n in node.names}
        )
        for node in ast.walk(tree)
    )


def test_one_module_reads_the_environment():
    readers = {
        str(path.relative_to(ROOT))
        for path in modules("portal") + modules("keys") + modules("plans")
        if reads_environment(path)
    }
    # The demo is a program of its own: it makes the environment in which the portal's settings are read.
    assert readers == {"portal/config/environment.py", "portal/demo.py"}


def test_nothing_of_allauth_is_used_that_it_keeps_to_itself():
    ours = modules("portal") + modules("keys") + modules("plans")
    assert [path.name for path in ours if any(".internal" in name for name in imported(path))] == []
    private = {path.name: re.findall(r"def (_\w+)\(self, request.*credentials", path.read_text()) for path in ours}
    assert [found for found in private.values() if found] == []
