# The servers that tests talk to: PostgreSQL and Redis. Sourced, not run.
# Uses what answers at the usual places; else installs it and starts servers of its own on free ports, whose data
# lie in a folder that goes when the tests end. Sets TEST_POSTGRES_URL and TEST_REDIS_URL.
# shellcheck shell=bash

SERVICES=""
POSTGRES_DATA=""
REDIS_PID=""

need_services() {
    [ -n "${TEST_POSTGRES_URL:-}" ] || need_postgres
    [ -n "${TEST_REDIS_URL:-}" ] || need_redis
    export TEST_POSTGRES_URL TEST_REDIS_URL
}

stop_services() {
    # `fast`, because the default of a signal waits for clients that may never leave.
    [ -z "$POSTGRES_DATA" ] || postgres_do pg_ctl -D "$POSTGRES_DATA" -m fast -t 30 stop >/dev/null 2>&1 || true
    [ -z "$REDIS_PID" ] || { kill "$REDIS_PID" && wait "$REDIS_PID"; } 2>/dev/null || true
    [ -z "$SERVICES" ] || as_root rm -rf "$SERVICES"
}

services_folder() {
    [ -n "$SERVICES" ] || SERVICES="$(mktemp -d)"
    chmod 755 "$SERVICES"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Packages of servers, without the services of the machine that they would start: they would stay after the tests.
install_servers() {
    local policy=/usr/sbin/policy-rc.d status=0
    [ ! -e "$policy" ] || { apt_install "$@" && return; }
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    (apt_install "$@") || status=$?
    as_root rm -f "$policy"
    [ "$status" = 0 ] || exit "$status"
}

# The folder of the logs goes with the tests, so what they say is said here.
died() {
    printf -- '--- end of %s\n' "$2" >&2
    as_root tail -n 20 "$2" >&2 || true
    die "$1"
}

# The newest PostgreSQL of Debian's packages, which keep the server's programs off the path.
postgres_programs() { find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n1; }

# Runs one of PostgreSQL's programs; the server refuses to run as root.
postgres_do() {
    local program
    program="$(postgres_programs)/$1"
    shift
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$program" "$@")
    else
        "$program" "$@"
    fi
}

need_postgres() {
    local here="postgres://postgres@127.0.0.1:5432/postgres"
    if command -v psql >/dev/null && psql -w "$here" -c 'CREATE TEMP TABLE may_write (id int)' >/dev/null 2>&1; then
        TEST_POSTGRES_URL="$here"
        return
    fi
    { [ -n "$(postgres_programs)" ] && command -v psql >/dev/null; } || install_servers postgresql postgresql-client
    [ -n "$(postgres_programs)" ] || die "PostgreSQL's server programs are not under /usr/lib/postgresql; install postgresql"
    services_folder
    local port data="$SERVICES/postgres"
    port="$(free_port)"
    say "Starting a PostgreSQL for the tests on port $port"
    mkdir "$data"
    [ "$(id -u)" != 0 ] || chown postgres "$data"
    postgres_do initdb -D "$data" -U postgres -A trust -E UTF8 --no-sync >"$SERVICES/initdb.log" 2>&1 ||
        died "initdb failed" "$SERVICES/initdb.log"
    POSTGRES_DATA="$data"
    postgres_do pg_ctl -D "$data" -l "$data/server.log" -w -t 30 \
        -o "-p $port -h 127.0.0.1 -k $data -c fsync=off -c max_connections=300" start >/dev/null 2>&1 ||
        died "PostgreSQL did not start within 30 s" "$data/server.log"
    TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
}

redis_answers() { [ "$(timeout 2 redis-cli -p "$1" ping 2>/dev/null)" = PONG ]; }

need_redis() {
    if command -v redis-cli >/dev/null && redis_answers 6379; then
        TEST_REDIS_URL="redis://127.0.0.1:6379"
        return
    fi
    { command -v redis-server >/dev/null && command -v redis-cli >/dev/null; } || install_servers redis-server redis-tools
    services_folder
    local port try
    port="$(free_port)"
    say "Starting a Redis for the tests on port $port"
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$SERVICES" >"$SERVICES/redis.log" 2>&1 &
    REDIS_PID=$!
    for try in $(seq 150); do
        if redis_answers "$port"; then
            TEST_REDIS_URL="redis://127.0.0.1:$port"
            return
        fi
        sleep 0.2
    done
    died "Redis did not start within 30 s" "$SERVICES/redis.log"
}
