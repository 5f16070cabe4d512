#!/usr/bin/env bash
# Tests `proactor chat` and `proactor echo` with `nc` as the client, also over UDP.
#
# Installs OpenBSD's nc (Debian's netcat-openbsd) if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
nc -h 2>&1 | grep -q OpenBSD || need_packages netcat-openbsd

. ci/program.sh
# Waits until a process has ended.
until_ended() {
    until_it_is "the end of $1" gone "$2"
}

# Drains the server.
drain() {
    kill -TERM "$server"
}
drained() {
    local code=0
    until_ended "the server" "$server"
    wait "$server" || code=$?
    [ "$code" -eq 0 ] || fail "the server exits with $code"
    grep -q "has ended: $1" "$scratch/server.log" || fail "it does not say: $1"
}

heard() {
    grep -qx -- "$2" "$scratch/$1.log"
}

echo '== chat --codec lines: two nc'
serve chat --codec lines
mkfifo "$scratch/one.in" "$scratch/two.in"
nc 127.0.0.1 "$port" <"$scratch/one.in" >"$scratch/one.log" &
one=$!
nc 127.0.0.1 "$port" <"$scratch/two.in" >"$scratch/two.log" &
two=$!
started+=("$one" "$two")
exec 3>"$scratch/one.in" 4>"$scratch/two.in"

# Each client repeats a greeting until the other has received it.
here() {
    echo "$1 is here" >&"$3"
    sleep 0.1
    heard "$2" "$1 is here"
}
until_it_is 'two hears one' here one two 3
until_it_is 'one hears two' here two one 4

echo 'hello, two' >&3
until_it_is 'two hears what one says' heard two 'hello, two'
echo 'hello, one' >&4
until_it_is 'one hears what two says' heard one 'hello, one'
printf 'with CR LF\r\n\nafter an empty line\n' >&4
until_it_is 'one hears the rest' heard one 'after an empty line'
heard one 'with CR LF' || fail 'a line is missing'
! heard one '' || fail 'one hears the answer to a heartbeat'
! heard one 'hello, two' && ! heard two 'hello, one' || fail 'one of them hears itself'
drain
exec 3>&- 4>&-
until_ended 'the first nc' "$one"
until_ended 'the second nc' "$two"
drained '2 sessions'

echo '== echo --codec lines: one nc'
serve echo --codec lines
printf 'one\r\n\ntwo\nthree' | timeout 60 nc -N 127.0.0.1 "$port" >"$scratch/echo.log" || fail 'nc fails'
printf 'one\n\ntwo\nthree\n' | cmp - "$scratch/echo.log" || fail 'echo answers something else'
drain
drained '1 session (1: closed by the peer)'
echo '== echo --datagrams: nc -u'
serve echo --datagrams
udp="$(sed -n 's/^proactor: echo on [^,]*, 127\.0\.0\.1:\([0-9]*\), the later ones for datagrams.*/\1/p' "$scratch/server.log")"
port="$(sed -n 's/^proactor: echo on 127\.0\.0\.1:\([0-9]*\),.*/\1/p' "$scratch/server.log")"
echoes() {
    [ "$(printf 'hello' | timeout 60 nc -u -w1 127.0.0.1 "$udp")" = hello ]
}
until_it_is 'a datagram comes back' echoes
printf 'over TCP' | timeout 60 nc -N 127.0.0.1 "$port" | grep -qx 'over TCP' || fail 'TCP is not served'
drain
until_ended 'the server' "$server"
grep -q 'datagram.* came' "$scratch/server.log" || fail 'the summary does not count datagrams'
echo '== both do'
