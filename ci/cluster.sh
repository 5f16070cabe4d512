#!/usr/bin/env bash
# Clusters over real NATS servers: installs nats-server (Debian's package) if it is not there, then
# runs the tests that start, kill and restart it.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${NATS_SERVER:-}" ] && ! PATH="$PATH:/usr/sbin" command -v nats-server >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "ci/cluster.sh: nats-server is not installed; install it, or name it with NATS_SERVER" >&2
        exit 1
    fi
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends nats-server
fi
PATH="$PATH:/usr/sbin" cargo test --package proactor-cluster
PATH="$PATH:/usr/sbin" cargo test --package proactor-cli --test program -- cluster
