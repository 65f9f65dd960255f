"""Cache backend: Redis with a fallback. While it is down each process remembers for itself, and no page fails."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unconnected
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

LEFT_ALONE = 5.0  # seconds after a failure, so that a silent Redis costs one page its time-out, not every page
CONNECTION: dict[str, Any] = {
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "max_connections": 500,
    # A kept connection that has ended is replaced at once; the library's own way is to wait for seconds.
    "retry": Retry(NoBackoff(), 1, supported_errors=(Unconnected,)),
}
SPARE = {"MAX_ENTRIES": 100_000}


class SharedClient(RedisCacheClient):
    """Redis client shared by all threads of the process."""

    down_until = 0.0


@functools.cache
def _client(urls: tuple[str, ...]) -> SharedClient:
    return SharedClient(list(urls), **CONNECTION)


def _with_fallback(name: str) -> Callable[..., Any]:
    """Fallback: the method of that name, of Redis or, while that fails, of the process's own memory."""
    method, spare = getattr(RedisCache, name), getattr(LocMemCache, name)

    @functools.wraps(method)
    def either(self: "ForgivingRedisCache", *args: Any, **options: Any) -> Any:
        if not self.is_down:
            try:
                return method(self, *args, **options)
            except (RedisError, OSError) as problem:
                self._cache.down_until = time.monotonic() + LEFT_ALONE
                logger.error("Redis is down, so each process counts for itself: %s", type(problem).__name__)
        return spare(self.spare, *args, **options)

    return either


class ForgivingRedisCache(RedisCache):
    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._urls = (server,) if isinstance(server, str) else tuple(server)
        self.spare = LocMemCache("spare", params | {"OPTIONS": SPARE})

    @property
    def _cache(self) -> SharedClient:
        return _client(self._urls)

    @property
    def is_down(self) -> bool:
        """True if Redis failed a moment ago; then it is not asked."""
        return time.monotonic() < self._cache.down_until

    add = _with_fallback("add")
    get = _with_fallback("get")
    set = _with_fallback("set")
    touch = _with_fallback("touch")
    delete = _with_fallback("delete")
    has_key = _with_fallback("has_key")
    get_many = _with_fallback("get_many")
    set_many = _with_fallback("set_many")
    delete_many = _with_fallback("delete_many")
    clear = _with_fallback("clear")
    _incr = _with_fallback("incr")

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        try:
            return int(self._incr(key, delta, version=version))
        except ValueError:
            if not self.is_down:
                raise
            # What Redis has counted so far is not known here: begin anew.
            self.spare.add(key, 0, version=version)
            return int(self.spare.incr(key, delta, version=version))
