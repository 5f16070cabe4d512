#!/usr/bin/env bash
# Tests that a lost peer is noticed: a client in a network namespace of its own is cut off, with
# traffic flowing to it, and the session ends in the stated time and for the right reason.
#
# Needs Linux, root (or CAP_NET_ADMIN and CAP_SYS_ADMIN) and `ip` (Debian's iproute2). Where that is
# not permitted it fails and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
nc -h 2>&1 | grep -q OpenBSD || need_packages netcat-openbsd
command -v ip >/dev/null || need_packages iproute2

cargo build --locked -p proactor-cli
program="${CARGO_TARGET_DIR:-$PWD/target}/debug/proactor"
scratch="$(mktemp -d)"
space="silent$$"
started=()
end() {
    for id in "${started[@]}"; do
        kill "$id" 2>/dev/null || true
    done
    ip netns delete "$space" 2>/dev/null || true
    ip link delete "$space" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT

fail() {
    echo "silent.sh: $*" >&2
    tail -n +1 "$scratch"/*.log >&2 || true
    exit 1
}

until_it_is() {
    local what="$1"
    shift
    for _ in $(seq 600); do
        if "$@"; then return; fi
        sleep 0.1
    done
    fail "never: $what"
}

ip netns add "$space" 2>"$scratch/ip.log" ||
    fail "it cannot make a network namespace: run it as root, on a system that permits it"
# A pair of interfaces, one end of it in the namespace.
ip link add "$space" type veth peer name "$space-in" netns "$space"
ip address add 10.213.7.1/30 dev "$space"
ip link set "$space" up
ip -n "$space" address add 10.213.7.2/30 dev "$space-in"
ip -n "$space" link set "$space-in" up
ip -n "$space" link set lo up

heard() {
    grep -q -- "$2" "$scratch/$1.log"
}
ended() {
    grep -q "closed: $1" "$scratch/server.log"
}

# Cuts a listening member off while another talks all the time. $1: the reason in which its session
# must end; $2: the least and $3: the most seconds that this may take; then options of the server.
noticed() {
    local reason="$1" least="$2" most="$3"
    shift 3
    echo "== chat $*"
    ip -n "$space" link set "$space-in" up
    RUST_LOG=debug "$program" chat --shards 1 --listen 10.213.7.1:0 "$@" 2>"$scratch/server.log" &
    local server=$!
    started+=("$server")
    until_it_is 'the server is ready' grep -q '^proactor: chat on ' "$scratch/server.log"
    local port
    port="$(sed -n 's/^proactor: chat on 10\.213\.7\.1:\([0-9]*\);.*/\1/p' "$scratch/server.log")"

    : >"$scratch/lost.log"
    ip netns exec "$space" nc -d 10.213.7.1 "$port" >"$scratch/lost.log" &
    local lost=$!
    started+=("$lost")
    # The one that talks does so from this side of the cable.
    (while sleep 0.05; do echo 'still talking'; done | nc 10.213.7.1 "$port" >"$scratch/talks.log") &
    local talks=$!
    started+=("$talks")
    until_it_is 'the member hears the other' heard lost 'still talking'

    # The machine is gone: nothing comes back, not even a reset.
    ip -n "$space" link set "$space-in" down
    local cut=$SECONDS
    until_it_is "a session ends: $reason" grep -q "$reason" "$scratch/server.log"
    local took=$((SECONDS - cut))
    [ "$took" -ge "$least" ] && [ "$took" -le "$most" ] || fail "after $took s, not $least to $most s: $reason"
    echo "   after $took s: $reason"

    kill -TERM "$server"
    local code=0
    wait "$server" || code=$?
    [ "$code" -eq 0 ] || fail "the server exits with $code"
    grep -q "has ended: 2 sessions (.*1: $reason" "$scratch/server.log" || fail "not one session has ended with: $reason"
    kill "$lost" "$talks" 2>/dev/null || true
}

for backend in uring poll; do
    # The member never says anything, so its time begins before the cut.
    noticed 'nothing was received for too long' 0 10 --backend "$backend" --receive-timeout 5s --heartbeat 1s --heartbeat-always
    noticed 'the connection was reset' 2 15 --backend "$backend" --user-timeout 3s
done
