#!/usr/bin/env bash
# PgBouncer 1.18.0-1+deb12u1 in transaction mode, otherwise as it comes, PostgreSQL 15.18-0+deb12u1 (Debian 12): a restart.
#
# Plausible guess: PgBouncer reconnects by itself, so once PostgreSQL answers again, which takes a fifth of a second,
#   whoever asks PgBouncer is served as well: it is there to hide such things.
# What happens:    one connection that failed while PostgreSQL was away is enough: for 15 seconds from then on PgBouncer
#   tries no other (server_login_retry). Whoever asks waits for that long, or is refused at once, if it was the login
#   that failed. With server_login_retry = 1 it is one second.
# Why it matters:  a portal for API keys, whose pages give up after five seconds, answers 500 for a quarter of a minute
#   after each minor upgrade of PostgreSQL, and whoever looks at the database finds nothing wrong with it.
# Source:          pgbouncer.org/config.html, server_login_retry; src/objects.c, launch_new_connection; seen behind a portal.
set -euo pipefail
folder=$(mktemp -d)
programs="$folder/usr/lib/postgresql/15/bin"
as=()
stop() {
    [ ! -f "$folder/pg/pid" ] || kill "$(cat "$folder/pg/pid")" 2>/dev/null || true
    "${as[@]}" "$programs/pg_ctl" stop --pgdata="$folder/pg/data" --mode=immediate --silent || true
    rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
chmod 711 "$folder"
apt-get download -qq pgbouncer=1.18.0-1+deb12u1 postgresql-15=15.18-0+deb12u1 postgresql-client-15=15.18-0+deb12u1 \
    libpq5=15.18-0+deb12u1 libevent-2.1-7=2.1.12-stable-8 libc-ares2=1.18.1-3 2>/dev/null
for package in *.deb; do dpkg-deb --extract "$package" .; done
export PATH="$programs:$folder/usr/sbin:$PATH" LD_LIBRARY_PATH="$folder/usr/lib/$(uname -m)-linux-gnu"
mkdir -p pg/pooler
if [ "$(id -u)" = 0 ]; then
    chown -R nobody pg
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
"${as[@]}" "$programs/initdb" --pgdata=pg/data --username=portal --auth=trust --no-sync >/dev/null
control() { "${as[@]}" "$programs/pg_ctl" "$1" --pgdata=pg/data --wait --silent --log="$folder/pg/log" --options="-c listen_addresses= -c unix_socket_directories=$folder/pg -c fsync=off"; }
control start
cat >settings <<END
[databases]
* = host=$folder/pg port=5432
[pgbouncer]
listen_port = 5432
unix_socket_dir = $folder/pg/pooler
auth_type = any
pool_mode = transaction
pidfile = $folder/pg/pid
logfile = $folder/pg/pooler.log
END
sed -i "s/^\* = .*/& user=portal/" settings

answers() { [ "$(psql --no-psqlrc --tuples-only --no-align "host=$1 user=portal dbname=postgres" --command "SELECT 42" 2>/dev/null)" = 42 ]; }
now() { date +%s%N; }

away_for() { # with this server_login_retry: milliseconds between PostgreSQL's being back and PgBouncer's saying so
    sed -i '/^server_login_retry/d' settings
    [ -z "$1" ] || echo "server_login_retry = $1" >>settings
    "${as[@]}" pgbouncer --daemon --quiet settings
    until answers "$folder/pg/pooler"; do sleep 0.05; done
    (while [ ! -f back ]; do answers "$folder/pg/pooler" || true; done) & # somebody asks while it goes down
    control restart
    answers "$folder/pg"
    local begin; begin=$(now)
    touch back
    wait $!
    until answers "$folder/pg/pooler"; do sleep 0.05; done
    took=$((($(now) - begin) / 1000000))
    rm back
    kill "$(cat pg/pid)"
    while [ -f pg/pid ]; do sleep 0.05; done
}
away_for ""
as_it_comes=$took
away_for 1
echo "PostgreSQL answers again; who asks PgBouncer waits for $as_it_comes ms more as it comes, for $took ms with server_login_retry = 1"
[ "$as_it_comes" -gt 10000 ] && [ "$took" -lt 3000 ] || { echo "it behaves differently now"; exit 1; }
