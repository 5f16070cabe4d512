#!/bin/sh
# Makes the root file system of an image: the program, the libraries that it loads, and the files
# that these read. There is no shell in it.
#
#     root.sh PROGRAM DIRECTORY
set -eu

program="$1"
root="$2"
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/proactor" "$root/run/proactor"
cp "$program" "$root/usr/bin/proactor"
strip "$root/usr/bin/proactor"

# What the dynamic linker would load, and the linker itself; and what looks up names, which the C
# library loads only when it is asked to.
libraries="$(ldd "$program" | grep -o '/[^ ]*')"
directory="$(dirname "$(printf '%s\n' "$libraries" | grep '/libc\.so')")"
for library in $libraries "$directory"/libnss_dns.so.2 "$directory"/libnss_files.so.2 "$directory"/libresolv.so.2; do
    [ ! -e "$library" ] || cp -L --parents "$library" "$root"
done
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
printf 'proactor:x:65532:65532::/:/nonexistent\n' >"$root/etc/passwd"
printf 'proactor:x:65532:\n' >"$root/etc/group"
# Authorities that a proxy trusts for its upstream.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
chown -R 0:0 "$root" 2>/dev/null || true
chown 65532:65532 "$root/run/proactor" 2>/dev/null || true
chmod 750 "$root/run/proactor"
