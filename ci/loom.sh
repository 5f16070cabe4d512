#!/usr/bin/env bash
# Runs the models of overlapped/src/engine/models: every order in which their threads can take
# turns. Arguments go to the tests: a name picks some.
#
# A model that fails says so at its first bad order. LOOM_LOG=trace LOOM_LOCATION=1 show that order
# step by step.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom"
# Everything is built anew under this flag, so it has a place of its own.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
# Fast, but with the assertions of the code under test; and links in seconds.
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16

cargo test -p overlapped --release --lib -- "${@:-engine::models::}"
