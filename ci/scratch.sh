# Source this file. A script starts programs in the background, waits for what they write into
# "$scratch", and need not end them itself.

scratch="$(mktemp -d)"
started=()
end_started() {
    for id in "${started[@]}"; do
        kill "$id" 2>/dev/null || true
    done
    # What still runs may write there, and that is no failure of the script.
    rm -rf "$scratch" || true
}
trap end_started EXIT

# Ends the script, with all that its programs have written.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    tail -n +1 "$scratch"/*.log >&2 || true
    exit 1
}

# Waits until a command succeeds: until_it_is WHAT COMMAND...
until_it_is() {
    local what="$1"
    shift
    for _ in $(seq 1200); do
        if "$@"; then return; fi
        sleep 0.1
    done
    fail "never: $what"
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

# Waits until the server on `port` has closed all connections but so many. A client that has ended
# may not be noticed yet: a drain would end its session, and give another reason for that.
until_connected() {
    until_it_is "no more than $1 connections" connections_are "$1"
}
connections_are() {
    local at
    at="$(printf ':%04X' "$port")"
    # Established, and closed by the peer alone.
    awk -v at="$at" -v wanted="$1" 'substr($2, 9) == at && ($4 == "01" || $4 == "08") { count++ } END { exit count + 0 != wanted }' /proc/net/tcp
}

# A port that nobody listens on, for a program that cannot say which it got. Not one of those that
# the system gives to whoever asks for any: such a port may be another's a moment later.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((10000 + RANDOM % 20000))
        # No port twice.
        if mkdir "$scratch/port-$port" 2>/dev/null && ! (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    fail 'every port is in use'
}

# Starts a command of "$program" on a free port. Sets `port` and `server` (its process).
serve() {
    rm -f "$scratch/server.log"
    "$program" "$@" --listen 127.0.0.1:0 2>"$scratch/server.log" &
    server=$!
    started+=("$server")
    until_it_is "proactor $1 is ready" grep -qs "^proactor: $1 on " "$scratch/server.log"
    port="$(sed -n 's/^proactor: [a-z]* on 127\.0\.0\.1:\([0-9]*\)[ ;].*/\1/p' "$scratch/server.log")"
}

# Starts an example, which says where it listens. Sets `server` (its process) and `port`.
serve_example() {
    rm -f "$scratch/server.log"
    "$@" >"$scratch/server.log" 2>&1 &
    server=$!
    started+=("$server")
    until_it_is 'the server listens' listens_or_is_gone
    ! gone "$server" || fail 'the server has not started'
    port="$(sed -n 's/^listening on .*:\([0-9]*\).*/\1/p' "$scratch/server.log")"
}
listens_or_is_gone() {
    gone "$server" || grep -q '^listening on ' "$scratch/server.log"
}

# Ends a program that must not have ended by itself.
stop() {
    ! gone "$1" || fail 'the server has ended'
    kill "$1"
    wait "$1" 2>/dev/null || true
}
