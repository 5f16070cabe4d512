#!/usr/bin/env bash
# Tries the program as a container has it: alone in a root file system without a shell, read-only,
# as a user without rights, under packaging/container/seccomp.json, with limits of memory, CPU time
# and descriptors. The runtime is runc, which Docker runs too; no image is pulled.
#
# Needs root (or sudo) on Debian, and installs runc if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
command -v python3 >/dev/null || need_packages python3
command -v runc >/dev/null || need_packages runc

. ci/program.sh
bundle="$scratch/bundle"
mkdir -p "$bundle"
"${as_root[@]}" sh packaging/container/root.sh "$program" "$bundle/rootfs"
"${as_root[@]}" mkdir -p "$bundle/rootfs/proc" "$bundle/rootfs/dev" "$bundle/rootfs/sys"
[ -z "$(find "$bundle/rootfs" -name '*sh' -perm /111 ! -type d)" ] || fail 'there is a shell in the root file system'

# Runs the program under a seccomp profile: `ours`, or `without-io-uring`.
container() {
    local seccomp="$1" name="proactor-$$-$RANDOM"
    shift
    python3 ci/container/config.py "$seccomp" "$name" "$@" | "${as_root[@]}" tee "$bundle/config.json" >/dev/null
    "${as_root[@]}" runc --root "$scratch/runc" run --pid-file "$scratch/pid" -b "$bundle" "$name"
}

echo '== the doctor sees the limits of the container'
container ours doctor >"$scratch/doctor.log" || fail 'the doctor finds no backend'
cat "$scratch/doctor.log"
grep -q '^backend  io_uring ' "$scratch/doctor.log" || fail 'the profile does not allow io_uring'
for line in 'CPU time of the control group: 500 ' 'shards of a server by default: 1' \
    'memory of the control group: 268435456 ' 'open files: 4096 '; do
    grep -qF "$line" "$scratch/doctor.log" || fail "the doctor does not say '$line'"
done
container without-io-uring doctor >"$scratch/doctor.log" || fail 'there is no backend without io_uring'
grep -q '^backend  poll ' "$scratch/doctor.log" || fail 'it does not fall back'
grep -q 'allow it in the seccomp profile' "$scratch/doctor.log" || fail 'it does not say what to do'

# Serves a client, and ends in order.
tries() {
    local seccomp="$1" backend="$2" command="$3"
    shift 3
    echo "== proactor $command under seccomp: $seccomp"
    rm -f "$scratch/server.log"
    container "$seccomp" "$command" --listen 127.0.0.1:0 "$@" 2>"$scratch/server.log" >&2 &
    local run=$!
    started+=("$run")
    until_it_is 'it is ready' grep -qs "^proactor: $command on " "$scratch/server.log"
    grep -q "backend $backend .*; 1 shard; room for .* (4096 open files)" "$scratch/server.log" ||
        fail 'it is not as the container is'
    local port server
    port="$(sed -n 's/^proactor: [a-z]* on [a-z/:]*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$scratch/server.log")"
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    [ "$command" != echo ] || {
        echo hello >&3
        read -r -t 60 answer <&3
        [ "$answer" = hello ] || fail "'$answer' comes back"
    }
    server="$(cat "$scratch/pid")"
    grep -q '^Uid:[[:space:]]*65532' "/proc/$server/status" || fail 'it is not the user of the image'
    grep -q '^Seccomp:[[:space:]]*2' "/proc/$server/status" || fail 'there is no seccomp filter'
    exec 3>&-
    "${as_root[@]}" kill -TERM "$server"
    wait "$run" || fail 'it does not end well'
    grep -q ' has ended: ' "$scratch/server.log" || fail 'it did not drain'
}
tries ours io_uring echo --admin 127.0.0.1:0
tries without-io-uring poll echo --admin 127.0.0.1:0
tries ours io_uring chat --http 127.0.0.1:0
tries ours io_uring proxy --upstream localhost:9

echo '== all is well'
