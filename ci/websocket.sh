#!/usr/bin/env bash
# Tests WebSocket with peers that are not ours: Python's `websockets` and Node's `ws` as clients of
# `proactor echo`, also over TLS, and as servers of the example `websocket_client`.
#
# Installs Python, Node and npm if they are missing, and the two packages into a scratch directory.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v python3 >/dev/null || need_packages python3
python3 -c 'import venv, ensurepip' 2>/dev/null || need_packages python3-venv
command -v node >/dev/null || need_packages nodejs
command -v npm >/dev/null || need_packages npm

python3 -m venv "$scratch/python"
in_some_tries "$scratch/python/bin/pip" --quiet --disable-pip-version-check install 'websockets>=14,<17' >"$scratch/pip.log" 2>&1 ||
    fail 'the package websockets could not be installed'
in_some_tries npm install --silent --no-fund --no-audit --prefix "$scratch/node" 'ws@8' >"$scratch/npm.log" 2>&1 ||
    fail 'the package ws could not be installed'
python="$scratch/python/bin/python"
export NODE_PATH="$scratch/node/node_modules"

. ci/program.sh

# Drains it. Its summary must have each of the texts.
drained() {
    local code=0 text
    kill -TERM "$server"
    until_it_is 'the end of the server' gone "$server"
    wait "$server" || code=$?
    [ "$code" -eq 0 ] || fail "the server exits with $code"
    for text in "$@"; do
        grep -q "has ended: .*$text" "$scratch/server.log" || fail "its summary does not say: $text"
    done
}

# A client's part: runs a program of another language, which must succeed.
speaks() {
    local what=$1
    shift
    timeout 300 "$@" >"$scratch/client.log" 2>&1 || fail "$what has failed"
}

echo '== clients that we did not write'
"$program" dev-cert --out "$scratch" >"$scratch/dev-cert.log"
for security in plain tls; do
    if [ $security = tls ]; then
        serve echo --websocket /ws --tls-cert "$scratch/dev-cert.pem" --tls-key "$scratch/dev-key.pem"
        # Not by name: it may mean an address that nobody listens on, and a client may try no other.
        url="wss://127.0.0.1:$port/ws"
    else
        serve echo --websocket /ws
        url="ws://127.0.0.1:$port/ws"
    fi
    speaks "Python's websockets ($security)" "$python" ci/websocket/client.py "$url" "$scratch/dev-cert.pem"
    speaks "Node's ws ($security)" node ci/websocket/client.js "$url" "$scratch/dev-cert.pem"
    # A client that stays is told by the drain that the server goes away. The line of the one before
    # must not be taken for this one's.
    rm -f "$scratch/stay.log"
    "$python" ci/websocket/client.py "$url" "$scratch/dev-cert.pem" stay >"$scratch/stay.log" 2>&1 &
    stays=$!
    started+=("$stays")
    until_it_is 'a client that stays' grep -qs '^stays' "$scratch/stay.log"
    drained 'the server was drained'
    until_it_is 'the end of the client' gone "$stays"
    wait "$stays" || fail 'a client was not told that the server goes away'
done

echo '== compressed'
serve echo --websocket /ws --websocket-deflate
url="ws://127.0.0.1:$port/ws"
speaks "Python's websockets, compressed" "$python" ci/websocket/client.py "$url" "$scratch/dev-cert.pem" deflate
speaks "Node's ws, compressed" node ci/websocket/client.js "$url" "$scratch/dev-cert.pem" deflate
drained

echo '== two kinds of clients in one room'
serve chat --websocket --heartbeat 1s
speaks 'a room of Python and Node' "$python" ci/websocket/room.py "ws://127.0.0.1:$port/" node ci/websocket/room.js
drained

echo '== servers that we did not write'
for other in "$python ci/websocket/server.py" 'node ci/websocket/server.js'; do
    rm -f "$scratch/other.log"
    $other >"$scratch/other.log" 2>&1 &
    server=$!
    started+=("$server")
    until_it_is "$other listens" grep -qs '^listening on ' "$scratch/other.log"
    port="$(sed -n 's/^listening on //p' "$scratch/other.log")"
    speaks "our client with $other" "$examples/websocket_client" "127.0.0.1:$port" /chat
    until_it_is 'the close code' grep -q '^code 4000 done' "$scratch/other.log"
    stop "$server"
done
