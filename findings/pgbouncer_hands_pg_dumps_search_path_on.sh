#!/usr/bin/env bash
# PgBouncer 1.18.0-1+deb12u1 in transaction mode, otherwise as it comes, PostgreSQL 15.18-0+deb12u1 (Debian 12): pg_dump.
#
# Plausible guess: pg_dump only reads. It works through PgBouncer, ends with 0 and writes a whole backup, so it can run
#   while others use the database, as it can without PgBouncer.
# What happens:    pg_dump first empties search_path for its session, and begins its transaction after that. In between
#   PgBouncer may give the connection to somebody else, and pg_dump another one. Queries of others that name a table
#   without its schema then fail with "relation does not exist" on that connection, until it is closed, long after the
#   backup is over. server_reset_query does not help: it is not run in transaction mode.
# Why it matters:  a portal for API keys answers 500 to a part of its requests after some nightly backups, because
#   DATABASE_URL, which names the pooler, was given to pg_dump too. Back up past the pooler.
# Source:          pg_dump.c, setup_connection; pgbouncer.org/features.html: SET in transaction mode; seen behind a portal.
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
"${as[@]}" "$programs/pg_ctl" start --pgdata=pg/data --wait --silent --log="$folder/pg/log" \
    --options="-c listen_addresses= -c unix_socket_directories=$folder/pg -c fsync=off"
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
"${as[@]}" pgbouncer --daemon --quiet settings
for _ in $(seq 100); do [ ! -S pg/pooler/.s.PGSQL.5432 ] || break; sleep 0.05; done

pooler="host=$folder/pg/pooler user=portal dbname=postgres"
psql --no-psqlrc --quiet "$pooler" --command "CREATE TABLE session (id int); INSERT INTO session VALUES (42)"
echo "SELECT id FROM session;" >query
customers() { "$programs/pgbench" --no-vacuum --client=8 --time=5 --file=query "$pooler" >"$1" 2>&1 || true; }
failed() { grep --count 'relation "session" does not exist' "$1" || true; }

customers alone
customers beside &
for ((dumps = 0; dumps < 40; dumps++)); do pg_dump --format=custom "$pooler" >backup; done
wait $!
echo "without a backup:  $(failed alone) of 8 clients lost their table"
echo "with $dumps backups:   $(failed beside) of 8 clients lost their table, though pg_dump ended with 0 each time"
echo "the last backup holds the table: $(pg_restore --list backup | grep --count 'TABLE DATA public session')"
[ "$(failed alone)" = 0 ] && [ "$(failed beside)" -gt 0 ] || { echo "it behaves differently now"; exit 1; }
