# Source this file. Builds the program and all examples as `cargo test --workspace` builds them,
# with the features of all packages together, so that nothing is built again after it. Sets
# `program`, and `examples`, the folder of the examples.
#
# One test binary is built so by `cargo test --workspace --test NAME --bins`: without the programs,
# macros that one of them uses are built anew, and what they are used by.

cargo build --locked --workspace --lib --bins --examples
program="${CARGO_TARGET_DIR:-$PWD/target}/debug/proactor"
examples="${program%/*}/examples"
