#!/usr/bin/env bash
# Instructions per unit of work on the simulated network, counted by callgrind: of one build, or of
# two side by side.
#
#     bench/instructions.sh BINARY [NEW_BINARY]
#     bench/instructions.sh --growth BINARY
#
# With --growth: against the number of idle sessions (with and without an idle timeout), of members,
# and of groups. Takes about ten minutes.
#
# A binary is made by `cargo build --release -p instructions` in bench/ and copied aside. Each
# workload runs twice, with a small and a large number of units; the difference leaves out the
# start. "all" counts the server's turns with the simulated network. "path" leaves out the
# functions of the simulated network; what the compiler has inlined elsewhere, or what they call
# in libc, still counts. Needs valgrind. Takes about a minute per binary.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count BINARY WORKLOAD UNITS [IDLE [TIMEOUT]]: prints the instructions of the server's turns, and
# those outside sys/sim.
count() {
    valgrind --tool=callgrind --toggle-collect='*server_turn*' --callgrind-out-file="$work/out" \
        "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    awk '
        function named(text) {
            id = text; sub(/ .*/, "", id)
            if (sub(/^\([0-9]+\) /, "", text)) names[id] = text
            return names[id]
        }
        /^fn=/ { sub(/^fn=/, ""); simulated = named($0) ~ /sys::sim/; next }
        /^cfn=/ { sub(/^cfn=/, ""); named($0); next }
        /^calls=/ { skip = 1; next }
        /^[0-9+*-]/ { if (skip) skip = 0; else { all += $2; if (!simulated) path += $2 } }
        END { printf "%d %d\n", all, path }' "$work/out"
}

# per_unit BINARY WORKLOAD SMALL LARGE [IDLE [TIMEOUT]]: prints both counts per unit.
per_unit() {
    local small large
    small=$(count "$1" "$2" "$3" "${@:5}")
    large=$(count "$1" "$2" "$4" "${@:5}")
    echo "$small $large $(($4 - $3))" |
        awk '{ printf "%.1f %.1f\n", ($3 - $1) / $5, ($4 - $2) / $5 }'
}

if [ "${1:-}" = --growth ]; then
    printf '%-36s %14s %8s %10s %10s\n' workload 'idle sessions' timeout all path
    while read -r workload small large idle timeout; do
        read -r all path < <(per_unit "$2" "$workload" "$small" "$large" "$idle" $timeout)
        printf '%-36s %14s %8s %10s %10s\n' "$workload" "$idle" "${timeout:-none}" "$all" "$path"
    done << 'SERIES'
pingpong64 2000 12000 0
pingpong64 2000 12000 1000
pingpong64 2000 12000 10000
pingpong64 2000 12000 100000
pingpong64 2000 12000 200000
pingpong64 2000 12000 0 60
pingpong64 2000 12000 10000 60
pingpong64 2000 12000 100000 60
churn 500 2500 0
churn 500 2500 10000
churn 500 2500 100000
fanout:members=64,outstanding=1 6300 31500 0
fanout:members=500,outstanding=1 19960 99800 0
fanout:members=5000,outstanding=1 49990 249950 0
fanout:members=50000,outstanding=1 99998 499990 0
fanout:members=64,outstanding=1 6300 31500 1000
fanout:members=64,outstanding=1 6300 31500 10000
fanout:members=64,outstanding=1 6300 31500 100000
SERIES
    exit
fi

printf '%-12s %10s %10s' workload all path
[ $# -lt 2 ] || printf ' %10s %10s %8s %8s' 'new: all' path ratio path
echo
while read -r workload small large; do
    read -r all path < <(per_unit "$1" "$workload" "$small" "$large")
    printf '%-12s %10s %10s' "$workload" "$all" "$path"
    if [ $# -ge 2 ]; then
        read -r new_all new_path < <(per_unit "$2" "$workload" "$small" "$large")
        printf ' %10s %10s %8s %8s' "$new_all" "$new_path" \
            "$(awk "BEGIN { printf \"%.3f\", $new_all / $all }")" \
            "$(awk "BEGIN { printf \"%.3f\", $new_path / $path }")"
    fi
    echo
done << 'WORKLOADS'
pingpong64 2000 12000
pingpong512 4096 14336
pipelined 16000 112000
fanout16 49900 249500
fanout1 19960 99800
churn 500 2500
openloop 2000 12000
WORKLOADS
