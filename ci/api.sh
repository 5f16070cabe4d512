#!/usr/bin/env bash
# Keeps the lists of the public API, docs/api/CRATE.txt: a line an item, with its methods and
# variants. Fails if the code has another API than the list.
#
#   ci/api.sh            compare
#   ci/api.sh --write    write the lists, after a change that was meant
set -euo pipefail
cd "$(dirname "$0")/.."

# As the documentation of all packages is built, so that nothing is built twice.
cargo doc --quiet --workspace --no-deps --all-features

# An item's page without what it inherits: its own methods, variants and constants.
items() {
    local crate=$1 page path name
    (cd "target/doc/$crate" && find . -name '*.html' ! -name 'all.html' ! -name 'index.html' ! -name 'sidebar*') |
        while read -r page; do
            path=$(dirname "$page") path=${path#.} path=${path#/}
            name=$(basename "$page" .html)
            printf '%s\n' "$crate${path:+::${path//\//::}}::${name#*.} (${name%%.*})"
            sed 's/id="/\n&/g' "target/doc/$crate/${page#./}" |
                sed -n -e '/^id="\(trait-impl\|synthetic-impl\|blanket-impl\|deref-methods\)/,$d' \
                    -e 's/^id="\(method\|tymethod\|variant\|associatedconstant\)\.\([A-Za-z0-9_]*\)".*/    \2/p'
        done
}

status=0
mkdir -p docs/api
for crate in overlapped proactor; do
    # Sorted by item; the methods stay with theirs.
    items "$crate" | awk '/^ /{print item "\t" $0; next} {item = $0; print item "\t"}' |
        LC_ALL=C sort -u | awk -F '\t' '{print ($2 == "" ? $1 : $2)}' >"target/api-$crate.txt"
    if [ "${1-}" = --write ]; then
        cp "target/api-$crate.txt" "docs/api/$crate.txt"
    elif ! diff -u "docs/api/$crate.txt" "target/api-$crate.txt"; then
        printf 'The public API of %s is not the one in docs/api/%s.txt. If it is meant: ci/api.sh --write\n' "$crate" "$crate"
        status=1
    fi
done
exit "$status"
