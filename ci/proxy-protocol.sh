#!/usr/bin/env bash
# Tests the PROXY protocol with HAProxy: it sends headers of version 1 and 2 to `proactor echo` and
# checks its health, and it reads those that `proactor proxy` sends.
#
# Installs haproxy, openssl and curl if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v haproxy >/dev/null || need_packages haproxy
command -v openssl >/dev/null || need_packages openssl
command -v curl >/dev/null || need_packages curl

. ci/program.sh

# Asks for what was written, through a port: echoed PORT.
echoed() {
    local answer
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'over a balancer\n' >&3
    IFS= read -r -t 60 answer <&3 || fail "no answer through port $1"
    exec 3>&-
    [ "$answer" = 'over a balancer' ] || fail "the answer through port $1 is: $answer"
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2>"$scratch/openssl.log"

echo '== HAProxy before proactor echo: versions 1 and 2, health checks, TLS behind the header'
serve echo --codec lines --proxy-protocol required --proxy-protocol-from 127.0.0.0/8 --max-sessions-per-ip 1000
plain=$port plain_server=$server
mv "$scratch/server.log" "$scratch/plain.log"
serve echo --codec lines --proxy-protocol required --tls-cert "$scratch/cert.pem" --tls-key "$scratch/key.pem"
tls=$port

first=$(free_port) second=$(free_port) third=$(free_port) fourth=$(free_port) status=$(free_port)

echo '== proactor proxy before HAProxy, which reads its header'
serve proxy --send-proxy v1 --upstream "127.0.0.1:$third"
proxy1=$port
serve proxy --send-proxy v2 --upstream "127.0.0.1:$third"
proxy2=$port

cat > "$scratch/haproxy.cfg" <<CFG
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 10s
    default-server inter 200ms
frontend one
    bind 127.0.0.1:$first
    default_backend v1
backend v1
    server echo 127.0.0.1:$plain send-proxy check check-send-proxy
frontend two
    bind 127.0.0.1:$second
    default_backend v2
backend v2
    server echo 127.0.0.1:$plain send-proxy-v2 proxy-v2-options unique-id,crc32c check check-send-proxy
frontend four
    bind 127.0.0.1:$fourth
    default_backend tls
backend tls
    server echo 127.0.0.1:$tls send-proxy-v2
frontend three
    mode http
    bind 127.0.0.1:$third accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src] %[dst_port]"
frontend status
    mode http
    bind 127.0.0.1:$status
    stats enable
    stats uri /
CFG
haproxy -f "$scratch/haproxy.cfg" >"$scratch/haproxy.log" 2>&1 &
started+=("$!")
open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
until_it_is 'HAProxy listens' open "$status"

echoed "$first"
echoed "$second"
up() {
    [ "$(curl -s "http://127.0.0.1:$status/;csv" | awk -F, '($1 == "v1" || $1 == "v2") && $2 == "echo" && $18 == "UP"' | wc -l)" = 2 ]
}
until_it_is 'both servers are up for HAProxy' up

mkfifo "$scratch/tls.in"
timeout 60 openssl s_client -quiet -no_ign_eof -connect "127.0.0.1:$fourth" -servername localhost -CAfile "$scratch/cert.pem" \
    -verify_return_error <"$scratch/tls.in" >"$scratch/answer.log" 2>>"$scratch/openssl.log" &
started+=("$!")
exec 3>"$scratch/tls.in"
echo 'over TLS' >&3
until_it_is 'TLS behind a header answers' grep -qx 'over TLS' "$scratch/answer.log"
exec 3>&-

for proxy in "$proxy1" "$proxy2"; do
    answer="$(curl -s --max-time 60 --interface 127.0.0.9 "http://127.0.0.1:$proxy/")"
    [ "$answer" = "127.0.0.9 $proxy" ] || fail "HAProxy was told: $answer"
done

echo '== a client that is no balancer'
exec 3<>"/dev/tcp/127.0.0.1/$plain"
# The shell writes each line for itself, and the first may have ended the connection.
(printf 'GET / HTTP/1.0\r\n\r\n' >&3) 2>/dev/null || true
cat <&3 >/dev/null 2>&1 || true
exec 3>&-
kill -TERM "$plain_server"
until_it_is 'the end of the server' gone "$plain_server"
grep -q 'has ended: .*1: the PROXY protocol header that the listener requires is missing' "$scratch/plain.log" ||
    fail 'the missing header is not in the summary'
echo 'passed'
