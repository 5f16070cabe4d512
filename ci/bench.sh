#!/usr/bin/env bash
# The benchmark at its smallest: does everything in it still run, and is every byte right? What it
# measures here says nothing: it is not optimised, its windows are short, and others may use the
# machine.
#
# Lints and tests the workspace of the bench, then asks ours and the peers that need nothing but
# cargo for every workload. Needs what the ordinary build needs, crates.io, and two cores. Builds in
# target/bench.
#
#     bash ci/bench.sh [--build]      builds the workspace of the bench, and runs nothing
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-$PWD/target}"

build() {
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo test --locked --workspace --no-run
    cargo build --locked --workspace
}
if [ "${1:-}" = --build ]; then
    cd bench
    CARGO_TARGET_DIR="$target/bench" build
    exit 0
fi

. ci/program.sh
cd bench
export CARGO_TARGET_DIR="$target/bench"
cargo fmt --all --check
build
cargo test --locked --workspace

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compare() {
    timeout 600 "$CARGO_TARGET_DIR/debug/bench" compare --no-build --root-build "$target/debug" "$@"
}

# Where nats-server is installed (ci/cluster.sh does that).
if [ -n "${NATS_SERVER:-}" ] || command -v nats-server > /dev/null || [ -x /usr/sbin/nats-server ]; then
    timeout 600 "$CARGO_TARGET_DIR/debug/cluster-figures" --rounds 1 --seconds 0.2 --members 5 > "$work/cluster.txt"
    grep -q '^takeover: .* not known to the other' "$work/cluster.txt"
fi

# Two rounds in two pieces, as a long run is cut.
for piece in 1 2; do
    compare --rounds 1 --seconds 0.2 --warmup 0.05 --json "$work/$piece.json" \
        --contestants ours,ours-poll,routine,future,tokio,epoll,io_uring \
        --case pingpong:connections=8 --case pingpong:connections=2,size=1024 \
        --case pipelined:connections=4,burst=20 \
        --case fanout:members=20,outstanding=4 --case fanout:members=20,outstanding=4,stuck=1 \
        --case churn:connections=4 \
        --case stream:connections=2 \
        --case idle:sessions=600,first=100 \
        --case openloop:connections=8,load=0,rate=2000 \
        --case http:connections=8 > "$work/$piece.txt" || { cat "$work/$piece.txt"; exit 1; }
done
# The transports, with the peers that are built above.
compare --rounds 1 --seconds 0.2 --warmup 0.05 --contestants ours,ours-poll,fastwebsockets,tokio-tungstenite,tokio-frames,tokio-rustls \
    --json "$work/transports.json" \
    --case pingpong:connections=4,websocket=1 --case fanout:members=20,outstanding=4,websocket=1 \
    --case pingpong:connections=4,tls=1 --case stream:connections=2,tls=1 > "$work/transports.txt" || {
    cat "$work/transports.txt"
    exit 1
}
# More sessions than open files, at both ends: with direct descriptors, where the kernel has them.
few() {
    (ulimit -n 2048 && compare --rounds 1 --seconds 0.2 --warmup 0.05 --contestants ours "$@")
}
if "$program" doctor | grep >/dev/null 'direct descriptors: not asked for; with them'; then
    few --json "$work/many.json" --html "$work/many.html" \
        --case idle:sessions=4000,first=500,drain=1 \
        --case pingpong:connections=8,shards=2 \
        --case pingpong:connections=8 --case pingpong:connections=8,idle=500 \
        --case pingpong:connections=8,idle=3000 \
        --case churn:connections=4,idle=3000 \
        --case fanout:members=3000,outstanding=1 > "$work/many.txt" || { cat "$work/many.txt"; exit 1; }
    grep -q '<h2>Growth</h2>' "$work/many.html"
fi

compare --from "$work/1.json,$work/2.json" --markdown "$work/both.md" --html "$work/both.html" --json "$work/both.json"

grep -q '^## http: 8 connections (2 rounds)$' "$work/both.md"
grep -q '<svg' "$work/both.html"
if grep -q '"outcome": "absent"' "$work/both.json" "$work/transports.json"; then
    echo 'somebody did not take part' >&2
    exit 1
fi
