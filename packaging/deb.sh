#!/usr/bin/env bash
# Builds the Debian package: the program, its manual pages and completions, the unit and its
# configuration. Prints the package's path.
#
#     cargo install cargo-deb
#     packaging/deb.sh [OPTIONS OF cargo deb]
#
# BUILD=dev packages the debug build, which ci/packages.sh does to save the time of the other one.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-$PWD/target}"
build="${BUILD:-release}"
cargo build --locked --profile "$build" -p proactor-cli --features full >&2
built="$target/$build"
[ "$build" != dev ] || built="$target/debug"

# cargo-deb takes what it finds in target/release of this directory.
stage="$target/deb"
rm -rf "$stage"
mkdir -p "$stage/release/pages"
cp "$built/proactor" "$stage/release/proactor"
strip "$stage/release/proactor"
program="$stage/release/proactor"
"$program" man --out "$stage/release/pages/man"
"$program" completions bash >"$stage/release/pages/proactor"
"$program" completions zsh >"$stage/release/pages/_proactor"
"$program" completions fish >"$stage/release/pages/proactor.fish"
CARGO_TARGET_DIR="$stage" cargo deb --no-build -p proactor-cli --output "$target/debian/" "$@"
