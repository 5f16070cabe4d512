#!/usr/bin/env bash
# Tests the crate `winsock` against Wine: the cases of winsock/tests/cases and the servers of
# winsock/examples run natively and, compiled by MinGW, under Wine, and their outputs are compared.
# Then the installed package, the sanitizers, and a server of model I with 10,000 sessions.
#
#     bash ci/winsock.sh              all of it
#     bash ci/winsock.sh --record     writes the cases' outputs under Wine beside them
#
# Needs Debian 12's packages mingw-w64, wine64, clang, cmake and pkg-config, which are installed if
# they are missing (with sudo unless you are root). Builds in target/winsock, which also holds
# Wine's drive C:.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian-rust.sh

need_packages mingw-w64 wine64 clang cmake make pkg-config
root="$PWD"
cases="$root/winsock/tests/cases"
sources="$root/winsock/examples"
work="${CARGO_TARGET_DIR:-$root/target}/winsock"
mkdir -p "$work/wine" "$work/exe" "$work/native" "$work/run"

fail() {
    echo "ci/winsock.sh: $*" >&2
    exit 1
}
step() {
    printf '\n== %s (%s s)\n' "$*" "$SECONDS"
}

# Debian's wine64 installs the loader and its server outside PATH. Every wait is limited: a program
# that hangs under Wine is a failure.
wine="$(dpkg -L wine64 | awk '/\/wine64$/ && !found++')"
wineserver="$(dpkg -L wine64 | awk '/\/wineserver64$/ && !found++')"
export WINEPREFIX="$work/wine" WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe='
# Fails if the server of an earlier run is still there, which does as well.
"$wineserver" -p || true
# Ends the programs of this prefix and no others.
trap '"$wineserver" -k || true' EXIT
timeout 600 "$wine" wineboot --init </dev/null >"$work/wineboot.log" 2>&1

mingw() {
    local source="$1" program="$2" compiler=x86_64-w64-mingw32-gcc
    case "$source" in
    *.cpp) compiler="x86_64-w64-mingw32-g++-posix -static" ;;
    esac
    # -Wno-format: MinGW checks the formats of another C library than the one it links.
    $compiler -O1 -Wall -Werror -Wno-format -Wno-cast-function-type -Wno-unknown-pragmas -o "$program" "$source" \
        -lws2_32 -lmswsock -lwinmm -lsynchronization
}

# One case under Wine, into $work/run/NAME.
wine_case() {
    local source="$1" name
    name="$(basename "${source%.*}")"
    mkdir -p "$work/run/$name.folder"
    if ! mingw "$source" "$work/exe/$name.exe" 2>"$work/run/$name.log"; then
        echo "$name does not compile with MinGW:" >&2
        head -20 "$work/run/$name.log" >&2
        return 1
    fi
    (
        cd "$work/run/$name.folder"
        timeout 180 "$wine" "$work/exe/$name.exe" </dev/null >"$work/run/$name.raw" 2>"$work/run/$name.err"
    ) || {
        echo "$name under Wine: exit $? after: $(tail -1 "$work/run/$name.raw")" >&2
        return 1
    }
    tr -d '\r' <"$work/run/$name.raw" >"$work/run/$name"
}

# Wine on a busy machine may be late for a wait of a case. So a difference has more chances. It may
# also fail to run one, but not often.
checked_wine_case() {
    local source="$1" name failures=0
    name="$(basename "${source%.*}")"
    for attempt in {1..20}; do
        if ! wine_case "$source"; then
            failures=$((failures + 1))
            [ "$failures" -lt 3 ] || return 1
            continue
        fi
        if diff "${source%.*}.expected" "$work/run/$name" >"$work/run/$name.diff" 2>&1; then
            return 0
        fi
        echo "$name: attempt $attempt differs from the recorded output" >&2
    done
    cat "$work/run/$name.diff" >&2
    return 1
}

# Runs a function over arguments, two at a time. Fails if one failed.
two_at_a_time() {
    local function="$1" failed=0 running=0 argument
    shift
    for argument in "$@"; do
        if [ "$running" -ge 2 ]; then
            wait -n || failed=1
            running=$((running - 1))
        fi
        "$function" "$argument" &
        running=$((running + 1))
    done
    while [ "$running" -gt 0 ]; do
        wait -n || failed=1
        running=$((running - 1))
    done
    return "$failed"
}

if [ "${1:-}" = --record ]; then
    record() {
        wine_case "$1" && cp "$work/run/$(basename "${1%.*}")" "${1%.*}.expected"
    }
    two_at_a_time record "$cases"/*.c "$cases"/*.cpp
    cat "$cases"/*.expected | wc -l
    exit 0
fi

step "the cases under Wine print what is recorded"
two_at_a_time checked_wine_case "$cases"/*.c "$cases"/*.cpp || fail "cases differ under Wine. If they changed, record them: bash ci/winsock.sh --record"

step "the cases on this library"
. ci/program.sh
timeout 900 cargo test --locked --workspace --test behaviour --bins
built="${program%/*}"
export WINSOCK_DRIVER="$built/winsock-driver"

# A server and its client, each with the command line before it. What both print, without the port.
talk() {
    local log="$1" runner="$2" server="$3" client="$4" messages="$5" sessions="$6" port='' pid
    rm -f "$log" "$log".*
    : >"$log.server"
    timeout 600 $runner "$server" 0 "$sessions" </dev/null >"$log.server" 2>"$log.err" &
    pid=$!
    for _ in $(seq 1200); do
        port="$(tr -d '\r' <"$log.server" | sed -n 's/^port //p')"
        [ -n "$port" ] && break
        sleep 0.1
    done
    [ -n "$port" ] || fail "$server does not listen: $(cat "$log.err")"
    timeout 600 $runner "$client" 127.0.0.1 "$port" "$messages" "$sessions" </dev/null >"$log.client" 2>>"$log.err" ||
        fail "$client fails: $(cat "$log.err")"
    wait "$pid" || fail "$server fails: $(cat "$log.err")"
    cat "$log.client" "$log.server" | tr -d '\r' | grep -v '^port ' >"$log"
}

step "the examples: gcc, clang, g++, clang++, MinGW"
servers="overlapped_server routine_server port_server"
for language in c cpp; do
    for name in $servers client; do
        mingw "$sources/$name.$language" "$work/exe/$name-$language.exe"
    done
    compilers="gcc clang"
    [ "$language" = c ] || compilers="g++ clang++"
    for compiler in $compilers; do
        for name in $servers client; do
            driver=winsock-cc
            [ "$language" = c ] || driver=winsock-c++
            CC="$compiler" CXX="$compiler" "winsock/bin/$driver" -O1 -Wall -Werror -o "$work/native/$name-$compiler" "$sources/$name.$language"
        done
    done
    for name in $servers; do
        talk "$work/run/$name-$language-wine" "$wine" "$work/exe/$name-$language.exe" "$work/exe/client-$language.exe" 20 10
        for compiler in $compilers; do
            for backend in poll io_uring; do
                log="$work/run/$name-$compiler-$backend"
                WINSOCK_BACKEND=$backend talk "$log" "" "$work/native/$name-$compiler" "$work/native/client-$compiler" 20 10
                diff "$work/run/$name-$language-wine" "$log" || fail "$name by $compiler on $backend prints another text than under Wine"
            done
        done
        echo "$name.$language: $(tr '\n' ';' <"$work/run/$name-$language-wine")"
    done
done

step "the installed package"
prefix="$work/prefix"
rm -rf "$prefix" "$work/consumer"
WINSOCK_BUILT="$built" winsock/install "$prefix"
consumer="$work/consumer"
mkdir -p "$consumer"
cat >"$consumer/version.c" <<'END'
#include <winsock2.h>
#include <stdio.h>
int main(void) {
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data)) return 1;
    printf("%s %d.%d\n", "installed", LOBYTE(data.wVersion), HIBYTE(data.wVersion));
    return WSACleanup();
}
END
cp "$consumer/version.c" "$consumer/version.cpp"
cat >"$consumer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(consumer C CXX)
find_package(winsock 0.1 REQUIRED)
add_executable(with_c version.c)
target_link_libraries(with_c PRIVATE winsock::winsock)
add_executable(with_cpp version.cpp)
target_link_libraries(with_cpp PRIVATE winsock::shared)
END
said() {
    local text
    text="$("$@")" || fail "$* fails"
    [ "$text" = "installed 2.2" ] || fail "$* prints: $text"
}
(
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
    gcc -o "$consumer/by_pkg_config" "$consumer/version.c" $(pkg-config --cflags --libs winsock) -Wl,-rpath,"$prefix/lib"
    said "$consumer/by_pkg_config"
    cmake -S "$consumer" -B "$consumer/build" -DCMAKE_PREFIX_PATH="$prefix" >"$consumer/cmake.log"
    cmake --build "$consumer/build" >>"$consumer/cmake.log"
    said "$consumer/build/with_c"
    said "$consumer/build/with_cpp"
    unset WINSOCK_DRIVER
    "$prefix/bin/winsock-c++" -o "$consumer/by_driver" "$consumer/version.cpp"
    said "$consumer/by_driver"
    sed -i '/find_package/d; s/ PRIVATE winsock::[a-z]*//' "$consumer/CMakeLists.txt"
    cmake -S "$consumer" -B "$consumer/toolchain" -DCMAKE_TOOLCHAIN_FILE="$prefix/lib/cmake/winsock/toolchain.cmake" >>"$consumer/cmake.log"
    cmake --build "$consumer/toolchain" >>"$consumer/cmake.log"
    said "$consumer/toolchain/with_c"
)

step "AddressSanitizer and UndefinedBehaviorSanitizer, on the poll backend"
# Leaks are not looked for: threads that are still asleep when main returns own memory.
WINSOCK_TEST_BACKENDS=poll WINSOCK_TEST_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined" \
    ASAN_OPTIONS=detect_leaks=0 timeout 900 cargo test --locked --workspace --test behaviour --bins

step "10,000 sessions in the server of model I"
sessions=10000
ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -H -n)" || true
limit="$(ulimit -n)"
if [ "$limit" != unlimited ] && [ "$limit" -lt 11000 ]; then
    sessions=$((limit - 500))
    echo "only $limit descriptors are allowed here, so $sessions sessions"
fi
talk "$work/run/many" "" "$work/native/overlapped_server-gcc" "$work/native/client-gcc" 3 "$sessions"
cat "$work/run/many"
grep -q "^$sessions sessions, $((sessions * 3)) packets, 0 left$" "$work/run/many" || fail "the server counts something else"

step "done"
