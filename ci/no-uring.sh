#!/usr/bin/env bash
# What Linux is like in most containers: io_uring is refused (a seccomp filter answers EPERM, as Docker's default profile does). All tests of the
# workspace pass, `proactor echo` says why it falls back and serves, and what insists on io_uring is told why it cannot be had.
#
# Needs what the ordinary build needs, no rights. Builds the launcher that sets the filter in target/without-io-uring, the rest as `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --locked --manifest-path ci/without-io-uring/Cargo.toml --target-dir "$target/without-io-uring"
without() {
    timeout 1200 "$target/without-io-uring/debug/without-io-uring" "$@"
}

# Tells the tests that io_uring's own cases cannot be run here.
export PROACTOR_TEST_WITHOUT=uring
unset PROACTOR_BACKEND
without cargo test --locked --workspace
without cargo test --locked --workspace --test program -- --ignored

printf '\n== what the program says\n'
without "$target/debug/proactor" doctor
if without "$target/debug/proactor" echo --listen 127.0.0.1:0 --backend uring; then
    echo 'it should have failed' >&2
    exit 1
fi
