#!/usr/bin/env bash
# Type-checks the three crates for macOS and FreeBSD, whose backend is poll on kqueue.
#
# Needs Debian 12 or a system with its packages rustc-web, cargo-web and rust-web-src, which are installed if they are missing (by sudo, where
# that is needed), and crates.io. Nothing is linked or run: that would take those systems. Builds in target/other-unix.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian-rust.sh

need_packages rustc-web cargo-web rust-web-src
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/other-unix"
# Both at once: what they share is built once, and no core waits. The standard library is checked too, without its test harness.
debian_cargo check --locked -Zbuild-std=std --target aarch64-apple-darwin --target x86_64-unknown-freebsd \
    -p overlapped -p proactor -p proactor-cli
