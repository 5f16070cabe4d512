#!/usr/bin/env bash
# Instructions outside of the kernel, and system calls, per message when a turn has one message in
# it: of any server that echoes, with one client that waits for each answer.
#
#     bench/one-a-turn.sh PROGRAM [ARGUMENT..]
#     bench/one-a-turn.sh target/release/proactor echo --shards 1 --backend poll
#     bench/one-a-turn.sh bench/target/release/peer-tokio echo
#     bench/one-a-turn.sh target/release/examples/echo_port ADDRESS
#
# The program is told where to listen by the argument ADDRESS, or by `--listen` if there is none.
# It is ended by SIGTERM. It runs twice, with few and with many messages; the difference leaves out
# the start. Other load does not disturb the counts. Instructions are counted by valgrind's
# callgrind, which has to know the program's system calls: those of io_uring it may not. Then "-" is
# printed for them. System calls are counted by strace. Takes about half a minute.
set -euo pipefail

[ $# -gt 0 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
few=500 many=3500 port=${PORT:-7921}
case " $* " in
    *" ADDRESS "*) set -- "${@/#ADDRESS/127.0.0.1:$port}" ;;
    *) set -- "$@" --listen "127.0.0.1:$port" ;;
esac
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$work"' EXIT

# messages NUMBER: sends and awaits so many, when the server is there.
messages() {
    python3 - "$port" "$1" << 'CLIENT'
import socket, sys, time
port, messages = int(sys.argv[1]), int(sys.argv[2])
for attempt in range(300):
    try:
        server = socket.create_connection(("127.0.0.1", port))
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit("the server does not listen")
server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
message = b"x" * 64
for _ in range(messages):
    server.sendall(message)
    answer = b""
    while len(answer) < len(message):
        part = server.recv(len(message) - len(answer))
        if not part:
            sys.exit("the server has closed the connection")
        answer += part
# The server is at rest before it sees the end.
time.sleep(0.3)
server.close()
time.sleep(0.3)
CLIENT
}

# serve NUMBER COMMAND..: runs the server for so many messages.
serve() {
    local number=$1
    shift
    "$@" > "$work/log" 2>&1 &
    server=$!
    messages "$number" || return 1
    # strace passes no signal on: the server is its child.
    kill -TERM $(pgrep -P "$server") "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
}

counted() {
    serve "$1" valgrind --tool=callgrind --callgrind-out-file="$work/out" "${@:2}" || return 1
    awk '/^(summary|totals):/ { print $2; exit }' "$work/out"
}

called() {
    serve "$1" strace -f -c -o "$work/calls" "${@:2}" || return 1
    awk '$NF != "total" && $4 ~ /^[0-9]+$/ { print $NF, $4 }' "$work/calls"
}

if least=$(counted $few "$@") && most=$(counted $many "$@"); then
    echo "instructions $(((most - least) / (many - few)))"
else
    echo "instructions -"
fi
called $few "$@" > "$work/few"
called $many "$@" > "$work/many"
awk -v units=$((many - few)) '
    NR == FNR { few[$1] = $2; next }
    { each = ($2 - few[$1]) / units; if (each >= 0.005) printf "%s %.2f\n", $1, each }' "$work/few" "$work/many"
