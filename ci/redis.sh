#!/usr/bin/env bash
# Tests the Redis example with redis-cli and redis-benchmark, on the default backend and on poll.
#
#     ci/redis.sh             every reply is checked; measures nothing
#     ci/redis.sh compare N   N rounds against Debian's redis-server: ratios of CPU per request
#
# Installs redis-server and redis-tools if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v redis-benchmark > /dev/null || need_packages redis-tools
[[ ${1-} != compare ]] || command -v redis-server > /dev/null || need_packages redis-server

# expect REPLY COMMAND...: what redis-cli prints, its lines joined by spaces.
expect() {
    local expected=$1 got
    shift
    got=$(timeout 60 redis-cli -p "$port" "$@" | tr '\n' ' ' | sed 's/ *$//') || fail "redis-cli $* failed"
    [[ $got == "$expected" ]] || fail "redis-cli $*: '$got' instead of '$expected'"
}

check() {
    expect PONG ping
    expect OK set a hello ex 100
    expect hello get a
    # It rounds, and a busy machine takes its time.
    local left
    left=$(timeout 60 redis-cli -p "$port" ttl a)
    [ "$left" -ge 60 ] && [ "$left" -le 100 ] || fail "redis-cli ttl a: '$left' instead of about 100"
    expect 1 persist a
    expect -1 ttl a
    expect '' set a other nx
    expect OK set a other xx
    expect other get a
    expect '' set none x xx
    expect '' get none
    expect 1 incr n
    expect 41 incrby n 40
    expect 40 decr n
    expect 'ERR value is not an integer or out of range' incr a
    expect OK mset x 1 y 2
    expect '1 2' mget x y z
    expect 2 exists x y z
    expect 3 del x y a z
    expect 'ERR wrong number of arguments' get
    expect 'ERR unknown command' no such
    expect 'ERR syntax error' set a b c
    expect OK set short life px 30
    sleep 0.05
    expect '' get short
    expect 1 dbsize
    expect OK flushall
    expect 0 dbsize
    seq 150000 | tr '\n' ' ' > "$scratch/value"
    expect OK -x set big < "$scratch/value"
    timeout 60 redis-cli -p "$port" --raw get big | tr -d '\n' | cmp - "$scratch/value" || fail 'a long value comes back changed'
    printf '  redis-cli: strings and expiry\n'

    expect 0 publish news nobody
    # What the subscriber before has heard must not be taken for this one's.
    rm -f "$scratch/subscriber.log"
    timeout 900 redis-cli -p "$port" subscribe news sports > "$scratch/subscriber.log" &
    local subscriber=$! text
    started+=("$subscriber")
    until_it_is 'the subscriber listens' grep -qs sports "$scratch/subscriber.log"
    for text in $(seq 100); do
        expect 1 publish news "text-$text"
    done
    until_it_is 'the subscriber has the last text' grep -q text-100 "$scratch/subscriber.log"
    kill "$subscriber"
    wait "$subscriber" 2> /dev/null || true
    [[ $(grep -c '^text-' "$scratch/subscriber.log") == 100 ]] || fail 'a message is lost or doubled'
    grep '^text-' "$scratch/subscriber.log" | cmp - <(seq -f 'text-%g' 100) || fail 'the messages are out of order'
    printf '  redis-cli: 100 messages to a subscriber\n'

    local pipeline
    for pipeline in 1 16; do
        timeout 600 redis-benchmark -p "$port" -n 20000 -P "$pipeline" --csv -t ping,set,get,incr,mset > "$scratch/benchmark.log" 2>&1 \
            || fail 'redis-benchmark failed'
        grep -qi 'error\|warning' "$scratch/benchmark.log" && fail 'redis-benchmark complains'
        [[ $(grep -c '^"[A-Z]' "$scratch/benchmark.log") == 6 ]] || fail 'redis-benchmark has not run all tests'
    done
    expect 40000 get counter:__rand_int__
    printf '  redis-benchmark: %s\n' '240,000 requests'
}

# The CPU time of the server in clock ticks.
ticks() {
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$server/stat"
}

compare() {
    local example=$1 rounds=$2 requests=300000 round which test pipeline before
    printf 'median ratios of server CPU a request, Redis example / redis-server, over %s interleaved rounds\n' "$rounds"
    for test in 'set 1' 'get 1' 'set 16' 'get 16'; do
        read -r test pipeline <<< "$test"
        for round in $(seq "$rounds"); do
            for which in $( ((round % 2)) && echo ours theirs || echo theirs ours); do
                if [[ $which == ours ]]; then
                    serve_example taskset -c 0 "$example" 127.0.0.1:0
                else
                    port=$((20000 + RANDOM % 10000))
                    taskset -c 0 redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$scratch" > "$scratch/redis.log" &
                    server=$!
                    started+=("$server")
                    timeout 10 bash -c "until redis-cli -p $port ping > /dev/null 2>&1; do sleep 0.05; done"
                fi
                before=$(ticks)
                taskset -c 1 redis-benchmark -p "$port" -n "$((requests * (pipeline > 1 ? 10 : 1)))" -P "$pipeline" -q -t "$test" > /dev/null
                printf '%s %s\n' "$which" $(($(ticks) - before)) >> "$scratch/$test-$pipeline"
                stop "$server"
            done
        done
        paste <(grep ours "$scratch/$test-$pipeline") <(grep theirs "$scratch/$test-$pipeline") | awk '{ print $2 / $4 }' | sort -n \
            | awk -v name="$test, $pipeline outstanding" '{ ratio[NR] = $1 } END { printf "  %s: %.2f (%.2f to %.2f)\n", name, ratio[int((NR + 1) / 2)], ratio[1], ratio[NR] }'
    done
}

if [[ ${1-} == compare ]]; then
    cargo build --locked --release -p proactor --example redis
    compare "${CARGO_TARGET_DIR:-$PWD/target}/release/examples/redis" "${2:?how many rounds}"
    exit
fi
. ci/program.sh
for backend in auto poll; do
    printf '== %s\n' "$backend"
    PROACTOR_BACKEND=$backend serve_example "$examples/redis" 127.0.0.1:0
    check
    stop "$server"
done
