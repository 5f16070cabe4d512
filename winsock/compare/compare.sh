#!/usr/bin/env bash
# Measures the port server of winsock/examples against an echo written by hand on epoll, and against
# the same source compiled by MinGW and run under Wine: CPU a message and latency, one after the
# other.
#
#     winsock/compare/compare.sh [rounds [connections [seconds]]]
#
# Needs release builds (cargo build --release -p winsock -p proactor-cli) and, for Wine, the drive
# C: that ci/winsock.sh makes. PROACTOR names another build of the program that makes the load.
# Servers run on CPU 0, the load on the others. CPU is that of the server and, under Wine, of
# wineserver too. The last lines are the medians, and how many times epoll's they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds="${1:-5}" connections="${2:-64}" seconds="${3:-3}"
release="${CARGO_TARGET_DIR:-$PWD/target}/release"
work="${CARGO_TARGET_DIR:-$PWD/target}/winsock"
load="${PROACTOR:-$release/proactor}"
mkdir -p "$work/compare"
rm -f "$work/compare/rounds"

fail() {
    echo "winsock/compare/compare.sh: $*" >&2
    exit 1
}
[ -x "$load" ] || fail "no $load. Run: cargo build --release -p proactor-cli"
[ -f "$release/libwinsock.a" ] || fail "no $release/libwinsock.a. Run: cargo build --release -p winsock"

gcc -O2 -Wall -o "$work/compare/epoll" winsock/compare/epoll_echo.c
WINSOCK_DRIVER="$release/winsock-driver" winsock/bin/winsock-cc -O2 -o "$work/compare/port" winsock/examples/port_server.c
contestants="epoll port"
[ "$(nproc --all)" -gt 1 ] || fail "the server and the load need a processor each"
others="1-$(($(nproc --all) - 1))"
server=''
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT
if wine="$(dpkg -L wine64 2>/dev/null | grep -m 1 '/wine64$')" && [ -d "$work/wine" ]; then
    wineserver="$(dpkg -L wine64 | grep -m 1 '/wineserver64$')"
    export WINEPREFIX="$work/wine" WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
    x86_64-w64-mingw32-gcc -O2 -o "$work/compare/port.exe" winsock/examples/port_server.c -lws2_32
    contestants="$contestants wine"
    taskset -c 0 "$wineserver" -p || true
    trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; "$wineserver" -k || true' EXIT
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
    server=$pid
    for _ in $(seq 200); do
        port="$(tr -d '\r' <"$log" | sed -n 's/^port //p')"
        [ -n "$port" ] && break
        sleep 0.1
    done
    local measured=("$pid")
    [ -n "$port" ] || fail "$name does not listen: $(cat "$log")"
    # Its name in the kernel has at most 15 characters.
    [ "$name" != wine ] || measured+=($(pgrep -n "^$(basename "$wineserver" | cut -c1-15)"))
    before="$(ticks "${measured[@]}")"
    report="$(taskset -c "$others" timeout $((seconds + 60)) "$load" bench --connect "127.0.0.1:$port" --connections "$connections" --duration "${seconds}s" --json - 2>"$work/compare/load.log")"
    after="$(ticks "${measured[@]}")"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    server=''
    printf '%s\n' "$report" >"$work/compare/$name.json"
    python3 - "$name" "$((after - before))" "$(getconf CLK_TCK)" "$work/compare/$name.json" <<'END' | tee -a "$work/compare/rounds"
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

python3 - "$work/compare/rounds" <<'END'
import statistics, sys
costs, latencies = {}, {}
for line in open(sys.argv[1]):
    words = line.split()
    costs.setdefault(words[0], []).append(float(words[3]))
    latencies.setdefault(words[0], []).append(float(words[11]))
base, base_latency = statistics.median(costs["epoll"]), statistics.median(latencies["epoll"])
for name in costs:
    cost, latency = statistics.median(costs[name]), statistics.median(latencies[name])
    # Neighbours in time are compared: a machine's speed drifts.
    ratios = [ours / theirs for ours, theirs in zip(costs[name], costs["epoll"])]
    print(f"{name:6} median {cost:.2f} us, {statistics.median(ratios):.2f} x epoll ({min(ratios):.2f} to {max(ratios):.2f}); p50 {latency:.0f} us, {latency / base_latency:.2f} x")
END
