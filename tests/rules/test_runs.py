"""The run of the tests itself: what workers count and leave out is told, and a test that stalls ends it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COUNTING = """
import pytest

@pytest.mark.browser
def test_in_a_browser(): pass

@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_counting(count, number):
    count["tries"] += number
"""
STALLING = """
import threading

def test_stalling(): threading.Event().wait()
"""


def run(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    file = folder / "test_some.py"
    file.write_text(tests)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "BROWSER"))}
    words = ["-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", *options, str(file)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=ROOT,
        env=kept | {"CHROMIUM": "/nowhere/chromium"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_counts_of_all_workers_are_added_up(tmp_path):
    done = run(tmp_path, COUNTING, "--numprocesses=2")
    assert done.returncode == 0, done.stdout
    assert "tries: 10" in done.stdout
    assert "1 browser tests were LEFT OUT: there is no /nowhere/chromium." in done.stdout
    assert "4 passed" in done.stdout


def test_a_stalled_test_ends_the_run_with_a_traceback(tmp_path):
    done = run(tmp_path, STALLING, "--numprocesses=1", "--override-ini=faulthandler_timeout=1")
    assert done.returncode == 1
    assert "crashed while running" in done.stdout
    assert "test_stalling" in done.stdout
    assert "1 failed" in done.stdout
    assert "in test_stalling" in done.stderr
