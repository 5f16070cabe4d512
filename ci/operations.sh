#!/usr/bin/env bash
# Checks what an operator has: a scrape of the metrics with Prometheus' own `promtool`, the admin
# listener with curl, and the program with the feature `otel`.
#
# Installs `promtool` (Debian's prometheus) and curl if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v promtool >/dev/null || need_packages prometheus
command -v curl >/dev/null || need_packages curl
command -v systemd-socket-activate >/dev/null || need_packages systemd

. ci/program.sh

# scrape [CURL OPTIONS]: the page of the example, into "$scratch/page".
scrape() {
    curl --silent --show-error --fail --max-time 60 "$@" "http://$pages/metrics" >"$scratch/page"
}
# The sum of the series of a metric.
count() {
    scrape && awk -v name="$1" 'index($1, name "{") == 1 { sum += $NF } END { printf "%d\n", sum }' "$scratch/page"
}
counts() {
    [ "$(count "$1")" -eq "$2" ]
}

echo '== a scrape'
serve_example "$examples/metrics" 127.0.0.1:0 127.0.0.1:0
pages="$(sed -n 's/^metrics on \(.*\)/\1/p' "$scratch/server.log")"
exec 3<>"/dev/tcp/127.0.0.1/$port"
for line in one two three; do
    echo "$line" >&3
    read -r -t 60 echoed <&3
    [ "$echoed" = "$line" ] || fail "'$echoed' comes back for '$line'"
done
until_it_is 'three packets came' counts proactor_received_packets_total 3
until_it_is 'three packets left' counts proactor_sent_packets_total 3
until_it_is '14 bytes left' counts proactor_sent_bytes_total 14
counts proactor_sessions 1 || fail 'the session is not counted'
exec 3>&-
until_it_is 'the session has ended' counts proactor_sessions 0

echo '== promtool check metrics'
scrape
promtool check metrics <"$scratch/page" || fail 'promtool finds a fault'
grep -q '^echo_start_time_seconds ' "$scratch/page" || fail 'the metric of the program is missing'

echo '== promtool check rules'
promtool check rules packaging/prometheus/proactor.rules.yml || fail 'promtool finds a fault in the alerts'

echo '== OpenMetrics'
scrape --header 'Accept: application/openmetrics-text; version=1.0.0'
tail -1 "$scratch/page" | grep -qx '# EOF' || fail 'the page does not end as OpenMetrics asks'
grep -q '^# UNIT proactor_turn_seconds seconds$' "$scratch/page" || fail 'the units are missing'
stop "$server"

echo '== the admin listener'
socket="$scratch/admin.sock"
# asked EXPECTED CURL-ARGUMENTS...: the body is in "$scratch/answer".
asked() {
    local expected=$1 got
    shift
    got=$(curl --silent --show-error --max-time 60 --unix-socket "$socket" --output "$scratch/answer" -w '%{response_code}' "$@") ||
        fail "curl $* failed"
    [ "$got" = "$expected" ] || fail "curl $*: $got instead of $expected: $(cat "$scratch/answer")"
}
serve echo --codec lines --admin "unix:$socket"
exec 3<>"/dev/tcp/127.0.0.1/$port"
echo one >&3
read -r -t 60 echoed <&3
asked 200 http://localhost/metrics
promtool check metrics <"$scratch/answer" || fail 'promtool finds a fault'
asked 200 --fail http://localhost/readyz
asked 200 'http://localhost/sessions?search=127.0.0.1&sort=-age'
grep -q '"total": 1,' "$scratch/answer" || fail 'the session is not listed'
asked 404 http://localhost/sessions/0.77.0
asked 405 http://localhost/drain
"$program" admin --admin "unix:$socket" sessions | grep '^1 session$' >/dev/null || fail 'proactor admin does not list it'
exec 3>&-
asked 202 -X POST 'http://localhost/drain?timeout=10s'
wait "$server" || fail 'the server has not ended in order'
[ ! -e "$socket" ] || fail 'the socket is left'

echo '== ten upgrades under 10,000 short connections, and socket activation'
PROACTOR_TEST_UPGRADES=10 PROACTOR_TEST_SHORT_CONNECTIONS=10000 \
    cargo test --locked --workspace --features proactor-cli/cluster --test program --bins -- upgrade::short upgrade::nor inherited::systemd

echo '== spans for OpenTelemetry'
cargo clippy --locked -p proactor-cli --features otel,top --all-targets -- -D warnings
cargo test --locked -p proactor-cli --features otel,top --bins --test program -- traces:: otlp:: logs:: top::
echo '== all is well'
