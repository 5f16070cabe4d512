#!/usr/bin/env bash
# Runs the example redis_lookup against Debian's Redis: each of its three servers answers from it,
# and says so when it is gone.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian-rust.sh

command -v redis-server >/dev/null || need_packages redis-server redis-tools

work=$(mktemp -d)
redis_pid='' example_pid=''
end() {
    [ -z "$example_pid" ] || kill "$example_pid" 2>/dev/null || true
    [ -z "$redis_pid" ] || kill "$redis_pid" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap end EXIT

# A port that nobody listens on. Redis has no port 0 that it would tell.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
port=$(free_port)
redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$work" >"$work/redis.log" &
redis_pid=$!
for _ in $(seq 300); do
    redis-cli -p "$port" ping >/dev/null 2>&1 && break
    sleep 0.1
done
redis-cli -p "$port" set motd 'good morning' >/dev/null

cargo build --quiet --package proactor --example redis_lookup
target/debug/examples/redis_lookup "127.0.0.1:$port" 127.0.0.1:0 127.0.0.1:0 127.0.0.1:0 >"$work/example.log" &
example_pid=$!
for _ in $(seq 300); do
    [ "$(wc -l <"$work/example.log")" -eq 3 ] && break
    sleep 0.1
done
mapfile -t ports < <(sed 's/.*://' "$work/example.log")
[ "${#ports[@]}" -eq 3 ] || { echo "the example does not start" >&2; exit 1; }

# Asks two keys on one connection.
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'motd\nnothing\n' >&3
    head -n 2 <&3
    exec 3<&- 3>&-
}
for at in 0 1 2; do
    answer=$(ask "${ports[$at]}")
    if [ "$answer" != $'good morning\n(no such key)' ]; then
        printf 'server %s answered:\n%s\n' "$((at + 1))" "$answer" >&2
        exit 1
    fi
done

# Without the Redis, the first two say so, and serve on.
kill "$redis_pid"
wait "$redis_pid" 2>/dev/null || true
for at in 0 1; do
    ask "${ports[$at]}" | grep -q '^(error: ' || { echo "server $((at + 1)) hides that Redis is gone" >&2; exit 1; }
done
echo 'redis-lookup: three servers answered from Redis'
