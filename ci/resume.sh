#!/usr/bin/env bash
# The JavaScript client of sessions that are resumed, in Node, against the example `resume_web`:
# connections are cut at random, and every packet is answered once, in order. Tests nothing, and
# says so, if there is no Node with WebSocket (20.10 or later).
set -euo pipefail
cd "$(dirname "$0")/.."

node=(node --experimental-websocket)
if ! "${node[@]}" -e 'process.exit(typeof WebSocket === "function" ? 0 : 1)' 2>/dev/null; then
    echo 'there is no Node 20.10 or later: not tested'
    exit 0
fi
cargo build --locked -p proactor --features websocket --example resume_web
log="$(mktemp)"
"${CARGO_TARGET_DIR:-$PWD/target}/debug/examples/resume_web" >"$log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 600); do
    url="$(sed -n 's#.*\(ws://[^ ]*\).*#\1#p' "$log")"
    [ -z "$url" ] || break
    sleep 0.1
done
[ -n "$url" ] || { echo 'the example did not say where it listens'; exit 1; }
"${node[@]}" --no-warnings ci/resume/client.mjs "$url"
