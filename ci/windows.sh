#!/usr/bin/env bash
# Tests the Windows backend, built with MinGW and run under Wine: unit tests, the conformance suite
# and the server's session tests as .exe; then `proactor.exe` and the four examples with clients of
# this system, until Ctrl-C drains them.
#
# Needs crates.io and Debian 12's packages mingw-w64, wine64, rustc-web, cargo-web and rust-web-src,
# which are installed if they are missing (with sudo unless you are root). Builds in target/windows,
# which also holds Wine's drive C:.
#
#     bash ci/windows.sh [--build]      builds, and runs nothing
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian-rust.sh

need_packages mingw-w64 wine64 rustc-web cargo-web rust-web-src
triple=x86_64-pc-windows-gnu
host_target="${CARGO_TARGET_DIR:-$PWD/target}"
target="$host_target/windows"
mkdir -p "$target/wine"

# Without debug information it links in half the time. Nobody debugs that.
windows() {
    printf '\n== for Windows: cargo %s\n' "$*"
    CARGO_TARGET_DIR="$target" CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="${wine:-not-run}" timeout 2400 bash -c \
        '. ci/debian-rust.sh; debian_cargo "$1" --locked -Zbuild-std --target '"$triple"' \
            --workspace --exclude structure --exclude winsock --features proactor-cli/full "${@:2}"' - "$@"
}
# Only what is run below is built.
windows build --bins --examples
windows test --no-run --lib --bins --test conformance --test winsock --test server
[ "${1:-}" != --build ] || exit 0

# Debian's wine64 installs the loader and its server outside PATH.
wine="$(dpkg -L wine64 | awk '/\/wine64$/ && !found++')"
wineserver="$(dpkg -L wine64 | awk '/\/wineserver64$/ && !found++')"
export WINEPREFIX="$target/wine" WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
# Fails if the server of an earlier run is still there, which does as well.
"$wineserver" -p || true
# Ends the programs of this prefix and no others.
trap '"$wineserver" -k || true' EXIT
timeout 600 "$wine" wineboot --init

# Rust's standard library gets random bytes from a DLL that Wine 8 lacks.
printf '%s\n' '#include <windows.h>' 'BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);' \
    '__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }' |
    x86_64-w64-mingw32-gcc -O1 -shared -x c - -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" -ladvapi32

# The services that Wine starts with its first program keep that program's output open. A test that
# reads it to the end would hang, so start this program first and leave it running.
rm -f "$target/keeper.log"
timeout 3600 "$wine" "$target/$triple/debug/proactor.exe" echo --listen 127.0.0.1:0 </dev/null >"$target/keeper.log" 2>&1 &
for _ in $(seq 900); do
    grep -qs 'echo on' "$target/keeper.log" && break
    sleep 0.2
done
grep 'echo on' "$target/keeper.log"

windows test --lib --bins
windows test --test conformance
windows test --test winsock
windows test --test server -- sessions::

# Linux tests start the Windows programs. Under Wine, SIGINT acts as Ctrl-C does on Windows.
export PROACTOR_TEST_UNDER="$wine" PROACTOR_TEST_PROGRAMS="$target/$triple/debug" PROACTOR_TEST_CONNECTIONS=500
printf '\n== clients of this system\n'
timeout 1500 cargo test --locked --workspace --test examples --bins
# Windows has no Unix socket files, signals of Unix, sockets that a process is started with, limits
# of open files, or metric of the memory of a process.
timeout 1500 cargo test --locked --workspace --test program --bins -- \
    --skip unix_sockets:: --skip limits:: --skip sigterm --skip io_uring:: \
    --skip hangup:: --skip restart:: --skip stopped:: --skip a_unix_socket \
    --skip inherited:: --skip notify:: --skip upgrade:: --skip quit:: --skip reloading:: --skip dashboard:: \
    --skip built_without --skip without_it_is_an_error --skip the_names_of_the_system
