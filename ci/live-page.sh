#!/usr/bin/env bash
# Tests the live page of the admin listener in Chromium: numbers and plots that move, the table with
# search, order, pages and close, the life of one session, the token, a restart of the server; wide
# and narrow, light and dark, by keyboard.
#
#   ci/live-page.sh [DIRECTORY]     puts the screenshots there
#
# Installs chromium, chromium-driver and Python if they are missing, and selenium into a scratch
# directory.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
. ci/chromium.sh

screenshots="${1:-$scratch/screenshots}"
mkdir -p "$screenshots"
. ci/program.sh

echo '== the live page in Chromium'
drive operate.py "$program" "$screenshots"
