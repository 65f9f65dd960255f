"""Imports go one way: what a module may know of the others is written down here."""

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("portal", "keys", "sandbox")

# Inside keys: what answers requests, on top of what does the work.
ANSWERING = {"urls", "views", "activity", "admin", "staff", "places", "middleware", "decorators", "forms"}


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
    ("folder", "unknown"), [("keys", {"portal", "sandbox"}), ("sandbox", {"portal", "keys"}), ("portal", {"sandbox"})]
)
def test_a_package_knows_only_those_below_it(folder, unknown):
    assert {path.name: packages(path) & unknown for path in modules(folder) if packages(path) & unknown} == {}


def test_the_sandbox_stands_on_nothing_but_the_standard_library():
    assert [path.name for path in modules("sandbox") if "django" in packages(path)] == []


def test_only_the_transport_speaks_http():
    speakers = {
        f"{path.parent.name}/{path.name}"
        for path in modules("portal") + modules("keys")
        if packages(path) & {"requests", "urllib3", "httpx", "aiohttp"}
    }
    assert speakers <= {"keys/transport.py", "keys/developer_api.py"}


def known_in_keys() -> dict[str, set[str]]:
    """The modules of keys, and its folders as one each, with those of keys that they import."""
    names: dict[str, set[str]] = {}
    for path in modules("keys"):
        part = path.relative_to(ROOT / "keys").parts[0].removesuffix(".py")
        ours = {name.split(".")[1] for name in imported(path) if name.startswith("keys.")}
        names.setdefault(part, set()).update(ours - {part})
    return {part: known & names.keys() for part, known in names.items() if part != "__init__"}


def test_inside_keys_imports_run_from_the_top_down():
    known = known_in_keys()
    assert known["errors"] == set()
    assert known["types"] <= {"errors"}
    assert known["access"] <= {"types", "errors"}
    assert {name: known[name] & ANSWERING for name in known.keys() - ANSWERING if known[name] & ANSWERING} == {}
    tuple(graphlib.TopologicalSorter(known).static_order())  # raises CycleError where two know each other


def reads_environment(path: Path) -> bool:
    """Whether it does more with the environment than to set a default for those who read it."""
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
    readers = {str(path.relative_to(ROOT)) for path in modules("portal") + modules("keys") if reads_environment(path)}
    # The demo is a program of its own: it makes the environment in which the portal's settings are read.
    assert readers == {"portal/environment.py", "portal/demo.py"}


def test_nothing_of_allauth_is_used_that_it_keeps_to_itself():
    ours = modules("portal") + modules("keys")
    assert [path.name for path in ours if any(".internal" in name for name in imported(path))] == []
    private = {path.name: re.findall(r"def (_\w+)\(self, request.*credentials", path.read_text()) for path in ours}
    assert [found for found in private.values() if found] == []
