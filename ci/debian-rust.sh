# Source this file. Debian packages the source of Rust's standard library (rust-web-src), so its
# Rust can build the library for any target. RUSTC_BOOTSTRAP enables -Zbuild-std, which otherwise
# needs a nightly toolchain.

# What comes before a command that only root may run: nothing, or sudo.
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

# Sets `missing`: those of these Debian packages that are not installed.
find_missing() {
    local package
    missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
}

# Runs a command that needs the network, or a lock of the package manager: it has more chances.
in_some_tries() {
    local pause
    for pause in 5 15 30 60; do
        if "$@"; then return; fi
        echo "failed, and is tried again in $pause s: $*" >&2
        sleep "$pause"
    done
    "$@"
}

packages_lock="${TMPDIR:-/tmp}/proactor-packages-$(id -u).lock"
# What another script is installing may be there in part: its programs must not be looked for yet.
flock "$packages_lock" true

# Installs the Debian packages that are missing. Scripts that do so at the same time wait for each
# other.
need_packages() {
    local missing
    find_missing "$@"
    if [ ${#missing[@]} -gt 0 ]; then
        (
            flock 9
            find_missing "$@"
            [ ${#missing[@]} -gt 0 ] || exit 0
            # A service that a package starts must not keep the lock.
            in_some_tries "${as_root[@]}" apt-get update 9>&-
            in_some_tries "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" 9>&-
        ) 9>"$packages_lock"
    fi
}

# Debian's Cargo, whatever comes first in PATH.
debian_cargo() {
    env -u RUSTUP_TOOLCHAIN RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 /usr/bin/cargo "$@"
}
