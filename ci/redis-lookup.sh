#!/usr/bin/env bash
# Runs the example redis_lookup against Debian's Redis: each of its three servers answers from it,
# and says so when it is gone.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian-rust.sh
. ci/scratch.sh

command -v redis-server >/dev/null || need_packages redis-server redis-tools

# Redis has no port 0 that it would tell.
port=$(free_port)
redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$scratch" >"$scratch/redis.log" &
redis=$!
started+=("$redis")
answers() {
    redis-cli -p "$port" ping >/dev/null 2>&1
}
until_it_is 'Redis answers' answers
redis-cli -p "$port" set motd 'good morning' >/dev/null

. ci/program.sh
"$examples/redis_lookup" "127.0.0.1:$port" 127.0.0.1:0 127.0.0.1:0 127.0.0.1:0 >"$scratch/example.log" &
started+=("$!")
all_listen() {
    [ "$(wc -l <"$scratch/example.log")" -eq 3 ]
}
until_it_is 'the three servers listen' all_listen
mapfile -t ports < <(sed 's/.*://' "$scratch/example.log")

# Asks two keys on one connection.
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'motd\nnothing\n' >&3
    timeout 60 head -n 2 <&3
    exec 3<&- 3>&-
}
for at in 0 1 2; do
    answer=$(ask "${ports[$at]}")
    if [ "$answer" != $'good morning\n(no such key)' ]; then
        fail "server $((at + 1)) answered: $answer"
    fi
done

# Without the Redis, the first two say so, and serve on.
stop "$redis"
for at in 0 1; do
    ask "${ports[$at]}" | grep -q '^(error: ' || fail "server $((at + 1)) hides that Redis is gone"
done
echo 'redis-lookup: three servers answered from Redis'
