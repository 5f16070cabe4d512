#!/usr/bin/env bash
# Gets ready what takes long and disturbs nobody: the Debian packages that the scripts here need,
# and builds in target folders of their own. .ci/run has it beside the checks that mostly wait.
#
# What fails here fails again, and is told, in the script that needs it.
set -uo pipefail
cd "$(dirname "$0")/.."
. ci/debian-rust.sh

mapfile -t packages < <(sed -n 's/.*\bneed_packages \([a-z0-9.+ -]*\)$/\1/p' ci/*.sh | tr ' ' '\n' | sort -u)
need_packages "${packages[@]}"
ci/cargo-deb.sh
ci/windows.sh --build
ci/bench.sh --build
