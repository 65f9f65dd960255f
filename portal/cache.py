"""Redis as a cache that may be down: then every look-up misses, nothing is kept, and no page fails for it."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def _else(answer: Any, name: str) -> Callable[..., Any]:
    """The method of that name, whose answer without Redis is this one."""
    method = getattr(RedisCache, name)

    @functools.wraps(method)
    def forgiving(self: RedisCache, *args: Any, **options: Any) -> Any:
        try:
            return method(self, *args, **options)
        except (RedisError, OSError) as problem:
            logger.error("the cache is down: %s", type(problem).__name__)
            return answer

    return forgiving


class ForgivingRedisCache(RedisCache):
    add = _else(True, "add")
    set = _else(None, "set")
    touch = _else(False, "touch")
    delete = _else(False, "delete")
    has_key = _else(False, "has_key")
    set_many = _else([], "set_many")
    delete_many = _else(None, "delete_many")
    clear = _else(False, "clear")
    incr = _else(1, "incr")

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except (RedisError, OSError) as problem:
            logger.error("the cache is down: %s", type(problem).__name__)
            return default

    def get_many(self, keys: Any, version: int | None = None) -> dict[str, Any]:
        try:
            return super().get_many(keys, version)
        except (RedisError, OSError) as problem:
            logger.error("the cache is down: %s", type(problem).__name__)
            return {}
