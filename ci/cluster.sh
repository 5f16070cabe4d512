#!/usr/bin/env bash
# Clusters over real NATS servers: installs nats-server (Debian's package) if it is not there, then
# runs the tests that start, kill and restart it.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
PATH="$PATH:/usr/sbin"
[ -n "${NATS_SERVER:-}" ] || command -v nats-server >/dev/null || need_packages nats-server
# As `cargo test --workspace` has built them (see ci/program.sh).
cargo test --locked --workspace --features proactor-cli/cluster --test nats --bins
cargo test --locked --workspace --features proactor-cli/cluster --test program --bins -- cluster two_nodes pages:: config:: settings::
