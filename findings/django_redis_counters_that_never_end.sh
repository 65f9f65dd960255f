#!/usr/bin/env bash
# Django 5.2.19 and redis 8.1.0 (PyPI; Python 3.11) with Redis 7.0.15-1~deb12u10 (Debian 12): a counter with an end, in the cache.
#
# Plausible guess: cache.add(name, 0, timeout) and then cache.incr(name) count what happens in a minute. incr() leaves the
#   timeout alone, and raises ValueError where the counter has ended, so it cannot make one without an end.
# What happens:    incr() sends EXISTS, and INCRBY after its answer. If the counter ends in between, INCRBY makes it anew,
#   and such a one has no timeout: add() finds it there for ever after. A counter that is busy while its minute ends is
#   caught within some minutes. SET NX EX and INCR in one transaction are never caught.
# Why it matters:  a portal for API keys that limits calls, mails or guesses in this way counts one person, address or
#   network on and on. Once the limit is reached it holds until somebody empties Redis, and no log says why.
# Source:          django/core/cache/backends/redis.py, RedisCacheClient.incr(); django-redis, another library, had the
#   same (jazzband/django-redis, issue 181) and mended it in 2016; found by reading, then seen by running.
set -euo pipefail
folder=$(mktemp -d)
redis=
trap '[ -z "$redis" ] || kill "$redis" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 "$folder"
apt-get download -qq redis-tools=5:7.0.15-1~deb12u10 libjemalloc2=5.3.0-1 liblzf1=3.6-3 libatomic1=12.2.0-14+deb12u1 2>/dev/null
for package in *.deb; do dpkg-deb --extract "$package" .; done
export LD_LIBRARY_PATH="$folder/usr/lib/$(uname -m)-linux-gnu"
ln -s redis-check-rdb usr/bin/redis-server
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check django==5.2.19 redis==8.1.0 2>/dev/null
usr/bin/redis-server --port 0 --unixsocket "$folder/socket" --save "" --dir "$folder" >log &
redis=$!

timeout 300 venv/bin/python - "unix://$folder/socket" <<'END'
import sys, time
from django.conf import settings

settings.configure(CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": sys.argv[1]}})
from django.core.cache import cache
from redis import Redis, exceptions

server, WINDOW, WINDOWS = Redis.from_url(sys.argv[1]), 1, 100
for _ in range(100):
    try:
        server.ping()
        break
    except exceptions.ConnectionError:
        time.sleep(0.1)


def by_django():
    cache.add("calls", 0, timeout=WINDOW)
    try:
        return cache.incr("calls")
    except ValueError:
        return cache.add("calls", 1, timeout=WINDOW)


def at_once():
    with server.pipeline(transaction=True) as both:
        return both.set(":1:calls", 0, ex=WINDOW, nx=True).incr(":1:calls").execute()[1]


def ended_after(count, windows):
    """The number of windows until one never ends, or None if each of them has ended."""
    server.flushdb()
    begun, last = 0, sys.maxsize
    while begun < windows:
        number = count()
        if number <= last:  # another window has begun
            begun += 1
            if server.ttl(":1:calls") == -1:
                return begun
        last = number


caught = ended_after(by_django, WINDOWS)
before = cache.get("calls")
time.sleep(3 * WINDOW)
after = by_django()
print(f"add() and incr(): window {caught} of {WINDOW} s never ended; after 3 s of silence call {before} is followed by call {after}")
never = ended_after(at_once, 5)
print(f"SET NX EX and INCR at once: {'each of 5 windows ended' if never is None else f'window {never} never ended'}")
assert caught and after == before + 1, "it behaves differently now"
assert never is None, "it behaves differently now"
END
echo "As described."
