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
for target in aarch64-apple-darwin x86_64-unknown-freebsd; do
    printf '\n== %s\n' "$target"
    debian_cargo check --locked -Zbuild-std --target "$target" -p overlapped -p proactor -p proactor-cli
done
