#!/usr/bin/env bash
# gevent 26.9.0 (PyPI; Python 3.11), monkey-patched as gunicorn's gevent workers are, and the standard library's threading.
#
# Plausible guess: to start a thread in the background is how a request hands work on without waiting for it: it is begun
#   later, and whoever starts it goes on.
# What happens:    Thread.start() waits until the new thread runs. Patched, the thread is queued behind every greenlet
#   that is ready, so whoever starts it stands still until each of them has had its turn: here nineteen others, of 10 ms
#   each, go first. _thread.start_new_thread() begins the same work and comes back at once.
# Why it matters:  a portal for API keys that mails about each created key from such a thread held a database connection
#   meanwhile: of 32 clients who create keys, about twenty held one at the same time, and thirteen without that wait.
# Source:          threading.py, Thread.start(), `self._started.wait()`; gevent/thread.py, start_new_thread(); measured
#   in a portal's worker under load.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check gevent==26.9.0 2>/dev/null

venv/bin/python - <<'END'
from gevent import monkey

monkey.patch_all()
import _thread, threading, time

import gevent

OTHERS = 19


def went_first(start):
    """How many of the others, who were all ready, had their turn before the one who starts a thread went on."""
    done, went = [], []

    def other():
        busy_until = time.perf_counter() + 0.01
        while time.perf_counter() < busy_until:
            pass
        done.append(1)

    def starter():
        start(lambda: None)
        went.append(len(done))

    gevent.joinall([gevent.spawn(starter), *(gevent.spawn(other) for _ in range(OTHERS))])
    return went[0]


by_thread = went_first(lambda work: threading.Thread(target=work, daemon=True).start())
by_new_thread = went_first(lambda work: _thread.start_new_thread(work, ()))
print(f"Thread.start(): {by_thread} of {OTHERS} others went first; _thread.start_new_thread(): {by_new_thread}")
assert (by_thread, by_new_thread) == (OTHERS, 0), "it behaves differently now"
END
