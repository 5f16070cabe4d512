#!/usr/bin/env bash
# Tests Linux as in most containers: a seccomp filter refuses io_uring with EPERM, as Docker's
# default profile does. All tests must pass, `proactor echo` must fall back and say why, and
# `--backend uring` must fail with the reason.
#
# Needs no special rights. Builds the launcher that sets the filter in target/without-io-uring.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --locked --manifest-path ci/without-io-uring/Cargo.toml --target-dir "$target/without-io-uring"
without() {
    timeout 2400 "$target/without-io-uring/debug/without-io-uring" "$@"
}

# Tells the tests that io_uring is not available.
export PROACTOR_TEST_WITHOUT=uring WINSOCK_TEST_BACKENDS=poll
unset PROACTOR_BACKEND
without cargo test --locked --workspace
without cargo test --locked --workspace --test program --bins -- --ignored
without cargo test --locked --workspace --features proactor-cli/cluster --test program --bins -- cluster two_nodes

printf '\n== proactor without io_uring\n'
without "$target/debug/proactor" doctor
if without "$target/debug/proactor" echo --listen 127.0.0.1:0 --backend uring; then
    echo '--backend uring should have failed' >&2
    exit 1
fi
