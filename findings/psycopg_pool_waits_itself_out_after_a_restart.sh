#!/usr/bin/env bash
# psycopg-pool 3.3.3, psycopg 3.3.9 (PyPI; Python 3.11) and Debian's PostgreSQL 15: a pool whose connections all died.
#
# Plausible guess: with check=ConnectionPool.check_connection, the documented way to get no dead connection, the first
#   getconn() after a quick restart of PostgreSQL throws the dead ones away and gets a new one at once: the server is up.
# What happens:    getconn() looks at one dead connection after the other, and sleeps for 0, 1, 2 and 4 seconds before
#   the next. With four of them and a timeout of 5 seconds it ends in PoolTimeout, although the server answers all the
#   time. pool.check() before it replaces all of them at once, and the same getconn() takes milliseconds.
# Why it matters:  a portal for API keys answers 500 to somebody's request some seconds after the database is back, and
#   whoever looks at the database finds nothing wrong with it.
# Source:          psycopg_pool/pool.py, _getconn_with_check_loop, and base.py, AttemptWithBackoff; seen behind a portal.
set -euo pipefail
folder=$(mktemp -d)
programs=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
as=()
stop() {
    "${as[@]}" "$programs/pg_ctl" stop --pgdata="$folder/pg/data" --mode=immediate --silent || true
    rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'psycopg[binary]==3.3.9' psycopg-pool==3.3.3 2>/dev/null
mkdir pg
chmod 711 "$folder"
if [ "$(id -u)" = 0 ]; then
    chown nobody pg
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
"${as[@]}" "$programs/initdb" --pgdata=pg/data --username=portal --auth=trust --no-sync >/dev/null
"${as[@]}" "$programs/pg_ctl" start --pgdata=pg/data --wait --silent --log="$folder/pg/log" \
    --options="-c listen_addresses= -c unix_socket_directories=$folder/pg -c fsync=off"

venv/bin/python - "host=$folder/pg user=portal dbname=postgres" <<'END'
import logging, sys, time
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
ENDED = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'portal' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"


def after_a_restart(look_first):
    with ConnectionPool(sys.argv[1], min_size=4, max_size=4, timeout=5, check=ConnectionPool.check_connection) as pool:
        pool.wait()
        with psycopg.connect(sys.argv[1], autocommit=True) as server:
            ended = server.execute(ENDED).fetchone()[0]
            server.execute("SELECT 1")  # the server is up
        time.sleep(0.2)
        begin = time.monotonic()
        try:
            if look_first:
                pool.check()
            pool.putconn(pool.getconn())
            outcome = "a connection"
        except PoolTimeout as problem:
            outcome = f"PoolTimeout: {problem}"
        print(f"{ended} connections ended, {'pool.check(), then ' if look_first else ''}getconn(): {outcome} after {time.monotonic() - begin:.2f} s")
        return outcome


assert after_a_restart(look_first=False).startswith("PoolTimeout"), "it behaves differently now"
assert after_a_restart(look_first=True) == "a connection", "it behaves differently now"
END
