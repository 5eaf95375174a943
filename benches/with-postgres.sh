#!/usr/bin/env bash
# with-postgres.sh COMMAND…: runs it with BENCH_DATABASE_URL, a PostgreSQL server of its own that is as durable as one in use,
# and removes the server afterwards. Where PostgreSQL is not installed, or BENCH_DATABASE_URL is set, it only runs the command.
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ -n "${BENCH_DATABASE_URL:-}" ] || [ -z "$bin" ]; then
    [ -n "${BENCH_DATABASE_URL:-}" ] || echo 'bench: PostgreSQL is not installed, so its figures are left out' >&2
    exec "$@"
fi
mkdir -p target
folder=$(mktemp -d "$PWD/target/bench-postgres.XXXXXX")
as=()
if [ "$(id -u)" = 0 ]; then
    # The server refuses to run as root.
    folder_of_root=$folder folder=$(mktemp -d /var/tmp/bench-postgres.XXXXXX)
    rmdir "$folder_of_root"
    chown postgres "$folder"
    as=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
server() { (cd / && "${as[@]}" "$bin/pg_ctl" -s -w -D "$folder/data" "$@"); }
trap 'server -m immediate stop || true; rm -rf "$folder"' EXIT
(cd / && "${as[@]}" "$bin/initdb" -D "$folder/data" -U relay -A trust -E UTF8 --locale=C >/dev/null)
server -l "$folder/log" -o "-c listen_addresses=127.0.0.1 -p $port -c unix_socket_directories=" start
BENCH_DATABASE_URL="postgres://relay@127.0.0.1:$port/postgres" "$@"
