#!/usr/bin/env bash
# Type-checks the three crates for macOS and FreeBSD, whose backend is poll on kqueue.
#
# Needs crates.io and Debian 12's packages rustc-web, cargo-web and rust-web-src, which are
# installed if they are missing (with sudo unless you are root). Nothing is linked or run: that
# would need those systems. Builds in target/other-unix.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/debian-rust.sh

need_packages rustc-web cargo-web rust-web-src
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/other-unix"
# One call for both targets builds what they share once. Without TLS, whose cryptography would need
# a C compiler for each; its own code has nothing that differs between systems.
debian_cargo check --locked -Zbuild-std=std --target aarch64-apple-darwin --target x86_64-unknown-freebsd \
    -p overlapped -p proactor -p proactor-cli --no-default-features
