"""The security page names, for each promise, a test that exists and speaks of it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PROMISES = {
    line.split()[1]: TEST.findall(line.rpartition(" | ")[2])
    for line in (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [A-H]\d", line)
}
NAMED = [(number, *test) for number, tests in PROMISES.items() for test in tests]


def test_every_promise_names_a_test() -> None:
    assert PROMISES
    assert [number for number, tests in PROMISES.items() if not tests] == []


@pytest.mark.parametrize(
    ("number", "file", "name"), NAMED, ids=[f"{number} {name or file}" for number, file, name in NAMED]
)
def test_the_test_is_there_and_names_the_promise(number: str, file: str, name: str) -> None:
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {
        node.name: ast.get_docstring(node) or "" for node in ast.walk(module) if isinstance(node, ast.FunctionDef)
    }
    said = functions[name] if name else " ".join([ast.get_docstring(module) or "", *functions.values()])
    assert re.search(rf"\b{number}\b", f"{said} {ast.get_docstring(module)}")
