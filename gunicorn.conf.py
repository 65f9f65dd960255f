"""gunicorn configuration. Every value may be changed by GUNICORN_CMD_ARGS; these by variables."""

import gc
import os
import resource
import subprocess
import sys
from typing import Any


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _number(name: str, default: int) -> int:
    value = os.environ.get(name) or str(default)
    if not (value.isdecimal() and int(value)):
        sys.exit(f"{name} is {value!r}. Use a whole number from 1.")
    return int(value)


wsgi_app = "portal.wsgi:application"
bind = os.environ.get("BIND") or f"0.0.0.0:{os.environ.get('PORT') or '8000'}"

# Throttles and short-lived marks live in the cache. Without Redis that is the memory of one process.
workers = _number("WEB_CONCURRENCY", 2 if _is_set("REDIS_URL") else 1)
# Green threads: whoever waits, for the Developer API or for a slow client, keeps no other request waiting.
worker_class = "portal.gunicorn_worker.Worker"
worker_connections = _number("CONNECTIONS", 2000)
backlog = 512
# Also the time that the line and the headers of a request may take, however slowly they drip in.
keepalive = 5

# Each connection is an open file; many systems begin with 1024 of them.
_files, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
_wanted = worker_connections + 500
if _files != resource.RLIM_INFINITY and _files < _wanted:
    _wanted = _wanted if _most == resource.RLIM_INFINITY else min(_wanted, _most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_wanted, _most))

# A page is bounded to 10 seconds by the portal itself; a worker that says nothing for longer is stuck.
timeout = 30
graceful_timeout = 15
max_requests = 10_000
max_requests_jitter = 1_000

limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190

worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, a disk can stall the heartbeat
control_socket_disable = True
proc_name = "portal"
accesslog = None  # the portal says a line for each request itself, and keeps keys out of it
errorlog = "-"
# Whom the portal believes about the client and the scheme is settled in its own settings.
forwarded_allow_ips = ""


# gunicorn knows where the portal's own modules are only once it has read this file.


def _settings_are_well(server: Any) -> bool:
    """Asked in a process of its own: what this one has imported, its workers would not read anew at a reload."""
    check = [sys.executable, "manage.py", "check"]
    done = subprocess.run(check, cwd=server.cfg.chdir, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
    return done.returncode == 0


def on_starting(server: Any) -> None:
    """Tell the settings how many processes there really are, wherever that was said, and start only if they agree."""
    from portal.observability import metric_files

    os.environ["WEB_CONCURRENCY"] = str(server.cfg.workers)
    if not _is_set("DEBUG"):
        os.environ["DEBUG"] = "0"
    if not _settings_are_well(server):
        sys.exit("The portal does not start.")
    if _is_set("METRICS_TOKEN") and not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metric_files.make_folder()


def when_ready(server: Any) -> None:
    """Refuse a reload that cannot go well: at a worker that does not start gunicorn stops altogether."""
    reload = server.reload

    def reload_if_well() -> None:
        if _settings_are_well(server):
            reload()
        else:
            server.log.error("The portal would not start, so nothing is reloaded.")

    server.reload = reload_if_well


def post_worker_init(worker: Any) -> None:
    """Freeze the garbage collector: what a worker begins with stays to its end, and a look through it took 50 ms.

    A page makes some thousands of objects, nearly all without cycles; to look every 700 of them was 4 % of its cost.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def child_exit(server: Any, worker: Any) -> None:
    from portal.observability import metric_files

    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        metric_files.merge_dead_worker(folder, worker.pid)


def on_exit(server: Any) -> None:
    from portal.observability import metric_files

    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        metric_files.remove_folder(folder)
