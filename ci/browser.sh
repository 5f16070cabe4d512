#!/usr/bin/env bash
# Tests the page of `proactor chat --http` in Chromium: two tabs and one `nc`, a restart of the
# server, a wide window and one of a phone's size. Then what curl sees of it, over TLS too.
#
#   ci/browser.sh [DIRECTORY]     puts the screenshots there
#
# Installs chromium, chromium-driver, netcat and Python if they are missing, and selenium into a
# scratch directory.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v nc >/dev/null || need_packages netcat-openbsd
command -v curl >/dev/null || need_packages curl
. ci/chromium.sh

screenshots="${1:-$scratch/screenshots}"
mkdir -p "$screenshots"
. ci/program.sh

echo '== the page in Chromium'
drive drive.py "$program" "$screenshots"

echo '== curl'
"$program" dev-cert --out "$scratch" >"$scratch/dev-cert.log"
for scheme in http https; do
    rm -f "$scratch/server.log"
    security=()
    [ $scheme = http ] || security=(--tls-cert "$scratch/dev-cert.pem" --tls-key "$scratch/dev-key.pem")
    "$program" chat --listen 127.0.0.1:0 --http 127.0.0.1:0 "${security[@]}" 2>"$scratch/server.log" &
    server=$!
    started+=("$server")
    until_it_is 'the server is ready' grep -qs '^proactor: chat on ' "$scratch/server.log"
    url="$(sed -n "s#.*\($scheme://\)127\.0\.0\.1\(:[0-9]*/\).*#\1localhost\2#p" "$scratch/server.log")"

    # asked WHAT EXPECTED CURL-ARGUMENTS...
    asked() {
        local what=$1 expected=$2 got
        shift 2
        got=$(curl -sS --max-time 30 --cacert "$scratch/dev-cert.pem" -o /dev/null "$@" -w '%{response_code} %{num_connects} ' 2>"$scratch/curl.log") ||
            fail "$what: curl failed"
        [ "$got" = "$expected" ] || fail "$what: '$got' instead of '$expected'"
        printf '  %s: %s\n' "$scheme" "$what"
    }
    asked 'the page' '200 1 ' "$url"
    asked 'two files over one connection' '200 1 200 0 ' "${url}chat.js" -o /dev/null "${url}chat.css"
    asked 'HEAD' '200 1 ' --head "$url"
    asked 'HTTP/1.0' '200 1 ' --http1.0 "$url"
    asked 'another file' '404 1 ' "${url}none"
    asked 'another method' '405 1 ' --data x "$url"
    asked 'no upgrade' '426 1 ' "${url}ws"
    asked 'a long head' '431 1 ' -H "Cookie: $(head -c 10000 /dev/zero | tr '\0' x)" "$url"
    stop "$server"
done
