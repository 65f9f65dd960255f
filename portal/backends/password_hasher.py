"""Password hasher in a thread pool: half a second of arithmetic would hold up all other green threads."""

from collections.abc import Callable
from typing import Any

import gevent
from django.contrib.auth import hashers
from gevent import monkey


def in_thread_pool(work: Callable[..., Any], *args: Any) -> Any:
    """Run the work in a thread of the operating system where green threads are in use; returns its result."""
    if not monkey.is_module_patched("threading"):
        return work(*args)
    return gevent.get_hub().threadpool.apply(work, args)


class PBKDF2PasswordHasher(hashers.PBKDF2PasswordHasher):
    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return str(in_thread_pool(super().encode, password, salt, iterations))
