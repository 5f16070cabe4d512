#!/usr/bin/env bash
# Tests `proactor top` in a real terminal, that of tmux: what it shows, its keys, a server that
# ends, and that the terminal is as before afterwards.
#
# Installs tmux if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v tmux >/dev/null || need_packages tmux

# With the features that ci/operations.sh has it with.
cargo build --locked -p proactor-cli --features otel,top
program="${CARGO_TARGET_DIR:-$PWD/target}/debug/proactor"
socket="$scratch/admin.sock"

tmux() {
    command tmux -f /dev/null -S "$scratch/tmux.sock" "$@"
}
screen() {
    tmux capture-pane -p >"$scratch/screen.log"
}
shows() {
    screen && grep -qE -- "$1" "$scratch/screen.log"
}
shows_both() {
    shows "$1" && shows "$2"
}
shows_not() {
    ! shows "$1"
}
keys() {
    tmux send-keys "$@"
}
end_tmux() {
    tmux kill-server 2>/dev/null || true
    end_started
}
trap end_tmux EXIT

serve chat --codec lines --rooms --admin "unix:$socket"
exec 3<>"/dev/tcp/127.0.0.1/$port" 4<>"/dev/tcp/127.0.0.1/$port"
echo kitchen >&3
echo hall >&4

echo '== what it shows'
tmux new-session -d -x 150 -y 40 bash --norc --noprofile
keys "PS1='prompt> ' TERM=screen $program top --admin unix:$socket --interval 200ms; echo status \$?" Enter
until_it_is 'it shows the server' shows 'proactor chat on 127\.0\.0\.1:[0-9]+ .* ready'
until_it_is 'it shows both sessions' shows '2 of 2 sessions'
until_it_is 'it shows the groups' shows_both ' kitchen ' ' hall '
until_it_is 'it shows the order' shows 'queued ↓'

echo '== keys'
keys s
until_it_is 'the order is another' shows 'received ↓'
keys /
keys kitch
until_it_is 'one is found' shows '1 of 1 sessions, with "kitch"'
keys Enter
keys Down
keys c
until_it_is 'it asks' shows 'close [0-9.]+ \(127\.0\.0\.1:[0-9]+\)\? +g gracefully'
keys g
timeout 60 cat <&3 >/dev/null || fail 'the session goes on'
until_it_is 'it is gone' shows '0 of 0 sessions'
keys / BSpace BSpace BSpace BSpace BSpace Enter
until_it_is 'the other is there' shows '1 of 1 sessions'
tmux resize-window -x 60 -y 15
until_it_is 'it fits into a small terminal' shows '1 of 1 sessions'
tmux resize-window -x 150 -y 40

echo '== a server that ends'
exec 4>&-
stop "$server"
until_it_is 'the loss is seen, and what is wrong' shows_both 'no answer' 'could not connect to the admin listener'
keys q
until_it_is 'it has ended in order, and the terminal is a shell again' shows '^status 0'
shows_not 'no answer' || fail 'the terminal is not as before'
echo '== all is well'
