#!/usr/bin/env bash
# Tests TLS with peers that are not ours: `openssl s_client` against `proactor echo`, and `proactor
# proxy` to `openssl s_server` with curl before it. TLS 1.2 and 1.3, ALPN, client certificates,
# wrong ones, reload under a live session, close_notify and a stream without it, upstreams by
# name, STARTTLS.
#
# Installs openssl and curl if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v openssl >/dev/null || need_packages openssl
command -v curl >/dev/null || need_packages curl

. ci/program.sh

# Two authorities, and certificates of theirs: authority NAME, certificate NAME AUTHORITY [OPTIONS].
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$scratch/$1.key" -out "$scratch/$1.pem" 2>>"$scratch/openssl.log"
}
certificate() {
    local name=$1 authority=$2
    shift 2
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
        -keyout "$scratch/$name.key" -out "$scratch/$name.csr" 2>>"$scratch/openssl.log"
    openssl x509 -req -in "$scratch/$name.csr" -CA "$scratch/$authority.pem" -CAkey "$scratch/$authority.key" \
        -CAcreateserial -days 2 -out "$scratch/$name.pem" "$@" \
        -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>>"$scratch/openssl.log"
}
authority ca
authority other
certificate server ca
certificate renewed other
certificate client ca
certificate stranger other

# Drains it. Its summary must have each of the texts.
drained() {
    local code=0 text
    until_connected 0
    kill -TERM "$server"
    until_it_is 'the end of the server' gone "$server"
    wait "$server" || code=$?
    [ "$code" -eq 0 ] || fail "the server exits with $code"
    for text in "$@"; do
        grep -q "has ended: .*$text" "$scratch/server.log" || fail "its summary does not say: $text"
    done
}

# A client's whole conversation: says a line, and waits for its echo. What s_client says of the
# handshake is in ask.err.log.
ask() {
    local line=$1
    shift
    # The answer of the last client must not be taken for that of this one.
    : >"$scratch/ask.log"
    mkfifo "$scratch/ask.in"
    timeout 60 openssl s_client -connect "127.0.0.1:$port" -servername localhost -verify_return_error -brief "$@" \
        <"$scratch/ask.in" >"$scratch/ask.log" 2>"$scratch/ask.err.log" &
    ends_with_answer "$line" "$line"
}
# Says a line to the last client through ask.in, and ends its input with the answer.
ends_with_answer() {
    local line=$1 answer=$2 client=$! code=0
    # Opened both ways: a client that has ended is no broken pipe.
    exec 5<>"$scratch/ask.in"
    echo "$line" >&5
    until_it_is "an answer to $line" answered_or_gone "$answer" "$client"
    rm "$scratch/ask.in"
    # The end of its input has s_client say close_notify.
    exec 5>&-
    wait "$client" || code=$?
    return "$code"
}
answered_or_gone() {
    grep -qx -- "$1" "$scratch/ask.log" || gone "$2"
}
answered() {
    ask "$@" || true
    grep -qx -- "$1" "$scratch/ask.log" || fail "no echo of: $1"
}
refused() {
    if ask "$@" && grep -qx -- "$1" "$scratch/ask.log"; then fail "it is served: $1"; fi
}
says() {
    grep -q -- "$1" "$scratch/ask.log" "$scratch/ask.err.log" || fail "s_client does not say: $1"
}

# A client without TLS writes all of a file, and reads to the end, which may be a reset if it wrote
# more than the server read.
writes() {
    timeout 60 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat '$1' >&3; cat <&3 || true" || fail "the end of a client that writes $1"
}

for backend in uring poll; do
    echo "== s_client against proactor echo, $backend"
    serve echo --backend "$backend" --codec lines --tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key"
    answered 'over 1.3' -CAfile "$scratch/ca.pem" -tls1_3
    says 'Protocol version: TLSv1.3'
    says 'Verification: OK'
    answered 'over 1.2' -CAfile "$scratch/ca.pem" -tls1_2
    says 'Protocol version: TLSv1.2'
    refused 'over 1.1' -CAfile "$scratch/ca.pem" -tls1_1 -cipher 'ALL:@SECLEVEL=0'
    refused 'unknown authority' -CAfile "$scratch/other.pem"
    printf 'GET / HTTP/1.0\r\n\r\n' >"$scratch/plain.in"
    writes "$scratch/plain.in" >/dev/null
    answered 'still here' -CAfile "$scratch/ca.pem"
    drained '3: closed by the peer' 'the peer does not speak TLS' 'no version of TLS in common'
done

echo '== client certificates'
serve echo --codec lines --tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key" --tls-client-ca "$scratch/ca.pem"
for version in -tls1_2 -tls1_3; do
    answered "with one $version" -CAfile "$scratch/ca.pem" $version -cert "$scratch/client.pem" -key "$scratch/client.key"
    refused "without one $version" -CAfile "$scratch/ca.pem" $version
    refused "of a stranger $version" -CAfile "$scratch/ca.pem" $version -cert "$scratch/stranger.pem" -key "$scratch/stranger.key"
done
drained '2: closed by the peer' '2: the peer showed no certificate' "2: the peer's certificate is not signed by a trusted authority"

echo '== reload under a live session'
cp "$scratch/server.pem" "$scratch/live.pem"
cp "$scratch/server.key" "$scratch/live.key"
serve echo --codec lines --tls-cert "$scratch/live.pem" --tls-key "$scratch/live.key"
mkfifo "$scratch/live.in"
openssl s_client -connect "127.0.0.1:$port" -CAfile "$scratch/ca.pem" -verify_return_error -quiet \
    <"$scratch/live.in" >"$scratch/live.log" 2>&1 &
live=$!
started+=("$live")
exec 6>"$scratch/live.in"
echo before >&6
until_it_is 'the live session is served' grep -qx before "$scratch/live.log"
echo garbage >"$scratch/live.pem"
kill -HUP "$server"
until_it_is 'it says that the file is bad' grep -q 'the old certificates stay in use: .*live.pem: no certificate is in it' "$scratch/server.log"
answered 'the old one is in use' -CAfile "$scratch/ca.pem"
cp "$scratch/renewed.pem" "$scratch/live.pem"
cp "$scratch/renewed.key" "$scratch/live.key"
kill -HUP "$server"
until_it_is 'it says that it has reloaded' grep -q 'the certificates were read again' "$scratch/server.log"
answered 'the new one is in use' -CAfile "$scratch/other.pem"
refused 'the old authority' -CAfile "$scratch/ca.pem"
echo after >&6
until_it_is 'the live session goes on' grep -qx after "$scratch/live.log"
until_connected 1
kill -TERM "$server"
until_it_is 'the drain ends the live session' gone "$live"
until_it_is 'the end of the server' gone "$server"
exec 6>&-
! grep -q 'unexpected eof' "$scratch/live.log" || fail 'the drain has not said close_notify'
grep -q 'closed by the peer; 1: the server was drained\|1: the server was drained' "$scratch/server.log" || fail 'the live session was not drained'

echo '== a stream without close_notify'
serve echo --codec lines --tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key"
mkfifo "$scratch/cut.in"
openssl s_client -connect "127.0.0.1:$port" -CAfile "$scratch/ca.pem" -quiet <"$scratch/cut.in" >"$scratch/cut.log" 2>&1 &
cut=$!
exec 7>"$scratch/cut.in"
echo hello >&7
until_it_is 'it is served' grep -qx hello "$scratch/cut.log"
kill -KILL "$cut"
wait "$cut" 2>/dev/null || true
exec 7>&-
drained '1: the peer.s stream was cut'

echo '== ALPN and the facts of a session: the example'
serve_example "$examples/tls_echo" 127.0.0.1:0 "$scratch/server.pem" "$scratch/server.key" "$scratch/ca.pem"
answered 'hello' -CAfile "$scratch/ca.pem" -cert "$scratch/client.pem" -key "$scratch/client.key" -alpn other,lines
says '^TLS 1.3, protocol lines, a certificate of [0-9]* bytes'
refused 'another protocol' -CAfile "$scratch/ca.pem" -cert "$scratch/client.pem" -key "$scratch/client.key" -alpn other
stop "$server"

echo '== proactor proxy to s_server, and curl through proactor proxy'
openssl s_server -accept 127.0.0.1:0 -www -cert "$scratch/server.pem" -key "$scratch/server.key" >"$scratch/upstream.log" 2>&1 &
started+=("$!")
until_it_is 's_server listens' grep -q '^ACCEPT' "$scratch/upstream.log"
upstream="$(sed -n 's/^ACCEPT 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$scratch/upstream.log")"
serve proxy --upstream "127.0.0.1:$upstream" --upstream-tls --upstream-ca "$scratch/ca.pem"
curl -sS --max-time 60 "http://127.0.0.1:$port/" >"$scratch/curl.log" 2>&1 || true
grep -q 'Secure Renegotiation\|SSL-Session' "$scratch/curl.log" || fail 's_server does not answer through the proxy'
drained '1 upstream connection'
serve proxy --upstream "127.0.0.1:$upstream" --upstream-tls --upstream-ca "$scratch/other.pem"
! curl -sS --max-time 60 "http://127.0.0.1:$port/" >"$scratch/curl.log" 2>&1 || fail 'the proxy trusts everybody'
drained '1 not made' 'not signed by a trusted authority'
serve proxy --upstream "127.0.0.1:$upstream" --upstream-tls --upstream-ca "$scratch/ca.pem" \
    --tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key"
curl -sS --max-time 60 --cacert "$scratch/ca.pem" "https://localhost:$port/" >"$scratch/curl.log" 2>&1 || true
grep -q 'Secure Renegotiation\|SSL-Session' "$scratch/curl.log" || fail 'nothing comes through two times TLS'
drained '1 client'

echo '== a client certificate for the upstream'
openssl s_server -accept 127.0.0.1:0 -www -cert "$scratch/server.pem" -key "$scratch/server.key" \
    -CAfile "$scratch/ca.pem" -Verify 2 -verify_return_error >"$scratch/verifies.log" 2>&1 &
started+=("$!")
until_it_is 's_server listens' grep -q '^ACCEPT' "$scratch/verifies.log"
verifies="$(sed -n 's/^ACCEPT 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$scratch/verifies.log")"
for who in client stranger; do
    serve proxy --upstream "127.0.0.1:$verifies" --upstream-tls --upstream-ca "$scratch/ca.pem" \
        --upstream-cert "$scratch/$who.pem" --upstream-key "$scratch/$who.key"
    curl -sS --max-time 60 "http://127.0.0.1:$port/" >"$scratch/curl.$who.log" 2>&1 || true
    drained '1 client'
done
grep -q 'SSL-Session' "$scratch/curl.client.log" || fail 's_server does not take the client certificate'
! grep -q 'SSL-Session' "$scratch/curl.stranger.log" || fail 's_server takes the certificate of a stranger'

echo '== upstreams by name: proactor proxy --route between s_client and s_server'
# s_server ends TLS, and answers each line with itself backwards.
upstream_of() {
    openssl s_server -accept 127.0.0.1:0 -rev -cert "$scratch/$1.pem" -key "$scratch/$1.key" "${@:2}" >"$scratch/$1.up.log" 2>&1 &
    started+=("$!")
    until_it_is 's_server listens' grep -q '^ACCEPT' "$scratch/$1.up.log"
    by_name="$(sed -n 's/^ACCEPT 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$scratch/$1.up.log")"
}
upstream_of server -alpn lines
first=$by_name
upstream_of renewed
second=$by_name
# asks NAME OPTIONS: s_client for this name, or for none if that is empty, says "live".
asks() {
    local name=$1
    shift
    local -a for_name=(-noservername)
    [ -z "$name" ] || for_name=(-servername "$name")
    : >"$scratch/ask.log"
    mkfifo "$scratch/ask.in"
    timeout 60 openssl s_client -connect "127.0.0.1:$port" "${for_name[@]}" -verify_return_error -quiet -no_ign_eof "$@" \
        <"$scratch/ask.in" >"$scratch/ask.log" 2>"$scratch/ask.err.log" &
    ends_with_answer live evil || true
}
serve proxy --route "chat.example.org=127.0.0.1:$first" --route "*.example.org=127.0.0.1:$second"
for version in -tls1_2 -tls1_3; do
    asks chat.example.org $version -CAfile "$scratch/ca.pem" -alpn lines
    grep -qx evil "$scratch/ask.log" || fail "no answer of the first upstream, $version"
    asks games.example.org $version -CAfile "$scratch/other.pem"
    grep -qx evil "$scratch/ask.log" || fail "no answer of the second upstream, $version"
    asks other.test $version -CAfile "$scratch/ca.pem"
    says 'unrecognized name'
    asks '' $version -CAfile "$scratch/ca.pem"
    says 'missing extension\|alert number 109'
done
drained '8 clients' 'not routed (2: no route for the name; 2: no name asked for)'
serve proxy --tls-cert "$scratch/server.pem" --tls-key "$scratch/server.key" --route "chat.example.org=127.0.0.1:$first" \
    --route "localhost=127.0.0.1:$second" --upstream-tls --upstream-ca "$scratch/other.pem" --upstream-name localhost
asks localhost -CAfile "$scratch/ca.pem"
grep -qx evil "$scratch/ask.log" || fail 'no answer of the upstream behind TLS that ends here'
asks other.test -CAfile "$scratch/ca.pem"
! grep -qx evil "$scratch/ask.log" || fail 'an answer without a route'
drained '2 clients' '1 upstream connection' 'not routed (1: no route for the name)'

echo '== STARTTLS: the example'
serve_example "$examples/starttls" 127.0.0.1:0 "$scratch/server.pem" "$scratch/server.key"
for version in -tls1_2 -tls1_3; do
    answered "secured $version" -starttls smtp -CAfile "$scratch/ca.pem" $version
    says 'Verification: OK'
done
refused 'unknown authority' -starttls smtp -CAfile "$scratch/other.pem"
# A command behind the request, which somebody on the way could have put there.
printf 'EHLO x\r\nSTARTTLS\r\ninjected\r\n' >"$scratch/injected.in"
writes "$scratch/injected.in" >"$scratch/injected.log"
grep -q '^220 go ahead' "$scratch/injected.log" || fail 'STARTTLS is not answered'
! grep -q injected "$scratch/injected.log" || fail 'what came behind STARTTLS is taken for a command'
answered 'still here' -starttls smtp -CAfile "$scratch/ca.pem"
stop "$server"

echo '== dev-cert'
"$program" dev-cert --out "$scratch/dev" >"$scratch/dev.log"
grep -q -- '--tls-cert' "$scratch/dev.log" || fail 'dev-cert does not say what to type next'
serve echo --codec lines --tls-cert "$scratch/dev/dev-cert.pem" --tls-key "$scratch/dev/dev-key.pem"
answered 'a certificate for trying' -CAfile "$scratch/dev/dev-cert.pem"
says 'Verification: OK'
drained '1: closed by the peer'
