#!/usr/bin/env bash
# Measures the port server of winsock/examples against an echo written by hand on epoll, and against
# the same source compiled by MinGW and run under Wine: CPU a message and latency, one after the
# other.
#
#     winsock/compare/compare.sh [rounds [connections [seconds]]]
#
# Needs release builds (cargo build --release -p winsock -p proactor-cli) and, for Wine, the drive
# C: that ci/winsock.sh makes. Servers run on CPU 0, the load on the others. CPU is that of the
# server and, under Wine, of wineserver too.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds="${1:-5}" connections="${2:-64}" seconds="${3:-3}"
release="${CARGO_TARGET_DIR:-$PWD/target}/release"
work="${CARGO_TARGET_DIR:-$PWD/target}/winsock"
mkdir -p "$work/compare"

gcc -O2 -Wall -o "$work/compare/epoll" winsock/compare/epoll_echo.c
WINSOCK_DRIVER="$release/winsock-driver" winsock/bin/winsock-cc -O2 -o "$work/compare/port" winsock/examples/port_server.c
contestants="epoll port"
if wine="$(dpkg -L wine64 2>/dev/null | grep -m 1 '/wine64$')" && [ -d "$work/wine" ]; then
    wineserver="$(dpkg -L wine64 | grep -m 1 '/wineserver64$')"
    export WINEPREFIX="$work/wine" WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
    x86_64-w64-mingw32-gcc -O2 -o "$work/compare/port.exe" winsock/examples/port_server.c -lws2_32
    contestants="$contestants wine"
    taskset -c 0 "$wineserver" -p
    trap '"$wineserver" -k || true' EXIT
fi

# User and system time of processes, in clock ticks.
ticks() {
    local pid sum=0 fields
    for pid in "$@"; do
        read -r -a fields <<<"$(sed 's/.*) //' "/proc/$pid/stat")"
        sum=$((sum + fields[11] + fields[12]))
    done
    echo "$sum"
}

run() {
    local name="$1" pid port='' log="$work/compare/$1.log" before after report
    case "$name" in
    wine) taskset -c 0 "$wine" "$work/compare/port.exe" 0 </dev/null >"$log" 2>/dev/null & ;;
    *) taskset -c 0 "$work/compare/$name" 0 </dev/null >"$log" & ;;
    esac
    pid=$!
    for _ in $(seq 200); do
        port="$(tr -d '\r' <"$log" | sed -n 's/^port //p')"
        [ -n "$port" ] && break
        sleep 0.1
    done
    local measured=("$pid")
    [ "$name" != wine ] || measured+=("$(pgrep -f -n 'wineserver' || true)")
    before="$(ticks "${measured[@]}")"
    report="$(taskset -c 1- "$release/proactor" bench --connect "127.0.0.1:$port" --connections "$connections" --duration "${seconds}s" --json -)"
    after="$(ticks "${measured[@]}")"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    printf '%s\n' "$report" >"$work/compare/$name.json"
    python3 - "$name" "$((after - before))" "$(getconf CLK_TCK)" "$work/compare/$name.json" <<'END'
import json, sys
name, ticks, hertz, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
report = json.load(open(path))
answered, latency = report["messages"]["answered"], report["latency"]
# The server works in the warm-up too.
share = report["seconds"] / (report["seconds"] + report["settings"]["warmup_seconds"])
cost = ticks / hertz * share / max(answered, 1) * 1e6
print(f"{name:6} {answered:9} messages, {cost:7.2f} us of CPU a message, latency p50 {latency['p50_us']} us, p99 {latency['p99_us']} us")
END
}

for round in $(seq "$rounds"); do
    for name in $contestants; do
        run "$name"
    done
done
