#!/usr/bin/env bash
# Instructions per unit of work on the simulated network, counted by callgrind: of one build, or of
# two side by side.
#
#     bench/instructions.sh BINARY [NEW_BINARY]
#     bench/instructions.sh --growth BINARY
#     bench/instructions.sh --cluster BINARY
#
# With --growth, against the number of idle sessions (with and without an idle timeout), of members,
# and of groups (in a chat, each idle session has one). "hold" is the begin of an idle session,
# "expire" and "drain" that and its end. "own" are the instructions of our own functions: what the
# simulated network does grows with it. Takes some minutes.
#
# With --cluster, what a delivery costs in a room with a name: without a cluster; as a node of one
# whose bus knows that there are no others; and of one whose bus does not, as that of NATS.
#
# With METERED=1 in the environment, the servers count for their metrics.
#
# A binary is made by `cargo build --release -p instructions` in bench/ and copied aside. Each
# workload runs twice, with a small and a large number of units; the difference leaves out the
# start. "all" counts the server's turns with the simulated network. "path" leaves out the
# functions of the simulated network; what the compiler has inlined elsewhere, or what they call
# in libc, still counts. A workload that one of two builds does not know is left out. Needs
# valgrind. Takes about a minute per binary.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count BINARY WORKLOAD UNITS [IDLE [TIMEOUT]]: prints the instructions of the server's turns, those
# outside sys/sim, and those of our own functions above sys/.
count() {
    valgrind --tool=callgrind --toggle-collect='*server_turn*' --callgrind-out-file="$work/out" \
        "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    awk '
        function named(text) {
            id = text; sub(/ .*/, "", id)
            if (sub(/^\([0-9]+\) /, "", text)) names[id] = text
            return names[id]
        }
        /^fn=/ { sub(/^fn=/, ""); name = named($0); simulated = name ~ /sys::sim/
            ours = name ~ /^<?(proactor|overlapped)::/ && name !~ /overlapped::sys::/; next }
        /^cfn=/ { sub(/^cfn=/, ""); named($0); next }
        /^calls=/ { skip = 1; next }
        /^[0-9+*-]/ { if (skip) skip = 0; else { all += $2; if (!simulated) path += $2; if (ours) own += $2 } }
        END { printf "%d %d %d\n", all, path, own }' "$work/out"
}

# per_unit BINARY WORKLOAD SMALL LARGE [IDLE [TIMEOUT]]: prints the counts per unit.
per_unit() {
    local small large
    small=$(count "$1" "$2" "$3" "${@:5}")
    large=$(count "$1" "$2" "$4" "${@:5}")
    echo "$small $large $(($4 - $3))" |
        awk '{ printf "%.1f %.1f %.1f\n", ($4 - $1) / $7, ($5 - $2) / $7, ($6 - $3) / $7 }'
}

if [ "${1:-}" = --growth ]; then
    printf '%-32s %14s %8s %10s\n' workload 'idle sessions' timeout own
    while read -r workload small large idle timeout; do
        read -r _ _ own < <(per_unit "$2" "$workload" "$small" "$large" "$idle" $timeout)
        printf '%-32s %14s %8s %10s\n' "$workload" "$idle" "${timeout:-none}" "$own"
    done << 'SERIES'
pingpong64 2000 8000 0
pingpong64 2000 8000 1000
pingpong64 2000 8000 10000
pingpong64 2000 8000 100000
pingpong64 2000 8000 0 60
pingpong64 2000 8000 100000 60
churn 500 1500 0
churn 500 1500 10000
fanout:members=64,outstanding=1 6300 18900 0
fanout:members=500,outstanding=1 19960 59880 0
fanout:members=5000,outstanding=1 49990 149970 0
fanout:members=64,outstanding=1 6300 18900 1000
fanout:members=64,outstanding=1 6300 18900 10000
hold 1000 2000 0
hold 10000 20000 0
expire 1000 2000 0
expire 10000 20000 0
drain 1000 2000 0
drain 10000 20000 0
SERIES
    exit
fi

if [ "${1:-}" = --cluster ]; then
    printf '%-36s %10s %10s %8s %10s %8s\n' workload 'no cluster' node ratio bus ratio
    while read -r workload small large; do
        counts=()
        for room in named node bus; do
            read -r all _ < <(ROOM=$room per_unit "$2" "$workload" "$small" "$large")
            counts+=("$all")
        done
        echo "$workload ${counts[*]}" |
            awk '{ printf "%-36s %10s %10s %8.4f %10s %8.4f\n", $1, $2, $3, $3 / $2, $4, $4 / $2 }'
    done << 'CASES'
fanout:members=8,size=64,outstanding=1 700 7000
fanout:members=50,size=64,outstanding=1 2450 12250
fanout:members=500,size=64,outstanding=1 4990 24950
fanout:members=500,size=64,outstanding=16 49900 99800
CASES
    exit
fi

printf '%-12s %10s %10s' workload all path
[ $# -lt 2 ] || printf ' %10s %10s %8s %8s' 'new: all' path ratio path
echo
while read -r workload small large; do
    # An older build does not know every workload.
    for binary in "$@"; do
        "$binary" "$workload" 1 > "$work/log" 2>&1 || continue 2
    done
    read -r all path _ < <(per_unit "$1" "$workload" "$small" "$large")
    printf '%-12s %10s %10s' "$workload" "$all" "$path"
    if [ $# -ge 2 ]; then
        read -r new_all new_path _ < <(per_unit "$2" "$workload" "$small" "$large")
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
tls64 2000 12000
tls64k 200 1000
WORKLOADS
