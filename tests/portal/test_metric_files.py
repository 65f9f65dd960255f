"""The folder of counters: what an ended process counted stays counted, and its files do not pile up."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from portal.observability import metric_files

COUNTS = """
from prometheus_client import Counter, Histogram
Counter("looks", "Looks.", ["page"]).labels("home").inc(3)
Histogram("seconds", "Time.", buckets=(1, 2)).observe(1.5)
"""


def count(folder: Path) -> int:
    """A process that counts, and ends; its id."""
    process = subprocess.Popen([sys.executable, "-c", COUNTS], env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": folder})
    assert process.wait() == 0
    return process.pid


def looks(folder: Path) -> dict[str, float | None]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    home = registry.get_sample_value("looks_total", {"page": "home"})
    return {"looks": home, "times": registry.get_sample_value("seconds_count")}


def test_what_ended_processes_counted_stays(tmp_path):
    pids = [count(tmp_path) for _ in range(3)]
    assert looks(tmp_path) == {"looks": 9, "times": 3}
    for buried, pid in enumerate(pids, start=1):
        metric_files.merge_dead_worker(str(tmp_path), pid)
        assert looks(tmp_path) == {"looks": 9, "times": 3}
        assert len(list(tmp_path.glob("*.db"))) == 2 * (3 - buried) + 2
    metric_files.merge_dead_worker(str(tmp_path), pids[0])  # one that counted nothing, or is buried
    assert looks(tmp_path) == {"looks": 9, "times": 3}


def test_only_who_made_the_folder_removes_it():
    """gunicorn may be replaced by another one while it serves; both count into one folder."""
    folder = Path(metric_files.make_folder())
    try:
        code = f"from portal.observability import metric_files; metric_files.remove_folder({str(folder)!r})"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
        assert folder.is_dir()
    finally:
        metric_files.remove_folder(str(folder))
    assert not folder.exists()
