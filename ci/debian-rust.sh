# Source this file. Debian packages the source of Rust's standard library (rust-web-src), so its
# Rust can build the library for any target. RUSTC_BOOTSTRAP enables -Zbuild-std, which otherwise
# needs a nightly toolchain.

# What comes before a command that only root may run: nothing, or sudo.
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

# Installs the Debian packages that are missing.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        "${as_root[@]}" apt-get update
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
    fi
}

# Debian's Cargo, whatever comes first in PATH.
debian_cargo() {
    env -u RUSTUP_TOOLCHAIN RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 /usr/bin/cargo "$@"
}
