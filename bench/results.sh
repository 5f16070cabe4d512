#!/usr/bin/env bash
# Makes bench/RESULTS.md: every row that README.md and docs/performance.md quote, in interleaved
# rounds.
#
#     bench/results.sh [ROUNDS]
#
# With the usual 20 rounds it takes about 35 minutes. Use the machine for nothing else meanwhile.
# Large streams depend on the congestion control: loopback under bbr flips between two speeds. So
# all rows are measured under reno, in a network namespace of their own, and the streams under bbr
# too. That needs root; without it the machine's own setting is used.
# The rounds themselves stay in bench/target/results/*.json; `bench compare --from` shows them in
# other forms.
set -euo pipefail

cd "$(dirname "$0")"
rounds=${1:-20}
out=target/results
mkdir -p "$out"

(cd .. && cargo build --release && cargo build --release --examples -p overlapped -p proactor)
cargo build --release -p bench

control=reno
# alone COMMAND..: runs it in a network namespace under that congestion control.
alone() {
    if unshare -n true 2> /dev/null; then
        unshare -n sh -c 'ip link set lo up; echo "$0" > /proc/sys/net/ipv4/tcp_congestion_control; exec "$@"' \
            "$control" "$@"
    else
        "$@"
    fi
}

# compare NAME CONTESTANTS CASE..
compare() {
    local name=$1 contestants=$2 cases=()
    shift 2
    for one in "$@"; do cases+=(--case "$one"); done
    alone target/release/bench compare --contestants "$contestants" --baseline "$baselines" \
        "${cases[@]}" --rounds "$rounds" --seconds 0.25 --warmup 0.1 --json "$out/$name.json" > /dev/null
}

baselines=tokio-64k,tokio,tokio-util,fastwebsockets,tokio-frames,tokio-rustls
compare echo ours,ours-poll,tokio,io_uring,epoll,asio,libuv,monoio,compio,glommio \
    pingpong:connections=64,size=64 pingpong:connections=512,size=64 churn
# The servers lie within some per cent of each other here, so these rows take more rounds.
rounds=$((rounds * 2)) compare rate ours,ours-poll,tokio,io_uring,epoll,asio,libuv \
    openloop:connections=64,size=64,rate=40000 openloop:connections=64,size=64,rate=95000 \
    openloop:connections=64,size=64,rate=150000
compare packets ours,ours-poll,tokio-util,io_uring pipelined:connections=16,burst=100,size=64
compare chat ours,ours-poll,tokio-util,io_uring \
    fanout:members=500,size=100,outstanding=16 fanout:members=500,size=100,outstanding=1
compare stream ours,ours-poll,tokio-64k,io_uring,epoll,asio,libuv \
    stream:connections=1 stream:connections=16
compare idle ours,ours-poll,tokio idle
compare websocket ours,ours-poll,fastwebsockets,tokio-tungstenite \
    pingpong:connections=64,size=64,websocket=1 pingpong:connections=512,size=64,websocket=1
compare websocket-chat ours,ours-poll,tokio-frames \
    fanout:members=500,size=100,outstanding=16,websocket=1 fanout:members=500,size=100,outstanding=1,websocket=1
compare tls ours,ours-poll,tokio-rustls,tokio-rustls-64k \
    pingpong:connections=64,size=64,tls=1 pingpong:connections=512,size=64,tls=1 \
    stream:connections=1,tls=1 stream:connections=16,tls=1

control=bbr
compare stream-bbr ours,ours-poll,tokio-64k,io_uring,epoll stream:connections=1 stream:connections=16

target/release/bench compare --from \
    "$out/echo.json,$out/rate.json,$out/packets.json,$out/chat.json,$out/stream.json,$out/idle.json,$out/websocket.json,$out/websocket-chat.json,$out/tls.json" \
    --baseline "$baselines" --markdown RESULTS.md --html "$out/results.html"
target/release/bench compare --from "$out/stream-bbr.json" --baseline "$baselines" --markdown "$out/stream-bbr.md"
{ printf '\n# Large streams under bbr\n'; sed 1d "$out/stream-bbr.md"; } >> RESULTS.md
