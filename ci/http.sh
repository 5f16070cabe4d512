#!/usr/bin/env bash
# Tests the HTTP example (hyper) with curl, wrk and h2load over HTTP/1.1 and HTTP/2, on the default
# backend and on poll. Checks that every request gets the right answer; measures nothing.
#
# Installs curl, wrk and h2load (Debian's curl, wrk, nghttp2-client) if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v curl > /dev/null || need_packages curl
command -v wrk > /dev/null || need_packages wrk
command -v h2load > /dev/null || need_packages nghttp2-client

. ci/program.sh
example="$examples/http"

# expect WHAT EXPECTED CURL-ARGUMENTS...
expect() {
    local what=$1 expected=$2 got
    shift 2
    got=$(curl -sS --max-time 30 "$@" -w '%{http_version} %{response_code}' 2> "$scratch/curl.log") || fail "$what: curl failed"
    [[ $got == "$expected" ]] || fail "$what: '$got' instead of '$expected'"
    printf '  curl: %s\n' "$what"
}

# load NAME ARGUMENTS...: runs h2load; every request must succeed.
load() {
    local name=$1 requests=20000
    shift
    timeout 600 h2load -n "$requests" "$@" "$url" > "$scratch/h2load.log" || fail "h2load $name failed"
    grep -q "requests: $requests total, $requests started, $requests done, $requests succeeded, 0 failed, 0 errored, 0 timeout" "$scratch/h2load.log" \
        || fail "h2load $name: not every request succeeded"
    grep -q "status codes: $requests 2xx, 0 3xx, 0 4xx, 0 5xx" "$scratch/h2load.log" || fail "h2load $name: not every answer was 200"
    printf '  h2load: %s, %s requests\n' "$name" "$requests"
}

for backend in auto poll; do
    printf '== %s\n' "$backend"
    PROACTOR_BACKEND=$backend serve_example "$example" 127.0.0.1:0
    url="http://127.0.0.1:$port/"

    expect 'HTTP/1.1' 'Hello, World!1.1 200' --http1.1 "$url"
    expect 'HTTP/1.0' 'Hello, World!1 200' --http1.0 "$url"
    expect 'HTTP/2' 'Hello, World!2 200' --http2-prior-knowledge "$url"
    expect 'twice over one connection' 'Hello, World!1.1 200Hello, World!1.1 200' --http1.1 "$url" "$url"
    expect 'not found' $'there is only /\n2 404' --http2-prior-knowledge "${url}none"
    expect 'not allowed, with a body of a megabyte' $'GET is all there is\n1.1 405' --http1.1 -H 'Expect:' --data-binary @<(head -c 1000000 /dev/zero) "$url"

    load 'HTTP/1.1' --h1 -c 20
    load 'HTTP/2' -c 20 -m 20

    # An answer that is late on a busy machine is no fault.
    timeout 120 wrk -t 1 -c 50 -d 2s --timeout 30s "$url" > "$scratch/wrk.log" || fail 'wrk failed'
    if grep -E 'Non-2xx|Socket errors' "$scratch/wrk.log" || ! grep -qE '^ +[1-9][0-9]* requests in' "$scratch/wrk.log"; then
        fail 'wrk: not every request succeeded'
    fi
    printf '  wrk:%s\n' "$(grep 'requests in' "$scratch/wrk.log" | sed 's/ in.*//; s/^ */ /')"

    stop "$server"
done
