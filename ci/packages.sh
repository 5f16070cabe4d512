#!/usr/bin/env bash
# Checks what is given to others: the crates, as they would be published, on the oldest Rust that
# they are for; their licences; and the Debian package: installed, run, upgraded and removed.
#
# Needs Debian and root (or sudo), and installs what is missing: cargo-deb from crates.io. The
# oldest Rust is tried if rustup has it. The package has the debug build in it, to save time;
# packaging/deb.sh makes the real one.
set -euo pipefail
cd "$(dirname "$0")/.."

. ci/debian-rust.sh
. ci/scratch.sh
target="${CARGO_TARGET_DIR:-$PWD/target}"

echo '== licences, sources, bans'
if command -v cargo-deny >/dev/null; then
    cargo deny --locked check licenses sources bans
else
    python3 ci/dependencies.py
fi

echo '== the public interface, against the last release'
# It is a heavy build of its own, so it is looked for and not installed. Until there is a release
# there is nothing to compare with; ci/api.sh shows each change.
release="$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null || true)"
if [ -z "$release" ]; then
    echo 'there is no release yet'
elif command -v cargo-semver-checks >/dev/null; then
    cargo semver-checks --baseline-rev "$release" -p overlapped -p proactor
else
    echo "cargo-semver-checks is not installed: nothing was compared with $release"
fi

echo '== the crates, as they would be published'
# Each is built of what its package has in it. In a target folder that is named, all are built
# there, with what they share; otherwise each has one of its own.
#
# cargo keeps what it has unpacked of such a package by its version alone, and would build that of
# an earlier run again.
rm -rf "${CARGO_HOME:-$HOME/.cargo}"/registry/src/-*/{overlapped,proactor*}-[0-9]*
CARGO_TARGET_DIR="$target" CARGO_INCREMENTAL=0 cargo publish --workspace --dry-run --locked --allow-dirty 2>"$scratch/publish.log" ||
    fail 'the crates cannot be published'
! grep '^warning' "$scratch/publish.log" | grep -v -e 'aborting upload due to dry run' -e 'spurious network error' || fail 'publishing warns'

oldest="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
echo "== Rust $oldest, the oldest that they are for"
if command -v rustup >/dev/null && rustup toolchain list | grep "^$oldest" >/dev/null; then
    CARGO_TARGET_DIR="$target/oldest" CARGO_PROFILE_DEV_DEBUG=0 \
        cargo "+$oldest" check --locked -p proactor-cli -p proactor --features proactor-cli/full,proactor/metrics,proactor/tokio-util
else
    # clippy refuses what the standard library has had only since a later version.
    echo "it is not installed: only clippy's incompatible_msrv looks at that"
fi

echo '== the Debian package'
ci/cargo-deb.sh
PATH="$PATH:$target/tools/bin"
dpkg-query -W man-db >/dev/null 2>&1 || need_packages man-db
command -v systemd-analyze >/dev/null || need_packages systemd
package() {
    BUILD=dev packaging/deb.sh --fast --compress-system --deb-version "$1" 2>"$scratch/deb.log" | tail -1
}
first="$(package 0.0.1-1)"
second="$(package 0.0.2-1)"
config=/etc/proactor/proactor.toml
unit="$(dpkg --contents "$first" | sed -n 's/.* \.\(.*\/proactor\.service\)$/\1/p')"
[ -n "$unit" ] || fail 'the unit is missing in the package'

if dpkg-query -W proactor >/dev/null 2>&1; then
    fail 'a package proactor is installed here: remove it, so that this one can be tried'
fi
end() {
    end_started
    "${as_root[@]}" dpkg --purge proactor >/dev/null 2>&1 || true
}
trap end EXIT
installs() {
    in_some_tries "${as_root[@]}" dpkg --install "$1" >"$scratch/dpkg.log" 2>&1 || fail "$1 cannot be installed"
}

echo '== installed'
installs "$first"
[ "$(proactor --version)" = "proactor $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)" ] || fail 'it is another proactor'
getent passwd proactor >/dev/null || fail 'the user of the unit is missing'
for page in proactor proactor-chat proactor-config-check; do
    LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings "$page" >"$scratch/page" 2>"$scratch/man.log" || fail "there is no page $page"
    [ ! -s "$scratch/man.log" ] || fail "man warns about $page"
done
for file in bash-completion/completions/proactor zsh/vendor-completions/_proactor fish/vendor_completions.d/proactor.fish; do
    [ -s "/usr/share/$file" ] || fail "/usr/share/$file is missing"
done
bash -n /usr/share/bash-completion/completions/proactor
systemd-analyze verify "$unit" 2>"$scratch/verify.log" || fail 'systemd finds a fault in the unit'
! grep proactor "$scratch/verify.log" || fail 'systemd warns about the unit'
# From 0, what has no right left, to 100.
systemd-analyze security --offline=yes --threshold=20 "$unit" >"$scratch/security" ||
    fail "the unit is less safe than it was: $(tail -1 "$scratch/security")"
tail -1 "$scratch/security"

echo '== run as the user of the unit'
proactor config check "$config" >"$scratch/check.log" 2>&1 || fail 'the configuration of the package has a fault'
user=(setpriv --reuid proactor --regid proactor --clear-groups --no-new-privs)
"${as_root[@]}" "${user[@]}" proactor run "$config" --listen 127.0.0.1:0 --shards 1 2>"$scratch/server.log" &
server=$!
started+=("$server")
until_it_is 'it is ready' grep -qs '^proactor: echo on ' "$scratch/server.log"
port="$(sed -n 's/^proactor: echo on 127\.0\.0\.1:\([0-9]*\);.*/\1/p' "$scratch/server.log")"
exec 3<>"/dev/tcp/127.0.0.1/$port"
echo hello >&3
read -r -t 60 answer <&3
[ "$answer" = hello ] || fail "'$answer' comes back"
exec 3>&-
kill -TERM "$server"
wait "$server" || fail 'it does not end well'

echo '== upgraded, and removed'
echo '# A line of the administrator.' | "${as_root[@]}" tee -a "$config" >/dev/null
installs "$second"
[ "$(dpkg-query -W -f '${Version}' proactor)" = 0.0.2-1 ] || fail 'it was not upgraded'
grep -q 'A line of the administrator' "$config" || fail 'the upgrade has overwritten the configuration'
in_some_tries "${as_root[@]}" dpkg --remove proactor >"$scratch/dpkg.log" 2>&1 || fail 'it cannot be removed'
[ -e "$config" ] || fail 'the configuration is gone before the package is purged'
[ ! -e /usr/bin/proactor ] && [ ! -e "$unit" ] || fail 'files are left'
in_some_tries "${as_root[@]}" dpkg --purge proactor >"$scratch/dpkg.log" 2>&1 || fail 'it cannot be purged'
[ ! -e "$config" ] || fail 'the configuration is left'
echo '== all is well'
