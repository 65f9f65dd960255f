"""The security page names, for each promise, a test that exists and speaks of it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| ([A-H]\d+) \|.*`(tests/[\w/]+\.py)(?:::(\w+))?` \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
PROMISES = [
    line
    for line in (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [A-H]\d", line)
]


def test_every_promise_names_a_test() -> None:
    assert len(ROWS) == len(PROMISES) > 0


@pytest.mark.parametrize(("number", "file", "name"), ROWS, ids=[number for number, *_ in ROWS])
def test_the_test_is_there_and_names_the_promise(number: str, file: str, name: str) -> None:
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {
        node.name: ast.get_docstring(node) or "" for node in ast.walk(module) if isinstance(node, ast.FunctionDef)
    }
    said = functions[name] if name else " ".join([ast.get_docstring(module) or "", *functions.values()])
    assert re.search(rf"\b{number}\b", f"{said} {ast.get_docstring(module)}")
