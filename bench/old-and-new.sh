#!/usr/bin/env bash
# Compares two builds of the program, in rounds that alternate between them, over io_uring and
# over poll.
#
#     bench/old-and-new.sh OLD_PROGRAM NEW_PROGRAM RESULTS [CASE..]
#
# RESULTS is a directory for the tables and the JSON of every case. Cases are named uring, poll or
# both, then what is measured, such as uring-pingpong64; all run if none is named. BENCH names a
# bench that is built already; without it, the one of this workspace is built. ROUNDS multiplies
# the rounds by a percentage: ROUNDS=10 is a trial. Both builds are started with the arguments of
# `ours` or `ours-poll`. The old build is the baseline: a ratio of CPU time above 1 says that the
# new build needs more.
set -euo pipefail

[ $# -ge 3 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
old=$(realpath "$1")
new=$(realpath "$2")
mkdir -p "$3"
results=$(realpath "$3")
shift 3
wanted=("$@")

here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${BENCH:-}" ]; then
    (cd "$here" && cargo build --release --package bench)
    BENCH=${CARGO_TARGET_DIR:-$here/target}/release/bench
fi
BENCH=$(realpath "$BENCH")

is_wanted() {
    [ ${#wanted[@]} -gt 0 ] || return 0
    local name
    for name in "${wanted[@]}"; do
        if [ "$name" = "$1" ]; then return 0; fi
    done
    return 1
}

status=0
while read -r name case rounds seconds; do
    for backend in uring poll; do
        is_wanted "$backend-$name" || is_wanted "both-$name" || continue
        case $backend in
            uring) like=ours ;;
            poll) like=ours-poll ;;
        esac
        rounds_now=$((rounds * ${ROUNDS:-100} / 100))
        [ "$rounds_now" -ge 2 ] || rounds_now=2
        echo "== $backend-$name"
        "$BENCH" compare --no-build --variant "old=$like:$old" --variant "new=$like:$new" \
            --contestants old,new --baseline old --case "$case" \
            --rounds "$rounds_now" --seconds "$seconds" --warmup 0.1 \
            --json "$results/$backend-$name.json" --markdown "$results/$backend-$name.md" \
            < /dev/null || status=1
    done
done << 'CASES'
pingpong64 pingpong:connections=64,size=64 60 0.5
pingpong512 pingpong:connections=512,size=64 60 0.5
pipelined pipelined:connections=16,burst=100,size=64 60 0.5
fanout16 fanout:members=500,outstanding=16 60 0.5
fanout1 fanout:members=500,outstanding=1 60 0.5
churn churn:connections=16,size=64 60 0.5
openloop openloop:connections=64,size=64,load=50 60 0.5
idle idle:sessions=15000,first=2000 5 1
CASES
exit $status
