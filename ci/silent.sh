#!/usr/bin/env bash
# Tests that a lost peer is noticed: a client in a network namespace of its own is cut off, with
# traffic flowing to it, and the session ends in the stated time and for the right reason.
#
# Needs Linux, root (or CAP_NET_ADMIN and CAP_SYS_ADMIN) and `ip` (Debian's iproute2). Where that is
# not permitted it fails and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
nc -h 2>&1 | grep -q OpenBSD || need_packages netcat-openbsd
command -v ip >/dev/null || need_packages iproute2

. ci/program.sh
# Names of interfaces have 15 characters at most.
space="lost$$"
end() {
    end_started
    ip netns delete "$space" 2>/dev/null || true
    ip link delete "$space" 2>/dev/null || true
}
trap end EXIT

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

# Says a line now and then, until it is ended.
says() {
    local line="$1" into="$2"
    while sleep 0.3; do echo "$line"; done >"$into"
}

# Whether the server's connection to the member in the namespace is there.
is_there() {
    ss -Htn state established "src 10.213.7.1:$port" | grep '10\.213\.7\.2:' >/dev/null
}
is_gone() {
    ! is_there
}

# Cuts a talking member off while another talks too. $1: the reason in which its session must end;
# $2: seconds for which both must stay before that; $3: the least and $4: the most seconds that
# noticing may take; then options of the server.
noticed() {
    local reason="$1" alive="$2" least="$3" most="$4"
    shift 4
    echo "== chat $*"
    ip -n "$space" link set "$space-in" up
    # The line of the server before must not be taken for this one's.
    rm -f "$scratch/server.log"
    "$program" chat --shards 1 --drain-timeout 1s --listen 10.213.7.1:0 "$@" 2>"$scratch/server.log" &
    local server=$!
    started+=("$server")
    until_it_is 'the server is ready' grep -qs '^proactor: chat on ' "$scratch/server.log"
    port="$(sed -n 's/^proactor: chat on 10\.213\.7\.1:\([0-9]*\);.*/\1/p' "$scratch/server.log")"

    # Nor what the members before have heard.
    rm -f "$scratch"/*.in "$scratch/lost.log" "$scratch/talks.log"
    mkfifo "$scratch/lost.in" "$scratch/talks.in"
    ip netns exec "$space" nc 10.213.7.1 "$port" <"$scratch/lost.in" >"$scratch/lost.log" &
    local lost=$!
    # What it says answers the heartbeats.
    says 'here' "$scratch/lost.in" &
    local lost_says=$!
    nc 10.213.7.1 "$port" <"$scratch/talks.in" >"$scratch/talks.log" &
    local talks=$!
    says 'still talking' "$scratch/talks.in" &
    local talks_says=$!
    started+=("$lost" "$lost_says" "$talks" "$talks_says")
    until_it_is 'the member hears the other' heard lost 'still talking'
    until_it_is 'the other hears the member' heard talks 'here'
    sleep "$alive"
    is_there || fail 'its session has ended although it talks'

    # The machine is gone: nothing comes back, not even a reset.
    ip -n "$space" link set "$space-in" down
    local cut=$SECONDS
    until_it_is "a session ends: $reason" is_gone
    local took=$((SECONDS - cut))
    [ "$took" -ge "$least" ] && [ "$took" -le "$most" ] || fail "after $took s, not $least to $most s: $reason"

    # The other goes on until the drain, which ends its session. If it ended before, that might be a
    # reset too.
    kill -TERM "$server"
    local code=0
    wait "$server" || code=$?
    kill "$lost_says" "$talks_says" "$lost" "$talks" 2>/dev/null || true
    grep -q "has ended: 2 sessions (.*1: $reason" "$scratch/server.log" || fail "not one session has ended with: $reason"
    echo "   after $took s: $reason"
}

for backend in uring poll; do
    # The last word came up to half a second before the cut. Seconds are counted in whole ones, and
    # a busy machine adds some.
    noticed 'nothing was received for too long' 5 2 12 --backend "$backend" --receive-timeout 4s --heartbeat 1s --heartbeat-always
    noticed 'the connection was reset' 0 2 20 --backend "$backend" --user-timeout 3s
done
