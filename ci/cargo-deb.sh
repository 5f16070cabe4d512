#!/usr/bin/env bash
# Installs cargo-deb from crates.io in target/tools, if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

tools="${CARGO_TARGET_DIR:-$PWD/target}/tools"
command -v cargo-deb >/dev/null || [ -x "$tools/bin/cargo-deb" ] ||
    cargo install --locked --quiet --root "$tools" --no-default-features --debug cargo-deb
