"""Prometheus multiprocess directory: each process of one gunicorn counts in files of its own, which are added up.

gunicorn's own process uses this, so nothing here knows of Django.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

KINDS = ("counter", "histogram")
GONE = "gone"


def make_folder() -> str:
    """Make the directory, in memory where that can be; it lasts as long as this gunicorn, as counters do."""
    memory = Path("/dev/shm")  # noqa: S108, the folder's name is made by mkdtemp
    return tempfile.mkdtemp(prefix=f"portal-metrics-{os.getpid()}-", dir=memory if memory.is_dir() else None)


def remove_folder(folder: str) -> None:
    """Remove the directory, if this process made it: one that took over from another shares the other's."""
    if f"-{os.getpid()}-" in folder:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def file_lock(folder: str) -> Iterator[None]:
    """File lock: while one adds up all files, no other may move figures between them."""
    with (Path(folder) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def merge_dead_worker(folder: str, pid: int) -> None:
    """Merge the counters of an ended process into one file for all of them, so that files do not pile up."""
    from prometheus_client.mmap_dict import MmapedDict  # after the folder's name is in the environment

    with file_lock(folder):
        for kind in KINDS:
            file = Path(folder) / f"{kind}_{pid}.db"
            if not file.exists():
                continue
            with closing(MmapedDict(str(file.with_name(f"{kind}_{GONE}.db")))) as gone:
                for name, value, _time, _place in MmapedDict.read_all_values_from_file(str(file)):
                    gone.write_value(name, gone.read_value(name)[0] + value, 0.0)
            file.unlink()
